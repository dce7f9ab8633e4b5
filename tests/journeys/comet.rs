//! CometServerApi: pages whose script speaks to CppComet, on the real program. `cometql N` in a
//! comment is the rule of that number in the checklist of CppComet's behaviour.
//!
//! | module | holds |
//! |---|---|
//! | `connecting` | the URL, the first frame, who is turned away and how |
//! | `access` | pages of other hosts, keys and rules |
//! | `commands` | what a page says, and every answer and error |
//! | `frames` | WebSocket as such, and that no Close frame ever leaves |
//! | `publishing` | messages of pages and of `POST /channels/…` |
//! | `limits` | many, long, bad and too fast |
//! | `presence` | who joins and leaves a `track_` pipe |
//! | `history` | `pipe_log` |

mod access;
mod commands;
mod connecting;
mod frames;
mod history;
mod limits;
mod presence;
mod publishing;

use serde_json::Value;

/// A message that a page must hear: its data as a callback sees it.
#[track_caller]
fn heard(frame: &Value, pipe: &str, event: &str) -> Value {
    assert_eq!((&frame["pipe"], &frame["event"]), (&pipe.into(), &event.into()), "{frame}");
    crate::comet_page::data_of(frame)
}
