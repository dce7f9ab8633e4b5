//! Random input, from seeds: short by default, `RANDOM_ROUNDS=1000000` for a long run.

#[path = "../support/mod.rs"]
mod support;
mod websocket;
