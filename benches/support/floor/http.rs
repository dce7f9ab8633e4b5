//! What the floor says in HTTP. Everything is as long as what encke says there, since a byte costs both
//! the same.

use encke::proto::ws_handshake::{KEY_BYTES, accept_key};

/// The answer to a publication.
pub const PUBLISHED: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Cache-Control: no-store\r\nContent-Type: application/json\r\nContent-Length: 38\r\n\r\n\
    {\"id\":\"1700000000-1\",\"subscribers\":1}\n";

/// What an event stream begins with.
pub const EVENT_STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Connection: close\r\nCache-Control: no-store\r\n\
    Content-Type: text/event-stream; charset=utf-8\r\nX-Accel-Buffering: no\r\n\r\n\
    retry: 2000\n\nid: 1700000000-000000001\n\n";

const POLL: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\
    Cache-Control: no-store\r\nContent-Type: application/json\r\nETag: \"1700000000-1\"\r\n\
    Content-Length: ";

/// Where `text` begins.
pub fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// The answer to a WebSocket's request, if it is one.
pub fn upgrade(head: &[u8]) -> Option<Vec<u8>> {
    let at = find(head, b"Sec-WebSocket-Key: ")?;
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                       Connection: Upgrade\r\nSec-WebSocket-Accept: "
        .to_vec();
    answer.extend_from_slice(&accept_key(&head[at + 19..at + 19 + KEY_BYTES]));
    answer.extend_from_slice(b"\r\n\r\n");
    Some(answer)
}

/// Frames of a server as events.
pub fn events(frames: &[u8]) -> Vec<u8> {
    let mut events = Vec::new();
    for payload in payloads(frames) {
        events.extend_from_slice(b"id: 1700000000-1\ndata: ");
        events.extend_from_slice(payload);
        events.extend_from_slice(b"\n\n");
    }
    events
}

/// Frames of a server as the answer to a long-poll.
pub fn poll(frames: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for payload in payloads(frames) {
        body.extend_from_slice(b",{\"id\":\"1700000000-1\",\"channel\":\"bench\",\"data\":\"");
        body.extend_from_slice(payload);
        body.extend_from_slice(b"\"}");
    }
    body[0] = b'[';
    body.push(b']');
    let mut answer = POLL.to_vec();
    answer.extend_from_slice(format!("{}\r\n\r\n", body.len()).as_bytes());
    answer.extend_from_slice(&body);
    answer
}

/// The payloads of short frames without a mask.
fn payloads(mut frames: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (payload, rest) = frames.get(2..)?.split_at(usize::from(frames[1]));
        frames = rest;
        Some(payload)
    })
}
