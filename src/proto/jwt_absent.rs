//! Stands in for `jwt.rs` in builds without tokens: no token is good.

use super::claims::Claims;

/// This build has no tokens.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Error;

/// Refuses.
pub fn verify(_: &[u8], _: &[u8]) -> Result<Claims, Error> {
    Err(Error)
}

/// No token has a user.
pub fn comet_user(_: &[u8], _: &str, _: u32, _: u64) -> Option<u32> {
    None
}
