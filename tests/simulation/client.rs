//! What every client has: a connection, bytes that wait to be sent, and the rules of its world.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use encke::hub::message::{MessageId, TenantId};
use encke::server::Key;

use crate::publisher::{EchoClient, MySqlClient, Publisher};
use crate::subscriber::Subscriber;
use crate::support::random::Random;
use crate::support::websocket::client_frame;
use crate::truth::Truth;
use crate::wire::Wire;

/// A tenant as the clients know it.
pub struct Shop {
    pub name: &'static str,
    pub key: Option<&'static str>,
}

impl Shop {
    pub fn prefix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("/{}", self.name) }
    }

    /// The header that opens everything.
    pub fn authorization(&self) -> String {
        self.key.map_or(String::new(), |key| format!("Authorization: Bearer {key}\r\n"))
    }
}

pub const TENANTS: [Shop; 2] =
    [Shop { name: "", key: None }, Shop { name: "shop", key: Some("sesame") }];

/// What one seed has decided for all.
pub struct Rules {
    pub channels: Vec<&'static str>,
    /// Nothing is dropped from any history, so no cursor is ever lost.
    pub is_roomy: bool,
    /// There are bounds that requests may run into.
    pub is_tight: bool,
    /// Most bytes of a message.
    pub payload_bytes_max: usize,
}

/// What a client is given when it acts.
pub struct Context<'a> {
    pub random: &'a mut Random,
    pub truth: &'a Truth,
    pub rules: &'a Rules,
    pub claims: &'a mut Vec<Claim>,
    pub counter: &'a mut u64,
    pub is_draining: bool,
}

/// "This was published", said to a client.
pub struct Claim {
    pub tenant: TenantId,
    /// Of the last of them.
    pub id: MessageId,
    pub data: Vec<u8>,
}

impl Context<'_> {
    /// Data that no other message has; sometimes long, sometimes not text.
    pub fn payload(&mut self) -> Vec<u8> {
        *self.counter += 1;
        let mut data = format!("#{}#", self.counter).into_bytes();
        let length = match self.random.below(10) {
            0 => self.rules.payload_bytes_max,
            1 | 2 => 1_000,
            _ => 20,
        };
        let block: Vec<u8> =
            (0..40).map(|_| self.random.pick(b"abcdefgh \n<\"\\'&{}[],:0123")).collect();
        data.extend(block.iter().cycle().take(self.random.below(length + 1)));
        match self.random.below(8) {
            0 => data.extend_from_slice("é☃😀\u{2028}</script>".as_bytes()),
            1 => data.extend_from_slice(&[0xff, 0, 0xfe]),
            _ => {}
        }
        data
    }
}

/// One connection, from the client's side.
pub struct Line {
    pub wire: Rc<RefCell<Wire>>,
    pub key: Key,
    unsent: VecDeque<u8>,
    pub wants_fin: bool,
    /// It does not read for a while.
    pub is_stalled: bool,
    /// It was slow or rude, so the server may have ended it in the middle of something.
    pub is_excused: bool,
}

impl Line {
    pub fn new(wire: Rc<RefCell<Wire>>, key: Key) -> Line {
        Line {
            wire,
            key,
            unsent: VecDeque::new(),
            wants_fin: false,
            is_stalled: false,
            is_excused: false,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend(bytes);
    }

    /// Lets some of what was sent arrive; true if anything did.
    pub fn deliver(&mut self, most: usize) -> bool {
        let mut wire = self.wire.borrow_mut();
        let moved = wire.arrive(&mut self.unsent, most) > 0;
        if self.unsent.is_empty() && self.wants_fin && !wire.has_fin() {
            wire.send_fin();
            return true;
        }
        moved
    }
}

/// A client, and what it is there for.
pub struct Client {
    pub role: Role,
    pub line: Option<Line>,
}

pub enum Role {
    Subscriber(Box<Subscriber>),
    Publisher(Box<Publisher>),
    Echo(EchoClient),
    MySql(MySqlClient),
    /// Sends what nobody understands, or not all of it.
    Vandal,
}

impl Role {
    pub fn open(&mut self, line: &mut Line, context: &mut Context<'_>) {
        match self {
            Role::Subscriber(subscriber) => subscriber.open(line, context),
            Role::Publisher(publisher) => publisher.open(),
            Role::Echo(echo) => echo.open(line),
            Role::MySql(client) => client.open(),
            Role::Vandal => vandalise(line, context.random),
        }
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        match self {
            Role::Subscriber(subscriber) => subscriber.receive(bytes, line, context),
            Role::Publisher(publisher) => publisher.receive(bytes, line, context),
            Role::Echo(echo) => echo.receive(bytes, line, context),
            Role::MySql(client) => client.receive(bytes, line, context),
            Role::Vandal => {}
        }
    }

    /// Does what this client is there for.
    pub fn act(&mut self, line: &mut Line, context: &mut Context<'_>) {
        match self {
            Role::Subscriber(subscriber) => subscriber.publish(line, context),
            Role::Publisher(publisher) => publisher.act(line, context),
            Role::Echo(echo) => echo.act(line, context),
            Role::MySql(client) => client.act(line, context),
            Role::Vandal => vandalise(line, context.random),
        }
    }

    /// The server has ended the connection.
    pub fn ended(&self, line: &Line, context: &Context<'_>) {
        let is_excused = line.is_excused || context.is_draining;
        match self {
            Role::Publisher(publisher) if !is_excused => publisher.check_answered(),
            Role::MySql(client) if !is_excused => client.check_answered(),
            _ => {}
        }
    }
}

/// One masked text frame.
pub fn client_text_frame(random: &mut Random, payload: &[u8]) -> Vec<u8> {
    let mask = (random.next() as u32).to_be_bytes();
    client_frame(0x81, mask, payload)
}

fn vandalise(line: &mut Line, random: &mut Random) {
    line.is_excused = true;
    let bytes: &[u8] = random.pick(&[
        &b"GET /channels/a HTTP/1.1\r\nHost: localhost\r\nX"[..],
        b"\r\n\r\n\r\nWHAT\r\n\r\n",
        b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nabc",
        b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\
          \x01\x83\x00\x00\x00\x00abc\x88\x80\x00\x00\x00\x00",
        b"\xff\x00\x17\x03",
    ]);
    line.send(bytes);
}
