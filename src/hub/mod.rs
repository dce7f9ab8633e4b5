//! The hub: channels, who listens to them, and what may be asked about them.
//!
//! It knows no socket, no JSON and no protocol; it answers questions and never calls anybody.

pub mod command;
pub mod message;
pub mod names;
