//! Round trips: what is sent comes back.

use super::client::What;
use super::load::{DRAIN, Load, Schedule, Tally};
use super::net::{Event, Id, Net};
use super::wire::write_message;

/// Unanswered messages that one connection may have in the open loop; then the schedule waits, and says so.
const OUTSTANDING_MAX: u32 = 1_024;

pub struct Echo {
    clients: Vec<Id>,
    /// Unanswered messages, by slot.
    outstanding: Vec<u32>,
    schedule: Option<Schedule>,
    turn: usize,
    depth: u32,
    size: usize,
    has_begun: bool,
    end: u64,
    under_way: u64,
}

impl Echo {
    pub fn new(
        clients: Vec<Id>,
        depth: usize,
        size: usize,
        tally: &Tally,
        rate: Option<f64>,
    ) -> Echo {
        let slots = clients.iter().map(|id| id.slot + 1).max().unwrap_or(0);
        Echo {
            clients,
            outstanding: vec![0; slots],
            schedule: rate.map(|rate| Schedule::new(tally.window, rate)),
            turn: 0,
            depth: depth as u32,
            size,
            has_begun: false,
            end: tally.window.end,
            under_way: 0,
        }
    }

    fn send(&mut self, net: &mut Net<'_>, tally: &mut Tally, id: Id, due: u64) {
        let mut text = Vec::with_capacity(self.size);
        write_message(&mut text, net.run(), due, self.size);
        tally.send(due, net.clock.now());
        self.outstanding[id.slot] += 1;
        self.under_way += 1;
        net.send_frame(id, &text);
    }

    /// The next connection, in turn, if it is not choked.
    fn next(&mut self) -> Option<Id> {
        let id = *self.clients.get(self.turn % self.clients.len().max(1))?;
        if self.outstanding[id.slot] >= OUTSTANDING_MAX {
            return None;
        }
        self.turn += 1;
        Some(id)
    }
}

impl Load for Echo {
    fn event(&mut self, net: &mut Net<'_>, tally: &mut Tally, event: Event) {
        match event.what {
            What::Message(due) => {
                tally.done(due, event.at);
                let count = &mut self.outstanding[event.id.slot];
                *count = count.saturating_sub(1);
                self.under_way = self.under_way.saturating_sub(1);
                if self.schedule.is_none() && event.at < self.end {
                    self.send(net, tally, event.id, event.at);
                }
            }
            What::Closed => {
                self.clients.retain(|id| *id != event.id);
                let lost = std::mem::take(&mut self.outstanding[event.id.slot]);
                self.under_way = self.under_way.saturating_sub(u64::from(lost));
            }
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net<'_>, tally: &mut Tally) -> u64 {
        let now = net.clock.now();
        if now < tally.window.begin {
            return tally.window.begin;
        }
        if self.schedule.is_none() && !self.has_begun {
            self.has_begun = true;
            for id in self.clients.clone() {
                for _ in 0..self.depth {
                    self.send(net, tally, id, now);
                }
            }
        }
        while self.schedule.is_some_and(|schedule| schedule.due().is_some_and(|due| due <= now)) {
            let Some(id) = self.next() else { break };
            if let Some(due) = self.schedule.as_mut().and_then(|schedule| schedule.take(now)) {
                self.send(net, tally, id, due);
            }
        }
        self.schedule.and_then(|schedule| schedule.due()).unwrap_or(self.end).max(now + 1)
    }

    fn finish(&mut self, _: u64) {}

    fn is_over(&self, now: u64, _: u64) -> bool {
        now >= self.end && (self.under_way == 0 || now > self.end + DRAIN)
    }
}
