//! A message as a server-sent event (WHATWG HTML §9.2).
//!
//! The response has no length and no chunks: it lasts until the connection closes, which saves every
//! subscriber the chunk framing and lets HTTP/1.0 and 1.1 clients share each rendered event.

use crate::hub::delivery::Payload;
use crate::proto::http1::write_header;
use crate::proto::sse::{Event, write_comment, write_event, write_retry};

/// Appends the headers that belong to an event stream, besides those of every response.
pub fn headers(out: &mut Vec<u8>) {
    write_header(out, "Content-Type", b"text/event-stream; charset=utf-8");
    // nginx buffers what it proxies unless it is told not to.
    write_header(out, "X-Accel-Buffering", b"no");
}

/// Appends what comes first: how long to wait before coming back.
pub fn preamble(retry_ms: u64, out: &mut Vec<u8>) {
    write_retry(out, retry_ms);
}

/// Appends an event of nothing but an id: the client keeps it as its cursor and shows nothing.
pub fn cursor(id: &str, out: &mut Vec<u8>) {
    write_event(out, &Event { id: Some(id), event: None, data: None });
}

pub(super) fn frame(payload: Payload<'_>, out: &mut Vec<u8>) {
    write_event(out, &Event { id: payload.id, event: payload.event, data: Some(payload.data) });
}

pub(super) fn heartbeat(id: Option<&str>, out: &mut Vec<u8>) {
    write_comment(out, "");
    if let Some(id) = id {
        cursor(id, out);
    }
}
