//! What several test programs share.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub mod late_engine;
pub mod random;
pub mod splits;
pub mod websocket;
