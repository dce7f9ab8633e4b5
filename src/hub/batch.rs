//! What was published in one turn of the loop, on its way to everybody.
//!
//! A batch is in id order and bounded. Each subscriber is visited once and gets the merge over its
//! channels. A batch may rest between visits, so that others are served; meanwhile channels keep their
//! shape: who joins stands behind `frozen` and gets nothing of it, who leaves becomes a tombstone.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::members::{Moved, SubscriberId};
use super::message::{Message, MessageId};
use super::{ChannelId, Hub, Membership, NOT_IN_BATCH};

/// Most messages of one batch.
pub const BATCH_MESSAGES_MAX: usize = 256;
/// Most bytes of one batch; a single larger message makes a batch of its own.
pub const BATCH_BYTES_MAX: usize = 256 * 1024;

/// The part of a batch that one channel gets.
#[derive(Debug)]
pub struct Part {
    /// Whose part.
    pub channel: ChannelId,
    /// Its messages, as indexes into `Batch::messages`, rising.
    pub messages: Vec<u32>,
    /// Places up to here were there when the batch began.
    frozen: u32,
}

/// A batch under way.
#[derive(Debug)]
pub struct Batch {
    /// All messages, in id order.
    pub messages: Vec<Rc<Message>>,
    /// The affected channels that have listeners.
    pub parts: Vec<Part>,
    part: usize,
    place: u32,
}

impl Batch {
    /// Takes the front of `waiting` and freezes the channels that it concerns.
    pub fn begin(hub: &mut Hub, waiting: &mut VecDeque<Rc<Message>>) -> Option<Batch> {
        let messages = take_front(waiting);
        if messages.is_empty() {
            return None;
        }
        let mut parts: Vec<Part> = Vec::new();
        let mut part_of: HashMap<ChannelId, usize> = HashMap::new();
        for (index, message) in messages.iter().enumerate() {
            let Some(channel) = hub.find(message.tenant, &message.channel) else { continue };
            let part = *part_of.entry(channel).or_insert_with(|| {
                let frozen = hub.members(channel).places();
                hub.channel_mut(channel).in_batch = parts.len() as u32;
                parts.push(Part { channel, messages: Vec::new(), frozen });
                parts.len() - 1
            });
            parts[part].messages.push(index as u32);
        }
        Some(Batch { messages, parts, part: 0, place: 0 })
    }

    /// The next visit: a subscriber, and the part through which it was found. A subscriber of several
    /// affected channels is found several times.
    pub fn next(&mut self, hub: &Hub) -> Option<(SubscriberId, usize)> {
        while let Some(part) = self.parts.get(self.part) {
            while self.place < part.frozen {
                let place = self.place;
                self.place += 1;
                if let Some(subscriber) = hub.members(part.channel).at(place) {
                    return Some((subscriber, self.part));
                }
            }
            self.part += 1;
            self.place = 0;
        }
        None
    }

    /// The part of this batch that a membership gives a right to, if any.
    pub fn part_of(&self, hub: &Hub, membership: Membership) -> Option<usize> {
        let index = hub.channel(membership.channel).in_batch;
        let part = self.parts.get(index as usize)?;
        (membership.place < part.frozen).then_some(index as usize)
    }

    /// Whether a membership has something of this batch before it.
    pub fn is_to_come(&self, hub: &Hub, membership: Membership) -> bool {
        self.part_of(hub, membership).is_some_and(|part| {
            part > self.part || (part == self.part && membership.place >= self.place)
        })
    }

    /// The messages of several parts in id order, each with its part and its index there.
    pub fn merged(&self, parts: &[usize]) -> Vec<(usize, usize, &Rc<Message>)> {
        let mut merged: Vec<(u32, usize, usize)> = Vec::new();
        for &part in parts {
            let messages = self.parts[part].messages.iter().enumerate();
            merged.extend(messages.map(|(index, &message)| (message, part, index)));
        }
        merged.sort_unstable();
        let message = |number: u32| &self.messages[number as usize];
        merged.into_iter().map(|(number, part, index)| (part, index, message(number))).collect()
    }

    /// The greatest id among the messages of several parts.
    pub fn last_of(&self, parts: &[usize]) -> MessageId {
        // Not just the last of each: what the server says of the moment stands among them without an id.
        let indexes = parts.iter().flat_map(|&part| &self.parts[part].messages);
        indexes.map(|&index| self.messages[index as usize].id).max().unwrap_or_default()
    }

    /// Ends the batch: gaps are closed, empty channels close. Tells who has a new place, and where.
    pub fn end(self, hub: &mut Hub) -> Vec<(ChannelId, Moved)> {
        let mut all = Vec::new();
        let mut moved = Vec::new();
        for part in &self.parts {
            let channel = hub.channel_mut(part.channel);
            channel.in_batch = NOT_IN_BATCH;
            channel.members.sweep(&mut moved);
            all.extend(moved.drain(..).map(|moved| (part.channel, moved)));
            hub.close_if_empty(part.channel);
        }
        all
    }
}

fn take_front(waiting: &mut VecDeque<Rc<Message>>) -> Vec<Rc<Message>> {
    let mut bytes = 0;
    let mut count = 0;
    for message in waiting.iter().take(BATCH_MESSAGES_MAX) {
        bytes += message.bytes();
        if count > 0 && bytes > BATCH_BYTES_MAX {
            break;
        }
        count += 1;
    }
    waiting.drain(..count).collect()
}
