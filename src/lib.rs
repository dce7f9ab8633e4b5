//! encke, a Comet server.

#![deny(unsafe_code)]
#![warn(missing_docs)]

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
