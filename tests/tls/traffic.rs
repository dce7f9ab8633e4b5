//! What goes through an open TLS connection: much of it, slowly, under changed keys, and to its end.

use std::sync::Arc;

use encke::server::Listener;
use rustls::crypto::cipher::OutboundPlainMessage;
use rustls::version::{TLS12, TLS13};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion, SupportedCipherSuite};

use crate::support::websocket::client_frame;
use crate::world::{Client, INFO, LISTEN, World, publish, upgrade};

fn world() -> World {
    World::new(|_| ())
}

fn open(world: &mut World) -> Client {
    let config = world.authority.client(&[&TLS13]);
    world.open(config)
}

#[test]
fn a_message_reaches_tls_and_plain_subscribers_alike() {
    let mut world = world();
    let config = world.authority.client(&[&TLS12, &TLS13]);
    let mut clients: Vec<Client> = (0..3).map(|_| world.open(Arc::clone(&config))).collect();
    for client in &mut clients {
        world.say(client, LISTEN);
        assert!(client.text().contains("text/event-stream"));
    }
    let plain = world.line(Listener::Http);
    world.arrive(&plain, LISTEN);
    world.take(&plain);
    let mut publisher = world.open(config);
    world.say(&mut publisher, &publish("to everybody"));
    assert!(publisher.text().contains("\"subscribers\":4"));
    let shared = String::from_utf8(world.take(&plain)).expect("text");
    assert!(shared.contains("data: to everybody"), "{shared}");
    for client in &mut clients {
        world.exchange(client);
        assert_eq!(client.text(), shared, "the same bytes, sealed for each");
    }
    world.server.verify();
}

#[test]
fn pipelined_requests_in_one_record_and_over_many_are_answered_in_order() {
    let mut world = world();
    let mut client = open(&mut world);
    world.say(&mut client, &INFO.repeat(2_000));
    let answers = client.text();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2_000);
    assert_eq!(world.server.holdings().inputs, 0);
}

#[test]
fn sixteen_megabytes_come_back_through_a_slow_reader() {
    let mut world = World::new(|settings| settings.limits.echo_bytes_max = 16 << 20);
    let config = world.authority.client(&[&TLS13]);
    let mut client = world.open(config);
    world.say(&mut client, &upgrade("/echo"));
    assert!(client.text().starts_with("HTTP/1.1 101"));
    world.piece = 50_000;
    let data: Vec<u8> = (0..16u32 << 20).map(|n| (n ^ n >> 7) as u8).collect();
    world.say(&mut client, &client_frame(0x82, [1, 2, 3, 4], &data));
    let echo = std::mem::take(&mut client.got);
    assert_eq!(echo.len(), data.len() + 10);
    assert!(echo[10..] == data[..], "every byte as it was");
    let held = world.server.holdings();
    assert_eq!((held.outboxes, held.outbox_bytes, held.inputs), (0, 0, 0));
    world.server.verify();
}

#[test]
fn a_reader_that_stops_is_cut_at_the_bound_and_nobody_else_waits() {
    let mut world = World::new(|settings| settings.limits.outbox_bytes_max = 64 * 1024);
    let config = world.authority.client(&[&TLS13]);
    let mut slow = world.open(Arc::clone(&config));
    let mut quick = world.open(Arc::clone(&config));
    for client in [&mut slow, &mut quick] {
        world.say(client, LISTEN);
        client.text();
    }
    slow.line.pipe.borrow_mut().room = 100;
    let mut publisher = world.open(config);
    let data = "x".repeat(10_000);
    for _ in 0..6 {
        world.say(&mut publisher, &publish(&data));
    }
    let held = world.server.holdings();
    assert_eq!(held.outboxes, 1);
    assert!((59_000..64 * 1024).contains(&held.outbox_bytes), "{}", held.outbox_bytes);
    for _ in 0..3 {
        world.say(&mut publisher, &publish(&data));
    }
    assert!(slow.is_gone(), "too much was waiting");
    world.exchange(&mut quick);
    assert_eq!(quick.text().matches("data: xxx").count(), 9);
    world.server.verify();
}

#[test]
fn what_was_refused_goes_out_later_as_it_was() {
    let mut world = world();
    let mut client = open(&mut world);
    world.say(&mut client, LISTEN);
    client.text();
    let mut publisher = open(&mut world);
    client.line.pipe.borrow_mut().room = 1;
    for word in ["first", "second", "third"] {
        world.say(&mut publisher, &publish(word));
    }
    assert_eq!(world.server.holdings().outboxes, 1);
    world.piece = 7;
    world.exchange(&mut client);
    let text = client.text();
    let order: Vec<_> = ["first", "second", "third"].map(|word| text.find(word)).into();
    assert!(order.is_sorted() && order[0].is_some(), "{text}");
    assert_eq!(world.server.holdings().outboxes, 0);
}

#[test]
fn keys_may_change_at_any_time() {
    let mut world = world();
    let mut client = open(&mut world);
    for _ in 0..5 {
        client.tls.refresh_traffic_keys().expect("TLS 1.3");
        world.say(&mut client, INFO);
        assert!(client.text().starts_with("HTTP/1.1 200 OK"));
    }
    world.say(&mut client, LISTEN);
    client.tls.refresh_traffic_keys().expect("TLS 1.3");
    world.exchange(&mut client);
    client.text();
    let mut publisher = open(&mut world);
    world.say(&mut publisher, &publish("under new keys"));
    world.exchange(&mut client);
    assert!(client.text().contains("under new keys"));
}

/// Records made with a client's keys, of contents that it would never send.
struct Forger {
    encrypter: Box<dyn rustls::crypto::cipher::MessageEncrypter>,
    sequence: u64,
}

impl Forger {
    #[allow(deprecated, reason = "no other way gives the keys of a buffered client")]
    fn of(client: rustls::ClientConnection) -> Forger {
        let suite = client.negotiated_cipher_suite().expect("a suite");
        let SupportedCipherSuite::Tls13(suite) = suite else { panic!("not TLS 1.3") };
        let (sequence, secrets) = client.dangerous_extract_secrets().expect("secrets").tx;
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
            panic!("another cipher than expected")
        };
        Forger { encrypter: suite.aead_alg.encrypter(key, iv), sequence }
    }

    fn record(&mut self, typ: ContentType, payload: &[u8]) -> Vec<u8> {
        let version = ProtocolVersion::TLSv1_2;
        let plain = OutboundPlainMessage { typ, version, payload: payload.into() };
        self.sequence += 1;
        self.encrypter.encrypt(plain, self.sequence - 1).expect("a record").encode()
    }
}

/// The library counts what is unfinished from the beginning of what it was given.
#[test]
fn a_message_of_the_handshake_that_is_never_finished_disturbs_no_write() {
    for begun in [&[24][..], &[24, 0], &[24, 0, 0], &[24, 0, 0, 1], &[4, 0, 0x40, 0, 1, 2, 3]] {
        let mut world = world();
        let mut client = open(&mut world);
        world.say(&mut client, LISTEN);
        let Client { line, tls, .. } = client;
        let mut forger = Forger::of(tls);
        world.arrive(&line, &forger.record(ContentType::Handshake, begun));
        let mut publisher = open(&mut world);
        for _ in 0..3 {
            world.say(&mut publisher, &publish("hello"));
        }
        world.take(&line);
        world.arrive(&line, &forger.record(ContentType::Handshake, begun));
        world.arrive(&line, &forger.record(ContentType::ApplicationData, b"x"));
        world.say(&mut publisher, &publish("hello"));
        world.fin(&line);
        world.wait(3);
        assert!(!line.pipe.borrow().is_open);
        world.server.verify();
    }
}

#[test]
fn asking_for_keys_again_and_again_makes_nothing_grow() {
    let mut world = world();
    let mut client = open(&mut world);
    world.say(&mut client, LISTEN);
    client.line.pipe.borrow_mut().room = 0;
    for _ in 0..1_000 {
        client.tls.refresh_traffic_keys().expect("TLS 1.3");
        std::io::Write::write_all(&mut client.tls.writer(), b"x").expect("memory");
        let mut sent = Vec::new();
        client.tls.write_tls(&mut sent).expect("memory");
        world.arrive(&client.line, &sent);
    }
    assert_eq!(world.server.holdings().outboxes, 0, "nothing is said to who does not read");
    client.line.pipe.borrow_mut().room = usize::MAX;
    let mut publisher = open(&mut world);
    world.say(&mut publisher, &publish("after all that"));
    world.exchange(&mut client);
    assert!(client.text().contains("after all that"));
}

#[test]
fn strange_records_end_the_connection_and_nothing_else() {
    let rows: [(ContentType, &[u8]); 8] = [
        (ContentType::Handshake, &[1, 0, 0, 0]),
        (ContentType::Handshake, &[24, 0, 0, 1, 9]),
        (ContentType::Handshake, &[24, 0, 0, 2, 0, 0]),
        (ContentType::Handshake, &[20, 0, 0, 0]),
        (ContentType::ChangeCipherSpec, &[1]),
        (ContentType::Alert, &[2, 40]),
        (ContentType::Alert, &[9]),
        (ContentType::Unknown(99), b"what is this"),
    ];
    for (content, payload) in rows {
        let mut world = world();
        let Client { line, tls, .. } = open(&mut world);
        let mut forger = Forger::of(tls);
        world.arrive(&line, &forger.record(content, payload));
        world.take(&line);
        assert!(line.pipe.borrow().has_fin, "{content:?} {payload:?}");
        world.fin(&line);
        world.is_empty();
    }
}

#[test]
fn a_flood_of_empty_records_or_key_changes_has_an_end() {
    for (content, payload) in
        [(ContentType::ApplicationData, &b""[..]), (ContentType::Handshake, &[24, 0, 0, 1, 0])]
    {
        let mut world = world();
        let Client { line, tls, .. } = open(&mut world);
        let mut forger = Forger::of(tls);
        for _ in 0..200 {
            let record = forger.record(content, payload);
            world.arrive(&line, &record);
        }
        assert!(line.pipe.borrow().has_fin, "{content:?}");
        world.fin(&line);
        world.is_empty();
    }
}

#[test]
fn the_end_is_said_in_the_words_of_tls() {
    let mut world = world();
    let mut client = open(&mut world);
    let request = b"GET /info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    world.say(&mut client, request);
    assert!(client.text().starts_with("HTTP/1.1 200 OK"));
    assert!(client.has_closed, "not a truncation");
    assert!(client.line.pipe.borrow().has_fin);
    // An idle one ends that way as well, and one that is told to go.
    let mut idle = open(&mut world);
    let mut listener = open(&mut world);
    world.say(&mut listener, &upgrade("/channels/a"));
    world.say(&mut idle, INFO);
    world.server.drain(world.now);
    for client in [&mut idle, &mut listener] {
        world.exchange(client);
        assert!(client.has_closed);
    }
}

#[test]
fn a_peers_last_word_is_the_end_of_reading() {
    for version in [&TLS12, &TLS13] {
        let mut world = world();
        let config = world.authority.client(&[version]);
        // Behind a request: it is answered first.
        let mut asks = world.client(Arc::clone(&config));
        world.exchange(&mut asks);
        std::io::Write::write_all(&mut asks.tls.writer(), INFO).expect("memory");
        asks.tls.send_close_notify();
        world.exchange(&mut asks);
        assert!(asks.text().starts_with("HTTP/1.1 200 OK") && asks.has_closed);
        assert!(asks.is_gone());
        // Of a stream: it is over.
        let mut listens = world.open(Arc::clone(&config));
        world.say(&mut listens, LISTEN);
        listens.tls.send_close_notify();
        world.exchange(&mut listens);
        assert!(listens.is_gone());
        // With bytes that wait: they are written first.
        let mut slow = world.open(config);
        world.say(&mut slow, &upgrade("/echo"));
        slow.text();
        slow.line.pipe.borrow_mut().room = 10;
        let frame = client_frame(0x82, [1, 2, 3, 4], &[7; 3_000]);
        std::io::Write::write_all(&mut slow.tls.writer(), &frame).expect("memory");
        slow.tls.send_close_notify();
        world.exchange(&mut slow);
        assert_eq!(slow.got.len(), 3_004);
        assert!(slow.is_gone());
        world.is_empty();
    }
}
