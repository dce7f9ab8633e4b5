//! What a load has in common with every other: a window of time, and what is counted in it.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::clock::{MILLI, SECOND};
use super::net::{Event, Net};

/// Who sends this much later than the schedule says is late.
const LATE_NS: u64 = 2 * MILLI;
/// How long answers are waited for when the window has ended.
pub const DRAIN: u64 = 3 * SECOND;
/// The longest latency that is told apart, in nanoseconds.
pub const LATENCY_MAX: u64 = 120 * SECOND;

/// When it begins, is measured, and ends, by the common clock.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub begin: u64,
    pub measure: u64,
    pub end: u64,
}

impl Window {
    pub fn has(&self, at: u64) -> bool {
        (self.measure..self.end).contains(&at)
    }
}

/// What is done with live connections.
pub trait Load {
    /// Something has happened.
    fn event(&mut self, net: &mut Net<'_>, tally: &mut Tally, event: Event);
    /// Sends what is due; returns when to be called again.
    fn tick(&mut self, net: &mut Net<'_>, tally: &mut Tally) -> u64;
    /// The parent has heard how much there was in all.
    fn finish(&mut self, published: u64);
    /// Nothing is due and nothing is under way; `received` is what has been counted so far.
    fn is_over(&self, now: u64, received: u64) -> bool;
}

/// What one worker has measured.
pub struct Tally {
    pub window: Window,
    pub histogram: Histogram<u64>,
    /// Done in the window.
    pub operations: u64,
    /// Should have been sent in the window, or was.
    pub sent: u64,
    pub late: u64,
    pub behind_max_ns: u64,
    /// Over all of the run.
    pub published: u64,
    pub received: u64,
}

/// A histogram for nanoseconds, three digits exact.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, 3).expect("constant bounds are valid")
}

impl Tally {
    pub fn new(window: Window) -> Tally {
        Tally {
            window,
            histogram: histogram(),
            operations: 0,
            sent: 0,
            late: 0,
            behind_max_ns: 0,
            published: 0,
            received: 0,
        }
    }

    /// Something due at `due` goes out now.
    pub fn send(&mut self, due: u64, now: u64) {
        if self.window.has(due) {
            let behind = now.saturating_sub(due);
            self.sent += 1;
            self.late += u64::from(behind > LATE_NS);
            self.behind_max_ns = self.behind_max_ns.max(behind);
        }
    }

    /// Something due at `due` is done.
    pub fn done(&mut self, due: u64, at: u64) {
        self.received += 1;
        if self.window.has(due) {
            self.operations += 1;
            self.histogram.saturating_record(at.saturating_sub(due).max(1));
        }
    }

    pub fn to_json(&self) -> Value {
        let recorded = self.histogram.iter_recorded();
        let pairs: Vec<[u64; 2]> = recorded
            .map(|step| [step.value_iterated_to(), step.count_since_last_iteration()])
            .collect();
        json!({
            "operations": self.operations,
            "sent": self.sent,
            "late": self.late,
            "behind_max_ns": self.behind_max_ns,
            "published": self.published,
            "received": self.received,
            "histogram": pairs,
        })
    }
}

/// An open loop: one thing every so often, whatever becomes of those before.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin: u64,
    end: u64,
    interval_ns: f64,
    next: u64,
}

impl Schedule {
    pub fn new(window: Window, rate: f64) -> Schedule {
        let interval_ns = SECOND as f64 / rate;
        Schedule { begin: window.begin, end: window.end, interval_ns, next: 0 }
    }

    /// When the next one is due, `None` when the window has ended.
    pub fn due(&self) -> Option<u64> {
        let due = self.begin + (self.next as f64 * self.interval_ns) as u64;
        (due < self.end).then_some(due)
    }

    /// Takes the next one if its time has come.
    pub fn take(&mut self, now: u64) -> Option<u64> {
        let due = self.due().filter(|due| *due <= now)?;
        self.next += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_waits_for_nobody() {
        let window = Window { begin: 1_000, measure: 1_000, end: 1_000 + SECOND };
        let mut schedule = Schedule::new(window, 10.0);
        let all: Vec<u64> = std::iter::from_fn(|| schedule.take(10 * SECOND)).collect();
        assert_eq!(all.len(), 10);
        assert_eq!((all[0], all[9]), (1_000, 1_000 + 9 * SECOND / 10));
        assert_eq!(Schedule::new(window, 10.0).take(999), None);
    }

    #[test]
    fn only_the_window_counts_and_latency_runs_from_when_it_was_due() {
        let mut tally = Tally::new(Window { begin: 0, measure: 100, end: 200 });
        for due in [99, 100, 199, 200] {
            tally.send(due, due + 3 * MILLI);
            tally.done(due, due + 5_000);
        }
        assert_eq!((tally.sent, tally.late, tally.operations, tally.received), (2, 2, 2, 4));
        assert_eq!(tally.histogram.len(), 2);
        assert!((5_000..5_010).contains(&tally.histogram.max()));
    }
}
