//! Protocols: bytes to values and back, and nothing else. No socket, clock, logger or decision here.

pub mod accept;
pub mod annotate;
pub mod chunked;
pub mod claims;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "deflate_absent.rs"]
pub mod deflate;
pub mod forwarded;
pub mod http1;
pub mod json;
#[cfg(feature = "jwt")]
pub mod jwt;
#[cfg(not(feature = "jwt"))]
#[path = "jwt_absent.rs"]
pub mod jwt;
#[cfg(feature = "cometql")]
pub mod mysql;
pub mod permessage_deflate;
pub mod prometheus;
pub mod proxy_protocol;
pub mod sse;
pub mod url;
pub mod websocket;
pub mod ws_handshake;
