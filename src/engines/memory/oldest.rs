//! What is forgotten when memory is short: the oldest messages over all channels of all tenants, logged ones
//! too, so that whoever has missed none of the newest misses none at all; then copies for users of what they
//! have had. What a user has not had is kept: it was promised, and would be missed without a word.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{MemoryEngine, Tenant, Usage};
use crate::hub::message::{Message, MessageId};

/// Channels that are compared at a time: their places are needed when there is little room.
const CHANNELS_AT_A_TIME: usize = 4_096;
/// What a message takes beside its texts: itself, its counts, its place among those of its channel.
const MESSAGE_BYTES: usize = size_of::<Message>() + 32;
/// A table with room for so many times what is in it gives half of that back.
const ROOMY: usize = 4;
/// As if there were so many at least.
const FEW: usize = 512;

/// A channel by its oldest message: tenant, and turn in the round.
type Place = (MessageId, usize, u64);

impl MemoryEngine {
    /// Forgets so many bytes, or a part of it; returns how many messages that was, 0 if none is left.
    pub(super) fn forget(&mut self, bytes: usize) -> usize {
        let (oldest, bound) = self.oldest_channels(CHANNELS_AT_A_TIME);
        let mut oldest: BinaryHeap<Reverse<Place>> = oldest.into_iter().map(Reverse).collect();
        let (mut count, mut freed) = (0, 0);
        while freed < bytes
            && let Some(Reverse((id, index, turn))) = oldest.pop()
            && bound.is_none_or(|bound| id <= bound)
        {
            let tenant = &mut self.tenants[index];
            let (message_bytes, next) = tenant.forget_oldest_of(turn, &mut self.usage);
            count += 1;
            freed += message_bytes;
            oldest.extend(next.map(|id| Reverse((id, index, turn))));
        }
        if count == 0 {
            count = self.tenants.iter_mut().map(|tenant| tenant.users.forget_had()).sum();
        }
        self.tenants.iter_mut().for_each(Tenant::shrink);
        count
    }

    /// The channels whose oldest messages are the oldest, at most so many; if there are others, none of
    /// these has anything up to the id returned.
    fn oldest_channels(&self, most: usize) -> (BinaryHeap<Place>, Option<MessageId>) {
        let mut oldest: BinaryHeap<Place> = BinaryHeap::new();
        let mut are_all = true;
        for (index, tenant) in self.tenants.iter().enumerate() {
            for record in tenant.records.values() {
                let Some(message) = record.messages.front() else { continue };
                let place = (message.id, index, record.turn);
                if oldest.len() < most {
                    oldest.push(place);
                } else if let Some(mut newest) = oldest.peek_mut() {
                    are_all = false;
                    *newest = place.min(*newest);
                }
            }
        }
        let bound = oldest.peek().map(|newest| newest.0).filter(|_| !are_all);
        (oldest, bound)
    }
}

impl Tenant {
    /// Forgets the oldest message of the channel that has this turn, and the channel with its last one.
    /// Returns about how many bytes that was, and the id of the next message.
    fn forget_oldest_of(&mut self, turn: u64, usage: &mut Usage) -> (usize, Option<MessageId>) {
        let name = self.round.get(&turn).expect("every channel has its turn").clone();
        let record = self.records.get_mut(&name).expect("a turn is that of a channel");
        let bytes = record.messages.front().map_or(0, |message| message.bytes());
        record.drop_oldest(usage);
        let next = record.messages.front().map(|message| message.id);
        if next.is_none() {
            self.round.remove(&turn);
            self.keep_or_close(name, usage);
        }
        (bytes + MESSAGE_BYTES, next)
    }

    /// What a storm of names made large is made small again.
    pub(super) fn shrink(&mut self) {
        let few = self.records.len().max(FEW);
        if self.records.capacity() > ROOMY * few {
            self.records.shrink_to(ROOMY / 2 * few);
        }
    }
}
