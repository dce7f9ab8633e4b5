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
//! | `fallbacks` | a page whose network lets no WebSocket through |
//! | `presence` | who joins and leaves a `track_` pipe |
//! | `history` | `pipe_log` |
//! | `back_end` | what comes from SQL, byte for byte |
//! | `users` | keys, devices, online and offline, being thrown out |
//! | `personal` | messages for one user, now and later |
//! | `tokens` | tokens instead of keys |
//! | `tenants` | two that never meet |
//! | `transcripts` | a page's whole life, from a file |

mod access;
mod commands;
mod connecting;
mod fallbacks;
mod frames;
mod history;
mod limits;
mod presence;
mod publishing;

#[cfg(feature = "cometql")]
mod back_end;
#[cfg(feature = "cometql")]
mod personal;
#[cfg(all(feature = "cometql", feature = "config"))]
mod tenants;
#[cfg(all(feature = "cometql", feature = "jwt"))]
mod tokens;
#[cfg(feature = "cometql")]
mod transcripts;
#[cfg(feature = "cometql")]
mod users;

use serde_json::Value;

/// A message that a page must hear: its data as a callback sees it.
#[track_caller]
fn heard(frame: &Value, pipe: &str, event: &str) -> Value {
    assert_eq!((&frame["pipe"], &frame["event"]), (&pipe.into(), &event.into()), "{frame}");
    crate::comet_page::data_of(frame)
}

/// A back end, logged in without a password.
#[cfg(feature = "cometql")]
fn back_end(server: &crate::server::Encke) -> crate::mysql::MySql {
    crate::mysql::MySql::open(server.cometql.expect("a CometQL port"), None)
}

/// Runs a statement that must do.
#[cfg(feature = "cometql")]
#[track_caller]
fn run(back_end: &mut crate::mysql::MySql, sql: &str) {
    assert_eq!(back_end.query(sql), crate::mysql::Reply::Ok, "{sql}");
}

/// The rows that a statement returns.
#[cfg(feature = "cometql")]
#[track_caller]
fn rows(back_end: &mut crate::mysql::MySql, sql: &str) -> Vec<Vec<String>> {
    match back_end.query(sql) {
        crate::mysql::Reply::Rows(rows) => {
            let row = |row: Vec<Option<String>>| row.into_iter().map(Option::unwrap_or_default);
            rows.into_iter().map(|values| row(values).collect()).collect()
        }
        other => panic!("{sql}: {other:?}"),
    }
}

/// Gives a user a key.
#[cfg(feature = "cometql")]
#[track_caller]
fn register(back_end: &mut crate::mysql::MySql, user: u32, key: &str) {
    run(back_end, &format!("INSERT INTO users_auth (id, hash) VALUES ({user}, '{key}')"));
}

/// Sends a user a message.
#[cfg(feature = "cometql")]
#[track_caller]
fn send_to(back_end: &mut crate::mysql::MySql, user: u32, event: &str, message: &str) {
    let columns = "INSERT INTO users_messages (id, event, message) VALUES";
    run(back_end, &format!("{columns} ({user}, '{event}', '{message}')"));
}

/// Publishes a message.
#[cfg(feature = "cometql")]
#[track_caller]
fn publish(back_end: &mut crate::mysql::MySql, pipe: &str, event: &str, literal: &str) {
    let columns = "INSERT INTO pipes_messages (name, event, message) VALUES";
    run(back_end, &format!("{columns} ('{pipe}', '{event}', {literal})"));
}
