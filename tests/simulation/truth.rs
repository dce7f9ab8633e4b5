//! What was really published, in its order: taken where it leaves the engine, before the server sees it.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use encke::engines::{Change, Engine, Output, Token, Usage};
use encke::hub::clock::Now;
use encke::hub::command::{Command, Happened};
use encke::hub::message::{Message, MessageId, Personal, TenantId};

use crate::memory;

/// Everything that has left the feed.
#[derive(Default)]
pub struct Truth {
    pub messages: Vec<Rc<Message>>,
    by_channel: HashMap<(TenantId, String), Vec<usize>>,
    by_id: HashMap<(TenantId, MessageId), usize>,
    /// Tenants of which a channel was deleted: there a lost cursor is no surprise.
    pub tenants_with_deletions: HashSet<TenantId>,
    /// Every message for a user.
    pub personals: Vec<Rc<Personal>>,
    /// Up to where something may have been forgotten for want of memory, and when that was last.
    forgotten: HashMap<TenantId, MessageId>,
    pub forgot_ms: u64,
    last: HashMap<TenantId, MessageId>,
    /// The moment, by the clock that nobody sets.
    pub now_ms: u64,
    /// When each message left the feed, by the same clock.
    times: Vec<u64>,
    /// When each personal message was sent.
    pub personal_times: Vec<u64>,
    /// When each text for a user was sent: a late engine keeps it some time after that.
    sent_ms: HashMap<Vec<u8>, u64>,
}

impl Truth {
    /// `starts`: what each tenant's ids begin after.
    pub fn new(starts: &[MessageId], now_ms: u64) -> Truth {
        let tenants = (0..).map(TenantId);
        Truth { last: tenants.zip(starts.iter().copied()).collect(), now_ms, ..Truth::default() }
    }

    /// The newest id that has left the feed.
    pub fn newest(&self, tenant: TenantId) -> MessageId {
        self.last[&tenant]
    }

    fn add(&mut self, message: &Rc<Message>) {
        let before = self.last.insert(message.tenant, message.id);
        assert!(before < Some(message.id), "the feed is in id order");
        let index = self.messages.len();
        let key = (message.tenant, message.channel.to_string());
        self.by_channel.entry(key).or_default().push(index);
        self.by_id.insert((message.tenant, message.id), index);
        self.messages.push(message.clone());
        self.times.push(self.now_ms);
    }

    /// Whether anything of a tenant after a cursor is older than so many seconds, or nearly.
    pub fn has_older(&self, tenant: TenantId, cursor: MessageId, seconds: u64) -> bool {
        let is_old = |index: &usize| self.times[*index] + seconds * 1_000 <= self.now_ms + 1_000;
        let is_after = |index: &usize| {
            let message = &self.messages[*index];
            message.tenant == tenant && message.id > cursor
        };
        (0..self.messages.len()).any(|index| is_after(&index) && is_old(&index))
    }

    /// Whether anything of a tenant after a cursor may have been forgotten for want of memory.
    pub fn may_be_forgotten(&self, tenant: TenantId, cursor: MessageId) -> bool {
        self.forgotten.get(&tenant).is_some_and(|&upto| upto > cursor)
    }

    /// When a personal message was sent.
    pub fn sent_at(&self, message: &Personal) -> u64 {
        self.sent_ms[message.data.as_bytes()]
    }

    pub fn find(&self, tenant: TenantId, id: MessageId) -> Option<usize> {
        self.by_id.get(&(tenant, id)).copied()
    }

    /// The first message after a cursor on any of the channels.
    pub fn next_after(
        &self,
        tenant: TenantId,
        channels: &[String],
        cursor: MessageId,
    ) -> Option<usize> {
        self.first(tenant, channels, |index| self.messages[index].id <= cursor)
    }

    /// The first message on any of the channels from a place in the feed on.
    pub fn next_from(&self, tenant: TenantId, channels: &[String], from: usize) -> Option<usize> {
        self.first(tenant, channels, |index| index < from)
    }

    fn first(
        &self,
        tenant: TenantId,
        channels: &[String],
        is_before: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let first_of = |channel: &String| {
            let indexes = self.by_channel.get(&(tenant, channel.clone()))?;
            indexes.get(indexes.partition_point(|&index| is_before(index))).copied()
        };
        channels.iter().filter_map(first_of).min()
    }
}

/// An engine that is listened to.
pub struct Recorded {
    pub engine: Box<dyn Engine>,
    pub truth: Rc<RefCell<Truth>>,
    /// A late one shows here up to where it may have forgotten: it has more than it has told of.
    pub forgotten: Rc<RefCell<Vec<MessageId>>>,
}

impl Engine for Recorded {
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now) {
        if let Command::Kick { tenant, .. } = &command {
            self.truth.borrow_mut().tenants_with_deletions.insert(*tenant);
        }
        if let Command::DeliverToUsers { messages, .. } = &command {
            let sent_ms = &mut self.truth.borrow_mut().sent_ms;
            sent_ms.extend(messages.iter().map(|it| (it.data.as_bytes().to_vec(), now.ms)));
        }
        self.engine.submit(token, command, now);
    }

    fn take(&mut self) -> Option<Output> {
        let output = self.engine.take();
        if let Some(Output::Happened(Happened::ToUser(message))) = &output {
            let truth = &mut *self.truth.borrow_mut();
            truth.personals.push(message.clone());
            truth.personal_times.push(truth.sent_ms[message.data.as_bytes()]);
        }
        if let Some(Output::Happened(Happened::Published(message))) = &output {
            self.truth.borrow_mut().add(message);
            assert_eq!(self.engine.position(message.tenant).max(message.id), {
                // The position may be ahead of what was taken, never behind it.
                self.engine.position(message.tenant)
            });
        }
        output
    }

    fn tick(&mut self, now: Now) {
        self.engine.tick(now);
    }

    fn position(&self, tenant: TenantId) -> MessageId {
        self.engine.position(tenant)
    }

    fn reload(&mut self, change: &Change<'_>, now: Now) {
        self.engine.reload(change, now);
    }

    fn forget_oldest(&mut self, bytes: usize) -> usize {
        let count = self.engine.forget_oldest(bytes);
        memory::forget(count);
        let truth = &mut *self.truth.borrow_mut();
        if count > 0 {
            truth.forgot_ms = truth.now_ms;
            let late = self.forgotten.borrow();
            for &tenant in truth.last.keys() {
                let upto = late.get(usize::from(tenant.0)).copied();
                truth.forgotten.insert(tenant, upto.unwrap_or(self.engine.position(tenant)));
            }
        }
        count
    }

    fn usage(&self) -> Usage {
        self.engine.usage()
    }
}
