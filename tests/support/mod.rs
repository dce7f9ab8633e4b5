//! What several test programs share.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod event_stream;
pub mod late_engine;
pub mod mutate;
pub mod mysql;
pub mod random;
pub mod splits;
pub mod tables;
pub mod websocket;
