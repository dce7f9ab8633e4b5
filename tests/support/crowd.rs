//! A server whose clients are wires: what a test or a bench needs to fill it, publish and let it work.

use encke::engines::Engine;
use encke::engines::memory::{self, MemoryEngine};
use encke::hub::clock::Now;
use encke::hub::command::{Change, Command, RecordKind};
use encke::hub::message::TenantId;
use encke::server::settings::{Echo, Settings};
use encke::server::{Key, Listener, Next, Readiness, Server};

use super::wires::{self, Wire};

/// Something came in.
pub const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };
/// There is room again.
pub const WRITABLE: Readiness = Readiness { readable: false, writable: true, read_closed: false };
const CLOSED: Readiness = Readiness { readable: true, writable: false, read_closed: true };

/// The server and its clients, whose numbers are those of their wires.
pub struct Crowd {
    pub server: Server<Wire>,
    pub now: Now,
    keys: Vec<Option<Key>>,
}

impl Crowd {
    /// A server without clients, and wires for `most`. The first publishes, if anybody does.
    pub fn new(most: usize, adjust: impl FnOnce(&mut Settings)) -> Crowd {
        Crowd::with_records(most, adjust, Vec::new())
    }

    /// The same, with keys of users in the engine.
    pub fn with_records(
        most: usize,
        adjust: impl FnOnce(&mut Settings),
        records: Vec<(Box<str>, Box<str>)>,
    ) -> Crowd {
        Crowd::served_by(most, adjust, |mut engine, now| {
            let (tenant, kind, change) = (TenantId(0), RecordKind::UserKey, Change::Put);
            engine.submit(None, Command::ChangeRecords { tenant, kind, records, change }, now);
            Box::new(engine)
        })
    }

    /// The same, with an engine that is made of the one in memory.
    pub fn served_by(
        most: usize,
        adjust: impl FnOnce(&mut Settings),
        engine: impl FnOnce(MemoryEngine, Now) -> Box<dyn Engine>,
    ) -> Crowd {
        wires::lay(most);
        let now = Now { ms: 1_000_000, unix_second: 1_763_690_000, unix_nanos: 0 };
        let keys = vec![None; most + 1];
        let mut settings = Settings::default();
        settings.echoes.push(Echo { path: "/echo".into(), is_reversed: false });
        adjust(&mut settings);
        let engine = engine(MemoryEngine::new(1, memory::Limits::default(), now), now);
        Crowd { server: Server::new(settings, engine, [7; 20], now), now, keys }
    }

    /// A client connects.
    pub fn connect(&mut self, number: u32) {
        self.connect_to(Listener::Http, number);
    }

    /// A client connects to one of the listeners.
    pub fn connect_to(&mut self, listener: Listener, number: u32) {
        let wire = wires::open(number);
        self.keys[number as usize] = self.server.accept(wire, listener, self.now);
    }

    /// A client connects, and what it says is there before the server has looked.
    pub fn connect_saying(&mut self, number: u32, bytes: &'static [u8]) {
        let wire = wires::open(number);
        wires::send(number, bytes);
        self.keys[number as usize] = self.server.accept(wire, Listener::Http, self.now);
    }

    /// A client sends, and the server looks at it.
    pub fn send(&mut self, number: u32, bytes: &'static [u8]) {
        wires::send(number, bytes);
        self.event(number, READABLE);
    }

    /// A client goes.
    pub fn leave(&mut self, number: u32) {
        wires::end(number);
        self.event(number, CLOSED);
    }

    /// The system reports something of a client's socket.
    pub fn event(&mut self, number: u32, readiness: Readiness) {
        let key = self.keys[number as usize].expect("this client was accepted");
        self.server.ready(key, readiness, self.now);
    }

    /// Lets the server finish what it has to do now.
    pub fn settle(&mut self) {
        for _ in 0..10_000_000 {
            if self.server.turn(self.now) != Next::Now {
                return;
            }
        }
        panic!("the server never comes to rest");
    }

    /// Time goes by, second by second.
    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.ms += 1_000;
            self.now.unix_second += 1;
            self.settle();
        }
    }
}

/// A request without a body.
pub fn get(target: &str, headers: &str) -> &'static [u8] {
    lasting(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").into_bytes())
}

/// A WebSocket's opening request.
pub fn upgrade(target: &str) -> &'static [u8] {
    upgrade_of("crowd", target)
}

/// The same, of a browser that calls itself so.
pub fn upgrade_of(agent: &str, target: &str) -> &'static [u8] {
    let headers = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: ";
    get(target, &format!("{headers}{agent}\r\n"))
}

/// `count` publishes of 64 bytes, pipelined.
pub fn publishes(channel: &str, count: usize) -> &'static [u8] {
    let one = format!(
        "POST /channels/{channel} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 64\r\n\r\n{:64}",
        "What goes up must come down, said the message to its channel."
    );
    lasting(one.repeat(count).into_bytes())
}

/// A client's frame (RFC 6455 §5.2): short, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first, 0x80 | payload.len() as u8];
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Wires borrow what they carry for ever, so that a client costs nothing.
pub fn lasting(bytes: Vec<u8>) -> &'static [u8] {
    Vec::leak(bytes)
}
