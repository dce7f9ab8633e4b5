//! The server: every connection, what it is doing, and what happens next.
//!
//! It is given sockets, events and the time; it parses nothing itself and knows no operating system.
//!
//! ```text
//! accept ─▶ ready (read ▸ parse ▸ act) ─▶ turn: again ▸ batch ▸ deadlines ─▶ wait
//! ```
//! | file | holds |
//! |---|---|
//! | `conn.rs`, `slab.rs`, `pool.rs`, `extras.rs` | slots, and what only few of them have |
//! | `input.rs`, `output.rs`, `outbox.rs` | bytes in, bytes out |
//! | `http.rs`, `respond.rs`, `route.rs` | requests and answers |
//! | `websocket.rs`, `mysql.rs` | the two other protocols' connections |
//! | `compressed.rs` | messages of WebSockets that come and go compressed |
//! | `tls.rs` | what is between a socket and all of these |
//! | `comet.rs`, `interned.rs` | clients that speak as CometServerApi.js does |
//! | `identity.rs` | who a subscriber is |
//! | `ceiling.rs`, `lobby.rs` | what memory is near its end means, and what is told when there is no place |
//! | `addresses.rs`, `pace.rs` | how many come from where, and how fast they may speak |
//! | `clients.rs` | who is at the other end, behind proxies |
//! | `subscribe.rs`, `resume.rs`, `poll.rs`, `deleted.rs`, `presence.rs` | how listening begins and ends, and who is told |
//! | `deliver.rs`, `rendered.rs` | batches on their way to everybody |
//! | `answers.rs` | what the engine says |
//! | `reload.rs` | new settings while it runs |
//! | `deadlines.rs`, `expire.rs` | time |
//! | `audit.rs` | a look inside |
//! | `logs.rs`, `wire.rs` | what is told of all that |
//! | `metrics.rs`, `histogram.rs`, `lag.rs`, `recent.rs` | what is counted, measured and remembered |
//! | `stats.rs`, `dashboard.rs`, `pages.rs` | and how it is shown |
//! | `disconnect.rs`, `limits.rs`, `settings.rs` | tables |

mod addresses;
mod answers;
mod audit;
pub(crate) mod ceiling;
pub mod clients;
mod comet;
mod compressed;
mod conn;
mod dashboard;
mod deadlines;
mod deleted;
mod deliver;
mod disconnect;
mod expire;
mod extras;
mod histogram;
mod http;
mod identity;
mod input;
mod interned;
mod lag;
pub mod limits;
mod lobby;
mod logs;
mod metrics;
#[cfg(feature = "cometql")]
mod mysql;
#[cfg(not(feature = "cometql"))]
#[path = "mysql_absent.rs"]
mod mysql;
mod outbox;
mod output;
mod pace;
mod pages;
mod poll;
mod pool;
mod presence;
mod random;
mod recent;
pub mod reload;
mod rendered;
mod respond;
mod resume;
pub mod route;
pub mod settings;
mod slab;
pub mod socket;
mod stats;
mod subscribe;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_absent.rs"]
pub mod tls;
mod websocket;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::engines::Engine;
use crate::hub::Hub;
use crate::hub::clock::Now;
use crate::hub::inbox::Inbox;
use crate::hub::message::{Message, MessageId, TenantId};
use crate::proto::deflate::{Compressor, Decompressor};

use addresses::{Addresses, Source};
use answers::Pending;
pub use audit::Holdings;
use ceiling::Ceiling;
use clients::Clients;
use conn::{Conn, Flags, Format, Phase};
use dashboard::Dashboard;
use deadlines::{MOMENT_SECONDS, Sweep, Tick};
use deleted::DeletedChannels;
use deliver::UnderWay;
use disconnect::Disconnect;
use extras::Extras;
use input::Input;
use interned::Interned;
use lobby::LOBBY;
use logs::{Logs, Warning};
use metrics::Metrics;
use mysql::Logins;
use outbox::Outbox;
use pace::Paces;
use pool::Pool;
use presence::CountsAsked;
use random::Random;
use recent::{Recent, Wrong};
use rendered::Callbacks;
use settings::Settings;
pub use slab::Key;
use slab::Slab;
use socket::Socket;
use subscribe::Further;
use tls::Tls;

/// What a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// HTTP, and what it is upgraded to.
    Http,
    /// The same over TLS.
    Https,
    /// CometQL over the MySQL protocol.
    CometQl,
}

impl Listener {
    /// What its connections do first.
    fn phase(self) -> Phase {
        match self {
            Listener::Http | Listener::Https => Phase::Http,
            Listener::CometQl => Phase::MySql,
        }
    }
}

/// What the operating system says of a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Readiness {
    /// There are bytes, or there is an end to read.
    pub readable: bool,
    /// There is room again.
    pub writable: bool,
    /// The peer sent FIN, or the socket failed: reading leads to the end.
    pub read_closed: bool,
}

/// When the server wants to be called again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// At once, after a look at what is ready: work is left.
    Now,
    /// In so many milliseconds, unless something happens before.
    After(u64),
    /// When something happens.
    Idle,
}

impl Next {
    /// The same, but in so many milliseconds at the latest, if that is said.
    pub fn within(self, ms: Option<u64>) -> Next {
        match (self, ms) {
            (Next::After(own_ms), Some(ms)) => Next::After(own_ms.min(ms)),
            (Next::Idle, Some(ms)) => Next::After(ms),
            (next, _) => next,
        }
    }
}

/// A connection as the slab keeps it, and the largest read at a time.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;

/// See the module's documentation.
pub struct Server<S> {
    settings: Settings,
    ceiling: Ceiling,
    now: Now,
    tick: Tick,
    started: Now,
    connections: Slab<S>,
    /// How many of them are only there to be told that there is no place.
    lobby: usize,
    outboxes: Pool<Outbox>,
    /// Where in this pool the next clients are compared, when too much waits.
    next_behind: usize,
    inputs: Pool<Input>,
    furthers: Pool<Further>,
    extras: Extras,
    tls: Tls,
    clients: Clients,
    hub: Hub,
    inbox: Inbox,
    engine: Box<dyn Engine>,
    /// What is to be done with an answer of the engine, by the slot that waits for it.
    asks: HashMap<u32, Pending>,
    ask_number: u32,
    /// Those whose cursor is ahead of what was delivered.
    ahead: Vec<Key>,
    /// Those whose box for further memberships is empty, and goes when the batch under way has ended.
    emptied: Vec<Key>,
    /// Sessions without a connection, by name.
    sessions: HashMap<(TenantId, Box<str>), Key>,
    /// Where sessions of CometServerApi clients are, by name.
    comet_sessions: HashMap<(TenantId, Box<str>), Key>,
    /// What these clients say of themselves.
    texts: Interned,
    deleted: DeletedChannels,
    callbacks: Callbacks,
    compressor: Compressor,
    decompressor: Decompressor,
    /// What was read of one client's compressed messages since it got its turn, in bytes.
    decompressed_bytes: usize,
    /// Published, in order, and not yet in a batch.
    feed: VecDeque<Rc<Message>>,
    feed_bytes: usize,
    under_way: Option<UnderWay>,
    batch_number: u32,
    /// Up to where each tenant's feed has been delivered, or is being delivered.
    positions: Vec<MessageId>,
    /// Up to where each tenant's messages for users have come.
    personal_positions: Vec<MessageId>,
    counts_asked: CountsAsked,
    /// Polls whose client sends no more, and when they are asked again whether it has gone.
    sounded: VecDeque<(Key, u64)>,
    /// Connections that have something to do without an event.
    ready_again: VecDeque<Key>,
    sweep: Sweep,
    news_due_ms: u64,
    read_buffer: Box<[u8]>,
    /// Bytes written to one connection in one go, before they are handed to the kernel.
    out: Vec<u8>,
    out_slot: Option<u32>,
    date: (u64, [u8; 29]),
    random: Random,
    metrics: Metrics,
    recent: Recent,
    dashboard: Dashboard,
    /// What the system says this process has in memory, in bytes.
    resident_bytes: fn() -> u64,
    /// What the kernel tells of the machine, by name of a file; empty if it does not.
    kernel_file: fn(&str) -> String,
    logs: Logs,
    logins: Logins,
    addresses: Addresses,
    paces: Paces,
    /// Bytes of what is not whole yet, in all input boxes.
    input_bytes: usize,
    is_draining: bool,
}

impl<S: Socket> Server<S> {
    /// A server without connections. `seed` feeds everything that must not be guessed.
    pub fn new(settings: Settings, engine: Box<dyn Engine>, seed: [u8; 20], now: Now) -> Server<S> {
        let tenants = settings.tenants.len();
        let mut random = Random::new(seed);
        let mut secret = [0; 8];
        random.fill(&mut secret);
        let positions: Vec<MessageId> =
            (0..tenants).map(|index| engine.position(TenantId(index as u16))).collect();
        Server {
            hub: Hub::new(tenants, settings.limits.hub()),
            ceiling: Ceiling::new(settings.memory),
            settings,
            now,
            tick: Tick::of(now),
            started: now,
            connections: Slab::new(),
            lobby: 0,
            outboxes: Pool::new(),
            next_behind: 0,
            inputs: Pool::new(),
            furthers: Pool::new(),
            extras: Extras::new(),
            tls: Tls::default(),
            clients: Clients::default(),
            inbox: Inbox::default(),
            engine,
            asks: HashMap::new(),
            ask_number: 0,
            ahead: Vec::new(),
            emptied: Vec::new(),
            sessions: HashMap::new(),
            comet_sessions: HashMap::new(),
            texts: Interned::default(),
            deleted: DeletedChannels::default(),
            callbacks: Callbacks::default(),
            compressor: Compressor::default(),
            decompressor: Decompressor::default(),
            decompressed_bytes: 0,
            feed: VecDeque::new(),
            feed_bytes: 0,
            under_way: None,
            batch_number: 0,
            personal_positions: positions.clone(),
            positions,
            counts_asked: CountsAsked::default(),
            sounded: VecDeque::new(),
            ready_again: VecDeque::new(),
            sweep: Sweep::default(),
            news_due_ms: 0,
            read_buffer: vec![0; READ_BUFFER_BYTES].into(),
            out: Vec::new(),
            out_slot: None,
            date: (u64::MAX, [0; 29]),
            random,
            metrics: Metrics::default(),
            recent: Recent::default(),
            dashboard: Dashboard::default(),
            resident_bytes: || 0,
            kernel_file: |_| String::new(),
            logs: Logs::default(),
            logins: Logins::default(),
            addresses: Addresses::new(secret),
            paces: Paces::default(),
            input_bytes: 0,
            is_draining: false,
        }
    }

    /// Takes a new connection. If there are too many, or there is no memory for it, that is only to be told so;
    /// `None` if it has been told already.
    pub fn accept(&mut self, socket: S, listener: Listener, now: Now) -> Option<Key> {
        let key = self.take(socket, listener, listener.phase(), now)?;
        self.open(key.slot, listener).then_some(key)
    }

    /// Finds a slot for a new connection, if there is one.
    fn take(&mut self, socket: S, listener: Listener, phase: Phase, now: Now) -> Option<Key> {
        self.set_now(now);
        let is_short = self.ceiling.is_short();
        let is_full = is_short || self.is_full();
        // A proxy speaks for many people: those it announces are counted instead.
        let source = match phase {
            Phase::Proxied => None,
            _ => self.source_of(&socket, listener),
        };
        let is_one_too_many = source.is_some_and(|source| !self.has_place_for(source));
        if !is_full && !is_one_too_many && !self.is_draining {
            self.metrics.accepted += 1;
            return Some(self.insert(socket, phase, Format::default(), source));
        }
        self.metrics.refused += 1;
        self.metrics.shed.refused += u64::from(is_short);
        self.warn_refused(&socket, listener, !is_one_too_many);
        if is_one_too_many || self.is_draining || !self.has_lobby_for(listener) {
            self.turn_away(socket, listener, is_full && !is_one_too_many);
            return None;
        }
        self.lobby += 1;
        let phase = if phase == Phase::Http { Phase::Lobby } else { phase };
        Some(self.insert(socket, phase, LOBBY, source))
    }

    fn insert(&mut self, socket: S, phase: Phase, format: Format, source: Option<Source>) -> Key {
        let deadline = Tick::after(self.now, self.settings.limits.head_seconds);
        let socket = Some(socket);
        let key = self.connections.insert(Conn { socket, phase, format, deadline, ..Conn::free() });
        if let Some(source) = source {
            self.addresses.enter(key.slot, source);
        }
        self.metrics.enter(phase, format);
        self.log_begin(key.slot);
        key
    }

    /// A connection begins, with whatever its listener's protocol begins with; false if it cannot.
    fn open(&mut self, slot: u32, listener: Listener) -> bool {
        match listener {
            Listener::Http => {}
            Listener::Https => {
                if !self.start_tls(slot) {
                    // A reload took the certificates away, but not the listener.
                    self.cut(slot, Disconnect::Unavailable);
                    return false;
                }
            }
            Listener::CometQl => {
                self.greet(slot);
                self.uncork();
            }
        }
        true
    }

    /// Reacts to what the operating system says of a connection. A stale key is nobody's.
    pub fn ready(&mut self, key: Key, readiness: Readiness, now: Now) {
        self.set_now(now);
        self.decompressed_bytes = 0;
        let Some(conn) = self.connections.find_mut(key) else { return };
        if readiness.read_closed {
            conn.flags.set(Flags::READ_CLOSED);
        }
        if readiness.readable || readiness.read_closed {
            conn.flags.set(Flags::UNREAD);
        }
        if conn.has_kept_nothing() {
            self.read(key);
        } else {
            if readiness.writable {
                self.flush_outbox(key.slot);
            }
            self.take_turn(key);
        }
        self.uncork();
    }

    /// Everything that is due without an event: call it once after a round of `ready`s.
    pub fn turn(&mut self, now: Now) -> Next {
        self.set_now(now);
        self.settle();
        self.run_ready_again();
        self.settle();
        let batch_left = self.run_batch();
        self.cut_those_behind_most();
        let sweep_left = self.run_deadlines();
        self.keep_below_ceiling();
        self.sound_again();
        self.announce_counts();
        let round_left = self.run_dashboard();
        let wait_ms = self.answer_wrong_logins();
        self.settle();
        self.uncork();
        if batch_left
            || sweep_left
            || round_left
            || !self.ready_again.is_empty()
            || !self.feed.is_empty()
        {
            return Next::Now;
        }
        self.logs.tell_held_back(now.ms);
        self.next_without_logins().within(wait_ms)
    }

    /// When nothing is left to do now, and no client waits to hear that its password is wrong.
    fn next_without_logins(&self) -> Next {
        let now = self.now;
        if self.hub.has_news() {
            return Next::After(self.news_due_ms.saturating_sub(now.ms).max(1));
        }
        match self.connections.len() {
            // The engine ages what it keeps, and the sweep comes round, once a second.
            0 if self.engine.usage().is_idle() && !self.logs.is_holding_back() => Next::Idle,
            _ => Next::After(1000 - now.ms % 1000),
        }
    }

    /// Tells when a round of `ready`s and its `turn` begin, in microseconds of a clock that never goes
    /// back. For the statistics alone.
    pub fn turn_begins(&mut self, us: u64) {
        self.metrics.lag.turn_begins(us);
    }

    /// Tells when it was over.
    pub fn turn_ends(&mut self, us: u64) {
        self.metrics.lag.turn_ends(us);
    }

    /// How to learn what the process has in memory, in bytes. It is asked only when somebody looks.
    pub fn measure_memory_by(&mut self, resident_bytes: fn() -> u64) {
        self.resident_bytes = resident_bytes;
    }

    /// How to read what the kernel tells of the machine: `loadavg`, `uptime`, `meminfo`. It is asked only
    /// when somebody looks.
    pub fn read_kernel_by(&mut self, kernel_file: fn(&str) -> String) {
        self.kernel_file = kernel_file;
    }

    /// Begins to stop: every client is told in the words of its protocol, then closed.
    pub fn drain(&mut self, now: Now) {
        self.set_now(now);
        self.is_draining = true;
        for slot in 0..self.connections.end() {
            if self.connections.is_used(slot) {
                self.end(slot, Disconnect::ShuttingDown);
            }
        }
        self.uncork();
    }

    /// How many connections there are, sessions without one included.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Ends a connection that the reactor could not register.
    pub fn abandon(&mut self, key: Key, error: &std::io::Error) {
        if self.connections.find(key).is_some() {
            self.warn(Warning::Unwatchable, key.slot, format_args!("cannot be watched: {error}"));
            self.cut(key.slot, Disconnect::Failed);
        }
    }

    fn set_now(&mut self, now: Now) {
        self.now = now;
        self.tick = Tick::of(now);
    }

    fn set_phase(&mut self, slot: u32, phase: Phase) {
        let conn = self.connections.get_mut(slot);
        self.metrics.leave(conn.phase, conn.format);
        self.metrics.enter(phase, conn.format);
        conn.phase = phase;
    }

    /// Counts a connection's end, and remembers one that was not its own wish.
    fn count_end(&mut self, slot: u32, why: Disconnect) {
        self.metrics.end(why);
        if !matches!(why, Disconnect::ByPeer | Disconnect::Finished) {
            self.note(slot, Wrong::Ended(why));
        }
    }

    fn note(&mut self, slot: u32, wrong: Wrong) {
        let phase = self.connections.get(slot).phase;
        self.recent.note(wrong, phase, slot, self.now.unix_second);
    }

    /// The tenant's cursor that a subscriber who joins now has seen everything up to.
    fn position(&self, tenant: TenantId) -> MessageId {
        self.positions[usize::from(tenant.0)]
    }

    fn run_ready_again(&mut self) {
        for _ in 0..self.ready_again.len() {
            let Some(key) = self.ready_again.pop_front() else { return };
            if let Some(conn) = self.connections.find_mut(key) {
                conn.flags.clear(Flags::QUEUED);
                let moment = Tick::after(self.now, MOMENT_SECONDS);
                if matches!(conn.phase, Phase::Http | Phase::Lobby) && conn.deadline.is_due(moment)
                {
                    // The rest of its request may have been kept out by what kept it waiting.
                    conn.deadline = moment;
                }
                self.decompressed_bytes = 0;
                self.take_turn(key);
                self.uncork();
            }
        }
    }

    /// Puts a connection on the list of those that go on without an event.
    fn queue(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        if !conn.flags.has(Flags::QUEUED) {
            conn.flags.set(Flags::QUEUED);
            let key = conn.key(slot);
            self.ready_again.push_back(key);
        }
    }

    /// Whether so much is published and undelivered that publishers must wait.
    fn feed_is_full(&self) -> bool {
        let limits = &self.settings.limits;
        self.feed.len() >= limits.feed_messages_max || self.feed_bytes >= limits.feed_bytes_max
    }

    fn push_to_feed(&mut self, message: Rc<Message>) {
        self.feed_bytes += message.bytes();
        self.feed.push_back(message);
    }
}
