//! CometQL sessions, driven as bytes: what real clients send, and what must come back.
#![cfg(feature = "cometql")]

mod client;
mod framing;
mod insert;
mod login;
mod nasty;
mod prepared;
mod select;
mod server;
mod several;
mod show;
mod statements;
#[path = "../support/mod.rs"]
mod support;
mod tables;
