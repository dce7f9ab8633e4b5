//! The whole server: several clients say anything, over every listener, and whatever the network makes of
//! it, each of them hears the same.
//!
//! ```text
//!   seed  flags | ff 00 payload | ff 11 payload | …       an op ends where the next begins
//!                    │└ what happens (`Op`)                in a payload ff is written twice
//!                    └ to which client, 0 to 3
//! ```
//! A script is played twice: once with all bytes of an op in one piece, once cut by the seed. No panic, no
//! turn without end, every link from both ends after every op; the same bytes to every client; and when
//! all are gone, nothing is held.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use encke::engines::Engine;
use encke::engines::memory::MemoryEngine;
use encke::hub::clock::Now;
use encke::server::socket::Socket;
use encke::server::{Holdings, Key, Listener, Next, Readiness, Server};

use super::is_mentioned;
use super::said::{check_packets, check_responses};
use super::settings::{flags, kept, settings};
use crate::support::late_engine::LateEngine;
use crate::support::mysql::packet;
use crate::support::random::Random;
use crate::support::websocket::client_frame;

/// Begins an op; twice in a payload, where it is a byte like others.
pub const MARK: u8 = 0xff;
const CLIENTS: usize = 4;
const START: Now = Now { ms: 5_000, unix_second: 1_763_690_000, unix_nanos: 123_456_789 };
/// Turns within which everything comes to rest.
const TURNS_MAX: usize = 20_000;
/// More is a test of patience, not of the server.
const OPS_MAX: usize = 64;
/// What a wait may take, in milliseconds; all that the server waits for takes less than the longest.
const WAITS_MS: [u64; 6] = [1, 250, 1_000, 2_000, 4_000, 8_000];
/// By then sessions and everything else that outlives its connection have gone.
const AFTERWARDS_SECONDS: usize = 20;

/// What makes two runs differ and is meant to: numbers about the server itself.
const ABOUT_ITSELF: [&[u8]; 4] = [b"stats", b"metrics", b"dashboard", b"status"];

/// What may happen; the number is the lower half of the byte behind a mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The client connects; its payload's first byte says where to.
    Open = 0,
    /// These bytes.
    Send = 1,
    /// This text in a frame.
    Text = 2,
    /// These bytes in a frame.
    Binary = 3,
    /// These bytes in a frame that says that they are compressed, in a stored block.
    Compressed = 4,
    /// This packet, as the first of a command.
    Command = 5,
    /// This packet, as the answer to the greeting.
    Login = 6,
    /// Time passes, for all.
    Wait = 7,
    /// The client will send no more.
    HalfClose = 8,
    /// It is gone.
    Reset = 9,
    /// It reads no more than so many bytes, until the next `Read`.
    Stall = 10,
    /// It reads everything.
    Read = 11,
    /// The server is told to stop.
    Drain = 12,
    /// The server gets other settings.
    Reload = 13,
}

impl Op {
    const ALL: [Op; 14] = [
        Op::Open,
        Op::Send,
        Op::Text,
        Op::Binary,
        Op::Compressed,
        Op::Command,
        Op::Login,
        Op::Wait,
        Op::HalfClose,
        Op::Reset,
        Op::Stall,
        Op::Read,
        Op::Drain,
        Op::Reload,
    ];
}

/// Puts a script together, for those who know what they want.
pub struct Script(Vec<u8>);

impl Script {
    pub fn new(seed: u8, flags: u8) -> Script {
        Script(vec![seed, flags])
    }

    pub fn then(mut self, client: u8, op: Op, payload: &[u8]) -> Script {
        self.0.extend([MARK, client << 4 | op as u8]);
        for &byte in payload {
            self.0.push(byte);
            if byte == MARK {
                self.0.push(MARK);
            }
        }
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Plays a script, whatever it is.
pub fn check(input: &[u8]) {
    let (&[seed, flags], rest) = input.split_first_chunk().unwrap_or((&[0, 0], b""));
    watch(flags & flags::WATCHED != 0);
    let ops = ops(rest);
    let whole = play(&ops, flags, None);
    let is_late = flags & flags::LATE != 0;
    if is_late || ABOUT_ITSELF.iter().any(|word| is_mentioned(word, rest)) {
        return;
    }
    let cut = play(&ops, flags, Some(seed.into()));
    for (index, (whole, cut)) in whole.iter().zip(&cut).enumerate() {
        if whole != cut {
            let (whole, cut) = (shown(whole), shown(cut));
            panic!("client {index}, cut by {seed}\nwhole {whole}\ncut   {cut}");
        }
    }
    assert_eq!(whole.len(), cut.len());
}

/// So that a failure can be read.
fn shown(heard: &Heard) -> String {
    format!("{}{}", heard.bytes.escape_ascii(), if heard.is_over { " END" } else { "" })
}

fn ops(mut rest: &[u8]) -> Vec<(usize, Op, Vec<u8>)> {
    let mut ops = Vec::new();
    while let Some(at) = rest.iter().position(|&byte| byte == MARK) {
        let Some(&kind) = rest.get(at + 1) else { break };
        rest = &rest[at + 2..];
        let payload = payload(&mut rest);
        let op = Op::ALL[usize::from(kind & 15) % Op::ALL.len()];
        ops.push((usize::from(kind >> 4) % CLIENTS, op, payload));
        if ops.len() == OPS_MAX {
            break;
        }
    }
    ops
}

/// Up to the next mark that is not doubled.
fn payload(rest: &mut &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    loop {
        match **rest {
            [MARK, MARK, ref tail @ ..] => {
                payload.push(MARK);
                *rest = tail;
            }
            [] | [MARK, ..] => return payload,
            [byte, ref tail @ ..] => {
                payload.push(byte);
                *rest = tail;
            }
        }
    }
}

/// What a client got.
#[derive(PartialEq, Eq)]
struct Heard {
    bytes: Vec<u8>,
    /// The server has ended it.
    is_over: bool,
}

fn play(ops: &[(usize, Op, Vec<u8>)], flags: u8, seed: Option<u64>) -> Vec<Heard> {
    let mut world = World::new(flags, seed);
    for (client, op, payload) in ops {
        world.happen(*client, *op, payload);
        world.server.verify();
    }
    world.end();
    world.pipes.iter().map(|pipe| pipe.borrow().check()).collect()
}

/// Both ends of a connection.
struct Pipe {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    /// How much the client's kernel still takes.
    room: usize,
    has_ended: bool,
    is_reset: bool,
    has_fin: bool,
    is_open: bool,
    was_stalled: bool,
    /// By the server, before the client went.
    is_over: bool,
    listener: Listener,
}

impl Pipe {
    /// What goes over a wire is always of its protocol.
    fn check(&self) -> Heard {
        let bytes = self.to_client.clone();
        match self.listener {
            // Cut, perhaps in the middle.
            _ if self.was_stalled => {}
            Listener::CometQl => check_packets(&bytes),
            Listener::Http | Listener::Https => check_responses(&bytes),
        }
        Heard { bytes, is_over: self.is_over }
    }
}

/// The server's end.
struct Fake {
    pipe: Rc<RefCell<Pipe>>,
    peer: SocketAddr,
}

impl Socket for Fake {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        if pipe.is_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if pipe.to_server.is_empty() && !pipe.has_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(pipe.to_server.len());
        for (to, from) in buffer.iter_mut().zip(pipe.to_server.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
        assert!(!pipe.has_fin, "nothing is written after the end");
        if pipe.is_reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut taken = 0;
        for buffer in buffers {
            let count = buffer.len().min(pipe.room);
            pipe.to_client.extend(&buffer[..count]);
            pipe.room -= count;
            taken += count;
        }
        if taken == 0 && buffers.iter().any(|buffer| !buffer.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.pipe.borrow_mut().has_fin = true;
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.pipe.borrow_mut().is_open = false;
    }
}

struct World {
    flags: u8,
    server: Server<Fake>,
    now: Now,
    clients: [Option<(Key, Rc<RefCell<Pipe>>)>; CLIENTS],
    /// Of everybody who ever connected.
    pipes: Vec<Rc<RefCell<Pipe>>>,
    cuts: Option<Random>,
    /// What a late engine has not said yet.
    pending: Rc<Cell<usize>>,
}

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, read_closed: false };
const GONE: Readiness = Readiness { readable: true, writable: true, read_closed: true };

impl World {
    fn new(flags: u8, seed: Option<u64>) -> World {
        let settings = settings(flags);
        let (tenants, keep) = (settings.tenants.len(), kept(flags, &settings));
        let mut pending = Rc::default();
        let engine: Box<dyn Engine> = if flags & flags::LATE != 0 {
            let engine = LateEngine::new(tenants, keep, START, 9, 20);
            pending = engine.pending();
            Box::new(engine)
        } else {
            Box::new(MemoryEngine::new(tenants, keep, START))
        };
        World {
            flags,
            server: Server::new(settings, engine, [7; 20], START),
            now: START,
            clients: [const { None }; CLIENTS],
            pipes: Vec::new(),
            cuts: seed.map(Random::new),
            pending,
        }
    }

    fn happen(&mut self, client: usize, op: Op, payload: &[u8]) {
        let first = payload.first().copied().unwrap_or_default();
        let frame = |first: u8| client_frame(first, [0x37, 0xfa, 0x21, 0x3d], payload);
        match op {
            Op::Open => self.open(client, first),
            Op::Send => self.send(client, payload),
            Op::Text => self.send(client, &frame(0x81)),
            Op::Binary => self.send(client, &frame(0x82)),
            Op::Compressed => self.send(client, &compressed(payload)),
            Op::Command => self.send(client, &packet(0, payload)),
            Op::Login => self.send(client, &packet(1, payload)),
            Op::Wait => self.wait(WAITS_MS[usize::from(first) % WAITS_MS.len()]),
            Op::HalfClose => self.go(client, |pipe| pipe.has_ended = true),
            Op::Reset => self.go(client, |pipe| pipe.is_reset = true),
            Op::Stall => self.set_room(client, usize::from(first)),
            Op::Read => self.set_room(client, usize::MAX),
            Op::Drain => self.server.drain(self.now),
            Op::Reload => {
                // The engine stays the one it is, and with it what may depend on how bytes are cut.
                let flags = first & !flags::LATE | self.flags & flags::LATE;
                let settings = settings(flags);
                let keep = kept(flags, &settings);
                self.server.reload(settings, keep, self.now).expect("there are few tenants");
            }
        }
        self.settle();
    }

    fn open(&mut self, client: usize, first: u8) {
        self.go(client, |pipe| pipe.is_reset = true);
        let is_cometql = cfg!(feature = "cometql") && first & 1 != 0;
        let listener = if is_cometql { Listener::CometQl } else { Listener::Http };
        let is_proxied = first & 2 != 0;
        let pipe = Rc::new(RefCell::new(Pipe {
            to_server: VecDeque::new(),
            to_client: Vec::new(),
            room: usize::MAX,
            has_ended: false,
            is_reset: false,
            has_fin: false,
            is_open: true,
            was_stalled: false,
            is_over: false,
            listener,
        }));
        // Two come from this machine, two from one address elsewhere.
        let host = if client.is_multiple_of(2) { [127, 0, 0, 1] } else { [192, 0, 2, 7] };
        let peer = SocketAddr::from((host, 4_000 + client as u16));
        let socket = Fake { pipe: pipe.clone(), peer };
        self.pipes.push(pipe.clone());
        let key = match is_proxied {
            true => self.server.accept_proxied(socket, listener, self.now),
            false => self.server.accept(socket, listener, self.now),
        };
        self.clients[client] = key.map(|key| (key, pipe));
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        let Some((key, pipe)) = self.clients[client].clone() else { return };
        let mut cuts = self.cuts.take();
        let pieces = cuts.as_mut().map_or_else(|| vec![bytes], |cuts| cuts.pieces(bytes));
        for piece in pieces {
            {
                let mut pipe = pipe.borrow_mut();
                if !pipe.is_open || pipe.has_ended || pipe.is_reset {
                    break;
                }
                pipe.to_server.extend(piece);
            }
            self.server.ready(key, READABLE, self.now);
            self.settle();
        }
        self.cuts = cuts;
    }

    fn go(&mut self, client: usize, how: impl Fn(&mut Pipe)) {
        let Some((key, pipe)) = self.clients[client].clone() else { return };
        how(&mut pipe.borrow_mut());
        self.server.ready(key, GONE, self.now);
        self.settle();
    }

    fn set_room(&mut self, client: usize, room: usize) {
        let Some((key, pipe)) = self.clients[client].clone() else { return };
        {
            let mut pipe = pipe.borrow_mut();
            pipe.was_stalled |= room != usize::MAX;
            pipe.room = room;
        }
        if room > 0 {
            self.server.ready(key, WRITABLE, self.now);
        }
    }

    fn wait(&mut self, ms: u64) {
        let end = self.now.ms + ms;
        while self.now.ms < end {
            let passed = match self.settle() {
                Next::Idle => end - self.now.ms,
                Next::After(ms) => ms.clamp(1, end - self.now.ms),
                Next::Now => unreachable!("it has come to rest"),
            };
            self.now.ms += passed;
            self.now.unix_second = START.unix_second + (self.now.ms - START.ms) / 1_000;
        }
        self.settle();
    }

    fn settle(&mut self) -> Next {
        for _ in 0..TURNS_MAX {
            let next = self.server.turn(self.now);
            if next != Next::Now && self.pending.get() == 0 {
                return next;
            }
        }
        panic!("the server never comes to rest");
    }

    /// Everybody reads what is left, and goes.
    fn end(&mut self) {
        for client in 0..CLIENTS {
            self.set_room(client, usize::MAX);
        }
        self.settle();
        for pipe in &self.pipes {
            let mut pipe = pipe.borrow_mut();
            pipe.is_over = pipe.has_fin || !pipe.is_open;
        }
        for client in 0..CLIENTS {
            self.go(client, |pipe| pipe.has_ended = true);
        }
        for _ in 0..AFTERWARDS_SECONDS {
            if self.server.holdings() != Holdings::default() {
                self.wait(1_000);
            }
        }
        self.server.verify();
        assert_eq!(self.server.holdings(), Holdings::default(), "all closed, all given back");
        assert!(self.pipes.iter().all(|pipe| !pipe.borrow().is_open), "nobody is left");
    }
}

/// A masked text message as RFC 7692 §7.2.3.3 has it: a stored block, and the byte that ends it.
fn compressed(text: &[u8]) -> Vec<u8> {
    let text = &text[..text.len().min(usize::from(u16::MAX))];
    let length = text.len() as u16;
    let mut payload = vec![0];
    payload.extend(length.to_le_bytes());
    payload.extend((!length).to_le_bytes());
    payload.extend(text);
    payload.push(0);
    client_frame(0xc1, [0xff, 0, 0x80, 1], &payload)
}

/// Somebody looks at the logs, or nobody.
fn watch(is_on: bool) {
    static READER: Reader = Reader;
    // There may be one already: this one.
    let _ = log::set_logger(&READER);
    log::set_max_level(if is_on { log::LevelFilter::Trace } else { log::LevelFilter::Off });
}

struct Reader;

impl log::Log for Reader {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        assert!(!line.contains(['\n', '\r', '\u{1b}', '\0']), "one line, for eyes: {line:?}");
    }

    fn flush(&self) {}
}
