//! Bad input: each gets its error, its connection ends where the protocol says so, memory and descriptors
//! return to where they were, and an old subscriber on the same server notices nothing.

use std::net::Shutdown;

use crate::http::{Http, get, publish, request};
use crate::listening::{Listening, WIRES, Wire};
use crate::server::{Encke, eventually};
use crate::websocket::{Ws, frame, read_close, upgrade};

/// How much more memory than before the server may hold after an attack: the allocator's habits.
const MEMORY_MORE_MAX: usize = 8 << 20;

/// A server with an old subscriber, and what it held before.
pub struct Guarded {
    pub server: Encke,
    pub old: Listening,
    descriptors: usize,
    memory: usize,
}

impl Guarded {
    pub fn start(arguments: &[&str]) -> Guarded {
        let server = Encke::start(arguments);
        let descriptors = server.descriptors() + 1;
        let mut old = Listening::open(server.http, Wire::WsJson, "old", None);
        let id = publish(server.http, "old", "before");
        assert_eq!(old.next().id, Some(id));
        let memory = server.memory();
        Guarded { server, old, descriptors, memory }
    }

    /// The old subscriber misses nothing, whatever goes on at this moment.
    #[track_caller]
    pub fn goes_on(&mut self, what: &str) {
        let id = publish(self.server.http, "old", what);
        let item = self.old.next();
        assert_eq!((item.id, item.data), (Some(id), what.into()), "the old subscriber hears all");
    }

    fn get(&self, target: &str) -> crate::http::Response {
        get(self.server.http, target)
    }

    /// Nothing is left of what `what` did.
    #[track_caller]
    pub fn unimpressed(&mut self, what: &str) {
        self.goes_on(what);
        eventually(&format!("connections are gone after {what}"), || {
            // The old one and the one that asks.
            (get(self.server.http, "/stats").json()["connections"]["total"] == 2).then_some(())
        });
        eventually(&format!("descriptors are back after {what}"), || {
            (self.server.descriptors() == self.descriptors).then_some(())
        });
        let stats = get(self.server.http, "/stats").json();
        assert_eq!(
            (&stats["memberships"], &stats["queued_bytes"]),
            (&1.into(), &0.into()),
            "{what}"
        );
        let more = self.server.memory().saturating_sub(self.memory);
        assert!(more < MEMORY_MORE_MAX, "{more} bytes more after {what}");
    }
}

/// Bytes without a meaning, the same ones every time.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// What comes to any open port of the Internet.
fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("SOCKS", vec![5, 1, 0]),
        ("Redis", b"*1\r\n$4\r\nPING\r\n".to_vec()),
        ("zeros", vec![0; 4_000]),
        ("empty lines", b"\r\n".repeat(4_000)),
        ("a line without end", vec![b'A'; 70_000]),
        ("an HTTP/0.9 request", b"GET /\r\n".to_vec()),
        ("a MySQL packet", b"\x05\0\0\x01\x85\xa2\x1f\0\0".to_vec()),
    ];
    all.extend((1..30).map(|seed| ("noise", noise(seed, 3_000))));
    all
}

#[test]
fn garbage_on_the_http_port_is_refused_and_closed() {
    let mut guarded = Guarded::start(&[]);
    for (name, bytes) in garbage() {
        let mut http = Http::connect(guarded.server.http);
        // It may be refused before all of it is sent.
        let _ = http.try_send(&bytes);
        let _ = http.stream().shutdown(Shutdown::Write);
        let answer = http.rest_or_reset();
        let text = String::from_utf8_lossy(&answer);
        let refused =
            ["HTTP/1.1 400", "HTTP/1.1 414", "HTTP/1.1 431", "HTTP/1.1 501", "HTTP/1.1 505"];
        // What could still have become a request ends in silence with its connection.
        let is_beginning = matches!(name, "a line without end" | "noise");
        let is_refused = refused.iter().any(|status| text.starts_with(status));
        assert!(is_refused || (is_beginning && text.is_empty()), "{name}: {text}");
        assert_eq!(text.matches("HTTP/1.1 ").count(), 1 - usize::from(text.is_empty()), "{text}");
    }
    guarded.unimpressed("garbage");
}

#[cfg(feature = "cometql")]
#[test]
fn garbage_on_the_cometql_port_is_refused_and_closed() {
    let mut guarded = Guarded::start(&[]);
    let port = guarded.server.cometql.expect("a port");
    for (name, bytes) in garbage().into_iter().chain([("HTTP", request("GET /", &[], b""))]) {
        let mut stream = Http::connect(port);
        let _ = stream.try_send(&bytes);
        let _ = stream.stream().shutdown(Shutdown::Write);
        let answer = stream.rest_or_reset();
        assert!(answer.is_empty() || answer[4] == 10, "{name}: the greeting comes first");
        // After login too, where all may be sent that a command could be.
        let mut client = crate::mysql::MySql::open(port, None);
        client.send(0, &[&[3], &bytes[..]].concat());
        assert!(matches!(client.reply(1), crate::mysql::Reply::Error { .. }), "{name}");
    }
    guarded.unimpressed("garbage");
}

#[cfg(feature = "cometql")]
#[test]
fn wrong_passwords_and_unknown_statements_leave_nothing() {
    let mut guarded = Guarded::start(&["--cometql-password", "geheim"]);
    let port = guarded.server.cometql.expect("a port");
    let mut wrong = Vec::new();
    for _ in 0..50 {
        let mut client = crate::mysql::MySql::connect(port);
        client.send_login("root", Some("falsch"));
        wrong.push(client);
        // Who knows the password does not wait for those who do not.
        let mut client = crate::mysql::MySql::open(port, Some("geheim"));
        for statement in ["HELP ME", "SELECT * FROM users; DROP TABLE users", "((((", "'", "/*"] {
            assert!(matches!(client.query(statement), crate::mysql::Reply::Error { .. }));
        }
    }
    for mut client in wrong {
        assert_eq!(client.reply(2).error().0, 1045);
        client.ends();
    }
    // A statement that comes to no end: as large as it may be, less one byte.
    let mut client = crate::mysql::MySql::open(port, Some("geheim"));
    client.send_raw(&[0xff, 0xff, 0x0f, 0, 3]);
    client.send_raw(&vec![b'x'; 1_000_000]);
    drop(client);
    guarded.unimpressed("wrong passwords");
}

#[test]
fn half_requests_and_silent_connections_cost_nothing_once_they_are_gone() {
    let mut guarded = Guarded::start(&[]);
    let whole = request("POST /channels/a?event=x", &["X-Y: z"], b"hello");
    let mut silent: Vec<Http> = (0..100).map(|_| Http::connect(guarded.server.http)).collect();
    for end in 0..whole.len() {
        Http::connect(guarded.server.http).send(&whole[..end]);
    }
    for end in 0..whole.len() {
        // Half closed, so that the end comes in order.
        let mut http = Http::connect(guarded.server.http);
        http.send(&whole[..end]);
        http.half_close();
        http.ends();
    }
    assert_eq!(silent[50].get("/channels/a", &[]).text(), "[]");
    drop(silent);
    guarded.unimpressed("half requests");
    assert_eq!(guarded.get("/stats").json()["messages_published"], 2);
}

#[test]
fn sixty_four_kilobytes_of_headers_are_too_many() {
    let mut guarded = Guarded::start(&[]);
    for headers in ["X: y\r\n".repeat(11_000), format!("X: {}\r\n", "y".repeat(65_000))] {
        for _ in 0..20 {
            let mut http = Http::connect(guarded.server.http);
            http.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"));
            assert_eq!(http.response().status, 431);
            http.ends();
        }
    }
    guarded.unimpressed("large headers");
}

#[test]
fn broken_frames_hurt_nobody_else() {
    let mut guarded = Guarded::start(&["--echo", "/echo"]);
    for target in ["/channels/a", "/channels/old?format=json", "/echo"] {
        for (code, bytes) in [
            (1002, b"\x81\x05hello".to_vec()),
            (1002, [0xff; 64].to_vec()),
            (1007, frame(0x81, b"\xc3\x28")),
            (1007, [frame(0x01, b"\xf0\x9f"), frame(0x80, b"\x98x")].concat()),
        ] {
            for _ in 0..10 {
                let mut ws = upgrade(guarded.server.http, target);
                ws.send(&bytes);
                assert_eq!(read_close(&mut ws), code);
            }
        }
        // Announced, and never sent.
        let mut ws = upgrade(guarded.server.http, target);
        ws.send([0x82, 0xfe, 0xff, 0xff, 1, 2, 3, 4, 5]);
    }
    guarded.unimpressed("broken frames");
}

#[test]
fn a_body_that_never_ends_is_stopped_at_the_bound() {
    let mut guarded = Guarded::start(&[]);
    for coding in ["Content-Length: 100000000", "Transfer-Encoding: chunked"] {
        let mut http = Http::connect(guarded.server.http);
        http.send(format!("POST /channels/old HTTP/1.1\r\nHost: localhost\r\n{coding}\r\n\r\n"));
        let chunk = [&b"1000\r\n"[..], &[b'x'; 4096], b"\r\n"].concat();
        for _ in 0..2_000 {
            if http.try_send(&chunk).is_err() {
                break;
            }
        }
        let answer = http.rest_or_reset();
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 413"), "{text}");
        assert!(guarded.server.memory() < guarded.memory + MEMORY_MORE_MAX);
    }
    guarded.unimpressed("endless bodies");
}

#[test]
fn forged_and_future_cursors_are_told_and_do_no_harm() {
    let mut guarded = Guarded::start(&["--origin", "*"]);
    for forged in ["0-0", "1-4294967295", "9999999999-1", "18446744073709551615-4294967295"] {
        for wire in WIRES {
            let told = Listening::open(guarded.server.http, wire, "a,b", Some(forged)).next();
            let expect = if wire == Wire::WsRaw { "closed" } else { "encke:lost" };
            assert_eq!(told.event, expect, "{wire:?} {forged}");
        }
    }
    guarded.unimpressed("forged cursors");
    // The newest id has not moved.
    let id = publish(guarded.server.http, "a", "x");
    let second: u64 = id.split_once('-').unwrap().0.parse().unwrap();
    assert!(second < 9_999_999_999, "{id}");
}

#[test]
fn clients_that_break_off_in_every_way_are_forgotten() {
    let mut guarded = Guarded::start(&["--origin", "*"]);
    for _ in 0..10 {
        for wire in WIRES {
            drop(Listening::open(guarded.server.http, wire, "old,a,b", None));
        }
        // Closed with bytes unread: the server sees a reset.
        let mut http = Http::connect(guarded.server.http);
        http.ask("GET /", &[]);
        http.ask("GET /channels/old?transport=stream&last=1", &[]);
        http.bytes(1);
        drop(http);
        let mut ws = Ws::connect(guarded.server.http, "/channels/old?last=10");
        ws.text("read by nobody");
        assert_eq!(guarded.old.next().data, "read by nobody");
    }
    guarded.unimpressed("breaking off");
}

#[test]
fn whoever_asks_without_reading_is_not_read_from_either() {
    let mut guarded = Guarded::start(&["--echo", "/echo"]);
    let attacks: [(&str, Vec<u8>); 2] =
        [("/echo", frame(0x82, &[0; 60_000])), ("", request("GET /", &[], b"").repeat(500))];
    for (target, bytes) in attacks {
        let mut deaf = match target {
            "" => Http::connect(guarded.server.http),
            _ => upgrade(guarded.server.http, target),
        };
        deaf.stream().set_write_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
        let mut sent = 0;
        // Until the server takes no more; kernels keep some megabytes on either side.
        while deaf.try_send(&bytes).is_ok() {
            sent += bytes.len();
            assert!(sent < 64 << 20, "it never stops reading from {target:?}");
        }
        let more = guarded.server.memory().saturating_sub(guarded.memory);
        assert!(more < MEMORY_MORE_MAX, "{more} bytes for one deaf client of {target:?}");
        drop(deaf);
        guarded.unimpressed("a deaf client");
    }
}
