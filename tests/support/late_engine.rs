//! An engine as a far one would be: the engine in memory, but nothing comes out of it at once.
//!
//! Requests are begun late, answers come late and overtake one another, and what was published leaves
//! the feed late, in its order. Time is the number of `take`s and ticks, so a test moves it by asking.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use encke::engines::memory::{Limits, MemoryEngine};
use encke::engines::{Change, Engine, Output, Token, Usage};
use encke::hub::clock::Now;
use encke::hub::command::{Command, Happened, Outcome};
use encke::hub::message::{MessageId, TenantId};

use super::random::Random;

/// How many takes pass in a tick.
const TAKES_PER_TICK: u64 = 3;

pub struct LateEngine {
    inner: MemoryEngine,
    random: Random,
    /// Most takes that one thing is late.
    lateness: usize,
    takes: u64,
    now: Now,
    requests: VecDeque<(u64, Option<Token>, Command)>,
    answers: Vec<(u64, Token, Outcome)>,
    feed: VecDeque<(u64, Happened)>,
    /// What has really left the feed.
    positions: Vec<MessageId>,
    pending: Rc<Cell<usize>>,
    /// Up to where something may have been forgotten, of each tenant.
    forgotten: Rc<RefCell<Vec<MessageId>>>,
}

impl LateEngine {
    pub fn new(tenants: usize, limits: Limits, now: Now, seed: u64, lateness: usize) -> LateEngine {
        let inner = MemoryEngine::new(tenants, limits, now);
        let positions = (0..tenants).map(|index| inner.position(TenantId(index as u16))).collect();
        LateEngine {
            inner,
            random: Random::new(seed),
            lateness,
            takes: 0,
            now,
            requests: VecDeque::new(),
            answers: Vec::new(),
            feed: VecDeque::new(),
            positions,
            pending: Rc::default(),
            forgotten: Rc::default(),
        }
    }

    /// Shows how much is still inside, after the engine itself was given away.
    pub fn pending(&self) -> Rc<Cell<usize>> {
        self.pending.clone()
    }

    /// Shows up to where it may have forgotten: more than has left the feed. Empty if it has forgotten nothing.
    pub fn forgotten(&self) -> Rc<RefCell<Vec<MessageId>>> {
        self.forgotten.clone()
    }

    fn due(&mut self) -> u64 {
        // Often at once, sometimes very late.
        let lateness = self.random.pick(&[0, 1, self.lateness / 4, self.lateness]);
        self.takes + self.random.below(lateness + 1) as u64
    }

    fn pass(&mut self, takes: u64) {
        self.takes += takes;
        // One connection asks one thing at a time, so requests may overtake one another.
        for _ in 0..self.requests.len() {
            let Some((due, token, command)) = self.requests.pop_front() else { break };
            if due > self.takes {
                self.requests.push_back((due, token, command));
                continue;
            }
            self.inner.submit(token, command, self.now);
            self.collect();
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.inner.take() {
            let due = self.due();
            match output {
                Output::Completed(token, outcome) => self.answers.push((due, token, outcome)),
                Output::Happened(happened) => self.feed.push_back((due, happened)),
            }
        }
    }

    fn take_answer(&mut self) -> Option<Output> {
        let ready: Vec<usize> =
            (0..self.answers.len()).filter(|&index| self.answers[index].0 <= self.takes).collect();
        if ready.is_empty() {
            return None;
        }
        let (_, token, outcome) = self.answers.swap_remove(self.random.pick(&ready));
        Some(Output::Completed(token, outcome))
    }

    fn take_feed(&mut self) -> Option<Output> {
        if self.feed.front()?.0 > self.takes {
            return None;
        }
        let (_, happened) = self.feed.pop_front()?;
        if let Happened::Published(message) = &happened {
            self.positions[usize::from(message.tenant.0)] = message.id;
        }
        Some(Output::Happened(happened))
    }

    fn count(&self) {
        self.pending.set(self.requests.len() + self.answers.len() + self.feed.len());
    }
}

impl Engine for LateEngine {
    fn submit(&mut self, token: Option<Token>, command: Command, now: Now) {
        self.now = now;
        let due = self.due();
        self.requests.push_back((due, token, command));
        self.count();
    }

    fn take(&mut self) -> Option<Output> {
        self.pass(1);
        let output = match self.random.one_in(2) {
            true => self.take_answer().or_else(|| self.take_feed()),
            false => self.take_feed().or_else(|| self.take_answer()),
        };
        self.count();
        output
    }

    fn tick(&mut self, now: Now) {
        self.now = now;
        self.inner.tick(now);
        self.pass(TAKES_PER_TICK);
        self.count();
    }

    fn position(&self, tenant: TenantId) -> MessageId {
        self.positions[usize::from(tenant.0)]
    }

    fn reload(&mut self, change: &Change<'_>, now: Now) {
        self.inner.reload(change, now);
        for index in self.positions.len()..change.tenants {
            self.positions.push(self.inner.position(TenantId(index as u16)));
        }
    }

    fn forget_oldest(&mut self, bytes: usize) -> usize {
        let newest = |index| self.inner.position(TenantId(index as u16));
        *self.forgotten.borrow_mut() = (0..self.positions.len()).map(newest).collect();
        self.inner.forget_oldest(bytes)
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }
}
