//! Random input, from seeds: short by default, `RANDOM_ROUNDS=1000000` for a long run.
//!
//! What must hold for any bytes is in `tests/oracles`, which the fuzz targets share. Here rows of the tables
//! are damaged and go through them; and what was made from known parts must come back as these.

#[path = "../oracles/mod.rs"]
mod oracles;
#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "config")]
mod config;
mod damaged;
#[cfg(feature = "deflate")]
mod deflate;
mod dialects;
mod event_stream;
mod fields;
mod http_body;
mod http_head;
mod json;
#[cfg(feature = "cometql")]
mod mysql;
mod names;
mod proxy;
#[cfg(feature = "cometql")]
mod sql;
mod websocket;

/// Says what it was, if a test fails.
struct Place<'a> {
    seed: u64,
    input: &'a [u8],
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: b\"{}\"", self.seed, self.input.escape_ascii());
        }
    }
}
