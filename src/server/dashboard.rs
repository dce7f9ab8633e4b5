//! The dashboard's live events: once a second everything in numbers, written once and shared by all who
//! watch. While nobody does it costs nothing.
//!
//! A watcher is an event stream without memberships. The largest channels are found by a round over all of
//! them, in slices, so that a million channels delay nobody.

use std::rc::Rc;

use super::Server;
use super::conn::{Format, Phase};
use super::deadlines::Tick;
use super::outbox::Piece;
use super::output::Chunk;
use super::respond::Reply;
use super::slab::Key;
use super::socket::Socket;
use super::stats;
use crate::dialects::{NATIVE, native::Refusal};
use crate::hub::delivery::Transport;
use crate::hub::message::{Message, TenantId};
use crate::hub::names::ChannelName;
use crate::proto::json;
use crate::proto::sse::{Event, write_event};

/// Who may watch at a time.
const WATCHERS_MAX: usize = 32;
/// Channels looked at in one turn.
const CHANNELS_PER_TURN: u32 = 8 * 1024;
/// Channels in each list.
const LISTED: usize = 10;
/// Channels whose messages are counted.
const COUNTED_MAX: usize = 32;
/// Of a channel's count a fifth is gone after a second. So a steady rate r makes a count of 5 r.
const GONE_PER_SECOND: u64 = 5;
/// A message counts for so much.
const MESSAGE: u64 = 1_000;

/// Names are shown of this tenant alone: whoever has its key need not know what others call theirs.
const OWNER: TenantId = TenantId(0);

const FORMAT: Format = Format::new(NATIVE, Transport::EventStream, 0);

/// Who watches, and what only they see.
#[derive(Default)]
pub(crate) struct Dashboard {
    watchers: Vec<Key>,
    /// The second whose round has begun.
    tick: Tick,
    /// The next channel to look at; `None` when the round is done.
    next: Option<u32>,
    largest: Largest,
    busiest: Busiest,
}

impl Dashboard {
    pub fn watchers(&self) -> usize {
        self.watchers.len()
    }

    /// Counts what is about to be delivered.
    pub fn saw(&mut self, messages: &[Rc<Message>]) {
        if self.watchers.is_empty() {
            return;
        }
        let same_channel = |one: &Rc<Message>, other: &Rc<Message>| {
            (one.tenant, &one.channel) == (other.tenant, &other.channel)
        };
        for group in messages.chunk_by(same_channel) {
            if group[0].tenant == OWNER {
                self.busiest.add(&group[0].channel, group.len());
            }
        }
    }
}

impl<S: Socket> Server<S> {
    /// Lets somebody watch.
    pub(super) fn watch(&mut self, slot: u32, reply: &Reply) {
        if reply.head_only {
            return self.answer_head(slot, reply.clone(), FORMAT);
        }
        self.forget_gone_watchers();
        if self.dashboard.watchers.len() >= WATCHERS_MAX {
            let refusal =
                Refusal::new(503, "so many dashboards are open that one must close first");
            return self.refuse(slot, reply, refusal);
        }
        let reply = Reply { keep_alive: false, ..reply.clone() };
        self.write_stream_head(slot, &reply, FORMAT);
        let deadline = Tick::after(self.now, self.settings.limits.heartbeat_seconds);
        let conn = self.connections.get_mut(slot);
        conn.format = FORMAT;
        conn.deadline = deadline;
        let key = conn.key(slot);
        self.set_phase(slot, Phase::EventStream);
        self.dashboard.watchers.push(key);
        // The first numbers come at once.
        self.dashboard.next.get_or_insert(0);
    }

    /// Goes on with this second's round; true if there is more of it.
    pub(super) fn run_dashboard(&mut self) -> bool {
        if self.dashboard.watchers.is_empty() {
            return false;
        }
        if self.dashboard.tick != self.tick {
            self.dashboard.tick = self.tick;
            self.dashboard.busiest.fade();
            self.dashboard.next.get_or_insert(0);
            self.forget_gone_watchers();
        }
        let Some(from) = self.dashboard.next else { return false };
        let next = from.saturating_add(CHANNELS_PER_TURN);
        for (tenant, name, count) in self.hub.look(from..next) {
            if tenant == OWNER {
                self.dashboard.largest.add(name, count);
            }
        }
        if next < self.hub.end() {
            self.dashboard.next = Some(next);
            return true;
        }
        self.dashboard.next = None;
        self.show_dashboard();
        false
    }

    fn forget_gone_watchers(&mut self) {
        let connections = &self.connections;
        let is_there =
            |key: &Key| connections.find(*key).is_some_and(|conn| conn.phase == Phase::EventStream);
        self.dashboard.watchers.retain(is_there);
        if self.dashboard.watchers.is_empty() {
            self.dashboard = Dashboard::default();
        }
    }

    fn show_dashboard(&mut self) {
        let mut data = format!("{{\"at_ms\":{},\"stats\":", self.now.ms).into_bytes();
        data.extend_from_slice(&stats::json(&self.view()));
        data.extend_from_slice(b",\"largest\":");
        std::mem::take(&mut self.dashboard.largest).write_json(&mut data);
        data.extend_from_slice(b",\"busiest\":");
        self.dashboard.busiest.write_json(&mut data);
        data.extend_from_slice(b",\"recent\":");
        self.recent.write_json(&mut data);
        data.push(b'}');
        let mut bytes = Vec::with_capacity(data.len() + 16);
        write_event(&mut bytes, &Event { id: None, event: None, data: Some(&data) });
        let piece = Piece::whole(bytes.into());
        self.uncork();
        for key in self.dashboard.watchers.clone() {
            // Who is behind does without: the next one has the same numbers, only newer.
            let has_room = |conn: &super::conn::Conn<S>| {
                conn.phase == Phase::EventStream && conn.outbox.is_none()
            };
            if self.connections.find(key).is_some_and(has_room) {
                self.write(key.slot, &[Chunk::Shared(&piece)]);
            }
        }
    }
}

/// The channels with the most subscribers, the greatest first.
#[derive(Default)]
struct Largest(Vec<(u32, ChannelName)>);

impl Largest {
    fn add(&mut self, name: &ChannelName, count: u32) {
        if self.0.len() == LISTED && self.0[LISTED - 1].0 >= count {
            return;
        }
        self.0.truncate(LISTED - 1);
        let place = self.0.partition_point(|(greater, _)| *greater >= count);
        self.0.insert(place, (count, name.clone()));
    }

    fn write_json(&self, out: &mut Vec<u8>) {
        write_list(out, self.0.iter().map(|(count, name)| (name, count.to_string())));
    }
}

/// The channels with the most messages, by Space-Saving (Metwally, Agrawal, El Abbadi 2005): who is new
/// takes over the place and the count of the least, so whoever has much of the traffic is in the list.
#[derive(Default)]
struct Busiest(Vec<(u64, ChannelName)>);

impl Busiest {
    fn add(&mut self, name: &ChannelName, messages: usize) {
        let messages = messages as u64 * MESSAGE;
        if let Some((count, _)) = self.0.iter_mut().find(|(_, known)| known == name) {
            *count += messages;
        } else if self.0.len() < COUNTED_MAX {
            self.0.push((messages, name.clone()));
        } else if let Some(least) = self.0.iter_mut().min_by_key(|(count, _)| *count) {
            *least = (least.0 + messages, name.clone());
        }
    }

    /// A second is over.
    fn fade(&mut self) {
        for (count, _) in &mut self.0 {
            *count -= *count / GONE_PER_SECOND;
        }
        self.0.retain(|(count, _)| *count > MESSAGE / 10);
    }

    /// In messages per second.
    fn write_json(&self, out: &mut Vec<u8>) {
        let mut sorted: Vec<&(u64, ChannelName)> = self.0.iter().collect();
        sorted.sort_unstable_by_key(|(count, _)| std::cmp::Reverse(*count));
        let rate = |count: u64| {
            let tenths = (count / GONE_PER_SECOND + MESSAGE / 20) * 10 / MESSAGE;
            format!("{}.{}", tenths / 10, tenths % 10)
        };
        write_list(out, sorted.into_iter().take(LISTED).map(|(count, name)| (name, rate(*count))));
    }
}

fn write_list<'a>(out: &mut Vec<u8>, list: impl Iterator<Item = (&'a ChannelName, String)>) {
    out.push(b'[');
    for (index, (name, number)) in list.enumerate() {
        out.extend_from_slice(if index > 0 { b",[" } else { b"[" });
        json::write_string(out, name);
        out.extend_from_slice(format!(",{number}]").as_bytes());
    }
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u32) -> ChannelName {
        ChannelName::new(format!("c{number}").as_bytes()).unwrap()
    }

    fn json(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_largest_ten_in_whatever_order_they_come() {
        let mut largest = Largest::default();
        for number in 0..1_000 {
            largest.add(&name(number), number * 7 % 1_000);
        }
        let counts: Vec<u32> = largest.0.iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, (990..1_000).rev().collect::<Vec<_>>());
        let mut two = Largest::default();
        two.add(&name(1), 1);
        two.add(&name(2), 2);
        assert_eq!(json(|out| two.write_json(out)), "[[\"c2\",2],[\"c1\",1]]");
    }

    #[test]
    fn a_steady_rate_is_shown_and_a_crowd_of_rare_channels_hides_no_busy_one() {
        let mut busiest = Busiest::default();
        for second in 0..60 {
            busiest.fade();
            busiest.add(&name(0), 1_000);
            for number in 0..500 {
                busiest.add(&name(1 + second * 500 + number), 1);
            }
        }
        assert_eq!(busiest.0.len(), COUNTED_MAX);
        let text = json(|out| busiest.write_json(out));
        assert!(text.starts_with("[[\"c0\",1000.0],"), "{text}");
        for _ in 0..60 {
            busiest.fade();
        }
        assert!(busiest.0.is_empty());
    }
}
