//! Server-sent events, the writing side: WHATWG HTML §9.2.
//!
//! ```text
//! : heartbeat LF       a comment, which clients skip
//! LF
//! retry: 3000 LF       milliseconds before a client connects again
//! LF
//! id: 1763690000-1 LF  what the client sends back as Last-Event-ID
//! event: chat LF       the name of the listener; without it "message"
//! data: first LF       one line of the data each
//! data: second LF
//! LF                   an empty line: the event is complete
//! ```
//!
//! Whatever is written ends in an empty line, so that each piece is a block of its own and pieces
//! can be put together in any order. Lines end in LF.
//!
//! What a client gets back: the data with every CR, LF or CRLF in it turned into LF (the format has
//! no way to keep them apart), and bytes that are not UTF-8 turned into U+FFFD: send base64
//! instead.
//! Limits: none; the length of a message is judged elsewhere.
//! Left out: reading (the server never does; the tests hold a reader written after §9.2.6).
//!
//! ```
//! use encke::proto::sse::{Event, write_event};
//! let mut out = Vec::new();
//! write_event(&mut out, &Event { id: Some("7-1"), event: None, data: Some(b"one\r\ntwo") });
//! assert_eq!(out, b"id: 7-1\ndata: one\ndata: two\n\n");
//! ```

use super::http1::write_number;

/// One event to write. All parts are borrowed, and optional.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Becomes the client's last event id, also where there is no data. Without CR, LF and NUL.
    pub id: Option<&'a str>,
    /// The event's type; empty means "message" to a client. Without CR and LF.
    pub event: Option<&'a str>,
    /// None: the client takes note of the id and calls nobody. Empty data is delivered.
    pub data: Option<&'a [u8]>,
}

/// One event, its empty line included.
pub fn write_event(out: &mut Vec<u8>, event: &Event<'_>) {
    if let Some(id) = event.id {
        // §9.2.6: an id with NUL is ignored, and the client would resume from an older one.
        debug_assert!(!id.contains(['\r', '\n', '\0']), "ids are ours");
        write_field(out, b"id: ", id.as_bytes());
    }
    if let Some(name) = event.event {
        debug_assert!(!name.contains(['\r', '\n']), "event names were checked where they entered");
        write_field(out, b"event: ", name.as_bytes());
    }
    if let Some(data) = event.data {
        write_lines(out, b"data: ", data);
    }
    out.push(b'\n');
}

/// A comment, of one line or several. §9.2.7 asks for one every 15 seconds or so, as a heartbeat.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    // The space after the colon is ours: a reader of raw streams should see words.
    write_lines(out, if text.is_empty() { b":" } else { b": " }, text.as_bytes());
    out.push(b'\n');
}

/// How many milliseconds a client waits before it connects again.
pub fn write_retry(out: &mut Vec<u8>, ms: u64) {
    out.extend_from_slice(b"retry: ");
    write_number(out, ms);
    out.extend_from_slice(b"\n\n");
}

fn write_field(out: &mut Vec<u8>, start: &[u8], line: &[u8]) {
    out.extend_from_slice(start);
    out.extend_from_slice(line);
    out.push(b'\n');
}

/// Text as one line or several, split at CR, LF and CRLF as §9.2.5 does.
fn write_lines(out: &mut Vec<u8>, start: &[u8], text: &[u8]) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\r' || byte == b'\n') {
        write_field(out, start, &rest[..at]);
        let end_bytes = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + end_bytes..];
    }
    write_field(out, start, rest);
}
