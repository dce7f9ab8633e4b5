//! What one client may say in a second.

use encke::proto::deflate::IS_PRESENT;

use super::crowd::{frame, get, upgrade};
use super::{guarded, limited, told, wires};

const TOO_FAST: &str = "more messages a second than one client may send";

const POST: &[u8] = b"POST /channels/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn a_client_says_so_much_a_second_and_is_told_when_it_is_more() {
    let mut crowd = guarded(9, |limits| limits.messages_per_second_max = 3);
    for number in 1..=3 {
        crowd.connect(number);
    }
    crowd.send(1, upgrade("/channels/a?format=json"));
    crowd.send(2, upgrade("/channels/a"));
    let text = frame(0x81, b"{\"data\":1}");
    for n in 0..3 {
        let words = told(&mut crowd, 1, &text);
        assert!(words.contains("\"channel\":\"a\""), "message {n} comes back: {words}");
    }
    for _ in 0..100 {
        let words = told(&mut crowd, 1, &text);
        assert!(words.contains("encke:error") && words.contains("messages a second"), "{words}");
    }
    assert_eq!(crowd.server.holdings().paces, 1);
    // Where there is no place for an error, there is only the close: 1008 is 0x03f0.
    for _ in 0..3 {
        assert!(wires::is_open(2) && told(&mut crowd, 2, &text).contains("data"));
    }
    wires::overhear(2);
    crowd.send(2, super::lasting(text.clone()));
    crowd.settle();
    assert_eq!(wires::overheard()[..4], [0x88, wires_len(), 0x03, 0xf0]);
    for n in 0..5 {
        let words = told(&mut crowd, 3, POST);
        let expect = if n < 3 { "HTTP/1.1 200" } else { "HTTP/1.1 429" };
        assert!(words.starts_with(expect), "{n}: {words}");
        assert_eq!(words.contains("Retry-After: 1\r\n"), n >= 3);
        if n >= 3 {
            // What is refused with its body unread is the last request of its connection.
            break;
        }
    }
    crowd.wait(1);
    assert_eq!(crowd.server.holdings().paces, 0, "who is silent costs nothing");
    assert!(told(&mut crowd, 1, &text).contains("\"channel\":\"a\""), "and may speak again");
    crowd.server.verify();
}

/// What is one too many is not even read: neither its size nor its errors matter.
#[test]
fn compressed_messages_beyond_the_bound_are_not_inflated() {
    if !IS_PRESENT {
        return;
    }
    let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let upgrade = |target: &str| {
        let plain = String::from_utf8(upgrade(target).to_vec()).expect("text");
        plain.replace("User-Agent", &format!("{offer}User-Agent")).into_bytes()
    };
    let hello = "/ws/sesion=null&myid=null&devid=1&v=4.08&uuid=u&api=js";
    let command = &b"web_pipe2\nweb_a\nsaid\n*\n\"hi\""[..];
    for (target, first, expect) in [
        ("/channels/a?format=json", &b"{\"data\":1}"[..], "encke:error"),
        ("/channels/a", b"x", TOO_FAST),
        (hello, command, "Too many messages a second"),
    ] {
        let mut crowd = guarded(9, |limits| limits.messages_per_second_max = 1);
        crowd.connect(1);
        assert!(told(&mut crowd, 1, &upgrade(target)).contains("permessage-deflate"));
        told(&mut crowd, 1, &frame(0x81, first));
        let words = told(&mut crowd, 1, &frame(0xc1, b"no deflate stream"));
        assert!(words.contains(expect), "{target}: {words}");
    }
}

/// Length of the close that says why.
fn wires_len() -> u8 {
    2 + TOO_FAST.len() as u8
}

#[test]
fn who_has_the_key_says_as_much_as_it_likes() {
    let mut crowd = guarded(9, |limits| limits.messages_per_second_max = 1);
    crowd.connect(1);
    let post = String::from_utf8(POST.to_vec()).unwrap();
    let post = post.replace("Content-Length", "Authorization: Bearer key\r\nContent-Length");
    for _ in 0..100 {
        assert!(told(&mut crowd, 1, post.as_bytes()).starts_with("HTTP/1.1 200"));
    }
    // The key is each request's own.
    assert!(told(&mut crowd, 1, POST).starts_with("HTTP/1.1 200"));
    assert!(told(&mut crowd, 1, POST).starts_with("HTTP/1.1 429"));
    // Without a key this machine alone is served, and nobody on it is a stranger.
    let mut crowd = limited(9, |limits| limits.messages_per_second_max = 1);
    crowd.connect(1);
    assert!((0..100).all(|_| told(&mut crowd, 1, POST).starts_with("HTTP/1.1 200")));
}

#[test]
fn a_session_says_so_much_a_second_and_gets_an_error_frame_for_more() {
    let mut crowd = guarded(9, |limits| limits.messages_per_second_max = 2);
    crowd.connect(1);
    let hello = upgrade("/ws/sesion=null&myid=null&devid=1&v=4.08&uuid=u&api=js");
    let words = told(&mut crowd, 1, hello);
    assert!(words.starts_with("HTTP/1.1 101"), "{words}");
    let publish = frame(0x81, b"web_pipe2\nweb_a\nsaid\n*\n\"hi\"");
    for n in 0..4 {
        let words = told(&mut crowd, 1, &publish);
        let expect = if n < 2 { "_answer_to_web_a" } else { "Too many messages a second" };
        assert!(words.contains(expect), "{n}: {words}");
    }
    assert!(wires::is_open(1));
}

#[test]
fn pings_are_answered_up_to_the_bound_and_end_it_one_past() {
    for first in [0x89, 0x8a] {
        let mut crowd = limited(9, |limits| limits.pings_per_second_max = 10);
        crowd.connect(1);
        crowd.send(1, upgrade("/channels/a"));
        let ping = frame(first, b"hi");
        for _ in 0..10 {
            let answer = told(&mut crowd, 1, &ping);
            assert_eq!(answer, if first == 0x89 { "\u{fffd}\u{2}hi" } else { "" });
        }
        wires::overhear(1);
        crowd.send(1, super::lasting(ping));
        crowd.settle();
        let close = wires::overheard();
        assert_eq!((close[0], &close[2..4]), (0x88, &[0x03, 0xf0][..]), "1008");
        crowd.wait(5);
        assert!(!wires::is_open(1));
    }
    // A heartbeat's answer is one a while.
    let mut crowd = limited(9, |limits| limits.pings_per_second_max = 1);
    crowd.connect(1);
    crowd.send(1, upgrade("/channels/a"));
    for _ in 0..20 {
        crowd.send(1, super::lasting(frame(0x8a, b"")));
        crowd.wait(25);
    }
    assert!(wires::is_open(1));
    crowd.send(1, super::lasting(frame(0x81, b"still here")));
    crowd.connect(2);
    assert!(told(&mut crowd, 2, get("/channels/a", "")).contains("still here"));
}
