//! Crowds of strangers with bad manners, against the real program: as many as are counted here, and after
//! each attack everything is as before, and an old subscriber has missed nothing.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::hostile::Guarded;
use crate::http::{Http, get, request};
use crate::listening::wait_for_count;
use crate::server::eventually;
use crate::websocket::{frame, read_close, read_frame, upgrade};

#[test]
fn heads_and_bodies_that_come_byte_by_byte_delay_nobody() {
    let mut guarded = Guarded::start(&[]);
    let whole = request("POST /channels/slow", &["X-Y: z"], b"hello");
    let mut slow: Vec<Http> = (0..200).map(|_| Http::connect(guarded.server.http)).collect();
    for (at, byte) in whole.iter().enumerate() {
        // The second half of them never comes to an end.
        let going_on = if at * 2 < whole.len() { &mut slow[..] } else { &mut slow[..100] };
        going_on.iter_mut().for_each(|http| http.send([*byte]));
        if at % 10 == 0 {
            guarded.goes_on("byte by byte");
        }
    }
    for http in &mut slow[..100] {
        assert_eq!(http.response().status, 200, "slow, and in time");
    }
    drop(slow);
    guarded.unimpressed("slow requests");
    assert_eq!(get(guarded.server.http, "/stats").json()["ended"]["failed"], 0);
}

/// A head that does not come to its end in time is told so; how long that is, a file says.
#[cfg(feature = "config")]
#[test]
fn heads_and_bodies_that_do_not_come_are_not_waited_for() {
    let text = "[limits]\nhead_seconds = 1\nbody_seconds = 1\n";
    let file = crate::reload::File::new("slow", text);
    let mut guarded = Guarded::start(&["--config", file.path()]);
    let head = b"POST /channels/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n";
    let mut slow: Vec<Http> = Vec::new();
    for end in [1, 10, head.len()].repeat(50) {
        let mut http = Http::connect(guarded.server.http);
        http.send(&head[..end]);
        slow.push(http);
    }
    guarded.goes_on("half a head");
    for http in &mut slow {
        assert_eq!(http.response().status, 408);
        http.ends();
    }
    drop(slow);
    guarded.unimpressed("half heads and bodies");
}

/// Connects, lets the server answer, and breaks off with the answer unread: the server sees a reset.
fn resets(address: SocketAddr, bytes: &[u8], count: usize) {
    for _ in 0..count {
        let mut http = Http::connect(address);
        http.send(bytes);
        http.stream().peek(&mut [0]).expect("an answer");
    }
}

#[test]
fn a_storm_of_connects_and_resets_leaves_nothing() {
    let mut guarded = Guarded::start(&[]);
    let answered = request("GET /info", &[], b"");
    let subscribed = request("GET /channels/old?transport=stream&last=1", &[], b"");
    for _ in 0..10 {
        resets(guarded.server.http, &answered, 100);
        resets(guarded.server.http, &subscribed, 50);
        if let Some(cometql) = guarded.server.cometql {
            resets(cometql, b"", 50);
        }
        // These are gone before they are accepted, or just after.
        (0..50).for_each(|_| drop(TcpStream::connect(guarded.server.http)));
        guarded.goes_on("a storm");
    }
    guarded.unimpressed("a storm of resets");
}

#[test]
fn a_thousand_that_never_read_take_nothing_from_who_does() {
    let mut guarded = Guarded::start(&[]);
    let ask = |_| {
        let mut http = Http::connect(guarded.server.http);
        http.send(request("GET /channels/old?transport=stream", &[], b""));
        http
    };
    let deaf: Vec<Http> = (0..1_000).map(ask).collect();
    wait_for_count(guarded.server.http, "old", 1_001);
    for n in 0..50 {
        guarded.goes_on(&format!("{n} {}", "x".repeat(1_000)));
    }
    drop(deaf);
    wait_for_count(guarded.server.http, "old", 1);
    guarded.unimpressed("a thousand that never read");
}

#[test]
fn a_flood_of_pings_ends_with_its_connection() {
    let mut guarded = Guarded::start(&["--echo", "/echo"]);
    for target in ["/channels/a", "/channels/a?format=json", "/echo"] {
        let mut ws = upgrade(guarded.server.http, target);
        ws.send(frame(0x89, b"hello?").repeat(1_000));
        let mut pongs = 0;
        let close = loop {
            match read_frame(&mut ws) {
                (0x8a, payload) => assert_eq!(payload, b"hello?"),
                (first, payload) => break (first, payload),
            }
            pongs += 1;
        };
        assert_eq!((close.0, &close.1[..2]), (0x88, &[0x03, 0xf0][..]), "1008");
        // One second's worth at once, and what a slow machine's time is worth.
        assert!((50..1_000).contains(&pongs), "{pongs} pongs");
        // Pongs that nobody asked for are no better.
        let mut ws = upgrade(guarded.server.http, target);
        ws.send(frame(0x8a, b"").repeat(1_000));
        assert_eq!(read_close(&mut ws), 1008);
        guarded.goes_on("pings");
    }
    let ended = &get(guarded.server.http, "/stats").json()["ended"];
    assert_eq!(ended["too_fast"], 6);
    guarded.unimpressed("a flood of pings");
}

#[test]
fn a_message_of_endless_fragments_is_stopped_or_harmless() {
    let mut guarded = Guarded::start(&["--echo", "/echo"]);
    let mut ws = upgrade(guarded.server.http, "/channels/a");
    ws.stream().set_write_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let _ = ws.try_send(&frame(0x01, b"x"));
    let fragments = frame(0x00, b"y").repeat(1_000);
    for n in 0.. {
        // 128 KB is the bound on a message.
        if ws.try_send(&fragments).is_err() || n == 200 {
            break;
        }
    }
    assert_eq!(read_close(&mut ws), 1009);
    guarded.goes_on("fragments");
    // Fragments of nothing cost nothing, and what comes after them is whole.
    let mut ws = upgrade(guarded.server.http, "/echo");
    ws.send(frame(0x01, b"x"));
    let nothing = frame(0x00, b"").repeat(1_000);
    for _ in 0..100 {
        ws.send(&nothing);
    }
    guarded.goes_on("fragments of nothing");
    ws.send(frame(0x80, b"y"));
    assert_eq!(read_frame(&mut ws), (0x81, b"xy".to_vec()));
    drop(ws);
    eventually("it is gone", || {
        let stats = get(guarded.server.http, "/stats").json();
        (stats["connections"]["total"] == 2).then_some(())
    });
    guarded.unimpressed("endless fragments");
}
