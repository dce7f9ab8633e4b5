//! What every client has: a connection, bytes that wait to be sent, and the rules of its world.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use encke::hub::message::{MessageId, TenantId};
use encke::server::Key;

use crate::lobby::{Else, HEAD_MS, Visit};
use crate::publisher::{EchoClient, MySqlClient, Publisher};
use crate::rules::Rules;
use crate::subscriber::Subscriber;
use crate::support::random::Random;
use crate::support::websocket::client_frame;
use crate::truth::Truth;
use crate::wire::Wire;

/// The shortest time after which the server may take somebody for gone: `pong_seconds`, `closing_seconds`.
const PATIENCE_MS: u64 = 2_000;

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
    /// A proxy says first where it comes from.
    pub is_proxied: bool,
    /// There was no place: it is in the lobby.
    pub visit: Option<Box<Visit>>,
    /// It does not read for a while.
    pub is_stalled: bool,
    /// It was reset, or so rude or so late that the server may have ended it in the middle of something.
    is_excused: bool,
    /// For so long one of the two ends has had something to hear that it did not hear.
    late_ms: u64,
    /// For so long nothing has moved.
    quiet_ms: u64,
    /// What was sent last came after a silence, and nothing was heard since: the server may have closed
    /// meanwhile.
    was_quiet: bool,
}

impl Line {
    pub fn new(wire: Rc<RefCell<Wire>>, key: Key) -> Line {
        Line {
            wire,
            key,
            unsent: VecDeque::new(),
            wants_fin: false,
            is_proxied: false,
            visit: None,
            is_stalled: false,
            is_excused: false,
            late_ms: 0,
            quiet_ms: 0,
            was_quiet: false,
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.unsent.extend(bytes);
        if let Some(visit) = &mut self.visit {
            visit.says(bytes);
        }
    }

    /// In the lobby everybody hears the same; false if it is not there.
    pub fn hears_in_lobby(&mut self, bytes: &[u8], or: Else) -> bool {
        let is_slow = self.is_excused();
        let Some(visit) = &mut self.visit else { return false };
        assert!(!visit.is_silent(), "told what was not asked: {}", String::from_utf8_lossy(bytes));
        let or = Else { is_late: is_slow && visit.is_long(), ..or };
        visit.receive(bytes, or);
        true
    }

    /// Lets some of what was sent arrive; true if anything did.
    pub fn deliver(&mut self, most: usize) -> bool {
        let mut wire = self.wire.borrow_mut();
        let moved = wire.arrive(&mut self.unsent, most) > 0;
        if moved {
            self.was_quiet |= self.quiet_ms >= PATIENCE_MS;
            self.quiet_ms = 0;
        }
        if self.unsent.is_empty() && self.wants_fin && !wire.has_fin() {
            wire.send_fin();
            return true;
        }
        moved
    }

    /// Reads some of what there is.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.is_stalled && self.wire.borrow_mut().take(most, &mut bytes) > 0 {
            self.was_quiet = false;
            self.quiet_ms = 0;
        }
        bytes
    }

    /// Time goes by.
    pub fn pass(&mut self, ms: u64) {
        let is_prompt = self.unsent.is_empty() && self.wire.borrow().is_prompt();
        self.late_ms = if is_prompt { 0 } else { self.late_ms + ms };
        self.is_excused |= self.late_ms >= PATIENCE_MS;
        self.quiet_ms += ms;
        if let Some(visit) = &mut self.visit {
            visit.pass(ms);
        }
    }

    /// It cannot expect that all goes well.
    pub fn excuse(&mut self) {
        self.is_excused = true;
    }

    pub fn reset(&mut self, keeps_arrived: bool) {
        self.is_excused = true;
        self.wire.borrow_mut().reset(keeps_arrived);
    }

    /// What may explain a failure.
    pub fn explain(&self) -> String {
        let Line { unsent, wants_fin, is_stalled, late_ms, quiet_ms, .. } = self;
        format!(
            "{} bytes unsent, wants_fin {wants_fin}, stalled {is_stalled}, late {late_ms} ms, quiet \
             {quiet_ms} ms, {}",
            unsent.len(),
            self.wire.borrow().explain()
        )
    }

    /// Whether the server has read all that was said, and neither end means to go.
    pub fn is_settled(&self) -> bool {
        self.unsent.is_empty() && !self.wants_fin && self.wire.borrow().is_settled()
    }

    /// Whether it may have run out of time: also whoever let answers wait, as nothing is read meanwhile.
    pub fn may_be_late(&self) -> bool {
        self.is_excused() || self.wire.borrow().was_full
    }

    /// Whether the server may have ended it in the middle of something.
    pub fn is_excused(&self) -> bool {
        let is_quiet = self.was_quiet || self.quiet_ms >= PATIENCE_MS && !self.unsent.is_empty();
        self.is_excused || is_quiet || self.wire.borrow().is_broken
    }
}

/// A client, and what it is there for.
pub struct Client {
    pub role: Role,
    pub line: Option<Line>,
}

impl Client {
    /// Whether it listens, as it and the server know: then it is told of whatever ends that.
    pub fn is_to_be_told(&self, rules: &Rules) -> bool {
        let is_there = match &self.role {
            Role::Subscriber(subscriber) => subscriber.is_listening(),
            Role::MySql(client) => client.is_greeted(),
            _ => false,
        };
        let may_be_cut =
            |line: &Line| line.visit.is_some() || rules.may_cut() && line.wire.borrow().was_full;
        is_there && self.line.as_ref().is_some_and(|it| it.is_settled() && !may_be_cut(it))
    }
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
        let rules = context.rules;
        let or = Else {
            was_rekeyed: rules.rekeys > 0,
            is_crowded: rules.tight.bodies,
            is_draining: context.is_draining,
            is_late: false,
        };
        if !matches!(self, Role::Vandal) && line.hears_in_lobby(bytes, or) {
            return;
        }
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

    /// All is at rest: who asked has been answered.
    pub fn check_answered(&self, line: &Line, context: &Context<'_>) {
        match self {
            _ if line.visit.is_some() => {}
            Role::Publisher(publisher) if !may_be_ended(line, context) => {
                publisher.check_answered(line)
            }
            Role::MySql(client) if !may_be_ended(line, context) => client.check_answered(line),
            _ => {}
        }
    }

    /// The server has ended the connection.
    pub fn ended(&self, line: &Line, context: &Context<'_>) {
        if let Some(visit) = &line.visit {
            // Who asks for nothing is told nothing; who does not take the words may be cut.
            let is_unasked = visit.is_silent() && line.quiet_ms >= HEAD_MS;
            let has_reason = line.wants_fin || line.may_be_late() || context.is_draining;
            let is_well = visit.is_told() || is_unasked || has_reason;
            return assert!(is_well, "told nothing, {}", line.explain());
        }
        if let Role::Subscriber(subscriber) = self
            && !may_be_ended(line, context)
        {
            subscriber.check_ended(line, context);
        }
        if !context.is_draining {
            self.check_answered(line, context);
        }
    }
}

/// Whether this connection may be ended in the midst of anything.
fn may_be_ended(line: &Line, context: &Context<'_>) -> bool {
    line.is_excused() || line.wire.borrow().was_full && context.rules.may_cut()
}

/// One masked text frame.
pub fn client_text_frame(random: &mut Random, payload: &[u8]) -> Vec<u8> {
    let mask = (random.next() as u32).to_be_bytes();
    client_frame(0x81, mask, payload)
}

fn vandalise(line: &mut Line, random: &mut Random) {
    line.excuse();
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
