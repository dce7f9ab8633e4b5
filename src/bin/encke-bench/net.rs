//! The connections of one worker, on one event loop.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::take;
use std::time::Duration;

use encke::proto::ws_handshake::accept_key;
use mio::{Events, Interest, Poll, Token};

use super::args::{Plan, Publish, Transport};
use super::client::{Client, Expect, Kind, Phase, What};
use super::clock::{Clock, SECOND};
use super::dial::Dialler;
use super::request;
use super::wire::write_frame;
use super::worker::Place;

/// The orders of the parent have this token; connections have their slot.
pub const ORDERS: Token = Token(usize::MAX - 1);
/// A connection that is not live after so long has failed.
const LIVE_PATIENCE: u64 = 10 * SECOND;
/// Shortest and longest time, in nanoseconds, that a keen worker does not look.
const NAP_MIN: u64 = 10_000;
const NAP_MAX: u64 = 100_000;
/// A connection, never mistaken for the one that had its slot before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id {
    pub slot: usize,
    generation: u32,
}

/// What happened, to whom and when.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub id: Id,
    pub what: What,
    pub at: u64,
    /// It is of one that publishes.
    pub is_publisher: bool,
}

pub struct Net<'a> {
    plan: &'a Plan,
    pub clock: Clock,
    poll: Poll,
    ready: Events,
    slots: Vec<(u32, Option<Client>)>,
    free: Vec<usize>,
    expect: Expect,
    buffer: Vec<u8>,
    events: Vec<Event>,
    dialler: Dialler,
    pub failed: u64,
    pub closed: u64,
    /// Why the first connection failed.
    pub why: String,
    swept: u64,
    nap: u64,
    /// The parent has said something.
    pub has_orders: bool,
}

impl<'a> Net<'a> {
    pub fn new(plan: &'a Plan, place: Place) -> io::Result<Net<'a>> {
        Ok(Net {
            plan,
            clock: Clock::since(place.epoch),
            poll: Poll::new()?,
            ready: Events::with_capacity(1_024),
            slots: Vec::new(),
            free: Vec::new(),
            expect: Expect {
                run: place.epoch as u32,
                welcome: plan.welcome.clone().into_bytes(),
                ready: plan.ready.clone().into_bytes(),
                accept: accept_key(request::KEY.as_bytes()).to_vec(),
            },
            buffer: vec![0; 64 * 1024],
            events: Vec::new(),
            dialler: Dialler::new(plan, place),
            failed: 0,
            closed: 0,
            why: String::new(),
            swept: 0,
            nap: NAP_MIN,
            has_orders: true,
        })
    }

    pub fn registry(&self) -> &mio::Registry {
        self.poll.registry()
    }

    pub fn run(&self) -> u32 {
        self.expect.run
    }

    /// The kind of connection that listens.
    pub fn subscriber(&self) -> Kind {
        match self.plan.transport {
            Transport::WebSocket => Kind::WebSocket,
            Transport::EventStream | Transport::Stream => Kind::Endless,
            Transport::Poll => Kind::Poll,
        }
    }

    /// Begins a connection that counts from `since`. What becomes of it is an event.
    pub fn open(&mut self, kind: Kind, number: usize, since: u64) -> Option<Id> {
        let stream = match self.dialler.connect() {
            Ok(stream) => stream,
            Err(error) => {
                self.failed += 1;
                self.blame(format!("cannot connect: {error}"));
                return None;
            }
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push((0, None));
            self.slots.len() - 1
        });
        let mut client = Client::new(stream, kind, number as u32, since);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut client.stream, Token(slot), interest)
        {
            self.failed += 1;
            self.free.push(slot);
            self.blame(format!("cannot watch a connection: {error}"));
            return None;
        }
        self.slots[slot].1 = Some(client);
        Some(Id { slot, generation: self.slots[slot].0 })
    }

    /// The same, for one that speaks.
    pub fn open_publisher(&mut self, kind: Kind, number: usize) -> Option<Id> {
        let now = self.clock.now();
        let id = self.open(kind, number, now)?;
        self.client(id)?.is_publisher = true;
        Some(id)
    }

    fn client(&mut self, id: Id) -> Option<&mut Client> {
        let (generation, client) = self.slots.get_mut(id.slot)?;
        client.as_mut().filter(|_| *generation == id.generation)
    }

    /// When the connection began.
    pub fn since(&mut self, id: Id) -> u64 {
        self.client(id).map_or(0, |client| client.since)
    }

    /// Those that live and listen.
    pub fn subscribers(&self) -> Vec<Id> {
        let all = self.slots.iter().enumerate();
        let live = all.filter_map(|(slot, (generation, client))| {
            let client = client.as_ref()?;
            let is_one = client.is_live && !client.is_publisher;
            is_one.then_some(Id { slot, generation: *generation })
        });
        live.collect()
    }

    /// Ends it from our side; there will be no event.
    pub fn close(&mut self, id: Id) {
        if self.client(id).is_some() {
            self.slots[id.slot].0 = id.generation.wrapping_add(1);
            self.slots[id.slot].1 = None;
            self.free.push(id.slot);
        }
    }

    /// Sends one text frame.
    pub fn send_frame(&mut self, id: Id, text: &[u8]) {
        let mut bytes = Vec::with_capacity(text.len() + 14);
        write_frame(&mut bytes, 1, text);
        self.send(id, &bytes);
    }

    /// Sends a POST; its answer is an event.
    pub fn send_post(&mut self, id: Id, body: &[u8]) {
        let Publish::Post(path) = &self.plan.publish else { return };
        let Some(number) = self.client(id).map(|client| client.number) else { return };
        let path = path.replace("{i}", &request::number_text(number));
        let mut bytes = request::head(self.plan, "POST", &path);
        let length = format!("Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        bytes.extend_from_slice(length.as_bytes());
        bytes.extend_from_slice(body);
        if let Some(client) = self.client(id) {
            client.phase = Phase::Head;
        }
        self.send(id, &bytes);
    }

    fn send(&mut self, id: Id, bytes: &[u8]) {
        let Some(client) = self.client(id) else { return };
        if !client.out.is_empty() {
            client.out.extend_from_slice(bytes);
            return;
        }
        let sent = match client.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return self.fail(id, format!("cannot send: {error}")),
        };
        if sent < bytes.len() {
            client.out.extend_from_slice(&bytes[sent..]);
        }
    }

    /// Waits until something happens or `until` has come; `happened` becomes what did. While `is_keen`, never
    /// sleeps where the server's sends would have to wake us: it looks, then naps.
    pub fn turn(&mut self, until: u64, is_keen: bool, happened: &mut Vec<Event>) -> io::Result<()> {
        happened.clear();
        let now = self.clock.now();
        let left = until.saturating_sub(now);
        let timeout = if is_keen { Duration::ZERO } else { Duration::from_nanos(left) };
        match self.poll.poll(&mut self.ready, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        if is_keen && self.ready.is_empty() {
            std::thread::sleep(Duration::from_nanos(self.nap.min(left)));
            self.nap = (self.nap * 2).min(NAP_MAX);
        } else {
            self.nap = NAP_MIN;
        }
        let ready = std::mem::replace(&mut self.ready, Events::with_capacity(0));
        for event in &ready {
            match event.token() {
                ORDERS => self.has_orders = true,
                _ => self.handle(event),
            }
        }
        self.ready = ready;
        self.sweep();
        std::mem::swap(&mut self.events, happened);
        Ok(())
    }

    fn handle(&mut self, event: &mio::event::Event) {
        let slot = event.token().0;
        let Some((generation, Some(client))) = self.slots.get_mut(slot) else { return };
        let id = Id { slot, generation: *generation };
        if client.phase == Phase::Connecting {
            match client.stream.take_error() {
                Ok(None) if client.stream.peer_addr().is_ok() => self.begin(id),
                Ok(None) => return,
                Ok(Some(error)) | Err(error) => self.fail(id, format!("cannot connect: {error}")),
            }
        } else if event.is_writable() {
            let out = std::mem::take(&mut client.out);
            if !out.is_empty() {
                self.send(id, &out);
            }
        }
        if event.is_readable() {
            self.read(id, event.is_read_closed());
        }
    }

    /// Connected: says the first words.
    fn begin(&mut self, id: Id) {
        let Some(client) = self.client(id) else { return };
        // Measures the server, not the wait for acknowledgements.
        let _ = client.stream.set_nodelay(true);
        let kind = client.kind;
        client.phase = if kind == Kind::Post { Phase::Idle } else { Phase::Head };
        if kind != Kind::Post {
            self.park(id);
        }
        // A server says nothing to somebody who is parked.
        if matches!(kind, Kind::Post | Kind::Poll) {
            self.tell(id, What::Live);
        }
    }

    /// Sends the request of a subscriber, the next one of a poll.
    pub fn park(&mut self, id: Id) {
        let (generation, Some(client)) = &self.slots[id.slot] else { return };
        if *generation == id.generation {
            let request = request::listen(self.plan, client);
            self.send(id, &request);
        }
        if let Some(client) = self.client(id) {
            client.phase = Phase::Head;
        }
    }

    fn read(&mut self, id: Id, is_closing: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while let (generation, Some(client)) = &mut self.slots[id.slot]
            && *generation == id.generation
        {
            let count = match client.stream.read(&mut buffer) {
                Ok(0) => {
                    self.fail(id, "the server closed the connection".into());
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.fail(id, format!("the connection broke: {error}"));
                    break;
                }
            };
            let at = self.clock.now();
            let (first, events) = (self.events.len(), &mut self.events);
            let is_publisher = client.is_publisher;
            let taken = client.take(&buffer[..count], &self.expect, &mut |what| {
                events.push(Event { id, what, at, is_publisher });
            });
            for index in first..self.events.len() {
                self.react(id, self.events[index].what);
            }
            if let Err(why) = taken {
                self.fail(id, why);
                break;
            }
            // A read shorter than the buffer means drained, unless the end is behind it.
            if count < buffer.len() && !is_closing {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// What must be done at once, whoever reads the event later.
    fn react(&mut self, id: Id, what: What) {
        let plan = self.plan;
        let Some(client) = self.client(id) else { return };
        match what {
            What::Live => client.is_live = true,
            What::Answered if client.kind == Kind::Poll => self.park(id),
            What::Ping => {
                let payload = std::mem::take(&mut client.pong);
                let mut bytes = Vec::new();
                write_frame(&mut bytes, 10, &payload);
                self.send(id, &bytes);
            }
            What::Upgraded if !plan.subscribe.is_empty() => {
                let text = plan.subscribe.replace("{i}", &request::number_text(client.number));
                self.send_frame(id, text.as_bytes());
            }
            _ => {}
        }
    }

    fn tell(&mut self, id: Id, what: What) {
        let at = self.clock.now();
        let is_publisher = self.client(id).is_some_and(|client| client.is_publisher);
        self.events.push(Event { id, what, at, is_publisher });
        self.react(id, what);
    }

    fn fail(&mut self, id: Id, mut why: String) {
        let Some(client) = self.client(id) else { return };
        let is_publisher = client.is_publisher;
        if is_publisher {
            why.insert_str(0, "publishing: ");
        }
        // Servers close what has had a number of requests; another takes its place.
        let is_usual = client.kind == Kind::Post && client.phase == Phase::Idle;
        if !is_usual {
            let is_live = client.is_live;
            self.closed += u64::from(is_live);
            self.failed += u64::from(!is_live);
            self.blame(why);
        }
        self.close(id);
        let at = self.clock.now();
        self.events.push(Event { id, what: What::Closed, at, is_publisher });
    }

    fn blame(&mut self, why: String) {
        if self.why.is_empty() {
            self.why = why;
        }
    }

    /// Gives up on connections that take too long to come alive.
    fn sweep(&mut self) {
        let now = self.clock.now();
        if now < self.swept + SECOND {
            return;
        }
        self.swept = now;
        let is_late = |client: &Client| !client.is_live && now > client.since + LIVE_PATIENCE;
        let late = self.slots.iter().enumerate().filter_map(|(slot, (generation, client))| {
            let is_late = client.as_ref().is_some_and(is_late);
            is_late.then_some(Id { slot, generation: *generation })
        });
        for id in late.collect::<Vec<_>>() {
            let why = self.why_late(id);
            self.fail(id, why);
        }
    }

    fn why_late(&mut self, id: Id) -> String {
        let plan = self.plan;
        let Some(client) = self.client(id) else { return String::new() };
        let wanted = match client.phase {
            Phase::Welcome => &plan.welcome,
            Phase::Confirm => &plan.ready,
            _ => return "no answer for 10 seconds".to_owned(),
        };
        match take(&mut client.heard) {
            heard if heard.is_empty() => format!("it did not say {wanted:?} within 10 seconds"),
            heard => format!("it did not say {wanted:?} within 10 seconds, but {heard}"),
        }
    }
}
