//! Compressed messages: RFC 7692 §6 and §7.2, its own examples first.

use encke::proto::annotate;
use encke::proto::deflate::{
    Compressor, Decompressor, Error, MESSAGE_BYTES_MAX, MESSAGE_BYTES_MIN,
};
use encke::proto::websocket::{self, Limits, Opcode};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress};

use crate::support::random::{Random, rounds};
use crate::support::splits::splits;
use crate::support::websocket::{Seen, client_frame, decode};

const LIMITS: Limits = Limits { message_bytes_max: 1_000, compressed_bytes_max: Some(1_100) };
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// "Hello" as one block of fixed codes (§7.2.3.1), without its frame.
const HELLO: &[u8] = b"\xf2\x48\xcd\xc9\xc9\x07\x00";

/// A message in frames: the first byte and the unmasked payload of each; what it is once it is read.
struct Row {
    name: &'static str,
    spec: &'static str,
    frames: Vec<(u8, Vec<u8>)>,
    expect: Result<&'static [u8], Error>,
}

fn row(
    name: &'static str,
    spec: &'static str,
    frames: &[(u8, &[u8])],
    expect: &'static [u8],
) -> Row {
    let frames = frames.iter().map(|(first, payload)| (*first, payload.to_vec())).collect();
    Row { name, spec, frames, expect: Ok(expect) }
}

fn bad(name: &'static str, spec: &'static str, payload: &[u8], error: Error) -> Row {
    Row { name, spec, frames: vec![(0xc2, payload.to_vec())], expect: Err(error) }
}

fn rows() -> Vec<Row> {
    let bomb = compressed(&[0; 1_001], 9);
    assert!(bomb.len() < 40, "it is small");
    vec![
        row("one block", "§7.2.3.1", &[(0xc1, HELLO)], b"Hello"),
        row(
            "one block in two fragments",
            "§7.2.3.1",
            &[(0x41, &HELLO[..3]), (0x80, &HELLO[3..])],
            b"Hello",
        ),
        row("the second message, with an empty window", "§7.2.3.2", &[(0xc1, HELLO)], b"Hello"),
        row(
            "a block without compression",
            "§7.2.3.3",
            &[(0xc1, b"\x00\x05\x00\xfa\xffHello\x00")],
            b"Hello",
        ),
        row(
            "a block that says that it is the last",
            "§7.2.3.4",
            &[(0xc1, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")],
            b"Hello",
        ),
        row(
            "two blocks",
            "§7.2.3.5",
            &[(0xc1, b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00")],
            b"Hello",
        ),
        row("an empty message", "§7.2.3.6", &[(0xc1, b"\x00")], b""),
        row("an empty message of fixed codes", "§7.2.3.6", &[(0xc2, b"\x02\x00")], b""),
        row("no bytes at all", "§7.2.2", &[(0xc2, b"")], b""),
        row(
            "a fragment for each byte, empty ones between",
            "§6.1",
            &[
                (0x42, b""),
                (0x00, &HELLO[..1]),
                (0x00, &HELLO[1..2]),
                (0x00, b""),
                (0x00, &HELLO[2..3]),
                (0x00, &HELLO[3..6]),
                (0x00, &HELLO[6..]),
                (0x80, b""),
            ],
            b"Hello",
        ),
        row(
            "three streams, each at its end",
            "§7.2.3.4",
            &[(0xc2, b"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x03\x00\x00")],
            b"HelloHello",
        ),
        bad(
            "a block of the type that there is not",
            "RFC 1951 §3.2.3",
            b"\x07\x00",
            Error::Invalid,
        ),
        bad(
            "lengths that do not match",
            "RFC 1951 §3.2.4",
            b"\x00\x05\x00\x00\x00Hello",
            Error::Invalid,
        ),
        bad(
            "a reference before the beginning",
            "RFC 1951 §3.2.5",
            b"\xf2\x00\x11\x00\x00",
            Error::Invalid,
        ),
        bad(
            "a reference to the message before",
            "§7.2.3.2",
            b"\xf2\x00\x11\x00\x00",
            Error::Invalid,
        ),
        bad("a block without its end", "§7.2.2", &HELLO[..5], Error::Invalid),
        bad(
            "a stored block that lacks bytes",
            "§7.2.2",
            b"\x00\x05\x00\xfa\xffHel",
            Error::Invalid,
        ),
        bad(
            "a last block and nothing behind it",
            "§7.2.3.4",
            b"\xf3\x48\xcd\xc9\xc9\x07\x00",
            Error::Invalid,
        ),
        bad("text as it is", "§7.2.2", b"Hello", Error::Invalid),
        bad("ones", "§7.2.2", &[0xff; 50], Error::Invalid),
        bad("one byte more than is allowed", "§8", &bomb, Error::TooBig),
    ]
}

/// What a client sends for it, whatever its size.
fn compressed(message: &[u8], window_bits: u8) -> Vec<u8> {
    let mut compress = Compress::new_with_window_bits(Compression::best(), false, window_bits);
    let mut out = Vec::with_capacity(2 * message.len() + 100);
    compress.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in(), message.len() as u64);
    out.strip_suffix(b"\x00\x00\xff\xff").unwrap().to_vec()
}

fn stream(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    frames.iter().flat_map(|(first, payload)| client_frame(*first, KEY, payload)).collect()
}

#[test]
fn messages_are_read_however_they_are_cut() {
    // One for all, as the server has it.
    let mut decompressor = Decompressor::default();
    for Row { name, spec, frames, expect } in rows() {
        let is_text = frames[0].0 & 0x0f == 1;
        let stream = stream(&frames);
        let all: Vec<u8> = frames.iter().flat_map(|(_, payload)| payload.clone()).collect();
        for pieces in splits(&stream) {
            let (outcome, _) = decode(&pieces, &LIMITS);
            let [(Seen::Compressed(said_text, payload), end)] = &outcome.events[..] else {
                panic!("{name}, {spec}: {outcome:?}");
            };
            assert_eq!((*said_text, *end), (is_text, stream.len()), "{name}, {spec}");
            assert_eq!(*payload, all, "{name}, {spec}");
            let message = decompressor.decompress(payload, LIMITS.message_bytes_max);
            assert_eq!(message, expect, "RFC 7692 {spec}: {name}");
        }
    }
}

/// §6.1: on the first frame of a message of text or bytes, and there alone.
#[test]
fn the_bit_stands_where_it_may() {
    let refused = Some(websocket::Error::ReservedBits);
    type Frames<'a> = &'a [(u8, &'a [u8])];
    let rows: [(&str, Frames<'_>, Option<websocket::Error>); 9] = [
        ("text", &[(0xc1, HELLO)], None),
        ("bytes", &[(0xc2, HELLO)], None),
        ("a ping between fragments", &[(0x41, HELLO), (0x89, b""), (0x80, b"")], None),
        ("a continuation", &[(0x41, b""), (0xc0, HELLO)], refused),
        ("a continuation of what is not compressed", &[(0x01, b""), (0xc0, HELLO)], refused),
        ("a ping", &[(0xc9, b"")], refused),
        ("a pong", &[(0xca, b"")], refused),
        ("a close", &[(0xc8, b"")], refused),
        ("with RSV2", &[(0xe1, HELLO)], refused),
    ];
    let without = Limits { compressed_bytes_max: None, ..LIMITS };
    for (name, frames, expect) in rows {
        let frames: Vec<_> = frames.iter().map(|(first, rest)| (*first, rest.to_vec())).collect();
        let stream = stream(&frames);
        for pieces in splits(&stream) {
            assert_eq!(decode(&pieces, &LIMITS).0.error, expect, "{name}");
            assert_eq!(decode(&pieces, &without).0.error, refused, "{name}, not agreed on");
        }
    }
}

#[test]
fn a_payload_has_a_bound_of_its_own() {
    let limits = Limits { message_bytes_max: 10, compressed_bytes_max: Some(20) };
    let seen = |frames: &[(u8, Vec<u8>)]| decode(&[&stream(frames)], &limits).0;
    assert_eq!(seen(&[(0xc2, vec![0; 20])]).events.len(), 1);
    assert_eq!(seen(&[(0x42, vec![0; 15]), (0x80, vec![0; 5])]).events.len(), 1);
    let too_big = Some(websocket::Error::MessageTooBig);
    assert_eq!(seen(&[(0xc2, vec![0; 21])]).error, too_big);
    assert_eq!(seen(&[(0x42, vec![0; 15]), (0x80, vec![0; 6])]).error, too_big);
    assert_eq!(seen(&[(0x82, vec![0; 11])]).error, too_big);
    assert_eq!(seen(&[(0x42, vec![0; 15]), (0x00, vec![0; 5]), (0x80, vec![0])]).error, too_big);
}

#[test]
fn a_message_at_the_limit_is_read_and_one_byte_more_is_not() {
    let mut decompressor = Decompressor::default();
    for len in [0, 1, 257, 258, 259, 16_383, 16_384, 16_385, 65_536, 1_000_000] {
        for message in [vec![b'a'; len], Random::new(len as u64).bytes(len)] {
            let payload = compressed(&message, 15);
            assert!(decompressor.decompress(&payload, len) == Ok(&message), "{len}");
            if len > 0 {
                assert_eq!(decompressor.decompress(&payload, len - 1), Err(Error::TooBig), "{len}");
            }
        }
    }
}

/// What is written is read by a decompressor that has no larger window than was agreed on: nothing refers
/// further back.
#[test]
fn windows_are_as_small_as_was_agreed_on() {
    let (mut compressor, mut decompressor) = (Compressor::default(), Decompressor::default());
    for seed in 0..rounds(2) {
        let mut random = Random::new(seed);
        let mut message = Vec::new();
        while message.len() < 60_000 {
            let again = random.below(message.len() + 1);
            let len = random.below(400).min(message.len() - again);
            let repeated = message[again..again + len].to_vec();
            message.extend(repeated);
            let len = random.below(100);
            message.extend(random.bytes(len));
        }
        for bits in 9..=15 {
            let payload =
                compressor.compress(bits, &message).expect("half of it comes twice").to_vec();
            assert!(payload.len() < message.len());
            assert!(read_slowly(&payload, bits) == message, "seed {seed}, {bits} bits");
            assert!(
                decompressor.decompress(&payload, message.len()) == Ok(&message),
                "seed {seed}"
            );
        }
    }
}

/// A few bytes at a time, so that what lies further back is in the window or nowhere.
fn read_slowly(payload: &[u8], window_bits: u8) -> Vec<u8> {
    let mut decompress = Decompress::new_with_window_bits(false, window_bits);
    let input = [payload, b"\x00\x00\xff\xff"].concat();
    let mut message = Vec::new();
    loop {
        let (used, len) = (decompress.total_in() as usize, decompress.total_out() as usize);
        let mut room = [0; 64];
        decompress.decompress(&input[used..], &mut room, FlushDecompress::Sync).unwrap();
        message.extend(&room[..decompress.total_out() as usize - len]);
        if decompress.total_in() as usize == used && decompress.total_out() as usize == len {
            assert_eq!(used, input.len());
            return message;
        }
    }
}

#[test]
fn what_is_not_worth_it_stays_as_it_is() {
    let mut compressor = Compressor::default();
    let noise = Random::new(1).bytes(5_000);
    for (name, message, is_worth_it) in [
        ("nothing", &b""[..], false),
        ("too short", &[b'a'; MESSAGE_BYTES_MIN - 1], false),
        ("long enough", &[b'a'; MESSAGE_BYTES_MIN], true),
        ("the longest", &[b'a'; MESSAGE_BYTES_MAX], true),
        ("too long", &[b'a'; MESSAGE_BYTES_MAX + 1], false),
        ("noise", &noise, false),
    ] {
        for bits in [9, 15] {
            assert_eq!(compressor.compress(bits, message).is_some(), is_worth_it, "{name}");
        }
    }
}

/// Nothing of one message is in the next: both ways, whatever became of the one before.
#[test]
fn messages_do_not_depend_on_each_other() {
    let (mut compressor, mut decompressor) = (Compressor::default(), Decompressor::default());
    let message = "The quick brown fox jumps over the lazy dog, and the dog is lazy. ".repeat(9);
    let first = compressor.compress(12, message.as_bytes()).unwrap().to_vec();
    assert_eq!(compressor.compress(12, message.as_bytes()), Some(&first[..]));
    assert_eq!(decompressor.decompress(&first[..first.len() / 2], 10_000), Err(Error::Invalid));
    assert_eq!(decompressor.decompress(&first, 100), Err(Error::TooBig));
    assert_eq!(compressor.compress(12, &Random::new(7).bytes(9_000)), None);
    assert_eq!(compressor.compress(12, message.as_bytes()), Some(&first[..]));
    assert_eq!(decompressor.decompress(&first, 10_000), Ok(message.as_bytes()));
}

/// Whatever a client sends, it is a message within the bound, or an error.
#[test]
fn damaged_payloads_do_no_harm() {
    let mut decompressor = Decompressor::default();
    let message = "some words, and some words again; ".repeat(30);
    let payload = compressed(message.as_bytes(), 15);
    for seed in 0..rounds(3_000) {
        let mut random = Random::new(seed);
        let mut payload = payload.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(payload.len());
            match random.below(3) {
                0 => payload[at] ^= 1 << random.below(8),
                1 => payload.truncate(at.max(1)),
                _ => payload.insert(at, random.next() as u8),
            }
        }
        if let Ok(message) = decompressor.decompress(&payload, 2_000) {
            assert!(message.len() <= 2_000, "seed {seed}");
        }
    }
    assert_eq!(decompressor.decompress(&payload, 2_000), Ok(message.as_bytes()));
    // Frames of the server have no mask: what goes out with RSV1 is read by a client in one piece.
    let mut out = Vec::new();
    websocket::write_compressed(&mut out, Opcode::Text, HELLO);
    assert_eq!(out, [b"\xc1\x07", HELLO].concat(), "RFC 7692 §7.2.3.1");
}

#[test]
fn the_log_shows_what_is_in_a_compressed_frame() {
    let one = |first, payload: &[u8]| {
        let mut frame = vec![first, payload.len() as u8];
        frame.extend(payload);
        annotate::websocket::frames(&frame)
    };
    let head = "FIN=1 RSV=100 opcode=1 text, MASK=0, length 7 in 7 bits";
    let expect = format!("frame c1 07: {head}, compressed from 5 bytes: \"Hello\"");
    assert_eq!(one(0xc1, HELLO), [expect]);
    let head = "FIN=0 RSV=100 opcode=2 binary, MASK=0, length 3 in 7 bits";
    assert_eq!(one(0x42, &HELLO[..3]), [format!("frame 42 03: {head}, compressed")]);
    let head = "FIN=1 RSV=100 opcode=1 text, MASK=0, length 2 in 7 bits";
    assert_eq!(one(0xc1, b"\xff\xff"), [format!("frame c1 02: {head}, compressed")]);
    let head = "FIN=1 RSV=100 opcode=9 ping, MASK=0, length 1 in 7 bits";
    assert_eq!(one(0xc9, b"x"), [format!("frame c9 01: {head}, \"x\"")]);
}

/// What stays is as good as new.
#[test]
fn memory_is_given_back_after_a_minute() {
    let mut compressor = Compressor::default();
    let mut decompressor = Decompressor::default();
    for second in [0, 59, 60, 119, 120, 1_000, 0] {
        compressor.forget_unused(second);
        decompressor.forget_unused(second);
        let payload = compressor.compress(15, &[b'a'; 500]).unwrap();
        assert_eq!(decompressor.decompress(payload, 500), Ok(&[b'a'; 500][..]));
    }
}
