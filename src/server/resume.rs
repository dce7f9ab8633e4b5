//! How a subscriber gets what came before.
//!
//! Whoever wants it joins first and holds back what arrives (`Flags::HOLDING`); the engine's answer and
//! what was held make one gap-free beginning. With the engine in memory the answer comes before anything
//! can arrive.

use std::rc::Rc;

use super::Server;
use super::answers::{Ask, Pending};
use super::conn::{Flags, Format, Phase};
use super::deliver::is_own;
use super::disconnect::Disconnect;
use super::recent::Wrong;
use super::rendered;
use super::socket::Socket;
use crate::dialects::Announcement;
use crate::dialects::native::{self, variant};
use crate::hub::command::{Command, Lost, Replay, Start};
use crate::hub::message::{Message, MessageId, TenantId};
use crate::hub::names::ChannelName;
use crate::transports::event_stream;

/// A subscriber that waits for what came before.
pub(crate) struct Resume {
    start: Start,
    /// What was delivered meanwhile.
    held: Vec<Rc<Message>>,
    held_bytes: usize,
    /// The batch that this subscriber has had its part of, or joined too late for.
    seen_batch: u32,
    /// The engine has answered, but the cursor is ahead of what was delivered.
    is_ahead: bool,
}

impl<S: Socket> Server<S> {
    /// Asks the engine for what came before, holding back what comes meanwhile.
    pub(super) fn ask_for_past(&mut self, slot: u32, channels: Vec<ChannelName>, start: Start) {
        let conn = self.connections.get_mut(slot);
        conn.flags.set(Flags::HOLDING);
        let tenant = conn.tenant;
        let seen_batch = self.batch_number;
        let resume = Resume { start, held: Vec::new(), held_bytes: 0, seen_batch, is_ahead: false };
        let command = Command::MessagesAfter { tenant, channels, start };
        self.ask(slot, Ask::Resume(Box::new(resume)), command);
    }

    /// Holds messages back for a subscriber that waits for its past.
    pub(super) fn hold(&mut self, slot: u32, messages: impl Iterator<Item = Rc<Message>>) {
        let Some(Ask::Resume(resume)) = self.asks.get_mut(&slot).map(|pending| &mut pending.ask)
        else {
            return;
        };
        resume.seen_batch = self.batch_number;
        for message in messages {
            resume.held_bytes += message.bytes();
            resume.held.push(message);
        }
        if resume.held_bytes > self.settings.limits.outbox_bytes_max {
            self.cut(slot, Disconnect::Slow);
        }
    }

    /// The past is there: what was published up to now goes out in one piece.
    pub(super) fn resume(&mut self, slot: u32, resume: Resume, mut replay: Replay) {
        let conn = self.connections.get_mut(slot);
        let (tenant, phase, format) = (conn.tenant, conn.phase, conn.format);
        let limit = self.delivered_up_to(tenant, resume.seen_batch);
        let since = match resume.start {
            Start::After(since) => since,
            Start::Last(_) => MessageId::default(),
        };
        if since >= limit && since <= replay.newest {
            // All that is newer will come in batches, whatever the engine has dropped meanwhile.
            replay = Replay { messages: Vec::new(), lost: None, newest: since };
        }
        if since > limit && replay.lost.is_none() {
            return self.wait_for_feed(slot, resume);
        }
        self.connections.get_mut(slot).flags.clear(Flags::HOLDING);
        let mut replay = merge(replay, resume.held, limit);
        if let Some(own) = self.own_id(slot) {
            replay.messages.retain(|message| !is_own(message, Some(own)));
        }
        if replay.lost.is_some() {
            self.metrics.cursors_lost += 1;
            self.note(slot, Wrong::CursorLost);
        }
        if phase == Phase::LongPoll {
            replay.messages.retain(|message| message.id != MessageId::default());
            return self.resume_poll(slot, &replay, since, limit);
        }
        if let Some(lost) = &replay.lost {
            if phase == Phase::WebSocket && format.variant & variant::JSON == 0 {
                return self.end(slot, Disconnect::Lost);
            }
            self.announce_lost(slot, format, lost, since);
        }
        for message in &replay.messages {
            let mut bytes = Vec::new();
            rendered::encode(message, format, &self.callbacks, &mut bytes);
            self.out(slot).extend_from_slice(&bytes);
            self.uncork_if_much();
            if !self.connections.is_used(slot) {
                return;
            }
        }
        self.pass_cursor(slot, limit);
        self.uncork();
        self.exempt_outbox(slot);
    }

    /// Somebody learned an id, from the answer to a publish or from the history, before its message was
    /// delivered, and wants what follows. What comes up to there is held back, and then dropped.
    fn wait_for_feed(&mut self, slot: u32, mut resume: Resume) {
        resume.is_ahead = true;
        let conn = self.connections.get_mut(slot);
        conn.flags.set(Flags::ASKING);
        self.ahead.push(conn.key(slot));
        // The number belongs to a question that was answered already: no second answer can come.
        let pending = Pending { number: self.ask_number, ask: Ask::Resume(Box::new(resume)) };
        self.asks.insert(slot, pending);
    }

    /// A batch has ended: those that were ahead of it may begin.
    pub(super) fn resume_ahead(&mut self) {
        for key in std::mem::take(&mut self.ahead) {
            let is_ahead = |pending: &Pending| match &pending.ask {
                Ask::Resume(resume) => resume.is_ahead,
                _ => false,
            };
            if self.connections.find(key).is_none()
                || !self.asks.get(&key.slot).is_some_and(is_ahead)
            {
                continue;
            }
            let Some(Pending { ask: Ask::Resume(resume), .. }) = self.asks.remove(&key.slot) else {
                continue;
            };
            let Start::After(since) = resume.start else { continue };
            self.connections.get_mut(key.slot).flags.clear(Flags::ASKING);
            let nothing = Replay { messages: Vec::new(), lost: None, newest: since };
            self.resume(key.slot, *resume, nothing);
            if self.connections.is_used(key.slot) {
                self.queue_if_waiting(key.slot);
            }
        }
    }

    /// The cursor that somebody gave who waits for what came after it.
    pub(super) fn resumes_from(&self, slot: u32) -> Option<MessageId> {
        match self.asks.get(&slot).map(|pending| &pending.ask) {
            Some(Ask::Resume(resume)) => match resume.start {
                Start::After(since) => Some(since),
                Start::Last(_) => None,
            },
            _ => None,
        }
    }

    /// Up to where a subscriber has been served that took part in `seen_batch` last: what is later will
    /// come to it in a batch.
    fn delivered_up_to(&self, tenant: TenantId, seen_batch: u32) -> MessageId {
        match &self.under_way {
            Some(batch) if seen_batch != self.batch_number => batch.position_before(tenant),
            _ => self.position(tenant),
        }
    }

    fn announce_lost(&mut self, slot: u32, format: Format, lost: &Lost, since: MessageId) {
        let data = native::lost_data(lost, since);
        let event = Announcement { id: Some(lost.resume_from), name: "encke:lost", data: &data };
        self.announce(slot, format, &event);
    }

    /// Tells an event stream the cursor it would resume from, even if nothing ever comes.
    pub(super) fn pass_cursor(&mut self, slot: u32, id: MessageId) {
        if self.connections.get(slot).phase == Phase::EventStream {
            event_stream::cursor(&id.to_string(), self.out(slot));
        }
    }

    /// What a client asked for itself does not count against it.
    fn exempt_outbox(&mut self, slot: u32) {
        if self.connections.is_used(slot)
            && let Some(index) = self.connections.get(slot).outbox
        {
            let outbox = self.outboxes.get_mut(index);
            outbox.exempt = outbox.bytes();
        }
    }
}

/// What the engine had and what was held, in order, each once, up to `limit`. What the server says of the
/// moment has no id and is never in a history.
fn merge(mut replay: Replay, held: Vec<Rc<Message>>, limit: MessageId) -> Replay {
    let newest = replay.newest;
    let is_new = |message: &Message| message.id > newest || message.id == MessageId::default();
    replay.messages.retain(|message| message.id <= limit);
    replay.messages.extend(held.into_iter().filter(|message| is_new(message)));
    if let Some(lost) = &mut replay.lost {
        // What is on its way will come, even if the engine has dropped it.
        lost.resume_from = lost.resume_from.min(limit);
    }
    replay
}
