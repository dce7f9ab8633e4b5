//! Fan-out: each affected subscriber is visited once and gets its part of a batch in one write.

use std::num::NonZeroU32;
use std::rc::Rc;

use super::Server;
use super::conn::{Flags, Phase};
use super::disconnect::Disconnect;
use super::outbox::Piece;
use super::output::Chunk;
use super::rendered::Rendered;
use super::socket::Socket;
use crate::hub::batch::Batch;
use crate::hub::message::{ConnectionId, Message, MessageId, TenantId};

/// A batch on its way.
pub(crate) struct UnderWay {
    batch: Batch,
    rendered: Rendered,
    /// Each tenant's position before this batch.
    before: Vec<MessageId>,
}

impl UnderWay {
    /// Up to where a tenant's feed was delivered before this batch began.
    pub fn position_before(&self, tenant: TenantId) -> MessageId {
        self.before[usize::from(tenant.0)]
    }

    /// Tenants that came while it is under way have nothing in it.
    pub fn add_tenants(&mut self, positions: &[MessageId]) {
        self.before.extend_from_slice(&positions[self.before.len()..]);
    }
}

impl<S: Socket> Server<S> {
    /// Goes on with the batch under way, or begins the next; true if there is more to do.
    pub(super) fn run_batch(&mut self) -> bool {
        let Some(mut under_way) = self.under_way.take().or_else(|| self.begin_batch()) else {
            return false;
        };
        self.uncork();
        for _ in 0..self.settings.limits.deliveries_per_turn {
            match under_way.batch.next(&self.hub) {
                Some((subscriber, part)) => self.visit(&mut under_way, subscriber.0, part),
                None => {
                    self.end_batch(under_way);
                    return !self.feed.is_empty();
                }
            }
        }
        self.under_way = Some(under_way);
        true
    }

    fn begin_batch(&mut self) -> Option<UnderWay> {
        let batch = Batch::begin(&mut self.hub, &mut self.feed)?;
        self.feed_bytes -= batch.messages.iter().map(|message| message.bytes()).sum::<usize>();
        let before = self.positions.clone();
        for message in &batch.messages {
            let position = &mut self.positions[usize::from(message.tenant.0)];
            *position = message.id.max(*position);
        }
        self.metrics.batches += 1;
        self.metrics.lag.batch_begins(batch.messages.len());
        self.dashboard.saw(&batch.messages);
        // 0 is "never": the first batch has number 1.
        self.batch_number = self.batch_number.checked_add(1).unwrap_or(1);
        let rendered = Rendered::new(batch.parts.len());
        Some(UnderWay { batch, rendered, before })
    }

    fn end_batch(&mut self, under_way: UnderWay) {
        self.metrics.renders += under_way.rendered.count;
        self.metrics.lag.batch_ends();
        for (channel, moved) in under_way.batch.end(&mut self.hub) {
            self.on_moved(channel, moved);
        }
        for key in std::mem::take(&mut self.emptied) {
            if self.connections.find(key).is_some() {
                self.drop_furthers_if_empty(key.slot);
            }
        }
        self.resume_ahead();
        // Whoever was held back by a full feed may go on: it is on the list already.
    }

    /// Up to where a subscriber has seen everything: what it would resume from. `None` while it waits for
    /// a past without a cursor.
    pub(super) fn seen_by(&self, slot: u32) -> Option<MessageId> {
        let conn = self.connections.get(slot);
        if conn.flags.has(Flags::HOLDING) {
            return self.resumes_from(slot);
        }
        // Of a batch all is to come or nothing: the first visit brings the parts of all memberships.
        let is_visited = |batch: &UnderWay| {
            let further = conn.more.map(|index| self.furthers.get(index));
            further.is_some_and(|further| further.visited.get() == self.batch_number)
                || !self.memberships(slot).any(|it| batch.batch.is_to_come(&self.hub, it))
        };
        Some(match &self.under_way {
            Some(batch) if !is_visited(batch) => batch.position_before(conn.tenant),
            _ => self.position(conn.tenant),
        })
    }

    fn visit(&mut self, under_way: &mut UnderWay, slot: u32, part: usize) {
        let conn = self.connections.get_mut(slot);
        if !conn.takes_whole_parts() {
            return self.visit_with_care(under_way, slot, part);
        }
        let (callbacks, compressor) = (&self.callbacks, &mut self.compressor);
        let run =
            under_way.rendered.run(&under_way.batch, part, conn.format, callbacks, compressor);
        let Some(piece) = run.whole() else { return };
        self.metrics.deliveries += 1;
        self.metrics.messages_delivered += u64::from(run.shown);
        let chunks = [Chunk::Shared(piece)];
        let written = conn.write(&chunks);
        self.wrote(slot, &chunks, written);
    }

    /// A subscriber of several channels, a parked poll, one that is behind or waits for its past.
    #[inline(never)]
    fn visit_with_care(&mut self, under_way: &mut UnderWay, slot: u32, part: usize) {
        let conn = self.connections.get(slot);
        if conn.flags.has(Flags::PRESENCE_ONLY) {
            return;
        }
        if let Some(index) = conn.more {
            let further = self.furthers.get_mut(index);
            if further.visited.get() == self.batch_number {
                return;
            }
            if let Some(number) = NonZeroU32::new(self.batch_number) {
                further.visited = number;
            }
        }
        self.drop_furthers_if_empty(slot);
        let parts = self.parts_of(under_way, slot, part);
        if self.connections.get(slot).flags.has(Flags::HOLDING) {
            let own = self.own_id(slot);
            let messages = under_way.batch.merged(&parts).into_iter();
            let messages = messages.filter(|(.., message)| !is_own(message, own));
            return self.hold(slot, messages.map(|(_, _, message)| Rc::clone(message)));
        }
        let (pieces, shown) = self.merged_pieces(under_way, slot, &parts);
        if pieces.is_empty() {
            return;
        }
        self.metrics.deliveries += 1;
        self.metrics.messages_delivered += shown as u64;
        if self.connections.get(slot).phase == Phase::LongPoll {
            let cursor = under_way.batch.last_of(&parts);
            return self.deliver_to_poll(slot, &pieces, cursor);
        }
        let chunks: Vec<Chunk<'_>> = pieces.iter().map(Chunk::Shared).collect();
        self.deliver(slot, &chunks);
    }

    fn parts_of(&self, under_way: &UnderWay, slot: u32, found_in: usize) -> Vec<usize> {
        let part = |membership| under_way.batch.part_of(&self.hub, membership);
        let parts: Vec<usize> = self.memberships(slot).filter_map(part).collect();
        debug_assert!(parts.contains(&found_in));
        parts
    }

    /// The bytes of several parts, message by message in id order, and how many messages these are.
    fn merged_pieces(
        &mut self,
        under_way: &mut UnderWay,
        slot: u32,
        parts: &[usize],
    ) -> (Vec<Piece>, usize) {
        let format = self.connections.get(slot).format;
        let own = self.own_id(slot);
        let UnderWay { batch, rendered, .. } = under_way;
        let (callbacks, compressor) = (&self.callbacks, &mut self.compressor);
        if let (&[part], None) = (parts, own) {
            let run = rendered.run(batch, part, format, callbacks, compressor);
            return (run.whole().into_iter().cloned().collect(), run.shown as usize);
        }
        let mut pieces = Vec::new();
        for (part, index, message) in batch.merged(parts) {
            if is_own(message, own) {
                continue;
            }
            let run = rendered.run(batch, part, format, callbacks, compressor);
            pieces.extend(run.message(index));
        }
        let shown = pieces.len();
        (pieces, shown)
    }

    /// Who it is to messages that are not to come back to their sender; `None` if it has sent none.
    pub(super) fn own_id(&self, slot: u32) -> Option<ConnectionId> {
        let has_sent = self.connections.get(slot).flags.has(Flags::HAS_SENT);
        has_sent.then(|| self.connection_id(slot))
    }

    /// Writes what a client did not ask for; one with too much waiting already is cut.
    pub(super) fn deliver(&mut self, slot: u32, chunks: &[Chunk<'_>]) {
        let waiting = self.waiting_bytes(slot);
        if waiting > 0 {
            let bytes: usize = chunks.iter().map(Chunk::len).sum();
            if waiting + bytes > self.settings.limits.outbox_bytes_max {
                return self.cut(slot, Disconnect::Slow);
            }
        }
        self.write(slot, chunks);
    }
}

pub(super) fn is_own(message: &Message, own: Option<ConnectionId>) -> bool {
    own.is_some() && message.sender.is_some_and(|sender| sender.except == own)
}
