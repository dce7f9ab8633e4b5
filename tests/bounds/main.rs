//! What strangers may take: each bound at its limit and one past it, and who is served meanwhile. Counts
//! alone decide, on wires without an operating system and with a clock that stands still.

#[path = "../support/crowd.rs"]
#[allow(dead_code, reason = "other programs use the rest")]
mod crowd;
mod fairness;
mod feed;
mod lobby;
mod memory;
#[cfg(feature = "cometql")]
#[path = "../support/mysql.rs"]
mod mysql;
mod names;
mod paces;
mod room;
mod sessions;
#[cfg(feature = "cometql")]
mod statements;
mod table;
mod waits;
#[path = "../support/wires.rs"]
#[allow(dead_code, reason = "other programs use the rest")]
mod wires;

use std::net::SocketAddr;

use encke::server::limits::Limits;
use encke::server::settings::{Rule, Settings, Who};

use crowd::{Crowd, get, lasting, upgrade};

const SSE: &str = "Accept: text/event-stream\r\n";

/// A server with a key, where everybody may publish, and with these bounds.
fn guarded(most: usize, bounds: impl FnOnce(&mut Limits)) -> Crowd {
    Crowd::new(most, |settings| {
        let rule = Rule { publish: Some(Who::Anyone), ..Rule::default() };
        settings.tenants[0].publish_key = Some("key".into());
        settings.tenants[0].rules = vec![rule];
        bounds(&mut settings.limits);
    })
}

fn limited(most: usize, bounds: impl FnOnce(&mut Limits)) -> Crowd {
    Crowd::new(most, |settings: &mut Settings| bounds(&mut settings.limits))
}

/// A client connects from an address; true if it was let in.
fn comes(crowd: &mut Crowd, number: u32, address: &str) -> bool {
    let ip = address.parse().expect("an address");
    wires::set_peer(number, SocketAddr::new(ip, 4_000 + number as u16));
    crowd.connect(number);
    wires::is_open(number)
}

/// What a client is told after it has sent this.
fn told(crowd: &mut Crowd, number: u32, bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes_told(crowd, number, bytes)).into_owned()
}

/// The same, where it is no text.
fn bytes_told(crowd: &mut Crowd, number: u32, bytes: &[u8]) -> Vec<u8> {
    wires::overhear(number);
    crowd.send(number, lasting(bytes.to_vec()));
    crowd.settle();
    wires::overheard()
}

#[test]
fn one_address_has_so_many_connections_and_none_past_that() {
    let mut crowd = limited(40, |limits| limits.connections_per_address_max = 3);
    assert!((1..=3).all(|number| comes(&mut crowd, number, "203.0.113.7")));
    wires::overhear(4);
    assert!(!comes(&mut crowd, 4, "::ffff:203.0.113.7"), "one past it, however it is written");
    let words = String::from_utf8(wires::overheard()).unwrap();
    assert!(words.starts_with("HTTP/1.1 503 ") && words.contains("Retry-After: "), "{words}");
    assert!(comes(&mut crowd, 5, "203.0.113.8"), "others have their own");
    crowd.leave(2);
    crowd.settle();
    assert!(comes(&mut crowd, 6, "203.0.113.7"), "a place is free again");
    assert!((11..=13).all(|n| comes(&mut crowd, n, &format!("2001:db8:0:1::{n}"))));
    assert!(!comes(&mut crowd, 14, "2001:db8:0:1:ffff::1"), "a network of 64 bits is one address");
    assert!(comes(&mut crowd, 15, "2001:db8:0:2::1"));
    assert!((20..=30).all(|number| comes(&mut crowd, number, "127.0.0.1")), "this machine");
    crowd.connect(31);
    assert!(wires::is_open(31), "a socket file has no address");
    crowd.server.verify();
}

#[test]
fn one_address_opens_so_many_a_second_and_no_more() {
    let mut crowd = limited(40, |limits| limits.connects_per_second_per_address_max = 5);
    let admitted = (1..=9).filter(|&number| comes(&mut crowd, number, "203.0.113.7")).count();
    assert_eq!(admitted, 5);
    assert!(comes(&mut crowd, 10, "203.0.113.8"));
    crowd.now.ms += 400;
    let admitted = (11..=19).filter(|&number| comes(&mut crowd, number, "203.0.113.7")).count();
    assert_eq!(admitted, 2, "two fifths of a second later");
}

#[test]
fn who_was_reset_is_not_counted_any_more() {
    let mut crowd = limited(4, |limits| limits.connections_per_address_max = 1);
    for _ in 0..1_000 {
        assert!(comes(&mut crowd, 1, "203.0.113.7"));
        crowd.leave(1);
        crowd.settle();
        assert!(!wires::is_open(1));
    }
}

/// A server behind a proxy at 203.0.113.1, whose word is believed.
fn proxied(bounds: impl FnOnce(&mut Limits)) -> Crowd {
    Crowd::new(99, |settings| {
        settings.tenants[0].publish_key = Some("key".into());
        settings.trusted.add("203.0.113.1").expect("an address");
        bounds(&mut settings.limits);
    })
}

/// What a client at an address is told, if the proxy asks this for it on one of its connections.
fn told_through(crowd: &mut Crowd, number: u32, address: &str, request: &[u8]) -> String {
    let request = String::from_utf8(request.to_vec()).expect("text");
    let by = format!("Host: localhost\r\nX-Forwarded-For: 6.6.6.6, {address}\r\n");
    told(crowd, number, request.replace("Host: localhost\r\n", &by).as_bytes())
}

fn is_let_in(words: &str) -> bool {
    let status = words.split(' ').nth(1).expect("an answer");
    if status == "429" {
        assert!(words.contains("Retry-After: 1\r\n"), "{words}");
        assert!(!words.contains("Connection: close"), "it is the proxy's connection: {words}");
    }
    assert!(["200", "101", "304", "429"].contains(&status), "{words}");
    status != "429"
}

#[test]
fn behind_a_trusted_proxy_each_client_has_so_many_subscribers() {
    let mut crowd = proxied(|limits| limits.connections_per_address_max = 3);
    assert!((1..=50).all(|number| comes(&mut crowd, number, "203.0.113.1")), "it has no bound");
    let (one, other) = ("198.51.100.1", "198.51.100.2");
    let sse = || get("/channels/a?transport=sse", "");
    assert!(is_let_in(&told_through(&mut crowd, 1, one, sse())));
    assert!(is_let_in(&told_through(&mut crowd, 2, one, upgrade("/channels/a"))));
    // Parked, there is no answer yet.
    assert_eq!(told_through(&mut crowd, 3, one, get("/channels/a?transport=poll", "")), "");
    for request in [sse(), upgrade("/channels/a"), get("/info", ""), upgrade("/echo")] {
        assert!(!is_let_in(&told_through(&mut crowd, 4, one, request)), "one past it");
    }
    assert!(!is_let_in(&told_through(&mut crowd, 5, "::ffff:198.51.100.1", sse())));
    // The same connection serves others, and any number of requests that do not last.
    for _ in 0..20 {
        assert!(is_let_in(&told_through(&mut crowd, 4, other, get("/info", ""))));
        assert!(is_let_in(&told_through(&mut crowd, 6, other, get("/channels/a", ""))));
    }
    assert!((7..=9).all(|number| is_let_in(&told_through(&mut crowd, number, other, sse()))));
    assert!(!is_let_in(&told_through(&mut crowd, 4, other, sse())));
    // Whoever leaves makes room, and so does an answered poll, whose connection goes on.
    crowd.leave(1);
    crowd.settle();
    assert!(is_let_in(&told_through(&mut crowd, 4, one, sse())));
    assert!(!is_let_in(&told_through(&mut crowd, 10, one, sse())));
    crowd.wait(31);
    assert!(is_let_in(&told_through(&mut crowd, 10, one, sse())), "the poll is over");
    assert!(is_let_in(&told(&mut crowd, 3, get("/info", ""))), "and who is nobody's has no bound");
    crowd.server.verify();
    for number in 1..=50 {
        if wires::is_open(number) {
            crowd.leave(number);
        }
    }
    crowd.wait(5);
    assert_eq!(crowd.server.holdings(), encke::server::Holdings::default());
}

#[test]
fn behind_a_trusted_proxy_each_client_opens_so_many_a_second() {
    let mut crowd = proxied(|limits| limits.connects_per_second_per_address_max = 5);
    let one = "198.51.100.1";
    for number in 1..=50 {
        assert!(comes(&mut crowd, number, "203.0.113.1"));
    }
    // The first request of each of the proxy's connections, as if the client had opened it.
    let info = || get("/info", "");
    let let_in = (1..=9).filter(|&n| is_let_in(&told_through(&mut crowd, n, one, info()))).count();
    assert_eq!(let_in, 5);
    assert!((0..50).all(|_| is_let_in(&told_through(&mut crowd, 1, one, info()))), "further ones");
    assert!(is_let_in(&told_through(&mut crowd, 9, "198.51.100.2", info())));
    // What keeps a connection for itself is one, whoever used it before.
    assert!(!is_let_in(&told_through(&mut crowd, 2, one, upgrade("/channels/a"))));
    assert!(!is_let_in(&told_through(&mut crowd, 2, one, get("/channels/a?transport=stream", ""))));
    crowd.wait(1);
    let ws = || upgrade("/channels/a");
    let let_in = (1..=9).filter(|&n| is_let_in(&told_through(&mut crowd, n, one, ws()))).count();
    assert_eq!(let_in, 5);
}

#[test]
fn who_only_claims_to_be_a_proxy_is_counted_itself() {
    let mut crowd = proxied(|limits| limits.connections_per_address_max = 2);
    for number in 1..=2 {
        assert!(comes(&mut crowd, number, "203.0.113.9"));
        let address = format!("198.51.100.{number}");
        assert!(is_let_in(&told_through(&mut crowd, number, &address, get("/info", ""))));
    }
    assert!(!comes(&mut crowd, 3, "203.0.113.9"));
    assert!(comes(&mut crowd, 4, "198.51.100.1"), "whose address it only named");
}
