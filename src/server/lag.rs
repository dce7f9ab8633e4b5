//! How long turns and batches take. The reactor reads its clock at both ends of a turn; whatever happens
//! in between happened at its beginning, and what has ended, at its end.

use std::collections::VecDeque;

use super::histogram::Histogram;

/// Places that the list keeps while it is empty.
const KEPT: usize = 16;

/// Durations of turns, of batches, and of messages from publish to last delivery.
#[derive(Default)]
pub(crate) struct Lag {
    /// From the system's word to the wait for the next.
    pub turn: Histogram,
    /// From the first visit of a batch to its last.
    pub batch: Histogram,
    /// From the publish of a batch's oldest message to the batch's last visit.
    pub delivery: Histogram,
    turn_us: u64,
    /// Messages that are in no batch yet: how many in a row came in one turn, and its beginning.
    waiting: VecDeque<(usize, u64)>,
    /// Of the batch under way: when its oldest message was published, and when it began.
    under_way: (u64, u64),
    /// It ended in this turn.
    has_ended: bool,
}

impl Lag {
    pub fn turn_begins(&mut self, us: u64) {
        self.turn_us = us;
    }

    pub fn turn_ends(&mut self, us: u64) {
        self.turn.add(us.saturating_sub(self.turn_us));
        if std::mem::take(&mut self.has_ended) {
            let (published, began) = self.under_way;
            self.batch.add(us.saturating_sub(began));
            self.delivery.add(us.saturating_sub(published));
        }
    }

    /// One more message waits.
    pub fn message_waits(&mut self) {
        match self.waiting.back_mut() {
            Some((count, us)) if *us == self.turn_us => *count += 1,
            _ => self.waiting.push_back((1, self.turn_us)),
        }
    }

    /// The first `messages` of those that wait are a batch now.
    pub fn batch_begins(&mut self, mut messages: usize) {
        let oldest = self.waiting.front().map_or(self.turn_us, |&(_, us)| us);
        self.under_way = (oldest, self.turn_us);
        while messages > 0
            && let Some((count, _)) = self.waiting.front_mut()
        {
            let taken = messages.min(*count);
            messages -= taken;
            *count -= taken;
            if *count == 0 {
                self.waiting.pop_front();
            }
        }
    }

    pub fn batch_ends(&mut self) {
        self.has_ended = true;
    }

    pub fn give_memory_back(&mut self) {
        self.waiting.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::prometheus::Seconds;

    #[test]
    fn a_batch_over_several_turns_and_one_that_had_to_wait_for_it() {
        let mut lag = Lag::default();
        lag.turn_begins(1_000);
        lag.message_waits();
        lag.message_waits();
        lag.batch_begins(2);
        lag.turn_ends(1_100);
        assert_eq!((lag.turn.count(), lag.batch.count()), (1, 0));
        lag.turn_begins(2_000);
        lag.message_waits();
        lag.batch_ends();
        lag.turn_ends(2_500);
        assert_eq!((lag.batch.sum(), lag.delivery.sum()), (Seconds(1_500), Seconds(1_500)));
        lag.turn_begins(3_000);
        lag.message_waits();
        lag.batch_begins(2);
        lag.batch_ends();
        lag.turn_ends(3_400);
        assert_eq!(lag.batch.sum(), Seconds(1_500 + 400));
        assert_eq!(lag.delivery.sum(), Seconds(1_500 + 1_400), "the older message counts");
        assert!(lag.waiting.is_empty());
    }
}
