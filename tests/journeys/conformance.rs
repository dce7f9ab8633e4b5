//! RFC 9110 and RFC 9112, rule by rule, where `requests` has no journey of its own.

use std::process::Command;

use crate::http::{Http, Response, get, publish, request};
use crate::server::{Encke, bare, eventually};

fn ask(server: &Encke, line: &str, headers: &[&str]) -> Response {
    let mut http = Http::connect(server.http);
    http.ask(line, headers);
    http.head()
}

/// The same lines, whatever the second in which they were said.
fn lines(answer: &Response) -> Vec<String> {
    let lines = answer.headers.iter().filter(|(name, _)| name != "Date");
    lines.map(|(name, value)| format!("{name}: {value}")).collect()
}

/// RFC 9110 §6.6.1.
#[test]
fn every_answer_has_a_date() {
    let server = Encke::start(&["--echo", "/echo"]);
    for (status, line) in [
        (200, "GET /info"),
        (200, "GET /channels/a?transport=sse"),
        (200, "GET /channels/a?transport=stream"),
        (204, "OPTIONS *"),
        (304, "GET /channels/a?transport=poll&wait=0"),
        (400, "GET /channels/a?since=yesterday"),
        (404, "GET /nothing"),
        (405, "TRACE /"),
        (426, "GET /echo"),
        (501, "BREW /"),
    ] {
        let answer = ask(&server, line, &[]);
        assert_eq!(answer.status, status, "{line}");
        let date = answer.header("Date").unwrap_or_else(|| panic!("{line}"));
        assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
    }
}

/// Even of those for whom there is no place.
#[test]
fn who_finds_no_place_is_told_so_with_a_date() {
    let program = env!("CARGO_BIN_EXE_encke");
    let few = format!("ulimit -n 40; exec {program} --http 127.0.0.1:0 --cometql off");
    let mut command = bare(Command::new("sh"));
    command.args(["-c", &few]);
    let server = Encke::of(command);
    let places: Vec<_> = (0..8).map(|_| Http::connect(server.http)).collect();
    let refusal = Http::connect(server.http).get("/info", &[]);
    assert_eq!((refusal.status, refusal.header("Connection")), (503, Some("close")));
    assert!(refusal.header("Date").is_some() && refusal.header("Retry-After").is_some());
    drop(places);
}

/// RFC 9110 §9.3.2.
#[test]
fn head_has_the_head_of_get() {
    let server = Encke::start(&["--echo", "/echo"]);
    publish(server.http, "a", "x");
    let comet = "/ws/sesion=&myid=0&devid=15&v=4.08&api=js";
    for (target, headers) in [
        ("/", &[][..]),
        ("/dashboard", &[]),
        ("/info", &[]),
        ("/CometServerApi.js", &[]),
        ("/CometServerApi.mjs", &["If-None-Match: *"]),
        ("/nothing", &[]),
        ("/echo", &[]),
        ("/channels", &[]),
        ("/channels/a", &[]),
        ("/channels/a/presence", &[]),
        ("/channels/a?since=yesterday", &[]),
        ("/channels/a?transport=smoke", &[]),
        ("/channels/a?transport=ws", &[]),
        ("/channels/a?transport=sse", &[]),
        ("/channels/a", &["Accept: text/event-stream"]),
        ("/channels/a?transport=stream", &[]),
        ("/channels/a?transport=iframe&callback=f", &[]),
        ("/channels/a?transport=poll&wait=1&callback=f", &[]),
        ("/dashboard/events", &[]),
        (comet, &[]),
        (comet, &["Accept: text/event-stream"]),
    ] {
        let (get, mut http) =
            (ask(&server, &format!("GET {target}"), headers), Http::connect(server.http));
        http.ask(&format!("HEAD {target}"), headers);
        let head = http.head();
        assert_eq!(head.status, get.status, "{target}");
        assert_eq!(lines(&head), lines(&get), "{target} {headers:?}");
        // No body follows: what is asked next has its answer next.
        if head.header("Connection") == Some("close") {
            http.ends();
        } else {
            assert_eq!(http.get("/info", &[]).status, 200, "{target}");
        }
    }
    // A poll would only be answered in a while; its head is known at once.
    let mut http = Http::connect(server.http);
    for target in ["/channels/a?transport=poll", &format!("{comet}&transport=poll")] {
        http.ask(&format!("HEAD {target}"), &[]);
        let head = http.head();
        assert_eq!((head.status, head.header("Content-Length")), (200, None), "{target}");
        assert_eq!(head.header("Content-Type"), Some("application/json"), "{target}");
    }
    eventually("nobody listens", || {
        (http.get("/stats", &[]).json()["memberships"] == 0).then_some(())
    });
}

/// RFC 9112 §9.3: the last word is `close`, in any case and on any line.
#[test]
fn connection_options_are_read_in_any_form() {
    let server = Encke::start(&[]);
    for (version, headers, expect) in [
        ("1.1", "", None),
        ("1.1", "Connection: Close\r\n", Some("close")),
        ("1.1", "Connection: keep-alive\r\nConnection: x,CLOSE ,y\r\n", Some("close")),
        ("1.1", "Connection: closed, not-close\r\n", None),
        ("1.0", "", Some("close")),
        ("1.0", "Connection: Keep-Alive\r\n", Some("keep-alive")),
        ("1.0", "Connection: te , KEEP-ALIVE\r\n", Some("keep-alive")),
        ("1.0", "Connection: keep-alive, close\r\n", Some("close")),
    ] {
        let mut http = Http::connect(server.http);
        http.send(format!("GET /info HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n"));
        let answer = http.response();
        assert_eq!(answer.header("Connection"), expect, "{version} {headers}");
        match expect {
            Some("close") => http.ends(),
            _ => assert_eq!(http.get("/info", &[]).status, 200),
        }
    }
}

/// RFC 9112 §6.1: no chunks for HTTP/1.0. RFC 9110 §7.8: and no upgrades.
#[test]
fn http_1_0_gets_neither_chunks_nor_upgrades() {
    let server = Encke::start(&[]);
    let mut http = Http::connect(server.http);
    http.send("GET /channels/a?transport=stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = http.head();
    assert_eq!(head.header("Transfer-Encoding"), None);
    assert_eq!(head.header("Connection"), Some("close"));
    publish(server.http, "a", "x");
    assert!(http.line().starts_with('{'), "a line, not the size of a chunk");
    let mut http = Http::connect(server.http);
    http.send(
        "GET /channels/a HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(http.response().json()[0]["data"], "x");
}

/// RFC 9112 §3.2: the four forms, and whose host counts.
#[test]
fn targets_have_four_forms() {
    let server = Encke::start(&[]);
    for (status, line, host) in [
        (200, "GET http://localhost/info", "evil.example"),
        (200, "GET HTTP://127.0.0.1:1/info?x", "localhost"),
        (403, "GET http://evil.example/info", "localhost"),
        (204, "OPTIONS *", "localhost"),
        (204, "OPTIONS http://localhost", "localhost"),
        (204, "OPTIONS http://localhost:80/channels/a", "localhost"),
        (400, "GET *", "localhost"),
        (400, "TRACE *", "localhost"),
        (400, "GET info", "localhost"),
        (400, "GET //", "localhost:x"),
        (400, "GET ftp://localhost/info", "localhost"),
        (400, "GET http:///info", "localhost"),
        (400, "GET http://user@localhost/info", "localhost"),
        (400, "GET /info#here", "localhost"),
        (400, "GET localhost:80", "localhost"),
        (501, "CONNECT localhost:80", "localhost:80"),
        (400, "CONNECT localhost", "localhost"),
        (400, "GET /info", ""),
        (200, "GET http://localhost/info", ""),
    ] {
        let mut http = Http::connect(server.http);
        http.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(http.response().status, status, "{line}");
    }
}

/// RFC 3986 §2.1.
#[test]
fn percent_signs_are_followed_by_two_digits_everywhere() {
    let server = Encke::start(&[]);
    for target in ["/%", "/%z1", "/info?%", "/channels/%", "/channels/a%2", "/x/%1"] {
        assert_eq!(ask(&server, &format!("GET {target}"), &[]).status, 400, "{target}");
    }
    assert_eq!(ask(&server, "GET /%20", &[]).status, 404);
}

/// RFC 9110 §12.5.1.
#[test]
fn a_stream_is_for_those_who_accept_it() {
    let server = Encke::start(&[]);
    for (accept, expect) in [
        ("*/*", "application/json"),
        ("text/*, */*;q=0.1", "application/json"),
        ("text/event-stream;q=0", "application/json"),
        ("text/event-stream; q=0.0, */*", "application/json"),
        ("application/x-text/event-stream", "application/json"),
        ("text/event-stream", "text/event-stream; charset=utf-8"),
        ("Text/Event-Stream;q=0.1", "text/event-stream; charset=utf-8"),
        ("application/json, text/event-stream;charset=utf-8", "text/event-stream; charset=utf-8"),
    ] {
        let answer = ask(&server, "GET /channels/a", &[&format!("Accept: {accept}")]);
        assert_eq!(answer.header("Content-Type"), Some(expect), "{accept}");
    }
}

/// RFC 9110 §13.1.2, §14.2, §15.4.5.
#[test]
fn conditions_and_ranges() {
    let server = Encke::start(&[]);
    for name in ["/", "/dashboard", "/CometServerApi.js", "/CometServerApi.mjs"] {
        let whole = get(server.http, name);
        let tag = whole.header("ETag").expect("a tag");
        assert_eq!((whole.status, whole.header("Accept-Ranges")), (200, None));
        assert_eq!(whole.header("Cache-Control"), Some("no-cache"), "{name}");
        assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong one: {tag}");
        for range in ["bytes=0-1", "bytes=-1", "pages=1", "bytes=99999999-"] {
            let answer = Http::connect(server.http).get(name, &[&format!("Range: {range}")]);
            assert_eq!((answer.status, &answer.body), (200, &whole.body), "{range}");
        }
        for value in [tag, "*", &format!("W/{tag}"), &format!("\"x\" , {tag}")] {
            let mut http = Http::connect(server.http);
            let answer = http.get(name, &[&format!("If-None-Match: {value}")]);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{value}");
            for header in ["ETag", "Cache-Control", "Vary", "Content-Security-Policy"] {
                assert_eq!(answer.header(header), whole.header(header), "{value}");
            }
            assert!(answer.header("Date").is_some());
            assert_eq!(answer.header("Content-Length"), None);
            assert_eq!(http.get("/info", &[]).status, 200, "the next answer is the next");
        }
        for other in ["If-None-Match: \"x\"", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT"] {
            assert_eq!(Http::connect(server.http).get(name, &[other]).status, 200, "{other}");
        }
    }
    // What is new each time has no tag, and says so.
    for name in ["/info", "/stats"] {
        let answer = Http::connect(server.http).get(name, &["If-None-Match: *"]);
        assert_eq!((answer.status, answer.header("ETag")), (200, None), "{name}");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"), "{name}");
    }
    // A tag that is none of ours is no cursor, and no mistake; of several, ours counts.
    let first = publish(server.http, "a", "first");
    publish(server.http, "a", "second");
    for (value, count) in [
        ("*".to_owned(), 2),
        ("\"x\"".to_owned(), 2),
        (format!("\"{first}-gzip\""), 2),
        (format!("\"x\", W/\"{first}\""), 1),
    ] {
        let header = format!("If-None-Match: {value}");
        let answer = Http::connect(server.http).get("/channels/a", &[&header]);
        assert_eq!(answer.json().as_array().expect("a list").len(), count, "{value}");
    }
}

/// RFC 9110 §10.1.1.
#[test]
fn nobody_is_asked_for_a_body_that_is_refused() {
    let server = Encke::start(&[]);
    for (status, line) in [(404, "POST /nothing"), (405, "POST /info"), (413, "POST /channels/a")] {
        let mut http = Http::connect(server.http);
        let length = if status == 413 { 99_999_999 } else { 5 };
        let headers = format!("Expect: 100-Continue\r\nContent-Length: {length}");
        http.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n"));
        let answer = http.response();
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.header("Connection"), Some("close"));
    }
}

/// RFC 9112 §9.3: an empty body is read, so a refusal need not end the connection.
#[test]
fn a_refused_request_with_an_empty_body_keeps_the_connection() {
    let server = Encke::start(&["--publish-key", "k"]);
    let mut http = Http::connect(server.http);
    for (status, line) in [(404, "POST /nothing"), (405, "POST /info"), (401, "POST /channels/a")] {
        http.ask(line, &[]);
        let answer = http.response();
        assert_eq!((answer.status, answer.header("Connection")), (status, None), "{line}");
    }
    assert_eq!(http.get("/info", &[]).status, 200);
}

/// So that no proxy keeps, holds back or compresses what is to arrive at once.
#[test]
fn proxies_are_told_to_pass_streams_on() {
    let server = Encke::start(&[]);
    for transport in ["sse", "stream", "iframe&callback=f"] {
        let line = format!("GET /channels/a?transport={transport}");
        let answer = ask(&server, &line, &["Origin: http://localhost"]);
        assert_eq!(answer.header("Cache-Control"), Some("no-store, no-transform"), "{transport}");
        assert_eq!(answer.header("X-Accel-Buffering"), Some("no"), "{transport}");
        assert_eq!(answer.header("Vary"), Some("Origin"), "{transport}");
        assert_eq!(answer.header("Content-Length"), None, "{transport}");
    }
}

/// One byte more than a bound is refused, the bound itself is not.
#[test]
fn limits_are_exact() {
    let server = Encke::start(&[]);
    let status = |bytes: &[u8]| {
        let mut http = Http::connect(server.http);
        // The refusal may come before all is sent.
        let _ = http.try_send(bytes);
        http.head().status
    };
    let target = |length: usize| {
        let query = "x".repeat(length - "/info?".len());
        request(&format!("GET /info?{query}"), &[], b"")
    };
    assert_eq!((status(&target(8_192)), status(&target(8_193))), (200, 414));
    let head = |length: usize| {
        let empty = request("GET /info", &["X: "], b"").len();
        request("GET /info", &[&format!("X: {}", "x".repeat(length - empty))], b"")
    };
    assert_eq!((status(&head(16_384)), status(&head(16_385))), (200, 431));
    let lines = |count: usize| {
        let lines = vec!["X: y"; count - 1];
        request("GET /info", &lines, b"")
    };
    assert_eq!((status(&lines(100)), status(&lines(101))), (200, 431));
    let body = |length: usize| request("POST /channels/a", &[], &vec![b'x'; length]);
    assert_eq!((status(&body(131_072)), status(&body(131_073))), (200, 413));
    let chunked = |extensions: usize, trailers: usize| {
        let head = "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked";
        let extension = format!(";{}", "x".repeat(extensions - 1));
        let trailer = format!("X: {}\r\n", "x".repeat(trailers - "X: \r\n".len()));
        format!("{head}\r\n\r\n1{extension}\r\nx\r\n0\r\n{trailer}\r\n").into_bytes()
    };
    assert_eq!((status(&chunked(4_096, 8_192)), status(&chunked(4_097, 8_192))), (200, 400));
    assert_eq!(status(&chunked(4_096, 8_193)), 431);
}

/// What was meant for another port is refused in HTTP, once, and closed.
#[test]
fn other_protocols_on_the_http_port() {
    let server = Encke::start(&[]);
    for (what, bytes) in [
        ("TLS", &b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"[..]),
        ("MySQL", b"J\0\0\0\x0a8.0.33\0"),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("SMTP", b"EHLO example.com\r\n"),
        ("PROXY v1", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n"),
        ("PROXY v2", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"),
        ("NUL", b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ("HTTP/0.9", b"GET /\r\n"),
    ] {
        let mut http = Http::connect(server.http);
        http.send(bytes);
        let answer = http.response();
        assert_eq!((answer.status, answer.header("Connection")), (400, Some("close")), "{what}");
        http.ends();
    }
    let mut http = Http::connect(server.http);
    let h2c = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"];
    assert_eq!(http.get("/info", &h2c).status, 200, "an upgrade that nobody offers is ignored");
    assert_eq!(http.get("/info", &[]).status, 200);
}
