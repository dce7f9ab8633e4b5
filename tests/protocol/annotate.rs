//! Units of the protocols as text: what the study tool prints.

use encke::proto::annotate::http::{self, Carries};
use encke::proto::annotate::{stream, websocket};

use crate::support::splits::splits;

/// Name, bytes, lines.
type Row<'a> = (&'a str, &'a [u8], &'a [&'a str]);

#[track_caller]
fn check(rows: &[Row<'_>], annotate: impl Fn(&[u8]) -> Vec<String>) {
    for (name, bytes, expect) in rows {
        assert_eq!(annotate(bytes), *expect, "{name}");
    }
}

const FRAMES: [Row<'_>; 13] = [
    (
        "RFC 6455 §5.7: a single-frame unmasked text message",
        b"\x81\x05\x48\x65\x6c\x6c\x6f",
        &["frame 81 05: FIN=1 RSV=000 opcode=1 text, MASK=0, length 5 in 7 bits, \"Hello\""],
    ),
    (
        "RFC 6455 §5.7: a single-frame masked text message",
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &["frame 81 85 37 fa 21 3d: FIN=1 RSV=000 opcode=1 text, MASK=1, length 5 in 7 bits, \
           \"Hello\""],
    ),
    (
        "RFC 6455 §5.7: a fragmented unmasked text message",
        b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f",
        &[
            "frame 01 03: FIN=0 RSV=000 opcode=1 text, MASK=0, length 3 in 7 bits, \"Hel\"",
            "frame 80 02: FIN=1 RSV=000 opcode=0 continuation, MASK=0, length 2 in 7 bits, \"lo\"",
        ],
    ),
    (
        "RFC 6455 §5.7: a ping and its masked pong",
        b"\x89\x05Hello\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        &[
            "frame 89 05: FIN=1 RSV=000 opcode=9 ping, MASK=0, length 5 in 7 bits, \"Hello\"",
            "frame 8a 85 37 fa 21 3d: FIN=1 RSV=000 opcode=10 pong, MASK=1, length 5 in 7 bits, \
             \"Hello\"",
        ],
    ),
    (
        "RFC 6455 §5.5.1: a close with a code and a reason",
        b"\x88\x05\x03\xe9bye",
        &["frame 88 05: FIN=1 RSV=000 opcode=8 close, MASK=0, length 5 in 7 bits, code 1001 \
           (going away), reason \"bye\""],
    ),
    (
        "RFC 6455 §7.4.2: a code of the application",
        b"\x88\x02\x11\x34",
        &["frame 88 02: FIN=1 RSV=000 opcode=8 close, MASK=0, length 2 in 7 bits, code 4404 \
           (the application's own), reason \"\""],
    ),
    (
        "RFC 6455 §5.5.1: a close without a code",
        b"\x88\x00",
        &["frame 88 00: FIN=1 RSV=000 opcode=8 close, MASK=0, length 0 in 7 bits, no code"],
    ),
    (
        "RFC 6455 §5.5.1: half a code",
        b"\x88\x01\x03",
        &["frame 88 01: FIN=1 RSV=000 opcode=8 close, MASK=0, length 1 in 7 bits, half a code"],
    ),
    (
        "RFC 6455 §5.2: a reserved opcode and reserved bits",
        b"\xf3\x00",
        &["frame f3 00: FIN=1 RSV=111 opcode=3 reserved, MASK=0, length 0 in 7 bits"],
    ),
    (
        "RFC 6455 §5.2: a length in 16 bits, though it needs only 7",
        b"\x82\x7e\x00\x02\xff\x00",
        &["frame 82 7e 00 02: FIN=1 RSV=000 opcode=2 binary, MASK=0, length 2 in 16 bits, \
           \"\\xff\\0\""],
    ),
    (
        "RFC 6455 §5.2: a length in 64 bits, of which little has come",
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00ab",
        &[
            "frame 82 7f 00 00 00 00 00 01 00 00: FIN=1 RSV=000 opcode=2 binary, MASK=0, length 65536 \
           in 64 bits, \"ab\"… (2 of 65536 bytes); 2 bytes of it are here",
        ],
    ),
    ("RFC 6455 §5.2: half a head", b"\x81\x85\x37", &["frame 81 85 37: the head has begun"]),
    ("nothing", b"", &[]),
];

#[test]
fn frames_show_every_bit() {
    check(&FRAMES, websocket::frames);
}

#[test]
fn frames_are_the_same_however_the_network_cuts_them() {
    let long = [&b"\x82\xfe\x01\x2c\x01\x02\x03\x04"[..], &[7; 300]].concat();
    for bytes in FRAMES.iter().map(|(_, bytes, _)| *bytes).chain([&long[..]]) {
        let whole = websocket::frames(bytes);
        for pieces in splits(bytes) {
            let mut frames = websocket::Frames::default();
            let mut lines = Vec::new();
            for mut piece in pieces {
                while !piece.is_empty() {
                    let (used, frame) = frames.next(piece);
                    lines.extend(frame.map(|frame| frame.text));
                    piece = &piece[used..];
                }
            }
            lines.extend(frames.unfinished());
            assert_eq!(lines, whole);
        }
    }
}

#[test]
fn a_long_payload_is_shortened() {
    let text = [&b"\x81\x7e\x01\x2c"[..], &[b'x'; 300]].concat();
    let expect = format!(", \"{}\"… (200 of 300 bytes)", "x".repeat(200));
    assert!(websocket::frames(&text)[0].ends_with(&expect));
}

#[test]
fn heads_are_shown_line_by_line_without_their_secrets() {
    let rows: [Row<'_>; 4] = [
        (
            "RFC 9112 §2.1",
            b"GET /channels/a?transport=poll&since=1-1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            &["GET /channels/a?transport=poll&since=1-1 HTTP/1.1", "  Host: localhost"],
        ),
        (
            "what nobody may read",
            b"POST /channels/a?token=abc&x=1&%74oken=abc&auth_key=k HTTP/1.1\r\n\
              Authorization: Bearer secret\r\nCookie: a=b; c=d\r\nauthorization:secret\r\n\
              Referer: http://x/?token=abc\r\n\r\n",
            &[
                "POST /channels/a?token=(3 bytes)&x=1&%74oken=(3 bytes)&auth_key=(1 bytes) HTTP/1.1",
                "  Authorization: Bearer (6 bytes)",
                "  Cookie: (8 bytes)",
                "  authorization: (6 bytes)",
                "  Referer: http://x/?token=(3 bytes)",
            ],
        ),
        (
            "RFC 9112 §2.2: bare LF, and an empty line in front",
            b"\nGET / HTTP/1.0\nA: b\n\n",
            &["GET / HTTP/1.0", "  A: b"],
        ),
        (
            "what is no head at all",
            b"\x16\x03\x01\x00\xa5\x01\n",
            &["\\u{16}\\u{3}\\u{1}\\0\\xa5\\u{1}"],
        ),
    ];
    check(&rows, http::request);
}

#[test]
fn a_request_body_is_shown_as_it_comes() {
    assert_eq!(http::body(b"hello\r\n", false), [r#"body, 7 bytes: "hello\r\n""#]);
    let chunked = http::body(b"5\r\nhello\r\n0\r\n\r\n", true);
    assert_eq!(
        chunked,
        ["chunk, size 5 = 5 bytes: \"hello\"", "chunk, size 0: the last one, the body ends"]
    );
}

#[test]
fn what_follows_a_response_is_told_by_its_head() {
    let rows: [(&str, Carries, &[u8], &[&str]); 6] = [
        (
            "two answers in one write; RFC 9112 §6.3: 304 and HEAD have no body",
            Carries::Bodies,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]HTTP/1.1 304 Not Modified\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            &[
                "HTTP/1.1 200 OK",
                "  Content-Length: 2",
                "body, 2 bytes: \"[]\"",
                "HTTP/1.1 304 Not Modified",
                "HTTP/1.1 200 OK",
                "  Content-Length: 9",
                "HTTP/1.1 204 No Content",
            ],
        ),
        (
            "RFC 6455 §4.2.2: an upgrade and the first frame",
            Carries::Frames,
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x01x",
            &[
                "HTTP/1.1 101 Switching Protocols",
                "  Upgrade: websocket",
                "frame 81 01: FIN=1 RSV=000 opcode=1 text, MASK=0, length 1 in 7 bits, \"x\"",
            ],
        ),
        (
            "what no server sends",
            Carries::Events,
            b"retry: 1\x1b[2J\n\n",
            &["event stream: retry after 1\\x1b[2J ms"],
        ),
        (
            "WHATWG HTML §9.2.6: an event stream begins",
            Carries::Events,
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 2000\n\n",
            &[
                "HTTP/1.1 200 OK",
                "  Content-Type: text/event-stream",
                "event stream: retry after 2000 ms",
            ],
        ),
        (
            "RFC 9112 §7.1",
            Carries::Chunks,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
            &["HTTP/1.1 200 OK", "  Transfer-Encoding: chunked", "chunk, size 2 = 2 bytes: \"{}\""],
        ),
        ("the rest of a body", Carries::Bodies, b"rest", &["more, 4 bytes: \"rest\""]),
    ];
    for (name, carries, bytes, expect) in rows {
        assert_eq!(http::sent(bytes, carries), expect, "{name}");
    }
}

#[test]
fn events_and_chunks() {
    let rows: [Row<'_>; 5] = [
        (
            "WHATWG HTML §9.2.6: all fields",
            b"id: 7-1\nevent: chat\ndata: one\ndata: two\n\n",
            &["event stream: id \"7-1\", event \"chat\", data, 7 bytes in 2 lines: \"one\\ntwo\""],
        ),
        (
            "WHATWG HTML §9.2.6: an id alone",
            b"id: 7-1\n\n",
            &["event stream: id \"7-1\", no data: the client keeps the id and calls nobody"],
        ),
        ("WHATWG HTML §9.2.7: a comment", b":\n\n", &["event stream: comment \"\""]),
        (
            "two in one write, empty data",
            b"data: \n\ndata: x\n\n",
            &["event stream: data, 0 bytes: \"\"", "event stream: data, 1 bytes: \"x\""],
        ),
        (
            "no end",
            b"data: x\n",
            &["event stream: data, 1 bytes: \"x\" (its empty line is missing)"],
        ),
    ];
    check(&rows, stream::events);
    let rows: [Row<'_>; 4] = [
        (
            "RFC 9112 §7.1",
            b"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n",
            &["chunk, size 1a = 26 bytes: \"abcdefghijklmnopqrstuvwxyz\""],
        ),
        (
            "RFC 9112 §7.1.1: extensions",
            b"1;a=b\r\nx\r\n0\r\n\r\n",
            &["chunk, size 1 = 1 bytes: \"x\"", "chunk, size 0: the last one, the body ends"],
        ),
        (
            "a chunk that is not whole",
            b"5\r\nhel",
            &["chunk, size 5 = 5 bytes (2 to come): \"hel\""],
        ),
        (
            "HTTP/1.0: no chunks",
            b"{\"id\":\"1-1\"}\n",
            &["body, 13 bytes: \"{\"id\":\"1-1\"}\\n\""],
        ),
    ];
    check(&rows, stream::chunks);
}
