//! Handshakes: in pieces, in both versions, broken, too slow, and with somebody who never meant to.

use std::sync::Arc;

use encke::server::Listener;
use encke::server::settings::Settings;
use encke::server::tls::Certificates;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, SupportedProtocolVersion};

use crate::support::random::Random;
use crate::world::{Client, INFO, World};

const BOTH: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

fn world() -> World {
    World::new(|_| ())
}

/// The request is answered, inside TLS.
fn is_served(world: &mut World, client: &mut Client) {
    world.say(client, INFO);
    let answer = client.text();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn both_versions_are_spoken_and_the_protocol_inside_is_named() {
    for version in BOTH {
        let mut world = world();
        let mut config = ClientConfig::clone(&world.authority.client(&[version]));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut client = world.open(Arc::new(config));
        assert_eq!(client.tls.protocol_version(), Some(version.version));
        assert_eq!(client.tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        is_served(&mut world, &mut client);
    }
}

#[test]
fn who_speaks_only_another_protocol_is_told() {
    let mut world = world();
    let mut config = ClientConfig::clone(&world.authority.client(&BOTH));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let mut client = world.client(Arc::new(config));
    let mut hello = Vec::new();
    client.tls.write_tls(&mut hello).expect("memory");
    world.arrive(&client.line, &hello);
    let answer = world.take(&client.line);
    let error = client.hear(&answer).expect_err("no HTTP/2 here");
    assert!(format!("{error:?}").contains("NoApplicationProtocol"), "{error:?}");
    assert!(client.line.pipe.borrow().has_fin, "and that was all");
}

#[test]
fn a_flight_may_arrive_and_leave_in_pieces_of_any_size() {
    for version in BOTH {
        for piece in [1, 2, 3, 5, 6, 7, 16, 100, 255, 256, 1_000] {
            let mut world = world();
            world.piece = piece;
            let config = world.authority.client(&[version]);
            let mut client = world.open(config);
            is_served(&mut world, &mut client);
            world.fin(&client.line);
            world.is_empty();
        }
    }
}

/// All that the client says in a handshake and a request, cut at every place.
#[test]
fn every_cut_of_every_flight_is_the_same_handshake() {
    for version in BOTH {
        let mut world = world();
        let config = world.authority.client(&[version]);
        for cut in 1.. {
            let mut client = world.client(Arc::clone(&config));
            let mut longest = 0;
            for _ in 0..4 {
                let mut sent = Vec::new();
                if !client.tls.is_handshaking() && client.got.is_empty() {
                    std::io::Write::write_all(&mut client.tls.writer(), INFO).expect("memory");
                }
                while client.tls.wants_write() {
                    client.tls.write_tls(&mut sent).expect("memory");
                }
                longest = longest.max(sent.len());
                let (before, behind) = sent.split_at(cut.min(sent.len()));
                world.arrive(&client.line, before);
                let early = world.take(&client.line);
                client.hear(&early).expect("no fault");
                world.arrive(&client.line, behind);
                let answer = world.take(&client.line);
                client.hear(&answer).expect("no fault");
            }
            assert!(client.text().starts_with("HTTP/1.1 200 OK\r\n"), "cut at {cut}");
            world.fin(&client.line);
            world.is_empty();
            if cut > longest {
                break;
            }
        }
    }
}

#[test]
fn a_client_that_comes_back_brings_a_ticket() {
    for version in BOTH {
        let mut world = world();
        let config = world.authority.client(&[version]);
        let mut first = world.open(Arc::clone(&config));
        is_served(&mut world, &mut first);
        assert_eq!(first.tls.handshake_kind(), Some(HandshakeKind::Full));
        let mut second = world.open(Arc::clone(&config));
        assert_eq!(second.tls.handshake_kind(), Some(HandshakeKind::Resumed), "{version:?}");
        is_served(&mut world, &mut second);
    }
}

#[test]
fn a_reset_or_an_end_amid_a_handshake_leaves_nothing() {
    for version in BOTH {
        for is_reset in [true, false] {
            for flights in 0..3 {
                let mut world = world();
                let config = world.authority.client(&[version]);
                let mut client = world.client(config);
                for _ in 0..flights {
                    let mut sent = Vec::new();
                    client.tls.write_tls(&mut sent).expect("memory");
                    world.arrive(&client.line, &sent[..sent.len().saturating_sub(1)]);
                    let answer = world.take(&client.line);
                    // It may be cut short: this client does not mind.
                    let _ = client.hear(&answer);
                }
                match is_reset {
                    true => world.reset(&client.line),
                    false => world.fin(&client.line),
                }
                assert!(client.is_gone());
                world.is_empty();
            }
        }
    }
}

#[test]
fn garbage_is_answered_with_an_alert_and_the_end() {
    let mut random = Random::new(17);
    let mut world = world();
    for round in 0..500 {
        let line = world.line(Listener::Https);
        let mut bytes: Vec<u8> =
            (0..random.below(4_000) + 1).map(|_| random.below(256) as u8).collect();
        // A letter would be taken for a request.
        bytes[0] = if round % 2 == 0 { 0x16 } else { bytes[0] | 0x80 };
        world.arrive(&line, &bytes);
        let answer = world.take(&line);
        assert!(answer.is_empty() || answer[0] == 0x15, "only alerts: {answer:x?}");
        world.fin(&line);
        assert!(!line.pipe.borrow().is_open);
    }
    world.is_empty();
}

/// One byte of a good conversation is another one, at any place.
#[test]
fn a_flipped_byte_never_gets_through() {
    for version in BOTH {
        let mut world = world();
        let config = world.authority.client(&[version]);
        let sample = {
            let mut client = world.open(Arc::clone(&config));
            std::io::Write::write_all(&mut client.tls.writer(), INFO).expect("memory");
            let mut sent = Vec::new();
            client.tls.write_tls(&mut sent).expect("memory");
            world.fin(&client.line);
            sent.len()
        };
        for at in 0..sample {
            let mut client = world.open(Arc::clone(&config));
            std::io::Write::write_all(&mut client.tls.writer(), INFO).expect("memory");
            let mut sent = Vec::new();
            client.tls.write_tls(&mut sent).expect("memory");
            sent[at] ^= 1;
            world.arrive(&client.line, &sent);
            let answer = world.take(&client.line);
            // The type and version that a record of TLS 1.3 wears outside mean nothing (RFC 8446 §5.2).
            let heard = client.hear(&answer);
            if at > 2 {
                assert!(!client.text().contains("200 OK"), "at {at}: {heard:?}");
            }
            world.fin(&client.line);
            world.wait(3);
            world.is_empty();
        }
    }
}

#[test]
fn a_handshake_has_its_time_and_then_a_request_has() {
    let mut world = world();
    let config = world.authority.client(&BOTH);
    let silent = world.line(Listener::Https);
    let mut slow = world.client(Arc::clone(&config));
    let mut hello = Vec::new();
    slow.tls.write_tls(&mut hello).expect("memory");
    world.arrive(&slow.line, &hello[..hello.len() / 2]);
    world.wait(5);
    let mut late = world.open(config);
    world.wait(8);
    assert!(silent.pipe.borrow().has_fin && slow.line.pipe.borrow().has_fin);
    is_served(&mut world, &mut late);
}

#[test]
fn a_request_without_tls_is_told_what_is_missing() {
    let mut world = world();
    let line = world.line(Listener::Https);
    world.arrive(&line, INFO);
    let answer = String::from_utf8(world.take(&line)).expect("plain text");
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("https://") && line.pipe.borrow().has_fin, "{answer}");
    world.fin(&line);
    world.is_empty();
}

#[test]
fn without_certificates_nobody_is_let_in() {
    let mut world = World::new(|settings: &mut Settings| {
        settings.certificates = Certificates::default();
    });
    // What the listener of an earlier configuration brings.
    let (key, pipe) = world.knock(Listener::Https);
    assert!(key.is_none() && !pipe.borrow().is_open, "there is no certificate for it");
    world.is_empty();
}

#[test]
fn who_finds_no_room_gets_an_alert() {
    let mut world = World::new(|settings| settings.limits.connections_max = 1);
    let config = world.authority.client(&BOTH);
    let _first = world.open(Arc::clone(&config));
    let (key, pipe) = world.knock(Listener::Https);
    let pipe = pipe.borrow();
    assert!(key.is_none() && !pipe.is_open);
    assert_eq!(pipe.to_client, [21, 3, 3, 0, 2, 2, 80], "a fatal internal_error (RFC 8446 §6)");
}

#[test]
fn the_version_is_the_newest_that_both_speak() {
    let mut world = world();
    let config = world.authority.client(&[&TLS12, &TLS13]);
    let client = world.open(config);
    assert_eq!(client.tls.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}
