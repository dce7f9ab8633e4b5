//! Transports: how a message's payload becomes bytes on a client's connection, and what surrounds it.
//!
//! | transport | response | one message | heartbeat | farewell |
//! |---|---|---|---|---|
//! | WebSocket | 101 | a frame | ping frame | close frame |
//! | event stream | 200, until close | an event | comment | – |
//! | stream | 200, chunked | a line of JSON, one chunk | empty line | last chunk |
//! | iframe | 200, chunked | a `<script>` element, one chunk | empty line | last chunk |
//! | long-poll | one 200 or 304 | an element of an array | none | 304 |
//!
//! A transport knows nothing of dialects: it is given a `Payload`, whoever made it.

pub mod event_stream;
pub mod long_poll;
pub mod stream;
pub mod websocket;

use crate::hub::delivery::{Payload, Transport};

/// What framing depends on besides the transport.
#[derive(Clone, Copy, Debug)]
pub struct Framing<'a> {
    /// HTTP/1.1 frames an endless body in chunks; HTTP/1.0 cannot.
    pub chunked: bool,
    /// The function that an iframe's scripts call.
    pub callback: &'a str,
}

/// Appends one message as it goes over the wire.
pub fn frame(transport: Transport, framing: Framing<'_>, payload: Payload<'_>, out: &mut Vec<u8>) {
    match transport {
        Transport::WebSocket => websocket::frame(payload, out),
        Transport::EventStream => event_stream::frame(payload, out),
        Transport::Stream => stream::frame_line(framing, payload, out),
        Transport::Iframe => stream::frame_script(framing, payload, out),
        Transport::LongPoll => long_poll::frame(payload, out),
    }
}

/// Appends what keeps an idle connection alive. `cursor` is an id that this client has seen everything
/// up to; the event stream passes it on, so that a quiet channel's reader resumes without a loss.
pub fn heartbeat(
    transport: Transport,
    framing: Framing<'_>,
    cursor: Option<&str>,
    out: &mut Vec<u8>,
) {
    match transport {
        Transport::WebSocket => websocket::heartbeat(out),
        Transport::EventStream => event_stream::heartbeat(cursor, out),
        Transport::Stream | Transport::Iframe => stream::heartbeat(framing, out),
        // Its answer is one piece: there is no place for a heartbeat.
        Transport::LongPoll => {}
    }
}
