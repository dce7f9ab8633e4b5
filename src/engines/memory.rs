//! The engine in this process's memory: answers at once, forgets at exit.
//!
//! Per channel it keeps the newest messages within a count, an age and a number of bytes. The *floor* of a
//! channel is the greatest id that it has dropped: a cursor below it is lost, and its owner is told. The
//! floor of channels without a record is the greatest one of any dropped record, at first the start of
//! the server: so a quiet channel never reports a loss, and a restart always does.

mod guests;
mod history;
mod oldest;
mod records;
mod users;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::{Change, Engine, Output, Token, Usage};
use crate::hub::clock::Now;
use crate::hub::command::{
    By, Command, Happened, Lost, NewMessage, Outcome, RecordKind, Refusal, Replay, Start,
};
use crate::hub::message::{Message, MessageId, TenantId};
use crate::hub::names::ChannelName;
use history::{Log, Record};
use records::Records;
use users::Users;

/// What a channel keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// At most this many messages.
    pub messages_max: usize,
    /// None older than this, by the clock that nobody sets.
    pub seconds_max: u64,
    /// At most this many bytes; the newest message stays even if it alone is larger.
    pub bytes_max: usize,
    /// Whether it is shown to who asks for the history, or serves resuming alone.
    pub is_listed: bool,
}

impl Keep {
    /// 100 messages, 10 minutes, 256 KB.
    pub const DEFAULT: Keep =
        Keep { messages_max: 100, seconds_max: 600, bytes_max: 256 * 1024, is_listed: true };

    /// What `history = 0` still keeps, so that a short interruption loses nothing.
    pub const TAIL: Keep = Keep { seconds_max: 30, is_listed: false, ..Keep::DEFAULT };
}

/// The bounds of a memory engine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// What each channel keeps.
    pub keep: Keep,
    /// What other channels keep, by tenant and the beginning of their names; the longest counts.
    pub keep_by_prefix: Vec<(TenantId, Box<str>, Keep)>,
    /// Channels with kept messages, per tenant.
    pub channels_max: usize,
    /// Of these, channels that clients without the publish key have made; the quietest goes first.
    pub guest_channels_max: usize,
    /// Bytes of kept messages, all tenants together.
    pub history_bytes_max: usize,
    /// Idempotency keys remembered, per tenant; the oldest goes first.
    pub idempotency_keys_max: usize,
    /// Records of back ends, and users remembered, per tenant.
    pub records_max: usize,
    /// Bytes of these records, per tenant.
    pub records_bytes_max: usize,
    /// Messages that wait for one user who is away.
    pub waiting_messages_max: usize,
    /// Bytes of all messages that wait for users, per tenant.
    pub waiting_bytes_max: usize,
    /// How long they wait, in seconds.
    pub waiting_seconds: u64,
}

impl Limits {
    /// What a channel keeps.
    pub fn keep_for(&self, tenant: TenantId, channel: &str) -> Keep {
        let fits = |(owner, prefix, _): &&(TenantId, Box<str>, Keep)| {
            *owner == tenant && channel.starts_with(&**prefix)
        };
        let longest =
            self.keep_by_prefix.iter().filter(fits).max_by_key(|(_, prefix, _)| prefix.len());
        longest.map_or(self.keep, |(.., keep)| *keep)
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            keep: Keep::DEFAULT,
            keep_by_prefix: Vec::new(),
            channels_max: 100_000,
            guest_channels_max: 50_000,
            history_bytes_max: 64 * 1024 * 1024,
            idempotency_keys_max: 10_000,
            records_max: 100_000,
            records_bytes_max: 64 * 1024 * 1024,
            waiting_messages_max: 100,
            waiting_bytes_max: 16 * 1024 * 1024,
            waiting_seconds: 240,
        }
    }
}

/// How long an idempotency key is honoured, in seconds.
const IDEMPOTENCY_SECONDS: u32 = 300;
/// Channels looked at in one tick for messages that are too old.
const EXPIRED_PER_TICK_MAX: usize = 1_000;

struct Tenant {
    last: MessageId,
    dropped_floor: MessageId,
    records: HashMap<ChannelName, Record>,
    /// Every channel with a record, by its turn to be looked at for expiry.
    round: BTreeMap<u64, ChannelName>,
    next_turn: u64,
    /// The guests, by their newest message.
    guests: BTreeMap<MessageId, ChannelName>,
    answered: HashMap<Box<str>, Outcome>,
    answered_order: VecDeque<(u32, Box<str>)>,
    kept: Records,
    users: Users,
}

/// See the module's documentation.
pub struct MemoryEngine {
    limits: Limits,
    tenants: Vec<Tenant>,
    outputs: VecDeque<Output>,
    usage: Usage,
}

impl MemoryEngine {
    /// An empty engine for `tenants` tenants that starts now.
    pub fn new(tenants: usize, limits: Limits, now: Now) -> MemoryEngine {
        MemoryEngine {
            limits,
            tenants: (0..tenants).map(|_| Tenant::new(now)).collect(),
            outputs: VecDeque::new(),
            usage: Usage::default(),
        }
    }

    fn tenant(&mut self, tenant: TenantId) -> &mut Tenant {
        &mut self.tenants[usize::from(tenant.0)]
    }

    fn run(&mut self, command: Command, now: Now) -> Outcome {
        match command {
            Command::Publish { tenant, messages, by, idempotency_key } => {
                self.publish(tenant, messages, by, idempotency_key, now)
            }
            Command::MessagesAfter { tenant, channels, start } => {
                Outcome::Messages(self.messages_after(tenant, &channels, start, now))
            }
            Command::Enter { .. } | Command::Leave { .. } => Outcome::Done,
            Command::Presence { .. } => Outcome::Presence { count: 0, users: Vec::new() },
            Command::Counts { channels, .. } => Outcome::Counts(vec![0; channels.len()]),
            Command::ChangeRecords { tenant, kind, records, change } => {
                let outcome = self.tenants[usize::from(tenant.0)].kept.change(
                    kind,
                    &records,
                    change,
                    &self.limits,
                );
                if kind == RecordKind::Log && matches!(outcome, Outcome::Changed(_)) {
                    self.logs_changed(tenant, records.iter().map(|(channel, _)| &**channel));
                }
                outcome
            }
            Command::Records { tenant, kind, keys } => {
                Outcome::Records(self.tenant(tenant).kept.read(kind, keys))
            }
            Command::Logs { tenant, channels } => {
                let records = &self.tenant(tenant).records;
                let log = |name| {
                    records.get(name).map_or(Vec::new(), |it| it.logged(now).cloned().collect())
                };
                Outcome::Logs(channels.iter().map(log).collect())
            }
            Command::ClearLogs { tenant, channels } => self.clear_logs(tenant, &channels, now),
            Command::DeleteMessages { tenant, ids } => {
                let tenant = &mut self.tenants[usize::from(tenant.0)];
                let usage = &mut self.usage;
                let mut delete = |id| tenant.records.values_mut().any(|it| it.delete(id, usage));
                Outcome::Changed(ids.into_iter().filter(|&id| delete(id)).count() as u64)
            }
            Command::Arrive { tenant, user, since, word } => {
                let users = &mut self.tenants[usize::from(tenant.0)].users;
                let arrival = users.arrive(&user, since, &self.limits, now);
                self.say(tenant, word.filter(|_| arrival.is_first));
                let (waiting, newest) = (arrival.waiting, arrival.newest);
                Outcome::Arrived { tenant, user, waiting, newest }
            }
            Command::Depart { tenant, user, unread, upto, word } => {
                let is_last = self.tenant(tenant).users.depart(&user, &unread, upto, now);
                self.say(tenant, word.filter(|_| is_last));
                Outcome::Done
            }
            Command::DeliverToUsers { tenant, messages, waits } => {
                let users = &mut self.tenants[usize::from(tenant.0)].users;
                if waits && !users.have_room_for(&messages, &self.limits) {
                    return Outcome::Refused(Refusal::TooManyRecords);
                }
                for message in messages {
                    let message = users.send(tenant, message, waits, &self.limits, now);
                    self.outputs.push_back(Output::Happened(Happened::ToUser(message)));
                }
                Outcome::Delivered(0)
            }
            Command::Waiting { tenant, users } => {
                let known = &self.tenant(tenant).users;
                Outcome::Waiting(users.iter().map(|user| known.waiting(user)).collect())
            }
            Command::ForgetWaiting { tenant, users } => {
                let known = &mut self.tenant(tenant).users;
                Outcome::Changed(users.iter().map(|user| known.forget_waiting(user)).sum())
            }
            Command::LastSeen { tenant, users } => {
                let known = &self.tenant(tenant).users;
                Outcome::LastSeen(users.iter().map(|user| known.last_seen(user)).collect())
            }
            Command::KickUser { tenant, user } => {
                let happened = Happened::UserKicked { tenant, user };
                self.outputs.push_back(Output::Happened(happened));
                Outcome::Done
            }
            Command::Kick { tenant, channel } => self.kick(tenant, channel),
        }
    }

    fn publish(
        &mut self,
        tenant: TenantId,
        messages: Vec<NewMessage>,
        by: By,
        idempotency_key: Option<Box<str>>,
        now: Now,
    ) -> Outcome {
        if let Some(outcome) = self.answered_before(tenant, idempotency_key.as_deref(), now) {
            return outcome;
        }
        if !self.make_room_for(tenant, &messages, by) {
            return Outcome::Refused(Refusal::TooManyChannels);
        }
        for message in messages {
            self.publish_one(tenant, message, by, now);
        }
        let outcome = Outcome::Published { last: self.tenant(tenant).last, elsewhere: 0 };
        if let Some(key) = idempotency_key {
            self.remember_answer(tenant, key, outcome.clone(), now);
        }
        outcome
    }

    fn publish_one(&mut self, tenant_id: TenantId, new: NewMessage, by: By, now: Now) {
        let tenant = &mut self.tenants[usize::from(tenant_id.0)];
        tenant.last = next_id(tenant.last, now);
        let id = tenant.last;
        if !tenant.records.contains_key(&new.channel) {
            tenant.open(&new.channel, by);
            self.usage.channels += 1;
        }
        let Tenant { records, guests, .. } = tenant;
        let Some(record) = records.get_mut(&new.channel) else { return };
        if record.is_guest {
            guests.remove(&record.newest);
            match by {
                By::Stranger => drop(guests.insert(id, new.channel.clone())),
                By::Owner => record.adopt(&mut self.usage),
            }
        }
        record.newest = id;
        record.offset += 1;
        let message = Rc::new(new.publish(tenant_id, id, record.offset, now));
        record.push(message.clone(), &mut self.usage);
        let keep = self.limits.keep_for(tenant_id, &message.channel);
        record.trim(keep, now, &mut self.usage);
        self.outputs.push_back(Output::Happened(Happened::Published(message)));
        self.make_room();
    }

    fn messages_after(
        &mut self,
        tenant: TenantId,
        channels: &[ChannelName],
        start: Start,
        now: Now,
    ) -> Replay {
        let (limits, usage) = (&self.limits, &mut self.usage);
        let kept = &mut self.tenants[usize::from(tenant.0)];
        for name in channels {
            if let Some(record) = kept.records.get_mut(name) {
                record.trim(limits.keep_for(tenant, name), now, usage);
            }
        }
        match start {
            Start::After(since) => kept.after(channels, since),
            Start::Last(most) => {
                let is_listed = |name: &&ChannelName| limits.keep_for(tenant, name).is_listed;
                let listed: Vec<ChannelName> = channels.iter().filter(is_listed).cloned().collect();
                let mut messages = kept.merged(&listed, MessageId::default());
                messages.drain(..messages.len().saturating_sub(most as usize));
                kept.replay(messages, None)
            }
        }
    }

    fn answered_before(
        &mut self,
        tenant: TenantId,
        key: Option<&str>,
        now: Now,
    ) -> Option<Outcome> {
        let tenant = self.tenant(tenant);
        while let Some((second, _)) = tenant.answered_order.front()
            && second + IDEMPOTENCY_SECONDS <= now.second()
        {
            tenant.forget_oldest_answer();
        }
        tenant.answered.get(key?).cloned()
    }

    fn remember_answer(&mut self, tenant: TenantId, key: Box<str>, answer: Outcome, now: Now) {
        let keys_max = self.limits.idempotency_keys_max;
        let tenant = self.tenant(tenant);
        if tenant.answered.len() >= keys_max {
            tenant.forget_oldest_answer();
        }
        tenant.answered_order.push_back((now.second(), key.clone()));
        tenant.answered.insert(key, answer);
    }

    /// The lengths of some logs may be others now.
    fn logs_changed<'a>(&mut self, tenant: TenantId, channels: impl Iterator<Item = &'a str>) {
        let Tenant { records, kept, guests, .. } = &mut self.tenants[usize::from(tenant.0)];
        for name in channels {
            let Some(record) = records.get_mut(name) else { continue };
            // Of what came before it was turned on nothing is shown.
            let after = record.log.map_or(record.offset, |log| log.after);
            record.log = kept.log_of(name).map(|log| Log { after, ..log });
            if record.is_guest && record.log.is_some_and(|log| !log.is_by_name) {
                guests.remove(&record.newest);
                record.adopt(&mut self.usage);
            }
        }
    }

    fn clear_logs(&mut self, tenant: TenantId, channels: &[ChannelName], now: Now) -> Outcome {
        let mut count = 0;
        for name in channels {
            let Some(record) = self.tenant(tenant).records.get_mut(name) else { continue };
            count += record.logged(now).count() as u64;
            let offset = record.offset;
            if let Some(log) = &mut record.log {
                log.after = offset;
            }
        }
        Outcome::Changed(count)
    }

    /// Tells those who listen now; nothing is kept.
    fn say(&mut self, tenant: TenantId, word: Option<NewMessage>) {
        let said = word.map(|word| Happened::Said(Rc::new(word.say(tenant))));
        self.outputs.extend(said.map(Output::Happened));
    }

    fn kick(&mut self, tenant_id: TenantId, channel: ChannelName) -> Outcome {
        let tenant = &mut self.tenants[usize::from(tenant_id.0)];
        let existed = tenant.empty(&channel, &mut self.usage);
        let happened = Happened::Kicked { tenant: tenant_id, channel };
        self.outputs.push_back(Output::Happened(happened));
        Outcome::Kicked(existed)
    }
}

impl Engine for MemoryEngine {
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now) {
        let outcome = self.run(command, now);
        if let Some(token) = token {
            self.outputs.push_back(Output::Completed(token, outcome));
        }
    }

    /// Nobody is elsewhere: the hub's own count is the whole truth.
    fn counts_members(&self) -> bool {
        false
    }

    fn take(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn tick(&mut self, now: Now) {
        for (index, tenant) in self.tenants.iter_mut().enumerate() {
            for _ in 0..EXPIRED_PER_TICK_MAX.min(tenant.round.len()) {
                let Some((_, name)) = tenant.round.pop_first() else { break };
                if let Some(record) = tenant.records.get_mut(&name) {
                    let keep = self.limits.keep_for(TenantId(index as u16), &name);
                    record.expire(keep, now, &mut self.usage);
                }
                tenant.keep_or_close(name, &mut self.usage);
            }
            tenant.users.tick(&self.limits, now);
            tenant.shrink();
        }
    }

    fn position(&self, tenant: TenantId) -> MessageId {
        self.tenants[usize::from(tenant.0)].last
    }

    fn reload(&mut self, change: &Change<'_>, now: Now) {
        // A smaller bound is kept to from the next publish or read of a channel on.
        self.limits = change.limits.clone();
        self.tenants.resize_with(change.tenants, || Tenant::new(now));
        for &tenant in change.removed {
            let tenant = &mut self.tenants[usize::from(tenant.0)];
            tenant.forget_everything(&mut self.usage);
        }
    }

    fn forget_oldest(&mut self, bytes: usize) -> usize {
        self.forget(bytes)
    }

    fn usage(&self) -> Usage {
        let queues = self.tenants.iter().map(|tenant| tenant.users.queues()).sum();
        Usage { queues, ..self.usage }
    }
}

/// The second is `max(clock, last)`; a full count of a second borrows from the next.
fn next_id(last: MessageId, now: Now) -> MessageId {
    if now.unix_second > last.second {
        return MessageId { second: now.unix_second, n: 1 };
    }
    match last.n.checked_add(1) {
        Some(n) => MessageId { second: last.second, n },
        None => MessageId { second: last.second + 1, n: 1 },
    }
}

impl Tenant {
    /// Nothing before `now` can be resumed.
    fn new(now: Now) -> Tenant {
        let start = MessageId { second: now.unix_second, n: now.unix_nanos };
        Tenant {
            last: start,
            dropped_floor: start,
            records: HashMap::new(),
            round: BTreeMap::new(),
            next_turn: 0,
            guests: BTreeMap::new(),
            answered: HashMap::new(),
            answered_order: VecDeque::new(),
            kept: Records::default(),
            users: Users::new(start),
        }
    }

    /// As if it were new, but its ids go on.
    fn forget_everything(&mut self, usage: &mut Usage) {
        usage.channels -= self.records.len();
        for record in self.records.values_mut() {
            while record.drop_oldest(usage) {}
        }
        *self = Tenant { last: self.last, dropped_floor: self.last, ..Tenant::new(Now::default()) };
    }

    fn floor_of(&self, channel: &ChannelName) -> MessageId {
        self.records.get(channel).map_or(self.dropped_floor, |record| record.floor)
    }

    fn merged(&self, channels: &[ChannelName], since: MessageId) -> Vec<Rc<Message>> {
        let records = channels.iter().filter_map(|name| self.records.get(name));
        let mut messages: Vec<_> =
            records.flat_map(|record| record.after(since)).cloned().collect();
        messages.sort_unstable_by_key(|message| message.id);
        messages.dedup_by_key(|message| message.id);
        messages
    }

    fn after(&self, channels: &[ChannelName], since: MessageId) -> Replay {
        if since > self.last {
            let lost = Lost { channels: channels.to_vec(), resume_from: self.last };
            return self.replay(Vec::new(), Some(lost));
        }
        let resume_from = channels.iter().map(|name| self.floor_of(name)).max().unwrap_or(since);
        if resume_from <= since {
            return self.replay(self.merged(channels, since), None);
        }
        // One cursor serves the whole set, so what other channels have up to `resume_from` goes too:
        // whoever breaks off right after being told resumes there and must not miss it silently.
        let is_lost = |name: &&ChannelName| {
            self.floor_of(name) > since
                || self.records.get(*name).is_some_and(|record| {
                    record.after(since).next().is_some_and(|message| message.id <= resume_from)
                })
        };
        let lost =
            Lost { channels: channels.iter().filter(is_lost).cloned().collect(), resume_from };
        self.replay(self.merged(channels, resume_from), Some(lost))
    }

    fn replay(&self, messages: Vec<Rc<Message>>, lost: Option<Lost>) -> Replay {
        Replay { messages, lost, newest: self.last }
    }

    /// A new record, the last to be looked at for expiry.
    fn open(&mut self, name: &ChannelName, by: By) {
        let turn = self.take_turn();
        self.round.insert(turn, name.clone());
        let log = self.kept.log_of(name);
        // A back end that turned a log on has made the channel its own.
        let is_guest = by == By::Stranger && log.is_none_or(|log| log.is_by_name);
        let (floor, newest) = (self.dropped_floor, MessageId::default());
        let messages = VecDeque::new();
        let record = Record { messages, bytes: 0, floor, offset: 0, newest, is_guest, turn, log };
        self.records.insert(name.clone(), record);
    }

    fn take_turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    /// Forgets a channel; false if there was nothing of it.
    fn empty(&mut self, name: &ChannelName, usage: &mut Usage) -> bool {
        let Some(record) = self.records.get_mut(name) else { return false };
        while record.drop_oldest(usage) {}
        self.round.remove(&record.turn);
        self.keep_or_close(name.clone(), usage);
        true
    }

    /// Puts a channel that was taken from the round back, unless nothing is kept of it any more.
    fn keep_or_close(&mut self, name: ChannelName, usage: &mut Usage) {
        let turn = self.take_turn();
        let Some(record) = self.records.get_mut(&name) else { return };
        if !record.messages.is_empty() {
            record.turn = turn;
            self.round.insert(turn, name);
            return;
        }
        self.dropped_floor = self.dropped_floor.max(record.floor);
        if record.is_guest {
            self.guests.remove(&record.newest);
        }
        self.records.remove(&name);
        usage.channels -= 1;
    }

    fn forget_oldest_answer(&mut self) {
        if let Some((_, key)) = self.answered_order.pop_front() {
            self.answered.remove(&key);
        }
    }
}
