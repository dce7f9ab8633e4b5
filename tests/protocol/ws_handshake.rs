//! The opening handshake of WebSocket.

use crate::support::splits::splits;
use encke::proto::http1::{Body, Head, HeaderSpace, Limits, parse_head};
use encke::proto::ws_handshake::{Answer, Error, accept_key, check, is_upgrade, write_response};

/// The client's request of RFC 6455 §1.2, as it is printed there.
const EXAMPLE: &str = "GET /chat HTTP/1.1\r
Host: server.example.com\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
Origin: http://example.com\r
Sec-WebSocket-Protocol: chat, superchat\r
Sec-WebSocket-Version: 13\r
\r
";

fn with_head<T>(input: &[u8], ask: impl FnOnce(&Head<'_>) -> T) -> Option<T> {
    let limits = Limits { head_bytes_max: 4_096, target_bytes_max: 1_024 };
    let mut space = HeaderSpace::new();
    let parsed = parse_head(input, &mut space, &limits).expect("these rows are good HTTP");
    parsed.map(|(head, used)| {
        assert!(input[..used].ends_with(b"\r\n\r\n"));
        ask(&head)
    })
}

type Found = Result<([u8; 24], Vec<String>), Error>;

fn ask(input: &[u8]) -> Option<Found> {
    with_head(input, |head| {
        check(head).map(|handshake| {
            let names =
                handshake.protocols().map(|name| String::from_utf8_lossy(name).into_owned());
            (handshake.key, names.collect())
        })
    })
}

struct Row {
    name: &'static str,
    spec: &'static str,
    /// What is replaced in the example, and by what.
    change: (&'static str, &'static str),
    expect: Result<&'static [&'static str], Error>,
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection";
const CONNECTION: &str = "Connection: Upgrade";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const PROTOCOL: &str = "Sec-WebSocket-Protocol: chat, superchat\r\n";
const VERSION: &str = "Version: 13";

#[test]
fn handshakes() {
    let row = |name, spec, change, expect| Row { name, spec, change, expect };
    let both: &[&str] = &["chat", "superchat"];
    let rows = [
        row("the RFC's", "RFC 6455 §1.2", ("", ""), Ok(both)),
        row("any case", "RFC 6455 §4.2.1", (UPGRADE, "UPGRADE: WebSocket\r\nConnection"), Ok(both)),
        row(
            "Upgrade in a list",
            "RFC 9110 §7.8",
            (UPGRADE, "Upgrade: h2c, websocket\r\nConnection"),
            Ok(both),
        ),
        row(
            "Firefox",
            "RFC 6455 §4.2.1",
            (CONNECTION, "Connection: keep-alive, Upgrade"),
            Ok(both),
        ),
        row(
            "two Connection lines",
            "RFC 9110 §5.3",
            (CONNECTION, "Connection: x\r\nConnection: upgrade"),
            Ok(both),
        ),
        row("no protocols", "RFC 6455 §4.2.1", (PROTOCOL, ""), Ok(&[])),
        row(
            "protocols in two lines",
            "RFC 6455 §11.3.4",
            (PROTOCOL, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: B,c\r\n"),
            Ok(&["a", "B", "c"]),
        ),
        row("stray bits in the key", "RFC 4648 §3.5", (KEY, "dGhlIHNhbXBsZSBub25jZR=="), Ok(both)),
        row("an empty body", "RFC 9112 §6.3", (PROTOCOL, "Content-Length: 0\r\n"), Ok(&[])),
        row(
            "an extension that nobody knows",
            "RFC 6455 §9.1",
            (PROTOCOL, "Sec-WebSocket-Extensions: x-shuffle; seed=\"7\"\r\n"),
            Ok(&[]),
        ),
        row(
            "no list of extensions",
            "RFC 6455 §9.1",
            (PROTOCOL, "Sec-WebSocket-Extensions: permessage-deflate;\r\n"),
            Err(Error::BadExtensions),
        ),
        row("POST", "RFC 6455 §4.2.1 item 1", ("GET", "POST"), Err(Error::NotGet)),
        row("HTTP/1.0", "RFC 6455 §4.2.1 item 1", ("HTTP/1.1", "HTTP/1.0"), Err(Error::NotHttp11)),
        row("no Upgrade", "RFC 6455 §4.2.1 item 3", (UPGRADE, "Connection"), Err(Error::NoUpgrade)),
        row(
            "another Upgrade",
            "RFC 6455 §4.2.1 item 3",
            (UPGRADE, "Upgrade: h2c\r\nConnection"),
            Err(Error::NoUpgrade),
        ),
        row(
            "half the word",
            "RFC 6455 §4.2.1 item 3",
            (UPGRADE, "Upgrade: web socket\r\nConnection"),
            Err(Error::NoUpgrade),
        ),
        row(
            "no Connection",
            "RFC 6455 §4.2.1 item 4",
            (CONNECTION, "X: y"),
            Err(Error::NoConnectionUpgrade),
        ),
        row(
            "another Connection",
            "RFC 6455 §4.2.1 item 4",
            (CONNECTION, "Connection: keep-alive"),
            Err(Error::NoConnectionUpgrade),
        ),
        row("no version", "RFC 6455 §4.2.1 item 6", (VERSION, "Other: 13"), Err(Error::BadVersion)),
        row("version 8", "RFC 6455 §4.4", (VERSION, "Version: 8"), Err(Error::BadVersion)),
        row("version 013", "RFC 6455 §4.4", (VERSION, "Version: 013"), Err(Error::BadVersion)),
        row(
            "a list of versions",
            "RFC 6455 §4.4",
            (VERSION, "Version: 13, 8"),
            Err(Error::BadVersion),
        ),
        row(
            "two versions",
            "RFC 6455 §11.3.5",
            (VERSION, "Version: 13\r\nSec-WebSocket-Version: 13"),
            Err(Error::BadVersion),
        ),
        row("no key", "RFC 6455 §4.2.1 item 5", ("Sec-WebSocket-Key", "X"), Err(Error::BadKey)),
        row(
            "two keys",
            "RFC 6455 §11.3.1",
            (PROTOCOL, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            Err(Error::BadKey),
        ),
        row("empty key", "RFC 6455 §4.2.1 item 5", (KEY, ""), Err(Error::BadKey)),
        row(
            "13 bytes",
            "RFC 6455 §4.2.1 item 5",
            (KEY, "SGVsbG8sIHdvcmxkIQ=="),
            Err(Error::BadKey),
        ),
        row(
            "17 bytes",
            "RFC 6455 §4.2.1 item 5",
            (KEY, "dGhlIHNhbXBsZSBub25jZXg="),
            Err(Error::BadKey),
        ),
        row(
            "18 bytes",
            "RFC 6455 §4.2.1 item 5",
            (KEY, "dGhlIHNhbXBsZSBub25jZXh4"),
            Err(Error::BadKey),
        ),
        row("no padding", "RFC 4648 §3.2", (KEY, "dGhlIHNhbXBsZSBub25jZQ"), Err(Error::BadKey)),
        row("no base64", "RFC 4648 §3.3", (KEY, "dGhlIHNhbXBsZSBub25jZ!=="), Err(Error::BadKey)),
        row("URL base64", "RFC 4648 §5", (KEY, "dGhlIHNhbXBsZSBub25j_-=="), Err(Error::BadKey)),
        row("a body", "RFC 9112 §6.3", (PROTOCOL, "Content-Length: 5\r\n"), Err(Error::HasBody)),
        row(
            "chunks",
            "RFC 9112 §6.3",
            (PROTOCOL, "Transfer-Encoding: chunked\r\n"),
            Err(Error::HasBody),
        ),
    ];
    for row in &rows {
        let name = format!("{} ({})", row.name, row.spec);
        let (from, to) = row.change;
        let input = EXAMPLE.replacen(from, to, 1);
        assert!(from == to || input != EXAMPLE, "{name}: changes something");
        check_everywhere(&name, input.as_bytes(), row.expect);
    }
}

fn check_everywhere(name: &str, input: &[u8], expect: Result<&[&str], Error>) {
    let summary = |found: Found| found.map(|(_, protocols)| protocols);
    let expect = Some(expect.map(|names| names.iter().map(|&name| name.to_owned()).collect()));
    for pieces in splits(input) {
        let mut received = Vec::new();
        let mut answers = pieces.iter().filter_map(|piece| {
            received.extend_from_slice(piece);
            ask(&received).map(summary)
        });
        assert_eq!(answers.next(), expect, "{name}: {} pieces", pieces.len());
        assert_eq!(answers.next(), None, "{name}: not before the end");
    }
    for tail in [input, b"\x81\x85\0\0\0\0hello"] {
        assert_eq!(ask(&[input, tail].concat()).map(summary), expect, "{name}: more behind it");
    }
}

#[test]
fn the_example_of_the_rfc_end_to_end() {
    let (key, _) = ask(EXAMPLE.as_bytes()).unwrap().unwrap();
    let mut out = Vec::new();
    let chat = Answer { protocol: Some("chat"), deflate: None };
    write_response(&mut out, accept_key(&key), chat);
    let expect = "HTTP/1.1 101 Switching Protocols\r
Upgrade: websocket\r
Connection: Upgrade\r
Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
Sec-WebSocket-Protocol: chat\r
\r
";
    assert_eq!(String::from_utf8_lossy(&out), expect, "RFC 6455 §1.2");
    out.clear();
    write_response(&mut out, accept_key(&key), Answer::default());
    let without = expect.replace("Sec-WebSocket-Protocol: chat\r\n", "");
    assert_eq!(String::from_utf8_lossy(&out), without, "RFC 6455 §4.2.2 item 5");
}

/// RFC 7692 §7.1.3.
#[test]
fn compression_is_offered_and_answered() {
    let offer = "Sec-WebSocket-Extensions: foo, permessage-deflate; client_max_window_bits\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
    let request = EXAMPLE.replace(PROTOCOL, offer);
    let deflate = with_head(request.as_bytes(), |head| check(head).unwrap().deflate).unwrap();
    let mut out = Vec::new();
    write_response(&mut out, accept_key(KEY.as_bytes()), Answer { protocol: None, deflate });
    let expect = "zzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate; \
                  server_no_context_takeover; client_no_context_takeover\r\n\r\n";
    assert!(String::from_utf8(out).unwrap().ends_with(expect));
    let without = with_head(EXAMPLE.as_bytes(), |head| check(head).unwrap().deflate).unwrap();
    assert_eq!(without, None);
}

#[test]
fn a_library_that_is_not_ours_computes_the_same_accept() {
    use tungstenite::handshake::derive_accept_key;
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w=="]
    {
        assert_eq!(
            accept_key(key.as_bytes()),
            derive_accept_key(key.as_bytes()).as_bytes(),
            "{key}"
        );
    }
}

#[test]
fn offers() {
    let offered = |protocol: &str| {
        with_head(EXAMPLE.as_bytes(), |head| check(head).is_ok_and(|it| it.offers(protocol)))
    };
    for (protocol, is_offered) in
        [("chat", true), ("superchat", true), ("Chat", false), ("super", false), ("", false)]
    {
        assert_eq!(offered(protocol), Some(is_offered), "{protocol}");
    }
}

#[test]
fn an_ordinary_request_is_no_upgrade() {
    let get = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\r\n";
    assert_eq!(with_head(get, |head| (is_upgrade(head), head.body)), Some((false, Body::None)));
    assert_eq!(with_head(EXAMPLE.as_bytes(), is_upgrade), Some(true));
}

#[test]
fn answers_to_errors() {
    let upgrade =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];
    type Lines<'a> = &'a [(&'a str, &'a str)];
    let rows: [(Error, u16, Lines<'_>); 8] = [
        (Error::NotGet, 405, &[("Allow", "GET")]),
        (Error::NotHttp11, 400, &[]),
        (Error::NoUpgrade, 426, &upgrade),
        (Error::NoConnectionUpgrade, 400, &[]),
        (Error::BadVersion, 426, &upgrade),
        (Error::BadKey, 400, &[]),
        (Error::BadExtensions, 400, &[]),
        (Error::HasBody, 400, &[]),
    ];
    for (error, status, headers) in rows {
        assert_eq!((error.status(), error.headers()), (status, headers), "{error:?}");
        assert!(!error.explain().is_empty());
    }
}
