//! Table tests of the protocol parsers: each row names the rule that it shows.

#[path = "../support/mod.rs"]
mod support;

mod websocket;
mod chunked;
mod http1;
mod json;
mod sse;
mod url;
mod ws_handshake;
#[cfg(feature = "cometql")]
mod mysql;
