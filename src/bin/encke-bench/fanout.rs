//! One publishes, many listen: WebSockets, streams, or long-polls that are released and park again.

use std::collections::VecDeque;

use super::args::{Plan, Publish};
use super::client::{Kind, What};
use super::clock::SECOND;
use super::load::{DRAIN, Load, Schedule, Tally};
use super::net::{Event, Id, Net};
use super::wire::write_message;

/// Connections that publish by POST, so that one slow answer does not hold the schedule up.
const POSTERS: usize = 8;
/// The closed loop goes on without who has not got a message after so long.
const PATIENCE: u64 = 2 * SECOND;

pub struct Fanout<'a> {
    plan: &'a Plan,
    /// This worker publishes; the others only listen.
    is_publisher: bool,
    schedule: Option<Schedule>,
    /// Publishers with nothing to do.
    idle: VecDeque<Id>,
    publishers: usize,
    /// Subscribers that live.
    listening: u64,
    /// In the closed loop: when it was published, and how many have not got it.
    under_way: VecDeque<(u64, u64)>,
    window_end: u64,
    /// How much there was, once the parent has said so.
    published: Option<u64>,
    over_at: u64,
}

impl<'a> Fanout<'a> {
    pub fn new(plan: &'a Plan, is_publisher: bool, listening: u64, tally: &Tally) -> Fanout<'a> {
        Fanout {
            plan,
            is_publisher,
            schedule: plan.rate.map(|rate| Schedule::new(tally.window, rate)),
            idle: VecDeque::new(),
            publishers: 0,
            listening,
            under_way: VecDeque::new(),
            window_end: tally.window.end,
            published: None,
            over_at: u64::MAX,
        }
    }

    /// Keeps as many publishers as it should have.
    fn staff(&mut self, net: &mut Net<'_>) {
        let (kind, count) = match &self.plan.publish {
            Publish::Post(_) => (Kind::Post, POSTERS),
            Publish::Frame(_) => (Kind::WebSocket, 1),
        };
        while self.publishers < count {
            let number = self.plan.connections + self.publishers;
            if net.open_publisher(kind, number).is_none() {
                return;
            }
            self.publishers += 1;
        }
    }

    fn publish(&mut self, net: &mut Net<'_>, tally: &mut Tally, id: Id, due: u64) {
        let mut message = Vec::with_capacity(self.plan.size);
        write_message(&mut message, net.run(), due, self.plan.size);
        match &self.plan.publish {
            Publish::Post(_) => net.send_post(id, &message),
            Publish::Frame(text) => {
                let message = String::from_utf8_lossy(&message);
                net.send_frame(id, text.replace("{message}", &message).as_bytes());
                self.idle.push_back(id);
            }
        }
        tally.published += 1;
        tally.send(due, net.clock.now());
        if self.schedule.is_none() {
            self.under_way.push_back((due, self.listening));
        }
    }

    /// What is due now.
    fn take_due(&mut self, now: u64) -> Option<u64> {
        if let Some(schedule) = &mut self.schedule {
            return schedule.take(now);
        }
        while self.under_way.front().is_some_and(|(due, left)| *left == 0 || now > due + PATIENCE) {
            self.under_way.pop_front();
        }
        (now < self.window_end && self.under_way.len() < self.plan.depth).then_some(now)
    }
}

impl Load for Fanout<'_> {
    fn event(&mut self, _: &mut Net<'_>, tally: &mut Tally, event: Event) {
        match event.what {
            What::Message(due) if !event.is_publisher => {
                tally.done(due, event.at);
                let mut waiting = self.under_way.iter_mut();
                if let Some((_, left)) =
                    waiting.find(|(published, left)| *published == due && *left > 0)
                {
                    *left -= 1;
                }
            }
            What::Live | What::Answered if event.is_publisher => {
                self.idle.push_back(event.id);
            }
            What::Closed if event.is_publisher => {
                self.publishers -= 1;
                self.idle.retain(|id| *id != event.id);
            }
            What::Closed => self.listening = self.listening.saturating_sub(1),
            _ => {}
        }
    }

    fn tick(&mut self, net: &mut Net<'_>, tally: &mut Tally) -> u64 {
        let now = net.clock.now();
        if !self.is_publisher {
            return now + SECOND / 10;
        }
        self.staff(net);
        if now < tally.window.begin {
            return tally.window.begin;
        }
        while let Some(id) = self.idle.pop_front() {
            match self.take_due(now) {
                Some(due) => self.publish(net, tally, id, due),
                None => {
                    self.idle.push_front(id);
                    break;
                }
            }
        }
        self.schedule.and_then(|schedule| schedule.due()).unwrap_or(now + SECOND / 100).max(now + 1)
    }

    fn finish(&mut self, published: u64) {
        self.published = Some(published);
        self.over_at = self.window_end + DRAIN;
    }

    fn is_over(&self, now: u64, received: u64) -> bool {
        self.published
            .is_some_and(|published| received >= published * self.listening || now > self.over_at)
    }
}
