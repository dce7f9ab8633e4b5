//! encke, a Comet server.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod hub;
pub mod proto;
