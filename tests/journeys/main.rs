//! Journeys: the real program on real sockets of this machine, driven by clients that are not its own.
//!
//! | module | walks |
//! |---|---|
//! | `matrix` | every wire form: live, resumed after a break, told of a loss |
//! | `channels` | what the channel URLs promise, one by one |
//! | `requests` | HTTP/1.1 as such: order, bodies, statuses, smuggling |

mod channels;
mod http;
mod listening;
mod matrix;
mod requests;
#[path = "../support/server.rs"]
mod server;
mod websocket;
