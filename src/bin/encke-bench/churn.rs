//! Connections that come, subscribe and go.

use super::client::What;
use super::load::{DRAIN, Load, Schedule, Tally};
use super::net::{Event, Id, Net};

pub struct Churn {
    schedule: Option<Schedule>,
    /// On their way at a time.
    places: usize,
    under_way: usize,
    number: usize,
    end: u64,
}

impl Churn {
    pub fn new(places: usize, tally: &Tally, rate: Option<f64>) -> Churn {
        let schedule = rate.map(|rate| Schedule::new(tally.window, rate));
        Churn { schedule, places, under_way: 0, number: 0, end: tally.window.end }
    }

    fn open(&mut self, net: &mut Net<'_>, tally: &mut Tally, due: u64) -> Option<Id> {
        tally.send(due, net.clock.now());
        self.number += 1;
        let id = net.open(net.subscriber(), self.number, due)?;
        self.under_way += 1;
        Some(id)
    }
}

impl Load for Churn {
    fn event(&mut self, net: &mut Net<'_>, tally: &mut Tally, event: Event) {
        match event.what {
            What::Live => {
                tally.done(net.since(event.id), event.at);
                net.close(event.id);
                self.under_way -= 1;
            }
            What::Closed => self.under_way -= 1,
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net<'_>, tally: &mut Tally) -> u64 {
        let now = net.clock.now();
        if now < tally.window.begin {
            return tally.window.begin;
        }
        while self.under_way < self.places && now < self.end {
            let due = match &mut self.schedule {
                Some(schedule) => schedule.take(now),
                None => Some(now),
            };
            let Some(due) = due else { break };
            if self.open(net, tally, due).is_none() {
                // The machine is out of something; a moment later it may not be.
                return now + 1_000_000;
            }
        }
        self.schedule.and_then(|schedule| schedule.due()).unwrap_or(self.end).max(now + 1)
    }

    fn finish(&mut self, _: u64) {}

    fn is_over(&self, now: u64, _: u64) -> bool {
        now >= self.end && (self.under_way == 0 || now > self.end + DRAIN)
    }
}
