//! Journeys: the real program on real sockets of this machine, driven by clients that are not its own.
//!
//! | module | walks |
//! |---|---|
//! | `matrix` | every wire form: live, resumed after a break, told of a loss |
//! | `channels` | what the channel URLs promise, one by one |
//! | `requests` | HTTP/1.1 as such: order, bodies, statuses, smuggling |
//! | `conformance` | HTTP/1.1 rule by rule |
//! | `half_closed` | clients that send no more and still read |
//! | `proxies` | whose connection it is, behind proxies |
//! | `frames` | WebSocket as such: echo, fragments, publishing, closes |
//! | `deflate` | WebSocket messages that are compressed |
//! | `access` | who is let in |
//! | `stats` | the numbers, the metrics and the dashboard |
//! | `logs` | what is told of all that, and what never is |
//! | `starting` | the command line, addresses and socket files |
//! | `reload` | the configuration file, `--check`, and SIGHUP |
//! | `stopping` | the other signals |
//! | `hostile` | bad input, and that nobody else notices |
//! | `crowds` | bounds: slow readers, too many connections, no descriptors |
//! | `memory` | a ceiling for all of that together |
//! | `service` | what a service manager hears, and what packages are made of |
//! | `cometql` | a back end that speaks MySQL |
//! | `comet` | pages whose script is CometServerApi |

mod access;
mod channels;
mod comet;
#[path = "../support/comet.rs"]
mod comet_page;
#[cfg(feature = "cometql")]
mod cometql;
mod conformance;
mod crowds;
mod deflate;
mod exposition;
mod frames;
mod half_closed;
mod hostile;
mod http;
mod listening;
mod logs;
mod matrix;
mod memory;
#[cfg(feature = "cometql")]
mod mysql;
mod proxies;
#[cfg(feature = "config")]
mod reload;
mod requests;
#[cfg(feature = "jwt")]
mod rules;
#[path = "../support/server.rs"]
mod server;
mod service;
mod starting;
mod stats;
mod stopping;
mod strangers;
mod websocket;
