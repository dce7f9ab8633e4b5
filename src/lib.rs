//! encke: a Comet server. It keeps very many browser connections open on a very small machine and pushes
//! messages to them the moment a back end, in any language, has one.
//!
//! One process, one thread, one loop. This page is the map; every module's own page says more.
//!
//! # The house
//! ```text
//!            cli ─ config ─ check, run   what the operator asked for
//!                    │
//!                 reactor                the loop: mio, sockets, signals, clocks
//!                    │
//!                 server                 connections, and what happens next to each
//!      ┌─────────────┼─────────────┬──────────────┐
//!  transports     dialects      engines        cometql
//!  payload ↔      what clients   ids, order,    SQL of back ends
//!  wire bytes     say            history
//!      └──────┬──────┴──────┬──────┴──────┬───────┘
//!           proto                        hub
//!           bytes ↔ values               channels, members, batches, access
//! ```
//! Imports go down only, and nobody knows a neighbour on the same floor: `tests/layers.rs` holds it so.
//!
//! # The journey of a message
//! 1. The kernel has bytes: [`reactor`] calls `Server::ready`, which reads into one shared buffer.
//! 2. [`proto`] parses a unit of them: a request, a frame, a packet. Half a unit waits in a box.
//! 3. A dialect ([`dialects::native`], or `cometql` for SQL) makes a [`Command`](hub::command::Command)
//!    of it: publish this to these channels.
//! 4. The [`engines::Engine`] gives it an id, keeps it, answers, and puts it into its feed.
//! 5. At the end of the turn the feed becomes a [`Batch`](hub::batch::Batch): each subscriber of an
//!    affected channel will be visited once.
//! 6. The dialect encodes the message and the transport frames it, once for each form in use, and all
//!    subscribers of that form share the bytes.
//! 7. One write per subscriber. What its kernel buffer refuses waits in a bounded outbox.
//!
//! # Words
//! | word | means |
//! |---|---|
//! | channel | a named, ordered stream of messages; in CometQL a pipe |
//! | message | optional event name, data, and an id |
//! | id, cursor | `second-n`; as a cursor: everything after it |
//! | offset | a message's number within its own channel |
//! | subscriber | a slot that listens to channels; mostly a connection |
//! | membership | one subscriber on one channel |
//! | tenant | an isolated part of the hub |
//! | dialect | a client protocol: what is said |
//! | transport | how bytes get there: WebSocket, event stream, stream, iframe, long-poll |
//! | format | dialect, transport, variant and window: what decides a message's bytes |
//! | window | how far back a compressed message may refer |
//! | batch | what was published in one turn, on its way |
//! | engine | gives ids and keeps history, in memory or elsewhere |
//! | floor | the greatest id a channel has dropped: an older cursor is lost |
//! | user | somebody with any number of devices, on whatever dialect |
//! | session | a client's place, which outlives its connection for a while |
//! | log | what a channel shows of its past in CometQL's way |
//! | outbox | bytes a client's kernel buffer refused |
//! | turn | one round of the loop |
//!
//! # To study one protocol
//! Read `proto/x.rs`, then `tests/protocol/x.rs`, then `transports/x.rs` or `server/x.rs`.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod check;
pub mod cli;
#[cfg(feature = "cometql")]
pub mod cometql;
pub mod config;
pub mod dialects;
pub mod engines;
pub mod hub;
pub mod proto;
pub mod reactor;
pub mod run;
pub mod server;
pub mod transports;
