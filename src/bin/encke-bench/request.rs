//! The requests that connections send.

use super::args::{Plan, Transport};
use super::client::{Client, Kind};

/// RFC 6455's own example; the server has the same work with it as with any other.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The head of a request, but for its last lines.
pub fn head(plan: &Plan, method: &str, path: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", plan.target.host);
    for line in &plan.headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    head.into_bytes()
}

/// The request with which a subscriber begins, or parks again.
pub fn listen(plan: &Plan, client: &Client) -> Vec<u8> {
    let path = plan.path.replace("{i}", &number_text(client.number));
    let mut bytes = head(plan, "GET", &path);
    let lines = match (client.kind, plan.transport) {
        (Kind::WebSocket, _) => {
            format!(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: {KEY}\r\n"
            )
        }
        (_, Transport::EventStream) => "Accept: text/event-stream\r\n".to_owned(),
        _ => String::new(),
    };
    bytes.extend_from_slice(lines.as_bytes());
    bytes.extend_from_slice(&client.cursor);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// What `{i}` becomes: as long as a UUID without dashes.
pub fn number_text(number: u32) -> String {
    format!("{number:032}")
}
