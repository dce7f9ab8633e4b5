//! Sessions inside the server: wrong passwords that wait, and several statements between others' turns.
//! Time is a number here, so nothing sleeps.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use encke::engines::Engine;
use encke::engines::memory::{self, MemoryEngine};
use encke::hub::clock::Now;
use encke::server::settings::{Settings, Tenant};
use encke::server::socket::Socket;
use encke::server::{Key, Listener, Next, Readiness, Server};

use crate::client::{greeting_nonce, packet, packets, response};
use crate::support::late_engine::LateEngine;
use encke::proto::mysql::handshake::{Nonce, native_proof};

const READABLE: Readiness = Readiness { readable: true, writable: false, read_closed: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true, read_closed: false };
const GONE: Readiness = Readiness { readable: true, writable: false, read_closed: true };

/// What both ends of a connection see of it.
#[derive(Default)]
struct Pipe {
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    has_ended: bool,
    is_open: bool,
    room: Option<usize>,
}

struct Fake {
    pipe: Rc<RefCell<Pipe>>,
    peer: Option<SocketAddr>,
}

impl Socket for Fake {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.pipe.borrow_mut();
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
        let offered: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).collect();
        let taken = pipe.room.map_or(offered.len(), |room| room.min(offered.len()));
        if taken == 0 && !offered.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.room = pipe.room.map(|room| room - taken);
        pipe.to_client.extend(&offered[..taken]);
        Ok(taken)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.pipe.borrow_mut().is_open = false;
    }
}

/// A server with a password, and its clock.
struct World {
    server: Server<Fake>,
    now: Now,
}

struct Client {
    key: Key,
    pipe: Rc<RefCell<Pipe>>,
}

impl World {
    fn new(password: Option<&str>) -> World {
        let now = Now { ms: 1_000_000, unix_second: 1_763_690_000, unix_nanos: 0 };
        World::with(password, Box::new(MemoryEngine::new(1, memory::Limits::default(), now)))
    }

    fn with(password: Option<&str>, engine: Box<dyn Engine>) -> World {
        let now = Now { ms: 1_000_000, unix_second: 1_763_690_000, unix_nanos: 0 };
        let tenant = Tenant { cometql_password: password.map(Into::into), ..Tenant::default() };
        let settings = Settings { tenants: vec![tenant], ..Settings::default() };
        World { server: Server::new(settings, engine, [7; 20], now), now }
    }

    fn connect(&mut self, peer: Option<&str>) -> Client {
        let pipe = Rc::new(RefCell::new(Pipe { is_open: true, ..Pipe::default() }));
        let peer = peer.map(|address| SocketAddr::new(address.parse().expect("an address"), 4000));
        let fake = Fake { pipe: Rc::clone(&pipe), peer };
        let key = self.server.accept(fake, Listener::CometQl, self.now).expect("there is room");
        Client { key, pipe }
    }

    fn send(&mut self, client: &Client, bytes: &[u8]) {
        client.pipe.borrow_mut().to_server.extend(bytes);
        self.server.ready(client.key, READABLE, self.now);
        self.settle();
    }

    /// Logs in as root with this password.
    fn log_in(&mut self, client: &Client, password: &str) {
        let greeting = client.take().remove(0).1;
        let nonce = Nonce::from_random(greeting_nonce(&greeting).try_into().expect("20 bytes"));
        let proof = native_proof(password.as_bytes(), &nonce);
        self.send(client, &packet(1, &response("root", &proof, None, None)));
    }

    fn settle(&mut self) -> Next {
        for _ in 0..1_000_000 {
            match self.server.turn(self.now) {
                Next::Now => {}
                next => return next,
            }
        }
        panic!("the server never comes to rest");
    }

    fn wait(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_second = 1_763_690_000 + (self.now.ms - 1_000_000) / 1_000;
        self.settle();
    }

    /// How long an answer to a wrong password from there waits, in milliseconds.
    fn wait_of_a_wrong_password(&mut self, peer: Option<&str>) -> u64 {
        let client = self.connect(peer);
        self.log_in(&client, "wrong");
        let begun = self.now.ms;
        while client.pipe.borrow().to_client.is_empty() {
            let Next::After(ms) = self.settle() else { panic!("an answer is due") };
            assert!(self.now.ms - begun < 10_000, "it never comes");
            self.wait(ms);
        }
        let (sequence, payload) = client.take().remove(0);
        assert_eq!((sequence, &payload[..9]), (2, &b"\xff\x15\x04#28000"[..]));
        let waited = self.now.ms - begun;
        self.leave(&client);
        assert!(!client.pipe.borrow().is_open);
        waited
    }

    fn leave(&mut self, client: &Client) {
        client.pipe.borrow_mut().has_ended = true;
        self.server.ready(client.key, GONE, self.now);
        self.settle();
    }
}

impl Client {
    fn take(&self) -> Vec<(u8, Vec<u8>)> {
        packets(&std::mem::take(&mut self.pipe.borrow_mut().to_client))
    }
}

#[test]
fn a_wrong_password_is_answered_later_and_later() {
    let mut world = World::new(Some("secret"));
    let here = Some("192.0.2.1");
    for expect in [250, 500, 1_000, 2_000, 4_000, 4_000] {
        assert_eq!(world.wait_of_a_wrong_password(here), expect);
    }
    assert_eq!(world.wait_of_a_wrong_password(Some("192.0.2.2")), 250, "others pay for themselves");
    assert_eq!(world.wait_of_a_wrong_password(None), 250);
    assert_eq!(world.wait_of_a_wrong_password(None), 500, "those without an address are one");
    world.wait(60_000);
    assert_eq!(world.wait_of_a_wrong_password(here), 250, "it is forgotten after a minute");
}

#[test]
fn a_right_password_is_answered_at_once() {
    let mut world = World::new(Some("secret"));
    let here = Some("192.0.2.1");
    world.wait_of_a_wrong_password(here);
    world.wait_of_a_wrong_password(here);
    let held = world.connect(here);
    world.log_in(&held, "wrong");
    let client = world.connect(here);
    world.log_in(&client, "secret");
    assert_eq!(client.take()[0].1[0], 0);
    assert!(held.pipe.borrow().to_client.is_empty(), "and the other one still waits");
    let check = world.connect(here);
    check.take();
    world.send(&check, &packet(1, &response("haproxy_check", b"", None, None)));
    assert_eq!(check.take()[0].1[0], 0, "a health check is no failure");
}

#[test]
fn who_hangs_up_before_the_answer_is_forgotten() {
    let mut world = World::new(Some("secret"));
    for round in 0..400 {
        let client = world.connect(Some("192.0.2.1"));
        world.log_in(&client, "wrong");
        // Whatever it says meanwhile is not even read.
        world.send(&client, &[1; 1000]);
        assert!(client.take().is_empty(), "round {round}: the table of those who wait is not full");
        world.leave(&client);
        assert!(!client.pipe.borrow().is_open);
    }
    assert_eq!(world.server.connections(), 0);
    let held = world.server.holdings();
    assert_eq!((held.extras, held.inputs), (0, 0));
    world.server.verify();
}

#[test]
fn no_more_answers_wait_than_may() {
    let mut world = World::new(Some("secret"));
    let clients: Vec<Client> = (0..300)
        .map(|_| {
            let client = world.connect(Some("192.0.2.1"));
            world.log_in(&client, "wrong");
            client
        })
        .collect();
    let answered = clients.iter().filter(|client| !client.pipe.borrow().to_client.is_empty());
    assert_eq!(answered.count(), 300 - 256);
    world.wait(4_000);
    assert!(clients.iter().all(|client| client.take()[0].1[0] == 0xff));
    let late = world.connect(Some("192.0.2.1"));
    world.log_in(&late, "wrong");
    world.server.drain(world.now);
    world.settle();
    assert!(late.take().is_empty(), "nothing is held beyond the end");
    world.server.verify();
}

#[test]
fn nothing_is_said_behind_the_servers_last_word() {
    let mut world = World::new(Some("secret"));
    let client = world.connect(None);
    world.log_in(&client, "wrong");
    world.server.drain(world.now);
    world.settle();
    client.take();
    // Before the client has closed its end.
    world.wait(300);
    assert!(client.take().is_empty(), "the answer that waited came after the end");
    world.server.verify();
}

fn several(count: usize) -> Vec<u8> {
    let insert =
        "INSERT INTO pipes_messages (name, event, message) VALUES ('abc', '', 'x');SELECT 1;";
    packet(0, &[&b"\x03"[..], insert.repeat(count).as_bytes()].concat())
}

/// Answers of `several`, all of them and in order.
fn assert_several(packets: &[(u8, Vec<u8>)], count: usize) {
    let firsts: Vec<u8> = packets.iter().map(|(_, payload)| payload[0]).collect();
    assert_eq!(firsts, [0, 1, 3, 0xfe, 1, 0xfe].repeat(count));
    for (at, (sequence, _)) in packets.iter().enumerate() {
        assert_eq!(*sequence, (at + 1) as u8);
    }
}

#[test]
fn a_client_that_has_said_all_gets_the_answers_to_all_its_statements() {
    let mut world = World::new(None);
    let client = world.connect(None);
    client.take();
    world.send(&client, &packet(1, &response("root", b"", None, None)));
    world.send(&client, &packet(0, b"\x1b\0\0"));
    client.take();
    client.pipe.borrow_mut().to_server.extend(several(200));
    world.leave(&client);
    assert_several(&client.take(), 200);
    assert!(!client.pipe.borrow().is_open);
}

/// An engine that answers late, a client that reads slowly, and a next command that is already there.
#[test]
fn several_statements_go_on_after_each_answer() {
    for is_late in [false, true] {
        let mut world = World::new(None);
        if is_late {
            world = World::with(
                None,
                Box::new(LateEngine::new(1, memory::Limits::default(), world.now, 9, 20)),
            );
        }
        let client = world.connect(None);
        client.take();
        world.send(&client, &packet(1, &response("root", b"", None, None)));
        world.send(&client, &packet(0, b"\x1b\0\0"));
        client.take();
        client.pipe.borrow_mut().room = Some(100);
        let count = 500;
        world.send(&client, &[several(count), packet(0, b"\x0e")].concat());
        for _ in 0..100_000 {
            let is_answered =
                client.pipe.borrow().to_client.ends_with(&packet(1, &[0, 0, 0, 2, 0, 0, 0]));
            if is_answered && client.pipe.borrow().to_client.len() > 10_000 {
                break;
            }
            client.pipe.borrow_mut().room = Some(100);
            world.server.ready(client.key, WRITABLE, world.now);
            world.wait(1);
        }
        let mut packets = client.take();
        assert_eq!(packets.pop(), Some((1, vec![0, 0, 0, 2, 0, 0, 0])), "the ping comes last");
        assert_several(&packets, count);
        world.server.verify();
        world.leave(&client);
        assert_eq!(world.server.connections(), 0);
    }
}
