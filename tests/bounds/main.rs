//! What strangers may take: each bound at its limit and one past it, and who is served meanwhile. Counts
//! alone decide, on wires without an operating system and with a clock that stands still.

#[path = "../support/crowd.rs"]
#[allow(dead_code, reason = "other programs use the rest")]
mod crowd;
mod fairness;
mod paces;
mod room;
#[path = "../support/wires.rs"]
#[allow(dead_code, reason = "other programs use the rest")]
mod wires;

use std::net::SocketAddr;

use encke::server::limits::Limits;
use encke::server::settings::{Rule, Settings, Who};

use crowd::{Crowd, lasting};

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
    wires::overhear(number);
    crowd.send(number, lasting(bytes.to_vec()));
    crowd.settle();
    String::from_utf8_lossy(&wires::overheard()).into_owned()
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
