//! What holds for any bytes whatsoever: one file a parser, one `check` that panics where it does not hold.
//! The random tests call them, and so do the fuzz targets in `tests/fuzz`.

#![allow(dead_code, reason = "each program uses its own part of this")]

#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod dialects;
pub mod fields;
pub mod http_body;
pub mod http_head;
pub mod json;
#[cfg(feature = "cometql")]
pub mod mysql;
pub mod names;
pub mod proxy;
pub mod rows;
mod said;
pub mod scripts;
pub mod server;
mod settings;
#[cfg(feature = "cometql")]
pub mod sql;
pub mod websocket;

/// Whether this word stands somewhere in the input, in upper or lower case.
fn is_mentioned(word: &[u8], input: &[u8]) -> bool {
    input.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}
