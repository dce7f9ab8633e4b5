//! RFC 6455, the server's side: what is accepted, what is refused and at which byte, what is written.
//!
//! Rows are written as the RFC prints its examples. Every row is fed whole, byte by byte, cut at every
//! position, doubled and with a tail. The groups of rows follow the Autobahn test suite's categories.

mod peers;

use encke::proto::websocket::{
    Decoder, Error, Event, Limits, Opcode, apply_mask, decode_usual, is_valid_close_code,
    write_close, write_frame, write_frame_head,
};

use crate::support::splits::splits;
use crate::support::websocket::{Seen, Utf8, client_frame, decode, decode_slowly, judge_utf8};

const LIMITS: Limits = Limits { message_bytes_max: 70_000, compressed_bytes_max: None };
/// Of the RFC's own examples (§5.7).
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Streams that are valid, and leave nothing unfinished.
struct Accepted {
    name: &'static str,
    spec: &'static str,
    input: Vec<u8>,
    expect: Vec<Seen>,
}

/// Streams that are not valid: after `at` bytes, and not before.
struct Refused {
    name: &'static str,
    spec: &'static str,
    input: Vec<u8>,
    expect: Error,
    at: usize,
}

fn hex(digits: &str) -> Vec<u8> {
    let byte = |digits| u8::from_str_radix(digits, 16).expect("a row is written in hex");
    digits.split_ascii_whitespace().map(byte).collect()
}

/// Frames one after the other: first byte and unmasked payload.
fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| client_frame(*first, KEY, payload)).collect()
}

fn text(text: &str) -> Seen {
    Seen::Text(text.into())
}

fn ping(payload: &[u8]) -> Seen {
    Seen::Ping(payload.into())
}

fn closed(code: u16, reason: &str) -> Seen {
    Seen::Close(Some(code), reason.into())
}

fn accepted() -> Vec<Accepted> {
    let mut rows = vec![
        Accepted {
            name: "a single-frame masked text message",
            spec: "RFC 6455 §5.7",
            input: hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"),
            expect: vec![text("Hello")],
        },
        Accepted {
            name: "a masked pong",
            spec: "RFC 6455 §5.7",
            input: hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"),
            expect: vec![Seen::Pong(b"Hello".into())],
        },
        Accepted {
            name: "a fragmented text message",
            spec: "RFC 6455 §5.7",
            input: frames(&[(0x01, b"Hel"), (0x80, b"lo")]),
            expect: vec![text("Hello")],
        },
        Accepted {
            name: "a mask of zeros",
            spec: "RFC 6455 §5.3",
            input: hex("82 83 00 00 00 00 01 02 03"),
            expect: vec![Seen::Binary(vec![1, 2, 3])],
        },
        Accepted {
            name: "each frame has its own mask",
            spec: "RFC 6455 §5.3",
            input: hex("01 81 01 00 00 00 60 80 81 03 00 00 00 61"),
            expect: vec![text("ab")],
        },
        Accepted {
            name: "three messages in one packet",
            spec: "RFC 6455 §6.2",
            input: frames(&[(0x81, b"a"), (0x82, b"\xff"), (0x81, b"")]),
            expect: vec![text("a"), Seen::Binary(vec![0xff]), text("")],
        },
        Accepted {
            name: "a ping without and a ping with the most payload (2.1, 2.4)",
            spec: "RFC 6455 §5.5",
            input: frames(&[(0x89, b""), (0x89, &[0xfe; 125])]),
            expect: vec![ping(b""), ping(&[0xfe; 125])],
        },
        Accepted {
            name: "a pong that nobody asked for, then a ping (2.9)",
            spec: "RFC 6455 §5.5.3",
            input: frames(&[(0x8a, b"unsolicited"), (0x89, b"x")]),
            expect: vec![Seen::Pong(b"unsolicited".into()), ping(b"x")],
        },
    ];
    rows.extend(fragmented());
    rows.extend(valid_utf8());
    rows.extend(valid_closes());
    rows
}

/// Autobahn's category 5.
fn fragmented() -> Vec<Accepted> {
    vec![
        Accepted {
            name: "a ping between two fragments (5.6)",
            spec: "RFC 6455 §5.4",
            input: frames(&[(0x01, b"frag1"), (0x89, b"ping"), (0x80, b"frag2")]),
            expect: vec![ping(b"ping"), text("frag1frag2")],
        },
        Accepted {
            name: "five fragments, pings between (5.19)",
            spec: "RFC 6455 §5.4",
            input: frames(&[
                (0x02, b"1"),
                (0x00, b"2"),
                (0x89, b"p1"),
                (0x00, b"3"),
                (0x00, b"4"),
                (0x89, b"p2"),
                (0x80, b"5"),
                (0x81, b"after"),
            ]),
            expect: vec![ping(b"p1"), ping(b"p2"), Seen::Binary(b"12345".into()), text("after")],
        },
        Accepted {
            name: "empty fragments are a message without bytes (6.1.2)",
            spec: "RFC 6455 §5.4",
            input: frames(&[(0x01, b""), (0x00, b""), (0x80, b"")]),
            expect: vec![text("")],
        },
        Accepted {
            name: "only the middle fragment has bytes (6.1.3)",
            spec: "RFC 6455 §5.4",
            input: frames(&[(0x01, b""), (0x00, b"middle"), (0x80, b"")]),
            expect: vec![text("middle")],
        },
        Accepted {
            name: "a close between two fragments is delivered, and so is what follows",
            spec: "RFC 6455 §5.4",
            input: frames(&[(0x01, b"a"), (0x88, b""), (0x80, b"b")]),
            expect: vec![Seen::Close(None, "".into()), text("ab")],
        },
        Accepted {
            name: "two fragmented messages, one after the other",
            spec: "RFC 6455 §5.4",
            input: frames(&[(0x01, b"a"), (0x80, b"b"), (0x02, b"c"), (0x80, b"d")]),
            expect: vec![text("ab"), Seen::Binary(b"cd".into())],
        },
    ]
}

/// Autobahn's categories 6.2, 6.5 and the valid rows of the others.
fn valid_utf8() -> Vec<Accepted> {
    let row = |name, payload: &str| Accepted {
        name,
        spec: "RFC 6455 §8.1",
        input: frames(&[(0x81, payload.as_bytes())]),
        expect: vec![text(payload)],
    };
    vec![
        row("Greek (6.5)", "κόσμε"),
        row("the first character of each length (6.7)", "\0\u{80}\u{800}\u{10000}"),
        row("the last character of each length (6.9)", "\u{7f}\u{7ff}\u{ffff}\u{10ffff}"),
        row("around the surrogates (6.11)", "\u{d7ff}\u{e000}\u{fffd}"),
        row("non-characters are characters here (6.22)", "\u{fffe}\u{fdd0}\u{1fffe}"),
        Accepted {
            name: "a character over two fragments (6.2.3)",
            spec: "RFC 6455 §5.6",
            input: frames(&[(0x01, b"\xce"), (0x80, b"\xba")]),
            expect: vec![text("κ")],
        },
        Accepted {
            name: "a character over four fragments, empty ones and a ping between",
            spec: "RFC 6455 §5.6",
            input: frames(&[
                (0x01, b"a\xf0"),
                (0x00, b"\x9d"),
                (0x00, b""),
                (0x89, b"\x84"),
                (0x00, b"\x84"),
                (0x80, b"\x9eb"),
            ]),
            expect: vec![ping(b"\x84"), text("a𝄞b")],
        },
        Accepted {
            name: "binary messages need not be UTF-8",
            spec: "RFC 6455 §5.6",
            input: frames(&[(0x82, b"\xed\xa0\x80"), (0x02, b"\xff"), (0x80, b"\xfe")]),
            expect: vec![Seen::Binary(b"\xed\xa0\x80".into()), Seen::Binary(b"\xff\xfe".into())],
        },
    ]
}

/// Autobahn's category 7.
fn valid_closes() -> Vec<Accepted> {
    let longest = "r".repeat(123);
    let codes = [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999];
    let each: Vec<_> = codes.map(|code: u16| code.to_be_bytes()).into();
    let each: Vec<_> = each.iter().map(|code| (0x88, &code[..])).collect();
    vec![
        Accepted {
            name: "a close without a payload (7.3.1)",
            spec: "RFC 6455 §5.5.1",
            input: frames(&[(0x88, b"")]),
            expect: vec![Seen::Close(None, "".into())],
        },
        Accepted {
            name: "a close with code and reason (7.3.4)",
            spec: "RFC 6455 §5.5.1",
            input: frames(&[(0x88, b"\x03\xe8hello \xce\xba")]),
            expect: vec![closed(1000, "hello κ")],
        },
        Accepted {
            name: "a close with the longest reason (7.3.5)",
            spec: "RFC 6455 §5.5",
            input: frames(&[(0x88, &[b"\x03\xe8", longest.as_bytes()].concat())]),
            expect: vec![closed(1000, &longest)],
        },
        Accepted {
            name: "codes that may be sent (7.7)",
            spec: "RFC 6455 §7.4",
            input: frames(&each),
            expect: codes.map(|code| closed(code, "")).into(),
        },
    ]
}

fn refused() -> Vec<Refused> {
    let mut rows = bad_first_bytes();
    rows.extend(bad_lengths());
    rows.extend(bad_sequences());
    rows.extend(bad_utf8());
    rows.extend(bad_closes());
    rows
}

/// Autobahn's categories 3 and 4; and masks.
fn bad_first_bytes() -> Vec<Refused> {
    let row = |name, spec, input, expect, at| Refused { name, spec, input: hex(input), expect, at };
    let rsv = ("RFC 6455 §5.2 (RSV)", Error::ReservedBits);
    let opcode = ("RFC 6455 §5.2 (opcode)", Error::ReservedOpcode);
    let control = ("RFC 6455 §5.5", Error::FragmentedControl);
    let mask = ("RFC 6455 §5.1", Error::NotMasked);
    vec![
        row("RSV1 on text (3.4)", rsv.0, "c1 80 00 00 00 00", rsv.1, 1),
        row("RSV2 on binary (3.2)", rsv.0, "a2 80 00 00 00 00", rsv.1, 1),
        row("RSV3 on a ping (3.6)", rsv.0, "99 80 00 00 00 00", rsv.1, 1),
        row("all RSV bits on a close (3.7)", rsv.0, "f8 80 00 00 00 00", rsv.1, 1),
        row("opcode 3 (4.1.1)", opcode.0, "83 80 00 00 00 00", opcode.1, 1),
        row("opcode 7 (4.1.5)", opcode.0, "87 80 00 00 00 00", opcode.1, 1),
        row("opcode 11 (4.2.1)", opcode.0, "8b 80 00 00 00 00", opcode.1, 1),
        row("opcode 15 (4.2.5)", opcode.0, "8f 80 00 00 00 00", opcode.1, 1),
        row("a fragmented ping (5.1)", control.0, "09 80 00 00 00 00", control.1, 1),
        row("a fragmented pong (5.2)", control.0, "0a 80 00 00 00 00", control.1, 1),
        row("a fragmented close", control.0, "08 80 00 00 00 00", control.1, 1),
        row("the RFC's unmasked text", mask.0, "81 05 48 65 6c 6c 6f", mask.1, 2),
        row("the RFC's unmasked fragment", mask.0, "01 03 48 65 6c", mask.1, 2),
        row("the RFC's unmasked ping", mask.0, "89 05 48 65 6c 6c 6f", mask.1, 2),
        row("an unmasked empty close", mask.0, "88 00", mask.1, 2),
        row("the RFC's unmasked 256 bytes", mask.0, "82 7e 01 00", mask.1, 2),
        row("the RFC's unmasked 64 KiB", mask.0, "82 7f 00 00 00 00 00 01 00 00", mask.1, 2),
    ]
}

fn bad_lengths() -> Vec<Refused> {
    let row = |name, spec, input, expect, at| Refused { name, spec, input: hex(input), expect, at };
    let control = ("RFC 6455 §5.5", Error::LongControl);
    let minimal = ("RFC 6455 §5.2 (minimal)", Error::LengthNotMinimal);
    let top = ("RFC 6455 §5.2 (top bit)", Error::LengthTopBit);
    let big = ("RFC 6455 §10.4", Error::MessageTooBig);
    vec![
        row("a ping of 126 bytes (2.5)", control.0, "89 fe 00 7e 00 00 00 00", control.1, 2),
        row("a close of 65,536 bytes", control.0, "88 ff 00 00 00 00 00 01 00 00", control.1, 2),
        row("0 in two bytes", minimal.0, "82 fe 00 00 00 00 00 00", minimal.1, 4),
        row("125 in two bytes", minimal.0, "81 fe 00 7d 00 00 00 00", minimal.1, 4),
        row("0 in eight bytes", minimal.0, "82 ff 00 00 00 00 00 00 00 00", minimal.1, 8),
        row("65,535 in eight bytes", minimal.0, "82 ff 00 00 00 00 00 00 ff ff", minimal.1, 8),
        row("the top bit", top.0, "82 ff 80 00 00 00 00 00 00 00", top.1, 3),
        row("all bits", top.0, "82 ff ff ff ff ff ff ff ff ff", top.1, 3),
        row("one byte above the limit", big.0, "82 ff 00 00 00 00 00 01 11 71", big.1, 10),
        row("4 GiB", big.0, "82 ff 00 00 00 01 00 00 00 00", big.1, 6),
        row("the greatest length there is", big.0, "82 ff 7f ff ff ff ff ff ff ff", big.1, 3),
        Refused {
            name: "one byte above the limit, over two fragments",
            spec: big.0,
            input: [frames(&[(0x02, &[7; 69_999])]), hex("80 82 00 00 00 00")].concat(),
            expect: big.1,
            at: 14 + 69_999 + 2,
        },
        Refused {
            name: "above the limit, over fragments with a ping between",
            spec: big.0,
            input: [
                frames(&[(0x01, &[b'a'; 60_000]), (0x89, b"ping"), (0x00, b"")]),
                hex("00 fe 27 11"),
            ]
            .concat(),
            expect: big.1,
            at: 8 + 60_000 + 10 + 6 + 4,
        },
    ]
}

/// Autobahn's category 5.
fn bad_sequences() -> Vec<Refused> {
    let row = |name, input: &[(u8, &[u8])], last: u8, expect| {
        let mut input = frames(input);
        let at = input.len() + 1;
        input.extend(client_frame(last, KEY, b"last"));
        Refused { name, spec: "RFC 6455 §5.4", input, expect, at }
    };
    let (nothing, unfinished) = (Error::UnexpectedContinuation, Error::UnfinishedMessage);
    vec![
        row("a continuation alone (5.9)", &[], 0x80, nothing),
        row("a continuation without FIN alone (5.12)", &[], 0x00, nothing),
        row("a continuation after a message (5.13)", &[(0x81, b"a")], 0x80, nothing),
        row("a continuation after the last", &[(1, b"a"), (0x80, b"")], 0x00, nothing),
        row("a continuation after a ping", &[(0x89, b"a")], 0x80, nothing),
        row("text inside a message (5.18)", &[(0x01, b"a")], 0x81, unfinished),
        row("binary inside a text message", &[(0x01, b"a")], 0x82, unfinished),
        row("a new beginning inside a message", &[(0x02, b"a")], 0x02, unfinished),
        row("text after an empty fragment", &[(0x01, b"")], 0x81, unfinished),
        row("text after a fragment and a ping", &[(1, b"a"), (0x89, b"")], 0x81, unfinished),
    ]
}

/// Autobahn's categories 6.3 to 6.21. `good` bytes of the payload may arrive, the next may not.
fn bad_utf8() -> Vec<Refused> {
    let whole = |name, payload: &[u8], good: usize| Refused {
        name,
        spec: "RFC 6455 §8.1",
        input: frames(&[(0x81, payload)]),
        expect: Error::InvalidUtf8,
        at: 6 + good + 1,
    };
    let fragmented = |name, list: &[(u8, &[u8])], at| Refused {
        name,
        spec: "RFC 6455 §8.1",
        input: frames(list),
        expect: Error::InvalidUtf8,
        at,
    };
    vec![
        whole("a surrogate inside Greek (6.3.1)", b"\xce\xba\xed\xa0\x80edited", 3),
        whole("beyond U+10FFFF (6.4.1)", b"\xce\xba\xf4\x90\x80\x80edited", 3),
        whole("a continuation byte alone (6.14)", b"a\x80", 1),
        whole("a first byte without the rest (6.15)", b"\xc3 ", 1),
        whole("a character that does not end (6.6.3)", b"\xce\xba\xe1\xbd", 3),
        whole("FE (6.17.1)", b"abc\xfe", 3),
        whole("FF (6.17.2)", b"\xff", 0),
        whole("an overlong solidus, two bytes (6.18.1)", b"\xc0\xaf", 0),
        whole("an overlong U+7FF (6.19.2)", b"\xe0\x9f\xbf", 1),
        whole("an overlong U+FFFF (6.19.3)", b"\xf0\x8f\xbf\xbf", 1),
        whole("an overlong NUL (6.20.2)", b"\xe0\x80\x80", 1),
        whole("the last surrogate (6.21.7)", b"\xed\xbf\xbf", 1),
        whole("a first byte of five (6.7.5)", b"\xf8\x88\x80\x80\x80", 0),
        fragmented(
            "the end of the message inside a character",
            &[(1, b"a\xe2"), (0x80, b"\x82")],
            8 + 7,
        ),
        fragmented("an empty end inside a character", &[(1, b"a\xe2"), (0x80, b"")], 14),
        fragmented("a border and no continuation byte", &[(1, b"\xe2\x82"), (0, b"ab")], 8 + 6 + 1),
        fragmented("a surrogate over a border (6.3.2)", &[(1, b"a\xed"), (0, b"\xa0\x80")], 8 + 7),
        fragmented("in the first of two fragments", &[(1, b"a\xff"), (0x80, b"")], 8),
        fragmented("after a ping", &[(1, b"\xf4"), (0x89, b"\x80"), (0, b"\x90")], 7 + 7 + 7),
    ]
}

/// Autobahn's category 7.
fn bad_closes() -> Vec<Refused> {
    let row = |name, payload: &[u8], expect, at| Refused {
        name,
        spec: "RFC 6455 §5.5.1, §7.4",
        input: frames(&[(0x88, payload)]),
        expect,
        at,
    };
    let mut rows = vec![
        row("a payload of one byte (7.3.2)", b"\x03", Error::HalfCloseCode, 2),
        row("a reason that is not UTF-8 (7.5.1)", b"\x03\xe8\xed\xa0", Error::InvalidUtf8, 6 + 4),
        row("a reason that ends too early", b"\x03\xe8a\xe2\x82", Error::InvalidUtf8, 6 + 5),
        row("code before reason", b"\x00\x00\xff", Error::InvalidCloseCode, 6 + 2),
    ];
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        rows.push(row("a code (7.9)", &code.to_be_bytes(), Error::InvalidCloseCode, 6 + 2));
    }
    rows
}

/// All cuts of a short input; of a long one those near its ends, and pieces as a socket gives them.
fn cuts(input: &[u8]) -> Vec<Vec<&[u8]>> {
    if input.len() <= 600 {
        return splits(input);
    }
    let near = (1..30).chain(input.len() - 30..input.len());
    let mut all: Vec<_> = near.map(|at| input.split_at(at)).map(|(a, b)| vec![a, b]).collect();
    all.extend([1, 3, 4_096, input.len()].map(|len| input.chunks(len).collect()));
    all
}

#[test]
fn valid_streams_give_their_events_however_they_are_cut() {
    for Accepted { name, spec, input, expect } in accepted() {
        for pieces in cuts(&input) {
            let (outcome, _) = decode(&pieces, &LIMITS);
            let seen: Vec<_> = outcome.events.iter().map(|(seen, _)| seen.clone()).collect();
            assert_eq!(
                (outcome.error, seen),
                (None, expect.clone()),
                "{name}, {spec}: {pieces:02x?}"
            );
            assert!(outcome.is_idle, "{name}, {spec}: {pieces:02x?}");
            // The events end where their frames end.
            assert_eq!(outcome, decode_slowly(&input, &LIMITS), "{name}, {spec}: {pieces:02x?}");
        }
    }
}

#[test]
fn valid_streams_may_follow_each_other_and_leave_a_tail() {
    for Accepted { name, spec, input, expect } in accepted() {
        let doubled = [&input[..], &input].concat();
        let tailed = [&input[..], b"\x81\x85\x37\xfa\x21\x3d\x7f"].concat();
        for (stream, times, is_idle) in [(doubled, 2, true), (tailed, 1, false)] {
            for pieces in cuts(&stream) {
                let (outcome, _) = decode(&pieces, &LIMITS);
                let seen: Vec<_> = outcome.events.iter().map(|(seen, _)| seen.clone()).collect();
                let expect = vec![&expect[..]; times].concat();
                assert_eq!(seen, expect, "{name}, {spec}: {pieces:02x?}");
                assert_eq!((outcome.error, outcome.is_idle), (None, is_idle), "{name}, {spec}");
            }
        }
    }
}

#[test]
fn invalid_streams_are_refused_at_the_first_byte_that_shows_it() {
    for Refused { name, spec, input, expect, at } in refused() {
        for pieces in cuts(&input) {
            let (outcome, _) = decode(&pieces, &LIMITS);
            assert_eq!(outcome.error, Some(expect), "{name}, {spec}: cut in {}", pieces.len());
        }
        let bytes: Vec<_> = input.chunks(1).collect();
        let (bytewise, given) = decode(&bytes, &LIMITS);
        assert_eq!(given, at, "{name}, {spec}");
        assert_eq!(bytewise, decode_slowly(&input[..at], &LIMITS), "{name}, {spec}");
        // Nothing that came before is lost, and what follows changes nothing.
        let before = frames(&[(0x81, b"before")]);
        let stream = [&before[..], &input, &before].concat();
        let (outcome, _) = decode(&[&stream], &LIMITS);
        assert_eq!(outcome.events[0], (text("before"), before.len()), "{name}, {spec}");
        assert_eq!(outcome.error, Some(expect), "{name}, {spec}");
    }
}

#[test]
fn there_are_more_rejections_than_successes() {
    assert!(refused().len() > accepted().len());
}

/// Autobahn's categories 1.1, 1.2 and 9: every form of the length, at its borders, and the limit.
#[test]
fn a_usual_frame_is_the_same_with_and_without_a_decoder() {
    let accepted = accepted().into_iter().map(|row| (row.name, row.input));
    let refused = refused().into_iter().map(|row| (row.name, row.input));
    let mut usual = 0;
    for (name, input) in accepted.chain(refused) {
        let (mut with, mut without) = (input.clone(), input.clone());
        let mut decoder = Decoder::new();
        let expect = decoder.decode(&mut with, &LIMITS);
        match decode_usual(&mut without, &LIMITS) {
            Some(result) => {
                assert_eq!(result.map(|(used, event)| (used, Some(event))), expect, "{name}");
                usual += 1;
            }
            None => assert_eq!(without, input, "{name}: it is left as it was"),
        }
    }
    assert!(usual > 5, "only {usual} rows begin with a usual frame");
}

#[test]
fn every_length_is_read_in_its_only_form() {
    for len in [0, 1, 7, 8, 9, 125, 126, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let letters = "x".repeat(len);
        let input = frames(&[(0x82, &payload), (0x81, letters.as_bytes())]);
        for pieces in cuts(&input) {
            let (outcome, _) = decode(&pieces, &LIMITS);
            let [(binary, _), (text, end)] = &outcome.events[..] else {
                panic!("two messages of {len} bytes: {:?}", outcome.error);
            };
            assert!(*binary == Seen::Binary(payload.clone()), "{len} bytes");
            assert!(*text == Seen::Text(letters.clone()), "{len} bytes");
            assert_eq!((*end, outcome.is_idle), (input.len(), true), "{len} bytes");
        }
    }
}

#[test]
fn the_limit_is_of_the_whole_message_and_not_of_control_frames() {
    let limits = Limits { message_bytes_max: 3, compressed_bytes_max: None };
    let at_limit = frames(&[(1, b"ab"), (0x89, b"longer"), (0, b"c"), (0x80, b""), (0x82, b"abc")]);
    let (outcome, _) = decode(&[&at_limit], &limits);
    let seen: Vec<_> = outcome.events.into_iter().map(|(seen, _)| seen).collect();
    assert_eq!(seen, [ping(b"longer"), text("abc"), Seen::Binary(b"abc".into())]);

    let past_it = [frames(&[(1, b"ab"), (0, b"c"), (0, b"")]), hex("80 81")].concat();
    let (outcome, _) = decode(&[&past_it], &limits);
    assert_eq!(outcome.error, Some(Error::MessageTooBig));
    for past_it in ["82 84", "82 fe 01", "82 fe 00 7e", "82 ff 00 01"] {
        let (outcome, _) = decode(&[&hex(past_it)], &limits);
        assert_eq!(outcome.error, Some(Error::MessageTooBig), "{past_it}");
    }
    // 16 bits for what fits in seven: the form is wrong whatever the limit is.
    let (outcome, _) = decode(&[&hex("82 fe 00 7d")], &limits);
    assert_eq!(outcome.error, Some(Error::LengthNotMinimal));
}

/// All sequences of two bytes, and of up to four bytes at which a rule of UTF-8 changes.
#[test]
fn text_is_utf8_exactly_when_a_slow_checker_says_so() {
    for first in 0..=255 {
        for second in 0..=255 {
            check_utf8(&[first, second]);
        }
    }
    const BORDERS: [u8; 20] = [
        0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef,
        0xf0, 0xf1, 0xf4, 0xf5, 0xff,
    ];
    for a in BORDERS {
        for b in BORDERS {
            for c in BORDERS {
                check_utf8(&[a, b, c]);
                for d in [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xf4] {
                    check_utf8(&[a, b, c, d]);
                }
            }
        }
    }
}

/// In one frame and its payload byte by byte: refused at the byte that the slow checker refuses.
fn check_utf8(payload: &[u8]) {
    let mut frame = [0x81, 0x80 | payload.len() as u8, 0, 0, 0, 0, 0, 0, 0, 0];
    frame[6..6 + payload.len()].copy_from_slice(payload);
    let (head, rest) = frame[..6 + payload.len()].split_at_mut(6);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.decode(head, &LIMITS), Ok((6, None)));
    for i in 0..payload.len() {
        let is_last = i + 1 == payload.len();
        let expect = match (judge_utf8(&payload[..=i]), is_last) {
            (Utf8::Never, _) | (Utf8::Begun, true) => Err(Error::InvalidUtf8),
            (Utf8::Whole, true) => {
                Ok((1, Some(Event::Text(std::str::from_utf8(payload).expect("it is whole")))))
            }
            (_, false) => Ok((1, None)),
        };
        let result = decoder.decode(&mut rest[i..=i], &LIMITS);
        assert_eq!(result, expect, "{payload:02x?}, byte {i}");
        if result.is_err() {
            break;
        }
    }
    let mut whole = frame;
    whole[6..6 + payload.len()].copy_from_slice(payload);
    let result = Decoder::new().decode(&mut whole[..6 + payload.len()], &LIMITS).map(|_| ());
    let is_whole = judge_utf8(payload) == Utf8::Whole;
    assert_eq!(result, if is_whole { Ok(()) } else { Err(Error::InvalidUtf8) }, "{payload:02x?}");
}

#[test]
fn a_whole_frame_is_borrowed_from_the_input() {
    let mut input = frames(&[(0x82, b"borrowed"), (0x81, b"next")]);
    let place = input[6..].as_ptr();
    let mut decoder = Decoder::new();
    let Ok((14, Some(Event::Binary(payload)))) = decoder.decode(&mut input, &LIMITS) else {
        panic!("a binary message of 8 bytes");
    };
    assert_eq!((payload, payload.as_ptr()), (&b"borrowed"[..], place));
    // Nor is it copied when only the head came before, or inside a fragmented message.
    let mut first = frames(&[(0x01, b"a")]);
    let mut input = frames(&[(0x89, b"control")]);
    let place = input[6..].as_ptr();
    decoder.decode(&mut first, &LIMITS).expect("a fragment");
    let (head, payload) = input.split_at_mut(6);
    assert_eq!(decoder.decode(head, &LIMITS), Ok((6, None)));
    let Ok((7, Some(Event::Ping(payload)))) = decoder.decode(payload, &LIMITS) else {
        panic!("a ping of 7 bytes");
    };
    assert_eq!(payload.as_ptr(), place);
}

#[test]
fn a_decoder_is_idle_only_between_messages() {
    let mut decoder = Decoder::default();
    let mut stream = frames(&[(0x01, b"a"), (0x89, b"p"), (0x80, b"b")]);
    assert!(decoder.is_idle());
    let len = stream.len();
    for (i, byte) in stream.chunks_mut(1).enumerate() {
        decoder.decode(byte, &LIMITS).expect("it is valid");
        assert_eq!(decoder.is_idle(), i + 1 == len, "after byte {i}");
    }
    // An empty input frees what the event borrowed, and changes nothing else.
    assert_eq!(decoder.decode(&mut [], &LIMITS), Ok((0, None)));
    assert!(decoder.is_idle());
}

#[test]
fn errors_know_their_close_codes_and_fit_in_a_close_frame() {
    for Refused { name, expect, .. } in refused() {
        let code = match expect {
            Error::InvalidUtf8 => 1007,
            Error::MessageTooBig => 1009,
            _ => 1002,
        };
        assert_eq!(expect.close_code(), code, "{name}");
        assert!(is_valid_close_code(code) && expect.explain().is_ascii(), "{name}");
        assert!((1..=123).contains(&expect.explain().len()), "{name}");
    }
}

#[test]
fn close_codes_are_those_of_the_registry_and_of_applications() {
    let valid: Vec<u16> = (0..=u16::MAX).filter(|code| is_valid_close_code(*code)).collect();
    let expect = (1000..=1003).chain(1007..=1014).chain(3000..=4999);
    assert_eq!(valid, expect.collect::<Vec<_>>());
}

#[test]
fn masks_begin_anywhere() {
    let mut payload = hex("7f 9f 4d 51 58");
    apply_mask(&mut payload, KEY, 0);
    assert_eq!(payload, b"Hello");
    for len in 0..40 {
        for offset in [0, 1, 2, 3, 4, 7, 65_537, usize::MAX] {
            let mut payload = vec![0; len];
            apply_mask(&mut payload, KEY, offset);
            let expect: Vec<_> = (0..len).map(|i| KEY[(offset % 4 + i) % 4]).collect();
            assert_eq!(payload, expect, "{len} bytes from {offset}");
        }
    }
}

#[test]
fn frames_are_written_as_the_rfc_prints_them() {
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Text, b"Hello");
    assert_eq!(out, hex("81 05 48 65 6c 6c 6f"));
    out.clear();
    write_frame_head(&mut out, Opcode::Text, false, 3);
    out.extend(b"Hel");
    write_frame_head(&mut out, Opcode::Continuation, true, 2);
    out.extend(b"lo");
    assert_eq!(out, hex("01 03 48 65 6c 80 02 6c 6f"));
    out.clear();
    write_frame(&mut out, Opcode::Ping, b"Hello");
    assert_eq!(out, hex("89 05 48 65 6c 6c 6f"));
    for (len, head) in [
        (0, "82 00"),
        (125, "82 7d"),
        (126, "82 7e 00 7e"),
        (256, "82 7e 01 00"),
        (65_535, "82 7e ff ff"),
        (65_536, "82 7f 00 00 00 00 00 01 00 00"),
    ] {
        out.clear();
        write_frame_head(&mut out, Opcode::Binary, true, len);
        assert_eq!(out, hex(head), "{len} bytes");
    }
}

#[test]
fn close_reasons_are_cut_between_characters() {
    let mut out = Vec::new();
    write_close(&mut out, 1000, "");
    assert_eq!(out, hex("88 02 03 e8"));
    for (reason, cut) in [
        ("a".repeat(123), "a".repeat(123)),
        ("a".repeat(124), "a".repeat(123)),
        ("€".repeat(41), "€".repeat(41)),
        (format!("a{}", "€".repeat(41)), format!("a{}", "€".repeat(40))),
        ("𝄞".repeat(40), "𝄞".repeat(30)),
    ] {
        out.clear();
        write_close(&mut out, 4999, &reason);
        let expect = [&[0x88, 2 + cut.len() as u8, 0x13, 0x87], cut.as_bytes()].concat();
        assert_eq!(out, expect, "{reason}");
    }
}

#[test]
#[should_panic]
fn a_control_frame_that_is_too_long_is_never_written() {
    write_frame(&mut Vec::new(), Opcode::Pong, &[0; 126]);
}

#[test]
#[should_panic]
fn a_code_that_must_not_be_sent_is_never_written() {
    write_close(&mut Vec::new(), 1006, "");
}
