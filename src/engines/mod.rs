//! Engines: who gives messages their ids and keeps what was published.
//!
//! An engine takes a `Command` and answers with an `Outcome`, at once or later; what was published comes
//! out of its feed, which has one order that every node sees. It knows nobody who listens.
//!
//! Two promises hold the rest of the server together:
//! - within a tenant the feed is in id order, and nothing enters it twice;
//! - an answer to `MessagesAfter` has seen everything that was in the feed when it was asked for.

pub mod memory;

use crate::hub::clock::Now;
use crate::hub::command::{Command, Happened, Outcome};
use crate::hub::message::{MessageId, TenantId};

/// Names one request, so that a late answer finds who asked and a stale one finds nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token {
    /// The slot that asked.
    pub slot: u32,
    /// The generation of the slot then.
    pub generation: u32,
    /// Which of its requests.
    pub number: u32,
}

/// What comes out of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The answer to one request.
    Completed(Token, Outcome),
    /// The next thing in the feed.
    Happened(Happened),
}

/// What an engine holds, for the statistics.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Channels with kept messages.
    pub channels: usize,
    /// Kept messages.
    pub messages: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Of these, bytes in channels that only strangers have used.
    pub guest_bytes: usize,
    /// Users for whom messages are kept.
    pub queues: usize,
}

impl Usage {
    /// Whether nothing is held that grows old.
    pub fn is_idle(&self) -> bool {
        self.messages == 0 && self.queues == 0
    }
}

/// What a new configuration changes for an engine that runs.
#[derive(Debug)]
pub struct Change<'a> {
    /// How many tenants there are, removed ones included: never fewer than before.
    pub tenants: usize,
    /// Those that went just now: nothing of them is to be kept.
    pub removed: &'a [TenantId],
    /// What is kept in memory from now on.
    pub limits: memory::Limits,
}

/// An engine.
pub trait Engine {
    /// Takes a request. It is answered exactly once if `token` is given, and not at all otherwise.
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now);

    /// Whether it is to be told who enters a channel and who leaves it.
    fn counts_members(&self) -> bool {
        true
    }

    /// Takes the next output, if there is one.
    fn take(&mut self) -> Option<Output>;

    /// Does a bounded amount of what is due: expiry, sweeping.
    fn tick(&mut self, now: Now);

    /// Everything up to this id has been in the feed.
    fn position(&self, tenant: TenantId) -> MessageId;

    /// Goes on under another configuration.
    fn reload(&mut self, change: &Change<'_>, now: Now);

    /// Forgets about so many bytes of what it keeps here for those who come back, the oldest first. Who misses
    /// it then is told that it is lost. Returns how many messages that was; 0: there are none left.
    fn forget_oldest(&mut self, bytes: usize) -> usize;

    /// What is held now.
    fn usage(&self) -> Usage;
}
