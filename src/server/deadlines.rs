//! Coarse time: a deadline is a 2-byte tick of one second in the slot, found by a sweep.
//!
//! No timer object exists. The sweep goes round once a second, chunk by chunk, with a bounded number of
//! expiries a turn, so that ten thousand heartbeats due together do not delay anybody.

use crate::hub::clock::Now;

/// A moment in whole seconds, modulo 2^16; half the circle is the future, so waits go up to nine hours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tick(u16);

impl Tick {
    /// No deadline.
    pub const NEVER: Tick = Tick(0);

    /// The tick of this moment.
    pub fn of(now: Now) -> Tick {
        // Not through `circle`: the moment 0 taken for 1 would end a second's wait before it began.
        Tick((now.ms / 1000) as u16)
    }

    /// The first tick that is at least `seconds` away.
    pub fn after(now: Now, seconds: u16) -> Tick {
        debug_assert!(seconds < 0x7fff);
        Tick::circle(now.ms.div_ceil(1000) + u64::from(seconds))
    }

    /// Whether this deadline has come.
    pub fn is_due(self, now: Tick) -> bool {
        self != Tick::NEVER && now.0.wrapping_sub(self.0) < 0x8000
    }

    /// 0 is taken by `NEVER`; the tick after it stands in, one second late every 18 hours.
    fn circle(second: u64) -> Tick {
        Tick((second as u16).max(1))
    }
}

/// A sweep's place: which slot is next, and for which tick it runs.
#[derive(Default)]
pub(crate) struct Sweep {
    pub tick: Tick,
    /// The next slot to look at; `None` when this tick's round is done.
    pub next: Option<u32>,
}

/// What somebody has at least whom the server kept waiting.
pub(crate) const MOMENT_SECONDS: u16 = 2;
/// Slots that a sweep looks at in one turn.
pub(crate) const SLOTS_PER_TURN: u32 = 8 * 1024;
/// Deadlines that a sweep acts on in one turn.
pub(crate) const EXPIRIES_PER_TURN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Now {
        Now { ms: second * 1000, ..Now::default() }
    }

    #[test]
    fn a_deadline_comes_once_its_seconds_are_over() {
        let deadline = Tick::after(Now { ms: 1_500, ..Now::default() }, 10);
        assert!(!deadline.is_due(Tick::of(at(11))));
        assert!(deadline.is_due(Tick::of(at(12))));
        assert!(!Tick::NEVER.is_due(Tick::of(at(12))));
    }

    #[test]
    fn a_wait_that_begins_with_the_clock_is_not_over_at_once() {
        for start in [0, 65_536] {
            assert!(!Tick::after(at(start), 1).is_due(Tick::of(at(start))), "{start}");
        }
    }

    #[test]
    fn the_circle_closes_without_a_jump() {
        for start in [65_530, 65_535, 65_536, 131_071] {
            let deadline = Tick::after(at(start), 20);
            assert!(!deadline.is_due(Tick::of(at(start + 19))), "{start}");
            assert!(deadline.is_due(Tick::of(at(start + 21))), "{start}");
        }
    }
}
