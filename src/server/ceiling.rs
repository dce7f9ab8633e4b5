//! The ceiling: how much memory all that users make grow may take, and what is given up near it.
//!
//! ```text
//!  0 ────────────────────── 3/4 ────── 7/8 ────── ceiling
//!                            │          └─ beyond it readers that are behind are cut, those for whom most
//!                            │             waits first; then the oldest history is forgotten
//!                            ├──────────── enough: down to here
//!                            └──────────── if that does not help, what would make more is refused, down to
//!                                          here; beyond the ceiling whatever happens
//! ```
//! What is compared is the program's heap, so nothing can be forgotten in the reckoning: it is counted where
//! it is handed out, and known at every moment. It is compared once a turn, which is when something is given
//! up; before each read from a client, which waits for that if need be; and wherever somebody could add to
//! it for good. Who is refused is told so in the words of its protocol, and may come back.
//!
//! What a turn needs for a moment is on top of it: a table that moves to a larger place, a batch in all
//! forms in use, one answer. And so is what the allocator cannot give back, as somebody's box lies in
//! the same page.

use super::Server;
use super::answers::Ask;
use super::output::Chunk;
use super::socket::Socket;
use crate::hub::command::{Change, Command, Outcome, Refusal};

/// From where on something is given up.
pub(crate) const fn near(ceiling: usize) -> usize {
    ceiling / 8 * 7
}

/// How much is left then.
const fn enough(ceiling: usize) -> usize {
    ceiling / 8 * 6
}

/// Who has no more than this waiting is not cut: it would hardly help.
const TRIFLE_BYTES: usize = 4 * 1024;

/// See the module's documentation.
pub(crate) struct Ceiling {
    used_bytes: fn() -> usize,
    /// `usize::MAX`: there is none.
    bytes: usize,
    near: usize,
    enough: usize,
    /// All that could be given up was not enough.
    is_refusing: bool,
}

/// How often what was given up.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shed {
    pub readers: u64,
    pub messages: u64,
    pub refused: u64,
}

impl Ceiling {
    pub fn new(bytes: Option<usize>) -> Ceiling {
        let mut ceiling =
            Ceiling { used_bytes: || 0, bytes: 0, near: 0, enough: 0, is_refusing: false };
        ceiling.set(bytes);
        ceiling
    }

    /// Another one is in force.
    pub fn set(&mut self, bytes: Option<usize>) {
        self.bytes = bytes.unwrap_or(usize::MAX);
        self.near = bytes.map_or(usize::MAX, near);
        self.enough = bytes.map_or(usize::MAX, enough);
        self.is_refusing = false;
    }

    pub fn measure_by(&mut self, used_bytes: fn() -> usize) {
        self.used_bytes = used_bytes;
    }

    /// In use now; 0 if nobody counts.
    #[inline]
    pub fn used(&self) -> usize {
        (self.used_bytes)()
    }

    /// `None`: there is none.
    pub fn bytes(&self) -> Option<usize> {
        Some(self.bytes).filter(|&bytes| bytes != usize::MAX)
    }

    /// Whether something has to be given up before anybody goes on.
    #[inline]
    pub fn is_near(&self) -> bool {
        self.used() > self.near && !self.is_refusing
    }

    /// Whether nothing may be begun that stays.
    #[inline]
    pub fn is_short(&self) -> bool {
        self.used() > self.bytes || self.is_refusing
    }

    fn is_over(&self) -> bool {
        self.used() > self.bytes
    }

    fn has_enough(&self) -> bool {
        self.used() <= self.enough
    }
}

impl<S: Socket> Server<S> {
    /// How to learn how many bytes the program has on its heap. It is asked very often.
    pub fn measure_heap_by(&mut self, used_bytes: fn() -> usize) {
        self.ceiling.measure_by(used_bytes);
    }

    /// Gives up what can be had again, near the ceiling.
    #[inline]
    pub(super) fn keep_below_ceiling(&mut self) {
        if self.ceiling.used() > self.ceiling.near || self.ceiling.is_refusing {
            self.give_up_some();
        }
    }

    #[cold]
    #[inline(never)]
    fn give_up_some(&mut self) {
        let before = self.metrics.shed;
        if self.ceiling.used() > self.ceiling.near {
            self.metrics.shed.readers +=
                self.cut_slowest(TRIFLE_BYTES, |server| server.ceiling.has_enough());
            self.forget_oldest();
        }
        let was_refusing = self.ceiling.is_refusing;
        let most = if was_refusing { self.ceiling.enough } else { self.ceiling.near };
        self.ceiling.is_refusing = self.ceiling.used() > most;
        let shed = self.metrics.shed;
        let readers = shed.readers - before.readers;
        let messages = shed.messages - before.messages;
        let has_changed = was_refusing != self.ceiling.is_refusing;
        // While it refuses, the little that still comes is forgotten at once: that is told once.
        if has_changed || readers + messages > 0 && !was_refusing {
            self.warn_short(readers, messages, self.ceiling.is_refusing);
        }
    }

    fn forget_oldest(&mut self) {
        while !self.ceiling.has_enough() {
            let surplus = self.ceiling.used() - self.ceiling.enough;
            match self.engine.forget_oldest(surplus) {
                0 => return,
                forgotten => self.metrics.shed.messages += forgotten as u64,
            }
        }
    }

    /// Whether there is room for what is needed only for a moment.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        self.ceiling.used().saturating_add(bytes) <= self.ceiling.bytes
    }

    /// Whether a command would make more of what there is too much of. What somebody listens for is delivered
    /// and forgotten again, as long as that is room enough.
    #[inline]
    pub(super) fn is_too_much(&self, command: &Command) -> bool {
        self.ceiling.is_short() && self.makes_more(command)
    }

    #[cold]
    #[inline(never)]
    fn makes_more(&self, command: &Command) -> bool {
        match command {
            Command::Publish { tenant, messages, .. } => {
                let is_heard = |name| self.hub.find(*tenant, name).is_some();
                self.ceiling.is_over() || !messages.iter().any(|it| is_heard(&it.channel))
            }
            Command::DeliverToUsers { tenant, messages, .. } => {
                let is_here = |user: &str| !self.inbox.devices(*tenant, user).is_empty();
                self.ceiling.is_over() || !messages.iter().all(|message| is_here(&message.user))
            }
            Command::ChangeRecords { change, .. } => *change != Change::Delete,
            _ => false,
        }
    }

    /// Answers in the engine's place.
    #[cold]
    #[inline(never)]
    pub(super) fn refuse_ask(&mut self, slot: u32, ask: Ask) {
        self.metrics.shed.refused += 1;
        self.finish_ask(slot, ask, Outcome::Refused(Refusal::Memory));
    }

    /// Whether the bytes of a client that is behind cannot be kept. What is shared is there anyway.
    pub(super) fn is_no_room_to_keep(&self, chunks: &[Chunk<'_>]) -> bool {
        self.ceiling.is_over() && chunks.iter().any(|chunk| matches!(chunk, Chunk::Own(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_threshold_is_passed_by_one_byte() {
        let mut ceiling = Ceiling::new(Some(8_000));
        for (used, is_near, is_short, has_enough) in [
            ((|| 6_000) as fn() -> usize, false, false, true),
            (|| 6_001, false, false, false),
            (|| 7_000, false, false, false),
            (|| 7_001, true, false, false),
            (|| 8_000, true, false, false),
            (|| 8_001, true, true, false),
        ] {
            ceiling.measure_by(used);
            let found = (ceiling.is_near(), ceiling.is_short(), ceiling.has_enough());
            assert_eq!(found, (is_near, is_short, has_enough), "{}", used());
        }
        ceiling.is_refusing = true;
        ceiling.measure_by(|| 6_001);
        assert!(ceiling.is_short() && !ceiling.is_near(), "who is refused does not wait");
    }

    #[test]
    fn without_a_ceiling_or_a_count_nothing_is_near() {
        let mut ceiling = Ceiling::new(None);
        ceiling.measure_by(|| usize::MAX - 1);
        assert!(!ceiling.is_near() && !ceiling.is_short() && ceiling.has_enough());
        assert_eq!(ceiling.bytes(), None);
        let unknown = Ceiling::new(Some(8 << 20));
        assert!(!unknown.is_near() && !unknown.is_short());
        assert_eq!(unknown.bytes(), Some(8 << 20));
    }
}
