//! What both worlds stand on: a server and its engine, the network before it, the clocks above it, and
//! how all that comes to rest. Who lives there is the matter of the worlds.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

use encke::engines::Engine;
use encke::engines::memory::{Limits as EngineLimits, MemoryEngine};
use encke::hub::clock::Now;
use encke::hub::command::Command;
use encke::hub::message::MessageId;
use encke::server::limits::Limits;
use encke::server::settings::Settings;
use encke::server::{Holdings, Listener, Next, Server};

use crate::client::Line;
use crate::lobby::{Else, Visit};
use crate::memory::{self, Shortage};
use crate::proxy::{ADDRESSES, header};
use crate::support::late_engine::LateEngine;
use crate::support::random::Random;
use crate::truth::{Recorded, Truth};
use crate::wire::{FakeSocket, Weather, Wire};

/// When the simulated world begins.
pub const START: Now = Now { ms: 5_000, unix_second: 1_763_690_000, unix_nanos: 123_456_789 };
/// Rounds within which everything comes to rest.
const ROUNDS_MAX: usize = 60_000;
/// Rounds without anything new after which nothing new will come.
const QUIET_ROUNDS: usize = 12;
/// How many may be told that there is no place at the same time.
const LOBBY_PLACES: usize = 16;
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
    pub shortage: Shortage,
    /// What the late engine has not said yet.
    pending: Rc<Cell<usize>>,
    /// Real selectors tell more than what changed.
    has_full_events: bool,
    /// Those in force.
    limits: Limits,
    /// All connections that may be open.
    sockets: Vec<Socket>,
    /// Milliseconds of Unix time, as somebody has set it.
    unix_ms: u64,
    does_clock_stand: bool,
}

/// A connection, as whoever counts connections sees it.
struct Socket {
    wire: Rc<RefCell<Wire>>,
    address: Option<IpAddr>,
    /// The address is not known before the server has read what the proxy says.
    is_announced: bool,
    is_in_lobby: bool,
}

/// Where somebody who comes is let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Room {
    Place,
    /// To be told that there is no place.
    Lobby,
    /// That is told at the door.
    None,
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
        memory::end_shortage();
        let Plan { settings, engine, is_late, first } = plan;
        let tenants = settings.tenants.len();
        let start = MessageId { second: START.unix_second, n: START.unix_nanos };
        let truth = Rc::new(RefCell::new(Truth::new(&vec![start; tenants], START.ms)));
        let (mut pending, mut forgotten) = (Rc::default(), Rc::default());
        let mut engine: Box<dyn Engine> = match is_late {
            true => {
                let lateness = random.pick(&[4, 20, 60]);
                let engine = LateEngine::new(tenants, engine, START, random.next(), lateness);
                (pending, forgotten) = (engine.pending(), engine.forgotten());
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
        let engine = Box::new(Recorded { engine, truth: truth.clone(), forgotten });
        let limits = settings.limits.clone();
        let mut server = Server::new(settings, engine, [7; 20], START);
        server.measure_heap_by(memory::used);
        Machine {
            server,
            has_full_events: random.one_in(2),
            random,
            now: START,
            truth,
            next: Next::Idle,
            is_draining: false,
            shortage: Shortage::default(),
            pending,
            limits,
            sockets: Vec::new(),
            unix_ms: START.unix_second * 1_000 + u64::from(START.unix_nanos) / 1_000_000,
            does_clock_stand: false,
        }
    }

    /// A new connection, unless the server has no place for it: then it says so, and has a reason.
    pub fn connect(&mut self, listener: Listener) -> Option<Line> {
        let weather = Weather::draw(&mut self.random);
        self.connect_in(weather, listener)
    }

    pub fn connect_in(&mut self, weather: Weather, listener: Listener) -> Option<Line> {
        let is_fair = weather.odd_one_in.is_none()
            && weather.breaks_at.is_none()
            && weather.at_once_max > 1_000;
        let address = self.random.pick(&ADDRESSES).map(|text| text.parse().expect("an address"));
        let is_proxied = self.random.one_in(8);
        let mut wire = self.new_wire();
        wire.set_weather(weather);
        wire.peer = address.filter(|_| !is_proxied).map(|address: IpAddr| (address, 1_234).into());
        let wire = Rc::new(RefCell::new(wire));
        let socket = FakeSocket(wire.clone());
        let (least, most) = self.count_from(address);
        let room = self.room(listener);
        let key = match is_proxied {
            true => self.server.accept_proxied(socket, listener, self.now),
            false => self.server.accept(socket, listener, self.now),
        };
        let per_address = self.limits.connections_per_address_max;
        let is_counted = !is_proxied && address.is_some_and(|address| !address.is_loopback());
        let may_refuse = self.limits.connects_per_second_per_address_max > 0 || per_address <= most;
        let must_refuse = per_address <= least && per_address > 0;
        let Some(key) = key else {
            let is_one_too_many = is_counted && may_refuse && self.counts_addresses();
            let has_reason = self.is_draining || room == Room::None || is_one_too_many;
            assert!(has_reason, "refused for no reason: {room:?}");
            if is_fair {
                let may_be_full = room == Room::None;
                let must_be_full = !is_one_too_many && !self.is_draining;
                check_refusal(&mut wire.borrow_mut(), listener, (must_be_full, may_be_full));
            }
            return None;
        };
        assert!(!self.is_draining, "one more while it stops");
        assert_ne!(room, Room::None, "one more than may");
        assert!(!(is_counted && must_refuse), "one more than may come from there");
        if self.random.one_in(100) {
            self.server.abandon(key, &io::Error::other("no more watches"));
            assert!(wire.borrow().is_closed, "nobody would ever look at it");
            return None;
        }
        let is_in_lobby = room == Room::Lobby;
        let is_announced = is_proxied;
        self.sockets.push(Socket { wire: wire.clone(), address, is_announced, is_in_lobby });
        let mut line = Line::new(wire, key);
        if is_proxied {
            line.send(&header(address, &mut self.random));
            line.is_proxied = true;
            self.excuse_proxied(&mut line);
        }
        line.visit = is_in_lobby.then(|| Box::new(Visit::new()));
        Some(line)
    }

    /// Where the next one must be let in, wherever it comes from. Sessions have places as well.
    fn room(&self, listener: Listener) -> Room {
        let is_there = |socket: &&Socket| socket.is_in_lobby && !socket.wire.borrow().is_closed;
        let in_lobby = self.sockets.iter().filter(is_there).count();
        let (here, most) = (self.server.connections(), self.limits.connections_max);
        if here - in_lobby < most && !self.shortage.is_short() {
            return Room::Place;
        }
        let has_lobby = in_lobby < LOBBY_PLACES && here < most + LOBBY_PLACES;
        if has_lobby && listener == Listener::Http { Room::Lobby } else { Room::None }
    }

    /// There may be too many from where a proxy says: then there are no words for it.
    fn excuse_proxied(&self, line: &mut Line) {
        if line.is_proxied && self.counts_addresses() {
            line.excuse();
        }
    }

    fn new_wire(&mut self) -> Wire {
        let to_server_max = self.random.pick(&[200, 4_000, 200_000]);
        let to_client_max = self.random.pick(&[64, 1_000, 20_000, 300_000]);
        Wire::new(self.truth.clone(), to_server_max, to_client_max)
    }

    fn counts_addresses(&self) -> bool {
        let limits = &self.limits;
        limits.connections_per_address_max > 0 || limits.connects_per_second_per_address_max > 0
    }

    /// How many are here from an address: surely, and at the most.
    fn count_from(&mut self, address: Option<IpAddr>) -> (usize, usize) {
        self.sockets.retain(|socket| !socket.wire.borrow().is_closed);
        let here = self.sockets.iter().filter(|socket| socket.address == address);
        let most = here.clone().count();
        (here.filter(|socket| !socket.is_announced).count(), most)
    }

    /// Memory runs short, or there is enough again.
    pub fn draw_shortage(&mut self) {
        self.shortage.draw(&mut self.random);
    }

    /// Both clocks go on.
    pub fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        if !self.does_clock_stand {
            self.unix_ms += ms;
        }
        self.show_clock();
    }

    fn show_clock(&mut self) {
        self.now.unix_second = self.unix_ms / 1_000;
        self.now.unix_nanos = (self.unix_ms % 1_000) as u32 * 1_000_000;
        self.truth.borrow_mut().now_ms = self.now.ms;
    }

    /// Somebody sets the clock on the wall, or it stops, or goes on.
    pub fn set_clock(&mut self) {
        const HOUR_MS: i64 = 3_600_000;
        let far =
            [-3 * HOUR_MS, 3 * HOUR_MS, 1_000 * HOUR_MS, -400_000 * HOUR_MS, -700_000 * HOUR_MS];
        match self.random.below(4) {
            0 => self.does_clock_stand = !self.does_clock_stand,
            1 => self.unix_ms = self.unix_ms.saturating_add_signed(self.random.pick(&far)),
            _ => {
                let near = self.random.pick(&[-5_000, -1_000, -1, 1, 999, 2_000, 40_000]);
                self.unix_ms = self.unix_ms.saturating_add_signed(near);
            }
        }
        self.show_clock();
    }

    /// Other settings, for who is here and who comes.
    pub fn reload(&mut self, settings: Settings, engine: EngineLimits, lines: Vec<&mut Line>) {
        self.limits = settings.limits.clone();
        self.server.reload(settings, engine, self.now).expect("few tenants");
        self.server.verify();
        self.shortage.reloaded();
        lines.into_iter().for_each(|line| self.excuse_proxied(line));
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
        self.shortage.turned();
        self.check_next();
    }

    /// It never sleeps so long that something would be late.
    fn check_next(&self) {
        match self.next {
            Next::Now => {}
            Next::After(ms) => assert!((1..=1_000).contains(&ms), "{:?}", self.next),
            Next::Idle => assert_eq!(self.server.holdings(), Holdings::default()),
        }
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
        let lines: Vec<String> = self.lines().iter().map(|line| line.explain()).collect();
        let machine = self.machine();
        let held = machine.server.holdings();
        panic!("it never comes to rest: {:?} {held:?} {lines:#?}", machine.next);
    }

    fn pass(&mut self, ms: u64) {
        for line in self.lines() {
            line.pass(ms);
        }
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
                true => line.reset(false),
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

/// Who finds no place is told so in one breath, in the words of the protocol: other ones where there is none
/// for anybody, which must or may be so.
fn check_refusal(wire: &mut Wire, listener: Listener, (must, may): (bool, bool)) {
    let mut words = Vec::new();
    wire.widen();
    wire.take(usize::MAX, &mut words);
    if listener == Listener::CometQl {
        assert_eq!(&words[4..7], b"\xff\x10\x04", "ERR 1040");
    } else {
        let text = String::from_utf8_lossy(&words);
        assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
        let is_for_all = text.contains("Cache-Control: no-store");
        if !wire.was_full && is_for_all {
            let mut visit = Visit::new();
            visit.receive(&words, Else::default());
            assert!(may && visit.is_told(), "{text}");
        } else if !wire.was_full {
            assert!(!must && text.ends_with("\r\n\r\n"), "{text}");
        }
    }
    assert!(wire.is_at_end(), "and that is all");
}
