//! How long each may take: to say what it wants, to be silent, to be away, to go; and how often a count is
//! told.

use encke::server::limits::Limits;

use super::crowd::{Crowd, frame, get, lasting, upgrade};
use super::{SSE, limited, told, wires};

/// After how many seconds a client is told something, or its connection is closed; and what it is told.
fn after_a_while(crowd: &mut Crowd, number: u32) -> (u64, Vec<u8>) {
    for seconds in 1..=1_000 {
        wires::overhear(number);
        crowd.wait(1);
        let words = wires::overheard();
        if !words.is_empty() || !wires::is_open(number) {
            return (seconds, words);
        }
    }
    panic!("nothing ever happens");
}

/// A client that has said this, in a server with one limit that is not the usual one.
fn silent_after(bounds: impl FnOnce(&mut Limits), bytes: &'static [u8]) -> Crowd {
    let mut crowd = limited(9, bounds);
    crowd.connect(1);
    crowd.send(1, bytes);
    crowd.settle();
    crowd
}

#[test]
fn a_request_is_whole_in_time_or_gets_408() {
    let head = b"GET / HTTP/1.1\r\nHost: local";
    let body = b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nx";
    let bounds = |limits: &mut Limits| (limits.head_seconds, limits.body_seconds) = (3, 5);
    for (begun, rest, seconds) in [(&head[..], &b"host\r\n\r\n"[..], 3), (body, b"y", 5)] {
        let mut crowd = silent_after(bounds, begun);
        let (after, words) = after_a_while(&mut crowd, 1);
        assert_eq!(after, seconds, "{}", String::from_utf8_lossy(begun));
        assert!(words.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&words));
        let mut crowd = silent_after(bounds, begun);
        crowd.wait(seconds - 1);
        assert!(told(&mut crowd, 1, rest).starts_with("HTTP/1.1 200 "), "a second before");
    }
}

#[test]
fn who_asks_for_nothing_more_is_closed_and_who_does_not_go_is_cut() {
    let bounds = |limits: &mut Limits| {
        (limits.keep_alive_seconds, limits.closing_seconds) = (4, 3);
    };
    let mut crowd = silent_after(bounds, get("/info", ""));
    crowd.wait(3);
    assert!(told(&mut crowd, 1, get("/info", "")).starts_with("HTTP/1.1 200 "), "a second before");
    assert_eq!(after_a_while(&mut crowd, 1), (4 + 3, Vec::new()), "without a word");
    let last = get("/info", "Connection: close\r\n");
    let mut crowd = silent_after(bounds, last);
    assert_eq!(after_a_while(&mut crowd, 1), (3, Vec::new()), "after our last word");
    let mut crowd = silent_after(bounds, last);
    crowd.leave(1);
    crowd.settle();
    assert!(!wires::is_open(1), "who goes is gone at once");
}

#[test]
fn who_is_silent_gets_a_heartbeat_and_shows_that_it_lives() {
    let bounds = |limits: &mut Limits| {
        (limits.heartbeat_seconds, limits.pong_seconds) = (6, 4);
    };
    for target in ["/channels/a?transport=sse", "/channels/a?transport=stream"] {
        let mut crowd = silent_after(bounds, get(target, ""));
        for _ in 0..5 {
            let (after, words) = after_a_while(&mut crowd, 1);
            assert_eq!((after, words.is_empty()), (6, false), "{target}");
        }
    }
    let mut crowd = silent_after(bounds, upgrade("/channels/a"));
    assert_eq!(after_a_while(&mut crowd, 1), (6, vec![0x89, 0]));
    crowd.wait(3);
    crowd.send(1, lasting(frame(0x8a, b"")));
    assert_eq!(after_a_while(&mut crowd, 1).1, [0x89, 0], "a second before: it goes on");
    let (after, words) = after_a_while(&mut crowd, 1);
    assert!(after == 4 && (words.is_empty() || words[0] == 0x88), "{after} s: {words:?}");
    crowd.wait(Limits::default().closing_seconds.into());
    assert!(!wires::is_open(1));
}

#[test]
fn a_session_counts_for_so_long_after_its_last_request() {
    let target = "/channels/a?transport=poll&wait=1&session=0123456789abcdef";
    let mut crowd = silent_after(|limits| limits.session_seconds = 5, get(target, ""));
    crowd.wait(1);
    let memberships = |crowd: &mut Crowd| crowd.server.holdings().memberships;
    assert_eq!((memberships(&mut crowd), crowd.server.holdings().detached), (1, 1));
    crowd.wait(4);
    assert_eq!(memberships(&mut crowd), 1, "a second before");
    crowd.send(1, get(target, ""));
    crowd.wait(1 + 4);
    assert_eq!(memberships(&mut crowd), 1, "it has come back in between");
    crowd.wait(1);
    assert_eq!((memberships(&mut crowd), crowd.server.holdings().detached), (0, 0));
    crowd.server.verify();
}

/// After how many seconds a poll that asks so is answered with 304.
fn poll_lasts(crowd: &mut Crowd, number: u32, query: &str) -> u64 {
    crowd.connect(number);
    let target = format!("/channels/a?transport=poll{query}");
    assert_eq!(told(crowd, number, get(&target, "")), "", "it is parked");
    for seconds in 1..=1_000 {
        wires::overhear(number);
        crowd.wait(1);
        let words = String::from_utf8(wires::overheard()).expect("a head");
        if !words.is_empty() {
            assert!(words.starts_with("HTTP/1.1 304 ") && words.contains("ETag: "), "{words}");
            crowd.leave(number);
            return seconds;
        }
    }
    panic!("it never ends");
}

#[test]
fn a_poll_waits_as_long_as_it_asks_up_to_the_bound() {
    let mut crowd = limited(9, |limits| (limits.poll_seconds, limits.poll_seconds_max) = (3, 7));
    assert_eq!(poll_lasts(&mut crowd, 1, "&wait=6"), 6);
    assert_eq!(poll_lasts(&mut crowd, 2, "&wait=7"), 7, "at the bound");
    assert_eq!(poll_lasts(&mut crowd, 3, "&wait=8"), 7, "one past it");
    assert_eq!(poll_lasts(&mut crowd, 4, "&wait=65535"), 7);
    assert_eq!(poll_lasts(&mut crowd, 5, ""), 3, "it did not say");
    // What is not asked for is bounded too.
    let mut crowd = limited(9, |limits| (limits.poll_seconds, limits.poll_seconds_max) = (9, 2));
    assert_eq!(poll_lasts(&mut crowd, 1, ""), 2);
    crowd.server.verify();
}

/// The counts that a watcher is told now.
fn counts(crowd: &mut Crowd) -> Vec<u32> {
    wires::overhear(1);
    crowd.settle();
    let words = String::from_utf8(wires::overheard()).expect("an event stream");
    let count = |after: &str| after.split('}').next().and_then(|digits| digits.parse().ok());
    words.split("{\"count\":").skip(1).map(|after| count(after).expect("a number")).collect()
}

#[test]
fn counts_are_told_so_far_apart_and_the_last_one_counts() {
    let mut crowd = limited(9, |limits| limits.presence_interval_ms = 400);
    (1..=6).for_each(|number| crowd.connect(number));
    told(&mut crowd, 1, get("/channels/a?presence=1", SSE));
    crowd.now.ms += 400;
    counts(&mut crowd);
    crowd.now.ms += 400;
    let join = |crowd: &mut Crowd, number: u32| crowd.send(number, upgrade("/channels/a"));
    join(&mut crowd, 2);
    assert_eq!(counts(&mut crowd), [2], "after a quiet time it is told at once");
    for number in 3..=5 {
        join(&mut crowd, number);
        crowd.now.ms += 133;
        assert_eq!(counts(&mut crowd), [0; 0]);
    }
    // 399 milliseconds are over.
    crowd.leave(4);
    assert_eq!(counts(&mut crowd), [0; 0], "a moment before");
    crowd.now.ms += 1;
    assert_eq!(counts(&mut crowd), [4], "and at the interval one for all of them");
    join(&mut crowd, 6);
    crowd.leave(6);
    crowd.now.ms += 400;
    assert_eq!(counts(&mut crowd), [0; 0], "nothing has changed");
    crowd.server.verify();
}
