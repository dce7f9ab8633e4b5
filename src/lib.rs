//! encke, a Comet server.

#![deny(unsafe_code)]
#![warn(missing_docs)]

#[cfg(feature = "cometql")]
pub mod cometql;
pub mod dialects;
pub mod engines;
pub mod hub;
pub mod proto;
pub mod transports;
