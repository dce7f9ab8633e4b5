//! Users: how many devices each has, when it was here last, and what was sent to it.
//!
//! A message for a user is kept for a while in two cases: nobody has had it yet, or somebody has, but a
//! device may come back that was cut off while it was on its way. Both stand in one queue, in the order
//! of their ids.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use super::Limits;
use crate::hub::clock::Now;
use crate::hub::command::{NewPersonal, Seen};
use crate::hub::message::{MessageId, Personal, TenantId};
use crate::hub::users::ByUser;

/// How long a message that was delivered can be had again, in seconds: as long as a tail.
const HAD_SECONDS: u64 = super::Keep::TAIL.seconds_max;
/// Queues looked at in one tick.
const QUEUES_PER_TICK_MAX: usize = 1_000;

/// What an arrival brings about.
pub(super) struct Arrival {
    pub is_first: bool,
    pub waiting: Vec<Rc<Personal>>,
    pub newest: MessageId,
}

/// The users of one tenant.
pub(super) struct Users {
    all: ByUser<User>,
    last: MessageId,
    /// Every user with a queue, in the order in which the queues are looked at.
    round: VecDeque<Box<str>>,
    /// Of all queues.
    bytes: usize,
}

#[derive(Default)]
struct User {
    devices: u32,
    /// Unix second of the last departure; 0: none.
    seen: u32,
    #[expect(clippy::box_collection, reason = "8 bytes instead of 32 in every user's entry")]
    queue: Option<Box<VecDeque<Kept>>>,
}

struct Kept {
    message: Rc<Personal>,
    /// How many devices were given it and have not said that they never read it.
    had_by: u32,
    /// When it was sent, as [`Now::second`] has it.
    born: u32,
}

impl Kept {
    fn is_had(&self) -> bool {
        self.had_by > 0
    }

    fn is_over(&self, waiting_seconds: u64, now: Now) -> bool {
        let seconds = if self.is_had() { HAD_SECONDS } else { waiting_seconds };
        u64::from(self.born).saturating_add(seconds) < u64::from(now.second())
    }
}

impl Users {
    pub fn new(start: MessageId) -> Users {
        Users { all: ByUser::default(), last: start, round: VecDeque::new(), bytes: 0 }
    }

    /// A device is there: it gets what nobody has had, or all that came after `since`.
    pub fn arrive(
        &mut self,
        user: &str,
        since: Option<MessageId>,
        limits: &Limits,
        now: Now,
    ) -> Arrival {
        if self.all.get(user).is_none() {
            self.make_room(limits);
        }
        let known = self.all.get_or_insert_with(user, User::default);
        known.devices += 1;
        let mut waiting = Vec::new();
        for kept in known.queue.iter_mut().flat_map(|queue| queue.iter_mut()) {
            let is_wanted = since.map_or(!kept.is_had(), |since| kept.message.id > since);
            if is_wanted && !kept.is_over(limits.waiting_seconds, now) {
                kept.had_by += 1;
                waiting.push(Rc::clone(&kept.message));
            }
        }
        Arrival { is_first: known.devices == 1, waiting, newest: self.last }
    }

    /// A device is gone, which has had neither these nor what came after `upto`; true if it was the last one.
    pub fn depart(
        &mut self,
        user: &str,
        unread: &[Rc<Personal>],
        upto: MessageId,
        now: Now,
    ) -> bool {
        let Some(known) = self.all.get_mut(user) else { return false };
        known.devices = known.devices.saturating_sub(1);
        known.seen = now.unix_second as u32;
        for kept in known.queue.iter_mut().flat_map(|queue| queue.iter_mut()) {
            let id = kept.message.id;
            if id > upto || unread.iter().any(|message| message.id == id) {
                kept.had_by = kept.had_by.saturating_sub(1);
            }
        }
        known.devices == 0
    }

    /// Whether all of these that would have to wait may.
    pub fn have_room_for(&self, messages: &[NewPersonal], limits: &Limits) -> bool {
        let mut bytes = self.bytes;
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for message in messages {
            let known = self.all.get(&message.user);
            if known.is_some_and(|known| known.devices > 0) {
                continue;
            }
            bytes += message.user.len() + message.event.len() + message.data.len();
            let before = || known.map_or(0, User::waiting);
            let count = counts.entry(&message.user).or_insert_with(before);
            *count += 1;
            if *count > limits.waiting_messages_max || bytes > limits.waiting_bytes_max {
                return false;
            }
        }
        true
    }

    /// Gives a message its id, and keeps it: for a device that comes, or for one that comes back.
    pub fn send(
        &mut self,
        tenant: TenantId,
        new: NewPersonal,
        waits: bool,
        limits: &Limits,
        now: Now,
    ) -> Rc<Personal> {
        let id = super::next_id(self.last, now);
        let NewPersonal { user, event, data } = new;
        let message = Rc::new(Personal { id, tenant, user, event, data });
        let devices = self.all.get(&message.user).map_or(0, |known| known.devices);
        // What was delivered is kept as a favour, while there is room.
        let has_room = self.bytes + message.bytes() <= limits.waiting_bytes_max;
        if has_room && (devices > 0 || waits) {
            let kept = Kept { message: Rc::clone(&message), had_by: devices, born: now.second() };
            self.keep(kept, limits);
        }
        self.last = id;
        message
    }

    fn keep(&mut self, kept: Kept, limits: &Limits) {
        let message = &kept.message;
        if self.all.get(&message.user).is_none() {
            self.make_room(limits);
        }
        self.bytes += message.bytes();
        let known = self.all.get_or_insert_with(&message.user, User::default);
        if known.queue.is_none() {
            self.round.push_back(message.user.clone());
        }
        let queue = known.queue.get_or_insert_default();
        queue.push_back(kept);
        let had = queue.iter().filter(|kept| kept.is_had()).count();
        if had > limits.waiting_messages_max
            && let Some(place) = queue.iter().position(|kept| kept.is_had())
            && let Some(kept) = queue.remove(place)
        {
            self.bytes -= kept.message.bytes();
        }
    }

    /// What nobody has had yet.
    pub fn waiting(&self, user: &str) -> Vec<Rc<Personal>> {
        let queue = self.all.get(user).and_then(|known| known.queue.as_deref());
        let waiting = queue.into_iter().flatten().filter(|kept| !kept.is_had());
        waiting.map(|kept| Rc::clone(&kept.message)).collect()
    }

    /// Forgets it; returns how much it was.
    pub fn forget_waiting(&mut self, user: &str) -> u64 {
        let Some(known) = self.all.get_mut(user) else { return 0 };
        let Some(queue) = &mut known.queue else { return 0 };
        let mut count = 0;
        queue.retain(|kept| {
            if !kept.is_had() {
                count += 1;
                self.bytes -= kept.message.bytes();
            }
            kept.is_had()
        });
        count
    }

    /// Forgets what is kept as a favour, for devices that were cut off while it was on its way; returns how
    /// much it was.
    pub fn forget_had(&mut self) -> usize {
        let mut count = 0;
        for user in &self.round {
            let Some(known) = self.all.get_mut(user) else { continue };
            let Some(queue) = &mut known.queue else { continue };
            queue.retain(|kept| {
                if kept.is_had() {
                    count += 1;
                    self.bytes -= kept.message.bytes();
                }
                !kept.is_had()
            });
            queue.shrink_to_fit();
        }
        count
    }

    pub fn last_seen(&self, user: &str) -> Seen {
        match self.all.get(user) {
            Some(User { devices: 1.., .. }) => Seen::Now,
            Some(User { seen: seen @ 1.., .. }) => Seen::At(u64::from(*seen)),
            _ => Seen::Never,
        }
    }

    /// How many users have a queue.
    pub fn queues(&self) -> usize {
        self.round.len()
    }

    /// Drops what is too old, queue by queue.
    pub fn tick(&mut self, limits: &Limits, now: Now) {
        for _ in 0..QUEUES_PER_TICK_MAX.min(self.round.len()) {
            let Some(user) = self.round.pop_front() else { return };
            let Some(known) = self.all.get_mut(&user) else { continue };
            let Some(queue) = &mut known.queue else { continue };
            queue.retain(|kept| {
                let is_over = kept.is_over(limits.waiting_seconds, now);
                if is_over {
                    self.bytes -= kept.message.bytes();
                }
                !is_over
            });
            if !queue.is_empty() {
                self.round.push_back(user);
                continue;
            }
            known.queue = None;
            if known.devices == 0 && known.seen == 0 {
                self.all.remove(&user);
            }
        }
    }

    /// Before one more user is remembered, of those who are not here the ones that went first are
    /// forgotten if there are too many: about half of them at a time, so that it is seldom.
    fn make_room(&mut self, limits: &Limits) {
        if self.all.len() < limits.records_max {
            return;
        }
        let (mut count, mut sum) = (0, 0);
        for known in self.all.values().filter(|known| known.is_forgettable()) {
            count += 1;
            sum += u64::from(known.seen);
        }
        let average = sum.checked_div(count).unwrap_or(0);
        self.all.retain(|known| !known.is_forgettable() || u64::from(known.seen) > average);
    }
}

impl User {
    fn waiting(&self) -> usize {
        let queue = self.queue.as_deref().into_iter().flatten();
        queue.filter(|kept| !kept.is_had()).count()
    }

    fn is_forgettable(&self) -> bool {
        self.devices == 0 && self.queue.is_none()
    }
}
