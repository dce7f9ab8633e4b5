//! Of clocks that somebody sets, and of bounds.

use encke::engines::memory::{Keep, Limits as EngineLimits};
use encke::server::limits::Limits;
use encke::server::settings::{Origins, Settings};

use super::pages::{break_off, somebody_missed, streaming};
use super::{Bench, Peer, SSE, START};

const DAY_SECONDS: u64 = 86_400;

#[test]
fn nothing_is_lost_when_somebody_sets_the_clock_ahead() {
    let mut bench = Bench::plain();
    let (mut back_end, mut listener) = (bench.connect(100_000), bench.connect(100_000));
    bench.publish(&back_end, "/channels/a", "before");
    bench.now.unix_second += 40 * DAY_SECONDS;
    bench.pass_seconds(2);
    let start = format!("{}-{}", START.unix_second, START.unix_nanos);
    bench.get(&listener, &format!("/channels/a?since={start}"), SSE);
    let text = bench.read(&mut listener);
    assert!(text.contains("data: before") && !text.contains("encke:lost"), "{text}");
    bench.get(&back_end, "/channels/a?last=9", "");
    assert!(bench.read(&mut back_end).contains("before"));
}

#[test]
fn what_is_old_goes_however_far_back_the_clock_was_set() {
    let mut bench = Bench::new(Limits::default(), Keep { seconds_max: 5, ..Keep::DEFAULT });
    let mut back_end = bench.connect(100_000);
    bench.publish(&back_end, "/channels/a", "before");
    bench.now.unix_second -= 40 * DAY_SECONDS;
    bench.publish(&back_end, "/channels/a", "after");
    bench.pass_seconds(7);
    bench.read(&mut back_end);
    bench.get(&back_end, "/channels/a?last=9", "");
    let text = bench.read(&mut back_end);
    assert!(!text.contains("before") && !text.contains("after"), "{text}");
}

#[test]
fn what_waits_for_a_user_still_waits_when_somebody_sets_the_clock() {
    let mut bench = somebody_missed('g', "waits");
    bench.pass_seconds(25);
    bench.now.unix_second += DAY_SECONDS;
    bench.pass_seconds(1);
    let mut new = streaming(&mut bench, 'n', "");
    let text = bench.read(&mut new);
    assert_eq!(text.matches("waits").count(), 1, "{text}");
}

#[test]
fn a_publish_that_is_repeated_is_known_whatever_the_clock_says() {
    let mut bench = Bench::plain();
    let mut back_end = bench.connect(100_000);
    let request = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\n\
                   Content-Length: 1\r\n\r\nx";
    let mut ids = Vec::new();
    for _ in 0..2 {
        bench.arrive(&back_end, request);
        let text = bench.read(&mut back_end);
        ids.push(text.lines().last().expect("a body").to_owned());
        bench.now.unix_second += DAY_SECONDS;
    }
    assert_eq!(ids[0], ids[1]);
}

/// A server with a full feed, where so many may be, and somebody whose request has begun.
fn kept_waiting(connections_max: usize, target: &str) -> (Bench, Peer) {
    let (deliveries_per_turn, feed_messages_max) = (1, 1);
    let limits =
        Limits { connections_max, deliveries_per_turn, feed_messages_max, ..Limits::default() };
    let mut bench = Bench::new(limits, Keep::DEFAULT);
    let back_end = bench.connect(100_000);
    let listeners: Vec<Peer> = (0..30).map(|_| bench.connect(100_000)).collect();
    for listener in &listeners {
        bench.get(listener, "/channels/a?transport=stream", "");
    }
    let slow = bench.connect(100_000);
    bench.turn();
    bench.arrive(&slow, &format!("GET {target} HTTP/1.1\r\n"));
    bench.publish(&back_end, "/channels/a", "x");
    bench.turn();
    bench.publish(&back_end, "/channels/a", "y");
    // Nobody is read from now.
    (bench, slow)
}

/// What a request is told whose second half comes meanwhile.
fn told_after_a_full_feed(connections_max: usize, target: &str, headers: &str) -> String {
    let (mut bench, mut slow) = kept_waiting(connections_max, target);
    bench.arrive(&slow, &format!("Host: localhost\r\n{headers}\r\n"));
    bench.pass_seconds(40);
    bench.read(&mut slow)
}

#[test]
fn a_request_that_has_come_is_not_called_late_when_the_feed_was_full() {
    let text = told_after_a_full_feed(40, "/channels", "");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[test]
fn who_was_not_read_for_long_has_a_moment_for_the_rest() {
    let (mut bench, mut slow) = kept_waiting(40, "/channels");
    bench.arrive(&slow, "Host: localhost\r\n");
    bench.pass_seconds(20);
    assert!(!slow.wire.borrow().is_settled(), "it is kept waiting");
    for _ in 0..100 {
        if !slow.wire.borrow().is_settled() {
            bench.pass_seconds(1);
        }
    }
    // There was no room for it before.
    bench.arrive(&slow, "\r\n");
    let text = bench.read(&mut slow);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
}

#[test]
fn an_event_stream_without_a_place_is_told_to_come_back_when_the_feed_was_full() {
    let text = told_after_a_full_feed(31, "/channels/a", SSE);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("\r\n\r\nretry: "), "{text}");
}

#[test]
fn who_asks_late_in_the_lobby_does_not_find_an_answer_there_already() {
    let mut bench = Bench::new(Limits { connections_max: 1, ..Limits::default() }, Keep::DEFAULT);
    let (_, mut late) = (bench.connect(100_000), bench.connect(100_000));
    bench.pass_seconds(11);
    // On its way when the server gave up.
    bench.get(&late, "/nothing", "");
    let text = bench.read(&mut late);
    assert_eq!(text, "", "its own answer, or none");
}

#[test]
fn a_script_for_whose_past_there_is_no_memory_is_not_told_that_it_had_it() {
    let mut bench = Bench::plain();
    let (back_end, mut script) = (bench.connect(100_000), bench.connect(100_000));
    bench.publish(&back_end, "/channels/a", &"x".repeat(2_000));
    bench.turn();
    // Enough for who listens, not for an answer of that size.
    let origins = Origins { any: true, listed: Vec::new() };
    let settings = Settings { memory: Some(3_000), origins, ..Settings::default() };
    bench.server.reload(settings, EngineLimits::default(), bench.now).expect("few tenants");
    let start = format!("{}-{}", START.unix_second, START.unix_nanos);
    bench.get(&script, &format!("/channels/a?transport=poll&callback=f&since={start}"), "");
    let text = bench.read(&mut script);
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("Retry-After: "), "{text}");
}

#[test]
fn who_was_here_before_addresses_are_counted_counts_as_well() {
    let mut bench = Bench::plain();
    let (here, elsewhere) = (Some("203.0.113.1:4000"), Some("203.0.113.2:4000"));
    let mut first: Vec<Peer> = (0..3).filter_map(|_| bench.connect_from(here, 100_000)).collect();
    bench.reload(Limits { connections_per_address_max: 3, ..Limits::default() });
    assert!(bench.connect_from(here, 100_000).is_none(), "one past three");
    assert!(bench.connect_from(elsewhere, 100_000).is_some());
    break_off(&mut bench, &first.remove(0));
    assert!(bench.connect_from(here, 100_000).is_some(), "there is a place again");
    bench.reload(Limits::default());
    assert!((0..9).all(|_| bench.connect_from(here, 100_000).is_some()), "nobody counts");
    bench.reload(Limits { connections_per_address_max: 13, ..Limits::default() });
    assert!(bench.connect_from(here, 100_000).is_some(), "the thirteenth");
    assert!(bench.connect_from(here, 100_000).is_none(), "one past");
}
