//! What TLS adds to an idle subscriber: every byte that the allocator gives away, counted as glibc would.

use std::io::Write;
use std::sync::Arc;

use encke::server::Listener;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::counting::held_bytes;
use crate::world::{Client, LISTEN, Line, World, publish};

/// Bytes that are too many. Of TLS 1.3 encke keeps the keys, and the library what changes them; of
/// TLS 1.2 the library keeps all it has.
const TLS13_BYTES_MAX: usize = 1_152;
const TLS12_BYTES_MAX: usize = 3_584;

/// Bytes that so many idle subscribers take, each, and the server with them.
fn held_by(world: &mut World, count: usize, make: impl Fn(&mut World) -> Line) -> usize {
    let before = held_bytes();
    let lines: Vec<Line> = (0..count).map(|_| make(world)).collect();
    world.wait(1);
    for line in &lines {
        line.pipe.borrow_mut().shrink();
    }
    let held = world.server.holdings();
    assert_eq!(held.memberships, count);
    assert_eq!((held.inputs, held.outboxes, held.extras), (0, 0, 0), "idle: no boxes");
    let bytes = (held_bytes() - before) / count;
    world.server.verify();
    for line in &lines {
        world.fin(line);
    }
    world.is_empty();
    bytes
}

/// A listener whose client takes no memory any more.
fn secure(world: &mut World, version: &'static SupportedProtocolVersion) -> Line {
    listening(world, version).line
}

fn listening(world: &mut World, version: &'static SupportedProtocolVersion) -> Client {
    let config = world.authority.client(&[version]);
    let mut client = world.open(Arc::clone(&config));
    world.say(&mut client, LISTEN);
    client
}

/// The same after 100 messages, one of them in two writes, and after a record in two reads.
fn used(world: &mut World, version: &'static SupportedProtocolVersion) -> Line {
    let mut client = listening(world, version);
    let publisher = world.line(Listener::Http);
    for round in 0..100 {
        if round == 50 {
            client.line.pipe.borrow_mut().room = 3;
        }
        world.arrive(&publisher, &publish(&"x".repeat(1_000)));
        world.exchange(&mut client);
    }
    world.fin(&publisher);
    world.piece = 7;
    client.tls.writer().write_all(b"not listened to").expect("memory");
    world.exchange(&mut client);
    world.piece = usize::MAX;
    client.line.pipe.borrow_mut().room = usize::MAX;
    client.line
}

#[test]
fn an_idle_tls_subscriber_has_a_bound() {
    // Slots come by the thousand, so that what is compared must be as many.
    let plain = |count: usize| {
        held_by(&mut World::new(|_| ()), count, |world| {
            let line = world.line(Listener::Http);
            world.arrive(&line, LISTEN);
            line
        })
    };
    for (name, version, max) in
        [("TLS 1.2", &TLS12, TLS12_BYTES_MAX), ("TLS 1.3", &TLS13, TLS13_BYTES_MAX)]
    {
        let mut world = World::new(|_| ());
        let fresh = held_by(&mut world, 500, |world| secure(world, version)) - plain(500);
        // The channel's history has its full length before anybody is counted.
        let last = used(&mut world, version);
        world.fin(&last);
        let used = held_by(&mut world, 32, |world| used(world, version)) - plain(32);
        println!("{name}: {fresh} bytes beyond a plain subscriber, {used} used");
        assert!(fresh.max(used) <= max, "{name}: {fresh} bytes fresh, {used} used");
    }
}
