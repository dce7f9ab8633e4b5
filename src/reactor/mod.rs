//! The loop: waits for the operating system, tells the server, and does what takes a system call.
//!
//! The only importer of mio. Every socket is registered once, for reading and writing, edge-triggered;
//! what an event leaves undone, the server remembers.

#[allow(unsafe_code, reason = "an allocator is unsafe by its nature")]
pub mod heap;
pub mod listener;
pub(crate) mod machine;
mod memory;
pub mod socket;
#[allow(unsafe_code, reason = "signals, limits and socket options have no safe call")]
pub mod sys;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::engines::Engine;
use crate::engines::memory::Limits as HistoryLimits;
use crate::hub::clock::Now;
use crate::server::reload::TooManyTenants;
use crate::server::settings::Settings;
use crate::server::{Key, Listener, Next, Readiness, Server};
use listener::{Acceptor, Address};
use memory::Tide;
use socket::StreamSocket;
use sys::Signal;

/// Events taken from the kernel at a time.
const EVENTS_MAX: usize = 1024;
/// Connections accepted from one listener before clients are looked after again.
const ACCEPTS_PER_TURN: usize = 64;
/// How long nothing is accepted when descriptors have run out.
const ACCEPT_PAUSE_MS: u64 = 1_000;
/// How long clients are given to take their leave when the server stops.
const DRAIN_MS: u64 = 4_500;

const SIGNAL: Token = Token(usize::MAX);
const WAKE: Token = Token(usize::MAX - 1);
/// Listeners have the tokens from here up to `WAKE`; connections those below (generations are never 0,
/// and so great a one is 4 billion connections away).
const FIRST_LISTENER: usize = usize::MAX - 1 - LISTENERS_MAX;
/// Listening sockets of one process.
pub const LISTENERS_MAX: usize = 64;

/// What to listen to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// For whom.
    pub listener: Listener,
    /// Whether proxies come there, who say first whose connection it is (the PROXY protocol).
    pub is_proxied: bool,
}

/// A new configuration, in the form in which it is put in force.
#[derive(Debug)]
pub struct Reload {
    /// What the server is told.
    pub settings: Settings,
    /// What the engine keeps.
    pub history: HistoryLimits,
}

/// Reads the configuration again; `None`, after saying why, if what is in force stays.
pub type ReadAgain = Box<dyn FnMut() -> Option<Reload>>;

/// The loop and everything it owns.
pub struct Reactor {
    poll: Poll,
    acceptors: Vec<Accepting>,
    server: Server<StreamSocket>,
    clock: Clock,
    signals: Option<(OwnedFd, ReadAgain)>,
    stop: Stop,
    /// Listeners that may have more to accept, each once.
    accept_again: VecDeque<usize>,
    accept_paused_until_ms: Option<u64>,
    tide: Tide,
}

struct Accepting {
    acceptor: Acceptor,
    listener: Listener,
    is_proxied: bool,
}

/// Stops a reactor from another thread, as a signal would.
#[derive(Clone)]
pub struct Stop {
    flag: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stop {
    /// Begins the drain.
    pub fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        // The loop also looks at the flag when it wakes for another reason.
        let _ = self.waker.wake();
    }
}

/// Both clocks.
#[derive(Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting milliseconds.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// Reads both clocks.
    pub fn now(self) -> Now {
        self.read().0
    }

    /// Reads both clocks; beside the moment, microseconds since the start.
    fn read(self) -> (Now, u64) {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let us = self.us();
        let ms = us / 1000;
        (Now { ms, unix_second: unix.as_secs(), unix_nanos: unix.subsec_nanos() }, us)
    }

    /// Microseconds since the start.
    fn us(self) -> u64 {
        self.start.elapsed().as_micros() as u64
    }
}

/// Why a reactor could not be made.
#[derive(Debug)]
pub struct BindError {
    /// Where it should have listened.
    pub address: Address,
    /// What the system says.
    pub error: io::Error,
}

impl Reactor {
    /// Opens all listeners. `engine` is made for the moment that the clock shows.
    pub fn new(
        settings: Settings,
        engine: Box<dyn Engine>,
        listens: &[Listen],
        clock: Clock,
    ) -> io::Result<Result<Reactor, BindError>> {
        let tide = Tide::new();
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let mut seed = [0; 20];
        sys::random(&mut seed)?;
        let mut acceptors = Vec::new();
        for listen in listens {
            match Acceptor::bind(&listen.address) {
                Ok(acceptor) => {
                    let &Listen { listener, is_proxied, .. } = listen;
                    acceptors.push(Accepting { acceptor, listener, is_proxied });
                }
                Err(error) => {
                    return Ok(Err(BindError { address: listen.address.clone(), error }));
                }
            }
        }
        assert!(acceptors.len() <= LISTENERS_MAX);
        for (index, accepting) in acceptors.iter().enumerate() {
            let descriptor = accepting.acceptor.descriptor();
            let token = Token(FIRST_LISTENER + index);
            poll.registry().register(&mut SourceFd(&descriptor), token, Interest::READABLE)?;
        }
        let mut server = Server::new(settings, engine, seed, clock.now());
        server.measure_memory_by(memory::resident_bytes);
        server.measure_heap_by(heap::used_bytes);
        server.read_kernel_by(memory::kernel_file);
        let stop = Stop { flag: Arc::new(AtomicBool::new(false)), waker };
        Ok(Ok(Reactor {
            poll,
            acceptors,
            server,
            clock,
            signals: None,
            stop,
            accept_again: VecDeque::new(),
            accept_paused_until_ms: None,
            tide,
        }))
    }

    /// From now on SIGTERM and SIGINT drain, and SIGHUP reloads.
    pub fn obey_signals(&mut self, read_again: ReadAgain) -> io::Result<()> {
        let signals = sys::signals()?;
        let descriptor = signals.as_raw_fd();
        self.poll.registry().register(&mut SourceFd(&descriptor), SIGNAL, Interest::READABLE)?;
        self.signals = Some((signals, read_again));
        Ok(())
    }

    /// A handle that stops this reactor.
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Where it really listens, in the order given.
    pub fn addresses(&self) -> io::Result<Vec<(Listener, Address)>> {
        let address =
            |accepting: &Accepting| Ok((accepting.listener, accepting.acceptor.address()?));
        self.acceptors.iter().map(address).collect()
    }

    /// Runs until told to stop, and then until clients have taken their leave.
    pub fn run(&mut self) -> io::Result<()> {
        self.serve()?;
        self.drain()
    }

    /// Runs until told to stop.
    pub fn serve(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut next = Next::Idle;
        self.tide.begin();
        while !self.stop.flag.load(Ordering::Acquire) {
            self.poll(&mut events, self.wait(next))?;
            next = self.turn(&events);
        }
        Ok(())
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.server.connections()
    }

    /// Closes the listeners, and runs until clients have taken their leave or their time is over.
    pub fn drain(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        log::info!("stopping: {} connections take their leave", self.server.connections());
        self.acceptors.clear();
        let now = self.clock.now();
        self.server.drain(now);
        let end_ms = now.ms + DRAIN_MS;
        let mut next = self.server.turn(self.clock.now());
        while self.server.connections() > 0 && self.clock.now().ms < end_ms {
            let wait = self.wait(next).unwrap_or(Duration::from_millis(50));
            self.poll(&mut events, Some(wait.min(Duration::from_millis(50))))?;
            next = self.turn(&events);
        }
        log::info!("stopped");
        Ok(())
    }

    fn poll(&mut self, events: &mut Events, wait: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(events, wait) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            result => result,
        }
    }

    fn wait(&self, next: Next) -> Option<Duration> {
        if !self.accept_again.is_empty() && self.accept_paused_until_ms.is_none() {
            return Some(Duration::ZERO);
        }
        let wait = match next {
            Next::Now => Some(Duration::ZERO),
            Next::After(ms) => Some(Duration::from_millis(ms)),
            Next::Idle => None,
        };
        match self.accept_paused_until_ms {
            Some(until_ms) => {
                let pause = Duration::from_millis(until_ms.saturating_sub(self.clock.now().ms));
                Some(wait.map_or(pause, |wait| wait.min(pause)))
            }
            None => wait,
        }
    }

    fn turn(&mut self, events: &Events) -> Next {
        let (now, began_us) = self.clock.read();
        self.server.turn_begins(began_us);
        for event in events {
            match event.token() {
                SIGNAL => self.take_signals(now),
                WAKE => {}
                Token(token) if token >= FIRST_LISTENER => {
                    let index = token - FIRST_LISTENER;
                    // While accepting rests, everybody who comes is another event.
                    if !self.accept_again.contains(&index) {
                        self.accept_again.push_back(index);
                    }
                }
                Token(token) => {
                    let readiness = Readiness {
                        readable: event.is_readable(),
                        writable: event.is_writable(),
                        read_closed: event.is_read_closed() || event.is_error(),
                    };
                    self.server.ready(key_of(token), readiness, now);
                }
            }
        }
        self.accept(now);
        let next = self.server.turn(now);
        self.server.turn_ends(self.clock.us());
        // Last of all, so that hardly any page which is given back is needed before the next event.
        next.within(self.tide.look(heap::used_bytes(), now.ms))
    }

    fn take_signals(&mut self, now: Now) {
        while let Some((signals, read_again)) = &mut self.signals
            && let Some(signal) = sys::next_signal(signals)
        {
            match signal {
                Signal::Stop => self.stop.flag.store(true, Ordering::Release),
                Signal::Reload if self.acceptors.is_empty() => log::info!("stopping: no reload"),
                Signal::Reload => {
                    if let Some(reload) = read_again() {
                        self.reload(reload, now);
                    }
                }
            }
        }
    }

    fn reload(&mut self, reload: Reload, now: Now) {
        match self.server.reload(reload.settings, reload.history, now) {
            Ok(()) => log::info!("the new configuration is in force"),
            Err(TooManyTenants) => {
                log::error!("too many tenants since the start: the old configuration stays");
            }
        }
    }

    /// Accepts from every listener that has somebody waiting, a bounded number each.
    fn accept(&mut self, now: Now) {
        if self.accept_paused_until_ms.is_some_and(|until_ms| now.ms < until_ms) {
            return;
        }
        self.accept_paused_until_ms = None;
        for _ in 0..self.accept_again.len() {
            let Some(index) = self.accept_again.pop_front() else { return };
            if self.accept_some(index, now) {
                self.accept_again.push_back(index);
            }
            if self.accept_paused_until_ms.is_some() {
                // What one listener cannot have, the others cannot either.
                return;
            }
        }
    }

    /// True if there may be more.
    fn accept_some(&mut self, index: usize, now: Now) -> bool {
        let Some(accepting) = self.acceptors.get(index) else { return false };
        let (listener, is_proxied) = (accepting.listener, accepting.is_proxied);
        for _ in 0..ACCEPTS_PER_TURN {
            match self.acceptors[index].acceptor.accept() {
                Ok(socket) => {
                    let descriptor = socket.as_raw_fd();
                    let key = match is_proxied {
                        true => self.server.accept_proxied(socket, listener, now),
                        false => self.server.accept(socket, listener, now),
                    };
                    if let Some(key) = key {
                        self.watch(descriptor, key);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return false,
                    // The client went while it waited, or a signal came: the next one, please.
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ => {
                        // EMFILE, ENFILE, ENOBUFS, ENOMEM: those who wait stay in the kernel's queue.
                        log::warn!("cannot accept for the moment: {error}");
                        self.accept_paused_until_ms = Some(now.ms + ACCEPT_PAUSE_MS);
                        return true;
                    }
                },
            }
        }
        true
    }

    fn watch(&mut self, descriptor: RawFd, key: Key) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = token_of(key);
        if let Err(error) =
            self.poll.registry().register(&mut SourceFd(&descriptor), token, interest)
        {
            self.server.abandon(key, &error);
        }
    }
}

fn token_of(key: Key) -> Token {
    Token((key.generation as usize) << 32 | key.slot as usize)
}

fn key_of(token: usize) -> Key {
    Key { slot: token as u32, generation: (token >> 32) as u32 }
}
