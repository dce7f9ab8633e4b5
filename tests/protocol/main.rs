//! Table tests of the protocol parsers: each row names the rule that it shows.

#[path = "../support/mod.rs"]
mod support;

mod accept;
mod annotate;
#[cfg(feature = "cometql")]
mod annotate_mysql;
mod chunked;
mod comet_js;
#[cfg(feature = "deflate")]
mod deflate;
mod forwarded;
mod http1;
mod json;
#[cfg(feature = "cometql")]
mod mysql;
mod permessage_deflate;
mod proxy_protocol;
mod sse;
mod url;
mod websocket;
mod ws_handshake;
