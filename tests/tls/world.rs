//! A server whose sockets are pairs of queues, and rustls' own client at their other ends. Time is a
//! number, so nothing sleeps.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use encke::engines::memory::{self, MemoryEngine};
use encke::hub::clock::Now;
use encke::server::settings::{Echo, Settings};
use encke::server::socket::Socket;
use encke::server::tls::Certificates;
use encke::server::{Key, Listener, Next, Readiness, Server};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::certificates::Authority;

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, read_closed: false };
const GONE: Readiness = Readiness { readable: true, writable: false, read_closed: true };

/// What both ends of a connection see of it.
#[derive(Default)]
pub struct Pipe {
    to_server: VecDeque<u8>,
    pub to_client: Vec<u8>,
    /// The client will send no more.
    has_ended: bool,
    is_reset: bool,
    /// The server holds its end open; it said that it will send no more.
    pub is_open: bool,
    pub has_fin: bool,
    /// Bytes that the kernel still takes.
    pub room: usize,
}

impl Pipe {
    /// What nobody has read yet is forgotten, and the queues take no memory.
    pub fn shrink(&mut self) {
        self.to_server = VecDeque::new();
        self.to_client = Vec::new();
    }
}

pub struct Fake(Rc<RefCell<Pipe>>);

impl Socket for Fake {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        if pipe.is_reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if pipe.to_server.is_empty() && !pipe.has_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.to_server.read(buffer)
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut pipe = self.0.borrow_mut();
        assert!(!pipe.has_fin, "nothing is written behind the end");
        let mut taken = 0;
        for buffer in buffers {
            let count = buffer.len().min(pipe.room);
            pipe.to_client.extend_from_slice(&buffer[..count]);
            pipe.room -= count;
            taken += count;
        }
        if taken == 0 && buffers.iter().any(|buffer| !buffer.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(taken)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().has_fin = true;
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        None
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.0.borrow_mut().is_open = false;
    }
}

/// A server with a certificate for `localhost`, and its clock.
pub struct World {
    pub server: Server<Fake>,
    pub now: Now,
    pub authority: Authority,
    /// Bytes that arrive at a time, and that the kernel takes at a time.
    pub piece: usize,
}

/// The client's end of a wire.
pub struct Line {
    pub key: Key,
    pub pipe: Rc<RefCell<Pipe>>,
}

/// A line with TLS on it.
pub struct Client {
    pub line: Line,
    pub tls: ClientConnection,
    /// What the server has said, opened.
    pub got: Vec<u8>,
    /// It said that this was all.
    pub has_closed: bool,
}

impl World {
    pub fn new(adjust: impl FnOnce(&mut Settings)) -> World {
        let authority = Authority::new();
        let files = authority.issue("localhost", &["localhost"]);
        let now = Now { ms: 1_000_000, unix_second: 1_763_690_000, unix_nanos: 0 };
        let certificates = Certificates::load(&[files]).expect("certificates");
        let mut settings = Settings { certificates, ..Settings::default() };
        settings.echoes.push(Echo { path: "/echo".into(), is_reversed: false });
        adjust(&mut settings);
        let engine = MemoryEngine::new(1, memory::Limits::default(), now);
        let server = Server::new(settings, Box::new(engine), [7; 20], now);
        World { server, now, authority, piece: usize::MAX }
    }

    /// A line to a listener, without a word.
    pub fn line(&mut self, listener: Listener) -> Line {
        let (key, pipe) = self.knock(listener);
        Line { key: key.expect("there is room"), pipe }
    }

    /// The same for somebody who may be turned away.
    pub fn knock(&mut self, listener: Listener) -> (Option<Key>, Rc<RefCell<Pipe>>) {
        let pipe = Pipe { is_open: true, room: self.piece, ..Pipe::default() };
        let pipe = Rc::new(RefCell::new(pipe));
        (self.server.accept(Fake(Rc::clone(&pipe)), listener, self.now), pipe)
    }

    /// A client that has not said anything yet.
    pub fn client(&mut self, config: Arc<ClientConfig>) -> Client {
        let line = self.line(Listener::Https);
        self.secure(line, config)
    }

    /// Its TLS begins, on a line that may have been used before.
    pub fn secure(&self, line: Line, config: Arc<ClientConfig>) -> Client {
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = ClientConnection::new(config, name).expect("a client");
        Client { line, tls, got: Vec::new(), has_closed: false }
    }

    /// The same, and the handshake is over.
    pub fn open(&mut self, config: Arc<ClientConfig>) -> Client {
        let mut client = self.client(config);
        self.exchange(&mut client);
        assert!(!client.tls.is_handshaking());
        client
    }

    /// Bytes arrive, in pieces; each is an event.
    pub fn arrive(&mut self, line: &Line, bytes: &[u8]) {
        for piece in bytes.chunks(self.piece.min(bytes.len().max(1))) {
            line.pipe.borrow_mut().to_server.extend(piece);
            self.server.ready(line.key, READABLE, self.now);
            self.settle();
        }
    }

    /// The client takes what the kernel has for it, and there is room again.
    pub fn take(&mut self, line: &Line) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let was_full = {
                let mut pipe = line.pipe.borrow_mut();
                all.append(&mut pipe.to_client);
                let was_full = pipe.room == 0;
                pipe.room = self.piece;
                was_full
            };
            if !was_full {
                return all;
            }
            self.server.ready(line.key, WRITABLE, self.now);
            self.settle();
        }
    }

    /// Both sides say what they have to say, until nobody has anything more.
    pub fn exchange(&mut self, client: &mut Client) {
        loop {
            let mut sent = Vec::new();
            while client.tls.wants_write() {
                client.tls.write_tls(&mut sent).expect("memory");
            }
            self.arrive(&client.line, &sent);
            let came = self.take(&client.line);
            if came.is_empty() && sent.is_empty() {
                return;
            }
            client.hear(&came).expect("no fault of the server");
        }
    }

    /// A client says something, and hears what there is to hear.
    pub fn say(&mut self, client: &mut Client, plain: &[u8]) {
        client.tls.set_buffer_limit(None);
        client.tls.writer().write_all(plain).expect("memory");
        self.exchange(client);
    }

    /// The client's system ends its side.
    pub fn fin(&mut self, line: &Line) {
        line.pipe.borrow_mut().has_ended = true;
        self.server.ready(line.key, GONE, self.now);
        self.settle();
    }

    pub fn reset(&mut self, line: &Line) {
        line.pipe.borrow_mut().is_reset = true;
        self.server.ready(line.key, GONE, self.now);
        self.settle();
    }

    pub fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if self.server.turn(self.now) != Next::Now {
                return;
            }
        }
        panic!("the server never comes to rest");
    }

    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.ms += 1_000;
            self.now.unix_second += 1;
            self.settle();
        }
    }

    /// Nobody is there, and nothing is left of anybody.
    pub fn is_empty(&self) {
        self.server.verify();
        let held = self.server.holdings();
        assert_eq!((held.slots, held.tls, held.inputs, held.outboxes), (0, 0, 0, 0));
    }
}

impl Client {
    /// Records came. They may end anywhere.
    pub fn hear(&mut self, mut records: &[u8]) -> Result<(), rustls::Error> {
        while !records.is_empty() {
            self.tls.read_tls(&mut records).expect("memory");
            let state = self.tls.process_new_packets()?;
            let from = self.got.len();
            self.got.resize(from + state.plaintext_bytes_to_read(), 0);
            self.tls.reader().read_exact(&mut self.got[from..]).expect("what was announced");
            self.has_closed |= state.peer_has_closed();
        }
        Ok(())
    }

    /// What it got since it looked last, as text.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.got)).into_owned()
    }

    pub fn is_gone(&self) -> bool {
        !self.line.pipe.borrow().is_open
    }
}

pub const INFO: &[u8] = b"GET /info HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Listens to channel `a`.
pub const LISTEN: &[u8] =
    b"GET /channels/a HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";

/// A publish of `data` to channel `a`.
pub fn publish(data: &str) -> Vec<u8> {
    let length = data.len();
    format!(
        "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{data}"
    )
    .into_bytes()
}

/// A WebSocket's opening request.
pub fn upgrade(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .into_bytes()
}
