//! Stands in for `tls.rs` in builds without TLS: there are no certificates, so no connection has any.

use std::path::PathBuf;

use super::output::Chunk;
use super::pool::PoolIndex;
use super::socket::Socket;
use super::{Key, Server};

pub(super) const NO_ROOM: &[u8] = b"";

/// There are none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Certificates {}

impl Certificates {
    /// Nothing of it can be used: that is said in one line.
    pub fn load(files: &[(PathBuf, PathBuf)]) -> Result<Certificates, String> {
        match files {
            [] => Ok(Certificates {}),
            _ => Err("this build of encke has no TLS (feature tls)".to_owned()),
        }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// There are none.
    pub fn keep_tickets_of(&mut self, _: &Certificates) {}
}

/// Nobody has a session.
#[derive(Default)]
pub(crate) struct Tls {}

impl Tls {
    pub fn len(&self) -> usize {
        0
    }

    pub fn bytes(&self) -> usize {
        0
    }

    pub fn shrink(&mut self) {}
}

impl<S: Socket> Server<S> {
    pub(super) fn start_tls(&mut self, _: u32) -> bool {
        false
    }

    #[cfg_attr(not(feature = "cometql"), allow(dead_code, reason = "only MySQL switches midway"))]
    pub(super) fn switch_to_tls(&mut self, slot: u32, _: &[u8]) {
        self.finish(slot, super::disconnect::Disconnect::Unavailable);
    }

    pub(super) fn read_records(&mut self, _: Key, _: &mut [u8]) -> bool {
        false
    }

    pub(super) fn write_sealed(&mut self, _: u32, _: PoolIndex, _: &[Chunk<'_>]) {}

    pub(super) fn end_tls(&mut self, _: u32) {}

    pub(super) fn drop_tls(&mut self, _: u32) {}
}
