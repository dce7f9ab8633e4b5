//! What both worlds stand on: a server and its engine, the network before it, the clocks above it, and
//! how all that comes to rest. Who lives there is the matter of the worlds.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use encke::engines::Engine;
use encke::engines::memory::{Keep, Limits as EngineLimits, MemoryEngine};
use encke::hub::clock::Now;
use encke::hub::command::Command;
use encke::hub::message::MessageId;
use encke::server::settings::Settings;
use encke::server::{Holdings, Listener, Next, Server};

use crate::client::Line;
use crate::support::late_engine::LateEngine;
use crate::support::random::Random;
use crate::truth::{Recorded, Truth};
use crate::wire::{FakeSocket, Wire};

/// When the simulated world begins.
pub const START: Now = Now { ms: 5_000, unix_second: 1_763_690_000, unix_nanos: 123_456_789 };
/// Rounds within which everything comes to rest.
const ROUNDS_MAX: usize = 60_000;
/// Rounds without anything new after which nothing new will come.
const QUIET_ROUNDS: usize = 12;
/// Takes after which even the latest engine has done what it was asked.
const TAKES_MAX: usize = 100;

/// See the module's documentation.
pub struct Machine {
    pub random: Random,
    pub server: Server<FakeSocket>,
    pub now: Now,
    pub truth: Rc<RefCell<Truth>>,
    pub next: Next,
    pub is_draining: bool,
    /// What the late engine has not said yet.
    pending: Rc<Cell<usize>>,
    /// Real selectors tell more than what changed.
    has_full_events: bool,
}

/// What a world is made of.
pub struct Plan {
    pub settings: Settings,
    pub engine: EngineLimits,
    pub is_late: bool,
    /// What the engine is told before anybody comes.
    pub first: Vec<Command>,
}

impl Machine {
    pub fn new(mut random: Random, plan: Plan) -> Machine {
        let Plan { settings, engine, is_late, first } = plan;
        let tenants = settings.tenants.len();
        let start = MessageId { second: START.unix_second, n: START.unix_nanos };
        let truth = Rc::new(RefCell::new(Truth::new(&vec![start; tenants])));
        let mut pending = Rc::default();
        let mut engine: Box<dyn Engine> = match is_late {
            true => {
                let lateness = random.pick(&[4, 20, 60]);
                let engine = LateEngine::new(tenants, engine, START, random.next(), lateness);
                pending = engine.pending();
                Box::new(engine)
            }
            false => Box::new(MemoryEngine::new(tenants, engine, START)),
        };
        for command in first {
            engine.submit(None, command, START);
        }
        for _ in 0..TAKES_MAX {
            assert_eq!(engine.take(), None, "nobody waits for an answer");
        }
        let engine = Box::new(Recorded { engine, truth: truth.clone() });
        Machine {
            server: Server::new(settings, engine, [7; 20], START),
            has_full_events: random.one_in(2),
            random,
            now: START,
            truth,
            next: Next::Idle,
            is_draining: false,
            pending,
        }
    }

    /// A new connection, unless the server has no place for it.
    pub fn connect(&mut self, listener: Listener) -> Option<Line> {
        let to_server_max = self.random.pick(&[200, 4_000, 200_000]);
        let to_client_max = self.random.pick(&[64, 1_000, 20_000, 300_000]);
        let wire = Wire::new(self.truth.clone(), to_server_max, to_client_max);
        let wire = Rc::new(RefCell::new(wire));
        let key = self.server.accept(FakeSocket(wire.clone()), listener, self.now)?;
        Some(Line::new(wire, key))
    }

    /// Both clocks go on; true if a new second has begun.
    pub fn pass(&mut self, ms: u64) -> bool {
        let before = self.now.ms / 1000;
        self.now.ms += ms;
        let seconds = self.now.ms / 1000 - before;
        self.now.unix_second += seconds;
        self.now.unix_nanos = (self.now.ms % 1000) as u32 * 1_000_000;
        seconds > 0
    }

    /// One round of the reactor.
    pub fn turn<'a>(&mut self, lines: impl Iterator<Item = &'a Line>) {
        let mut ready = Vec::new();
        for line in lines {
            let is_taken = !self.random.one_in(8);
            if is_taken && let Some(event) = line.wire.borrow_mut().take_event(self.has_full_events)
            {
                ready.push((line.key, event));
            }
        }
        while !ready.is_empty() {
            let (key, event) = ready.swap_remove(self.random.below(ready.len()));
            self.server.ready(key, event, self.now);
        }
        self.next = self.server.turn(self.now);
    }

    /// Every link in the server holds, and nobody is there but whom the network knows.
    pub fn verify<'a>(&self, lines: impl Iterator<Item = &'a Line>) {
        self.server.verify();
        let open = lines.filter(|line| !line.wire.borrow().is_closed).count();
        let held = self.server.holdings();
        assert_eq!(held.slots, open + held.detached, "slots are sockets and sessions");
        assert_eq!(self.server.connections(), held.slots);
    }

    /// Whether neither the server nor its engine has anything left to do.
    fn is_quiet(&self) -> bool {
        self.next != Next::Now && self.pending.get() == 0
    }
}

/// A machine with people.
pub trait Inhabited {
    fn machine(&mut self) -> &mut Machine;

    /// All connections.
    fn lines(&mut self) -> Vec<&mut Line>;

    /// Everybody says and hears all that there is; true if anybody did.
    fn hurry(&mut self) -> bool;

    /// One round of the reactor.
    fn turn(&mut self);

    /// Connections that are over for the client too.
    fn reap(&mut self);

    /// Looks at everything.
    fn verify(&mut self);

    /// Everything that can happen without a new wish or the clock happens; nobody is slow.
    fn come_to_rest(&mut self) {
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            for line in self.lines() {
                line.is_stalled = false;
                line.wire.borrow_mut().widen();
            }
            let mut is_quiet = !self.hurry();
            self.turn();
            self.reap();
            is_quiet &= self.machine().is_quiet();
            is_quiet &= !self.lines().iter().any(|line| line.wire.borrow().has_event());
            quiet = if is_quiet { quiet + 1 } else { 0 };
            if quiet == QUIET_ROUNDS {
                return self.verify();
            }
        }
        let machine = self.machine();
        panic!("it never comes to rest: {:?} {:?}", machine.next, machine.server.holdings());
    }

    fn pass(&mut self, ms: u64) {
        self.machine().pass(ms);
    }

    /// Seconds go by in which everything happens that can.
    fn rest_for(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.pass(1_000);
            self.come_to_rest();
        }
    }

    /// Everybody goes; the server is as it was at first.
    fn everybody_leaves(&mut self) {
        let rude: Vec<bool> =
            (0..self.lines().len()).map(|_| self.machine().random.one_in(3)).collect();
        for (line, is_rude) in self.lines().into_iter().zip(rude) {
            match is_rude {
                true => line.wire.borrow_mut().reset(false),
                false => line.wants_fin = true,
            }
        }
        self.come_to_rest();
        // Who polls and only sends no more is there until its time is over; a session outlives that.
        self.rest_for(60);
        self.check_empty();
    }

    /// The server stops, and gives everybody a moment.
    fn drain(&mut self) {
        let machine = self.machine();
        machine.is_draining = true;
        machine.server.drain(machine.now);
        self.come_to_rest();
    }

    fn check_empty(&mut self) {
        let held = self.machine().server.holdings();
        assert_eq!(held, Holdings::default(), "all closed, all given back");
    }
}

/// What channels keep: everything, or hardly anything.
pub fn draw_keep(random: &mut Random, is_roomy: bool) -> Keep {
    match is_roomy {
        true => Keep {
            messages_max: 1_000_000,
            seconds_max: 1_000_000,
            bytes_max: usize::MAX,
            is_listed: true,
        },
        false => Keep {
            messages_max: random.pick(&[1, 5, 100]),
            seconds_max: random.pick(&[3, 600]),
            bytes_max: random.pick(&[2_000, 256 * 1024]),
            is_listed: random.one_in(2),
        },
    }
}
