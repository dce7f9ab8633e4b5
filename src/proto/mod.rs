//! Protocols: bytes to values and back, and nothing else. No socket, clock, logger or decision here.

pub mod annotate;
pub mod chunked;
pub mod claims;
pub mod http1;
pub mod json;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(not(feature = "jwt"))]
#[path = "jwt_absent.rs"]
pub mod jwt;
#[cfg(feature = "cometql")]
pub mod mysql;
pub mod prometheus;
pub mod sse;
pub mod url;
pub mod websocket;
pub mod ws_handshake;
