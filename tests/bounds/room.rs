//! How much room subscribers, bytes and names may take.

use super::crowd::{Crowd, WRITABLE, frame, get, lasting, publishes, upgrade};
use super::{SSE, bytes_told, guarded, limited, told, wires};

#[test]
fn a_channel_has_so_many_subscribers_and_no_more() {
    let mut crowd = limited(9, |limits| limits.subscribers_per_channel_max = 2);
    for number in 1..=7 {
        crowd.connect(number);
    }
    assert!(told(&mut crowd, 1, get("/channels/a", SSE)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 2, upgrade("/channels/a")).starts_with("HTTP/1.1 101"));
    let words = told(&mut crowd, 3, get("/channels/b,a", SSE));
    assert!(words.starts_with("HTTP/1.1 503") && words.contains("as many subscribers"), "{words}");
    assert_eq!(crowd.server.holdings().memberships, 2, "all of its channels, or none");
    let words = told(&mut crowd, 7, get("/channels/a?transport=poll", ""));
    assert!(words.starts_with("HTTP/1.1 503"), "{words}");
    let words = bytes_told(&mut crowd, 4, upgrade("/channels/a"));
    assert!(words.windows(2).any(|two| two == [0x03, 0xf5]), "close 1013");
    assert!(told(&mut crowd, 5, get("/channels/b", SSE)).starts_with("HTTP/1.1 200"));
    crowd.leave(1);
    assert!(told(&mut crowd, 6, get("/channels/a", SSE)).starts_with("HTTP/1.1 200"));
    crowd.server.verify();
}

/// Subscribers who take nothing any more, after their handshake.
fn deaf(crowd: &mut Crowd, numbers: std::ops::RangeInclusive<u32>, channel: &str) {
    for number in numbers {
        crowd.connect(number);
        crowd.send(number, upgrade(&format!("/channels/{channel}")));
        crowd.settle();
        wires::set_room(number, 0);
    }
}

#[test]
fn so_many_bytes_wait_for_one_client_and_for_one_more_it_is_cut() {
    let mut crowd = limited(9, |limits| limits.outbox_bytes_max = 10 * 66);
    deaf(&mut crowd, 1..=2, "a");
    crowd.connect(3);
    let slow = |crowd: &mut Crowd| told(crowd, 3, get("/stats", "")).contains("\"slow\":2");
    for count in [1, 9] {
        crowd.send(3, publishes("a", count));
        crowd.settle();
    }
    assert_eq!(crowd.server.holdings().outbox_bytes, 2 * 10 * 66, "at the bound");
    assert!((1..=2).all(wires::is_open) && !slow(&mut crowd));
    wires::set_room(1, usize::MAX);
    crowd.event(1, WRITABLE);
    crowd.send(3, publishes("a", 1));
    crowd.settle();
    assert!(wires::is_open(1), "who has taken it has room again");
    assert_eq!((wires::is_open(2), crowd.server.holdings().outboxes), (false, 0), "one past it");
    // What comes at once while nothing waits is let in whole, and then nothing more.
    deaf(&mut crowd, 4..=4, "a");
    crowd.send(3, publishes("a", 11));
    crowd.settle();
    assert_eq!(crowd.server.holdings().outbox_bytes, 11 * 66);
    crowd.send(3, publishes("a", 1));
    crowd.settle();
    assert!(!wires::is_open(4) && slow(&mut crowd));
    crowd.server.verify();
}

#[test]
fn a_message_has_so_many_bytes_and_no_more() {
    let mut crowd = limited(9, |limits| {
        limits.message_bytes_max = 100;
        limits.echo_bytes_max = 110;
    });
    let post = |bytes: usize| {
        let head = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: ";
        format!("{head}{bytes}\r\n\r\n{}", "x".repeat(bytes)).into_bytes()
    };
    crowd.connect(1);
    assert!(told(&mut crowd, 1, &post(100)).starts_with("HTTP/1.1 200"), "at the bound");
    assert!(told(&mut crowd, 1, &post(101)).starts_with("HTTP/1.1 413"), "one past it");
    for (target, most) in [("/channels/a", 100), ("/echo", 110)] {
        crowd.connect(2);
        crowd.send(2, upgrade(target));
        let words = told(&mut crowd, 2, &frame(0x81, &vec![b'x'; most]));
        assert!(words.ends_with(&"x".repeat(most)), "{target}: {words}");
        let close = bytes_told(&mut crowd, 2, &frame(0x81, &vec![b'x'; most + 1]));
        assert_eq!((close[0], &close[2..4]), (0x88, &[0x03, 0xf1][..]), "{target}: 1009");
        crowd.leave(2);
        crowd.settle();
    }
    crowd.server.verify();
}

#[test]
fn those_for_whom_most_waits_go_when_it_is_too_much_for_all() {
    let mut crowd = limited(100, |limits| limits.outboxes_bytes_max = 10_000);
    deaf(&mut crowd, 1..=50, "a");
    deaf(&mut crowd, 51..=55, "b");
    crowd.connect(60);
    crowd.send(60, upgrade("/channels/a"));
    crowd.connect(61);
    // 66 bytes each: 55 and then 100 of them are within the bound.
    crowd.send(61, publishes("b", 1));
    crowd.send(61, publishes("a", 2));
    crowd.settle();
    let held = crowd.server.holdings();
    assert_eq!((held.outboxes, held.outbox_bytes), (55, 105 * 66), "nobody goes below the bound");
    let mut published = 2;
    for _ in 0..20 {
        crowd.send(61, publishes("a", 1));
        crowd.settle();
        published += 1;
        assert!(crowd.server.holdings().outbox_bytes <= 10_000);
        crowd.server.verify();
    }
    assert!((51..=55).all(wires::is_open), "who has little waiting stays");
    let left = (1..=50).filter(|&number| wires::is_open(number)).count();
    let most_that_fit = (10_000 - 5 * 66) / (published * 66);
    assert!((1..=most_that_fit).contains(&left), "{left} of 50 are left");
    wires::set_room(51, usize::MAX);
    crowd.event(51, WRITABLE);
    assert_eq!(crowd.server.holdings().outboxes, 4 + left);
    assert!(wires::is_open(60));
    let before = wires::written(60);
    crowd.send(61, publishes("a", 1));
    crowd.settle();
    assert_eq!(wires::written(60) - before, 66, "who keeps up has missed nothing");
}

#[test]
fn what_is_not_whole_has_its_bound_and_who_would_pass_it_waits() {
    let mut crowd = limited(20, |limits| limits.bodies_bytes_max = 10_000);
    let head = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n";
    let begun = lasting([head.as_bytes(), &[b'x'; 1_000]].concat());
    for number in 1..=12 {
        crowd.connect(number);
    }
    for number in 1..=10 {
        assert_eq!(told(&mut crowd, number, begun), "", "{number}");
    }
    assert_eq!(crowd.server.holdings().input_bytes, 10_000, "at the bound");
    let words = told(&mut crowd, 11, begun);
    assert!(words.starts_with("HTTP/1.1 503") && words.contains("Retry-After"), "{words}");
    // What is whole when it comes takes no room, and is never refused.
    let words = told(&mut crowd, 12, publishes("a", 1));
    assert!(words.starts_with("HTTP/1.1 200"), "{words}");
    let words = told(&mut crowd, 12, upgrade("/channels/a"));
    assert!(words.starts_with("HTTP/1.1 101"), "{words}");
    assert!(told(&mut crowd, 12, &frame(0x81, b"hello")).contains("hello"));
    let words = told(&mut crowd, 1, &[b'x'; 4_000]);
    assert!(words.starts_with("HTTP/1.1 200"), "what was let in can be finished: {words}");
    assert_eq!(crowd.server.holdings().input_bytes, 9_000);
    // Two fragments of a message that never ends.
    for n in 0..50 {
        let fragment = frame(if n == 0 { 0x01 } else { 0x00 }, &[b'x'; 100]);
        let close = bytes_told(&mut crowd, 12, &fragment);
        crowd.server.verify();
        if !close.is_empty() {
            assert_eq!(close[2..4], [0x03, 0xf5], "1013");
            break;
        }
        assert!(n < 10, "{} bytes", crowd.server.holdings().input_bytes);
    }
    for number in (2..=12).chain([1]) {
        crowd.leave(number);
    }
    crowd.settle();
    crowd.wait(5);
    assert_eq!(crowd.server.holdings(), encke::server::Holdings::default());
}

#[test]
fn random_names_of_strangers_leave_room_for_everybody_else() {
    let mut crowd = guarded(9, |limits| limits.messages_per_second_max = 0);
    crowd.connect(1);
    let key = "Authorization: Bearer key\r\n";
    let post = |name: &str, headers: &str| {
        let head = format!("POST /channels/{name} HTTP/1.1\r\nHost: localhost\r\n{headers}");
        format!("{head}Content-Length: 1\r\n\r\nx").into_bytes()
    };
    assert!(told(&mut crowd, 1, &post("own", key)).starts_with("HTTP/1.1 200"));
    for n in 0..52_000 {
        crowd.send(1, lasting(post(&format!("web_{n}"), "")));
        if n % 1_000 == 0 {
            crowd.settle();
        }
    }
    crowd.settle();
    let stats = told(&mut crowd, 1, get("/stats", key));
    assert!(stats.contains("\"channels\":50001"), "{stats}");
    assert!(told(&mut crowd, 1, &post("new", key)).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 1, &post("web_new", "")).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 1, get("/channels/own", "")).contains("\"data\":\"x\""));
}
