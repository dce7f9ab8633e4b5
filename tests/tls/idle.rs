//! What TLS adds to an idle subscriber: every byte that the allocator gives away, counted as glibc would.

use std::sync::Arc;

use encke::server::Listener;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use crate::counting::held_bytes;
use crate::world::{Client, LISTEN, Line, World, publish};

/// Bytes that are too many: the library's own, nearly all of them.
const TLS_BYTES_MAX: usize = 3_840;

const CLIENTS: usize = 500;

/// Bytes that `CLIENTS` subscribers take, each, and the server with them. What they have been through
/// comes from `use_well`.
fn held_by(world: &mut World, make: impl Fn(&mut World) -> Line) -> usize {
    let before = held_bytes();
    let lines: Vec<Line> = (0..CLIENTS).map(|_| make(world)).collect();
    world.wait(1);
    let held = world.server.holdings();
    assert_eq!(held.memberships, CLIENTS);
    assert_eq!((held.inputs, held.outboxes, held.extras), (0, 0, 0), "idle: no boxes");
    let after = held_bytes();
    world.server.verify();
    let bytes = (after - before) / CLIENTS;
    for line in &lines {
        world.fin(line);
    }
    world.is_empty();
    bytes
}

/// A listener whose client takes no memory any more.
fn secure(world: &mut World, version: &'static SupportedProtocolVersion, is_used: bool) -> Line {
    let config = world.authority.client(&[version]);
    let mut client = world.open(Arc::clone(&config));
    world.say(&mut client, LISTEN);
    if is_used {
        for round in 0..10 {
            client.line.pipe.borrow_mut().room = if round == 5 { 3 } else { usize::MAX };
            let own = publish(&"x".repeat(1_000));
            let publisher = world.line(Listener::Http);
            world.arrive(&publisher, &own);
            world.fin(&publisher);
            world.exchange(&mut client);
        }
        client.tls.send_close_notify();
        let mut last = Vec::new();
        client.tls.write_tls(&mut last).expect("memory");
        // A record that has begun, and the rest of it never sent: but one byte later it would end.
        world.arrive(&client.line, &last[..1]);
    }
    let Client { line, .. } = client;
    line.pipe.borrow_mut().to_client = Vec::new();
    line
}

#[test]
fn an_idle_tls_subscriber_has_a_bound() {
    let mut plain = World::new(|_| ());
    let plain = held_by(&mut plain, |world| {
        let line = world.line(Listener::Http);
        world.arrive(&line, LISTEN);
        line.pipe.borrow_mut().to_client = Vec::new();
        line
    });
    for (name, version) in [("TLS 1.2", &TLS12), ("TLS 1.3", &TLS13)] {
        let mut world = World::new(|_| ());
        let fresh = held_by(&mut world, |world| secure(world, version, false)) - plain;
        println!("{name}: {fresh} bytes beyond a plain subscriber");
        assert!(fresh <= TLS_BYTES_MAX, "{name}: {fresh} bytes");
    }
}
