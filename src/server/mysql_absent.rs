//! Stands in for `mysql.rs` in builds without CometQL: nothing listens for back ends, so nobody comes.

use super::Server;
use super::disconnect::Disconnect;
use super::slab::Key;
use super::socket::Socket;
use crate::hub::command::Outcome;
use crate::hub::message::TenantId;

/// Nobody logs in.
#[derive(Default)]
pub(crate) struct Logins {}

impl Logins {
    pub fn drop_answer(&mut self, _: Key) {}
}

/// There is no such session.
pub(crate) enum MySql {}

impl<S: Socket> Server<S> {
    pub(super) fn greet(&mut self, slot: u32) {
        self.finish(slot, Disconnect::Finished);
    }

    pub(super) fn on_mysql_bytes(&mut self, _: u32, bytes: &[u8]) -> usize {
        bytes.len()
    }

    pub(super) fn go_on_mysql(&mut self, _: u32) {}

    pub(super) fn is_held_back(&self, _: u32) -> bool {
        false
    }

    pub(super) fn answer_wrong_logins(&mut self) -> Option<u64> {
        None
    }

    pub(super) fn on_mysql_answer(&mut self, _: u32, _: Outcome) {}

    pub(super) fn mysql_tenant(&self, _: u32) -> Option<TenantId> {
        None
    }

    pub(super) fn end_mysql(&mut self, slot: u32, why: Disconnect) {
        self.finish(slot, why);
    }

    pub(super) fn end_mysql_for_memory(&mut self, slot: u32) {
        self.finish(slot, Disconnect::Unavailable);
    }
}

pub(super) fn annotate_server(_: &[u8]) -> Vec<String> {
    Vec::new()
}
