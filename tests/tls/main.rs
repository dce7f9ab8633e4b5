//! TLS, with clients that we did not write: those of rustls, over wires of this test and real sockets.
//! What curl, OpenSSL, browsers and database clients make of it is tried by `tests/run`.
//!
//! | module | tries |
//! |---|---|
//! | `handshakes` | every cut of every flight, both versions, resets, garbage, deadlines |
//! | `traffic` | bytes inside: big, slow, changed keys, ends |
//! | `files` | what can be wrong with a certificate, and how that is told |
//! | `program` | the real program: ports, names, reloads, back ends |
//! | `idle` | bytes of an idle subscriber |
#![cfg(feature = "tls")]

mod certificates;
#[path = "../idle_memory/counting.rs"]
mod counting;
mod files;
mod handshakes;
mod idle;
mod program;
#[path = "../support/server.rs"]
#[allow(dead_code, reason = "other programs use the rest")]
mod server;
#[path = "../support/mod.rs"]
mod support;
mod traffic;
mod world;
