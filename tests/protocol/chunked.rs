//! The chunked transfer coding.

use crate::support::splits::splits;
use encke::proto::chunked::{
    Decoder, EXTENSION_BYTES_MAX, Error, LAST_CHUNK, TRAILER_BYTES_MAX, write_chunk,
};

/// Most bytes of a body in these tests.
const ROOM: usize = 40;

type Found = Result<(Vec<u8>, usize, bool), Error>;

/// Feeds piece after piece: the body, bytes used in all, and whether it ended.
fn decode(pieces: &[&[u8]], room: usize) -> Found {
    let (mut decoder, mut out, mut used_in_all) = (Decoder::new(), Vec::new(), 0);
    for piece in pieces {
        let (used, is_done) = decoder.decode(piece, &mut out, room)?;
        assert!(out.len() <= room, "{} bytes", out.len());
        used_in_all += used;
        if is_done {
            assert_eq!(decoder.decode(b"x", &mut out, room), Ok((0, true)), "stays done");
            return Ok((out, used_in_all, true));
        }
        assert_eq!(used, piece.len(), "all is used until the end");
    }
    Ok((out, used_in_all, false))
}

fn check(name: &str, input: &[u8], expect: Result<&[u8], Error>) {
    let expect: Found = expect.map(|body| (body.to_vec(), input.len(), true));
    for pieces in splits(input) {
        assert_eq!(decode(&pieces, ROOM), expect, "{name}: {} pieces", pieces.len());
    }
    assert_eq!(decode(&[&[input, input].concat()], ROOM), expect, "{name}: doubled");
    for tail in [&b"GET / HTTP/1.1\r\n"[..], b"\r\n", b"0", b"\0"] {
        assert_eq!(decode(&[&[input, tail].concat()], ROOM), expect, "{name}: tail {tail:?}");
    }
    // Before the end there is no end.
    for end in 0..input.len() {
        assert!(!matches!(decode(&[&input[..end]], ROOM), Ok((_, _, true))), "{name}: {end}");
    }
}

struct Row {
    name: &'static str,
    spec: &'static str,
    input: &'static str,
    expect: Result<&'static str, Error>,
}

#[test]
fn bodies() {
    const CODING: &str = "RFC 9112 §7.1";
    const EXTENSIONS: &str = "RFC 9112 §7.1.1";
    const TRAILERS: &str = "RFC 9112 §7.1.2";
    let row = |name, spec, input, expect| Row { name, spec, input, expect };
    let rows = [
        row("two chunks", CODING, "4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\n", Ok("Wikipedia")),
        row("empty", CODING, "0\r\n\r\n", Ok("")),
        row("zeros", CODING, "00000\r\n\r\n", Ok("")),
        row(
            "hex of both cases",
            CODING,
            "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
            Ok("01234567890123456789a"),
        ),
        row("sixteen digits", CODING, "0000000000000001\r\nx\r\n0\r\n\r\n", Ok("x")),
        row("line ends in data", CODING, "6\r\n\r\n0\r\n\r\r\n0\r\n\r\n", Ok("\r\n0\r\n\r")),
        row(
            "full room",
            CODING,
            "28\r\n0123456789012345678901234567890123456789\r\n0\r\n\r\n",
            Ok("0123456789012345678901234567890123456789"),
        ),
        row("extension", EXTENSIONS, "1;a=b\r\nx\r\n0\r\n\r\n", Ok("x")),
        row("quoted extension", EXTENSIONS, "1;a=\"b; \u{e4}\t\";c\r\nx\r\n0;d\r\n\r\n", Ok("x")),
        row("bad white space", EXTENSIONS, "1 \t; a = b \r\nx\r\n0 ;\r\n\r\n", Ok("x")),
        row("trailers", TRAILERS, "1\r\nx\r\n0\r\nExpires: never\r\nA:\r\n\r\n", Ok("x")),
        row("no digit", CODING, "\r\nx", Err(Error::BadSize)),
        row("extension alone", CODING, ";a\r\n", Err(Error::BadSize)),
        row("space in front", CODING, " 1\r\nx\r\n", Err(Error::BadSize)),
        row("plus", CODING, "+1\r\nx\r\n", Err(Error::BadSize)),
        row("minus", CODING, "-1\r\nx\r\n", Err(Error::BadSize)),
        row("0x", CODING, "0x1\r\nx\r\n", Err(Error::BadSize)),
        row("no hex", CODING, "g\r\n", Err(Error::BadSize)),
        row("underscore", CODING, "1_0\r\n", Err(Error::BadSize)),
        row("two sizes", CODING, "1 1\r\nx\r\n", Err(Error::BadSize)),
        row("space and no extension", EXTENSIONS, "1 \r\nx\r\n", Err(Error::BadSize)),
        row("overflow", CODING, "10000000000000000\r\n", Err(Error::BadSize)),
        row("seventeen zeros", CODING, "00000000000000000\r\n", Err(Error::BadSize)),
        row("LF behind the size", CODING, "1\nx\r\n0\r\n\r\n", Err(Error::BadLineEnd)),
        row("CR behind the size", CODING, "1\rx\r\n0\r\n\r\n", Err(Error::BadLineEnd)),
        row("LF behind an extension", EXTENSIONS, "1;a\nx\r\n0\r\n\r\n", Err(Error::BadLineEnd)),
        row("CR in an extension", EXTENSIONS, "1;a\rb\r\nx\r\n", Err(Error::BadLineEnd)),
        row("NUL in an extension", EXTENSIONS, "1;a\0\r\nx\r\n", Err(Error::BadExtension)),
        row("longer than it says", CODING, "1\r\nxy\r\n", Err(Error::BadDataEnd)),
        row("shorter than it says", CODING, "3\r\nx\r\n0\r\n\r\n", Err(Error::BadDataEnd)),
        row("LF behind the data", CODING, "1\r\nx\n0\r\n\r\n", Err(Error::BadDataEnd)),
        row("CR behind the data", CODING, "1\r\nx\r0\r\n\r\n", Err(Error::BadDataEnd)),
        row("one above the room", CODING, "29\r\n0", Err(Error::BodyTooLarge)),
        row("together above the room", CODING, "1\r\nx\r\n28\r\n", Err(Error::BodyTooLarge)),
        row("the greatest size", CODING, "ffffffffffffffff;a\r\n", Err(Error::BodyTooLarge)),
        row("LF for the last line", CODING, "0\r\n\n", Err(Error::BadLineEnd)),
        row("CR for the last line", CODING, "0\r\n\rX", Err(Error::BadLineEnd)),
        row("LF behind a trailer", TRAILERS, "0\r\nA: b\n\r\n", Err(Error::BadLineEnd)),
        row("CR in a trailer", TRAILERS, "0\r\nA: b\rc\r\n", Err(Error::BadLineEnd)),
        row("NUL in a trailer", TRAILERS, "0\r\nA: \0\r\n", Err(Error::BadTrailer)),
        row("folded trailer", TRAILERS, "0\r\nA: b\r\n c\r\n\r\n", Err(Error::BadTrailer)),
        row("no name", TRAILERS, "0\r\n: b\r\n\r\n", Err(Error::BadTrailer)),
        row("a request for a trailer", TRAILERS, "0\r\nGET / HTTP/1.1\r\n", Err(Error::BadTrailer)),
    ];
    for row in &rows {
        let name = format!("{} ({})", row.name, row.spec);
        check(&name, row.input.as_bytes(), row.expect.map(str::as_bytes));
    }
}

/// Whole and byte by byte are enough for inputs of several thousand bytes.
fn check_long(name: &str, input: &[u8], expect: Result<&[u8], Error>) {
    let expect: Found = expect.map(|body| (body.to_vec(), input.len(), true));
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&[input], 10_000), expect, "{name}: whole");
    assert_eq!(decode(&bytes, 10_000), expect, "{name}: byte by byte");
}

#[test]
fn extensions_at_the_limit_and_past() {
    let body = |bytes: usize| {
        // Two chunks share the allowance; both `;` count.
        let (first, second) = (";".repeat(bytes / 2), ";".repeat(bytes - bytes / 2));
        format!("1{first}\r\nx\r\n1{second}\r\ny\r\n0\r\n\r\n").into_bytes()
    };
    let limit = usize::from(EXTENSION_BYTES_MAX);
    check_long("at the limit", &body(limit), Ok(b"xy"));
    check_long("one past it", &body(limit + 1), Err(Error::ExtensionsTooLong));
    let spaces = format!("1{}", " ".repeat(limit + 1));
    check_long("spaces count", spaces.as_bytes(), Err(Error::ExtensionsTooLong));
}

#[test]
fn trailers_at_the_limit_and_past() {
    let body =
        |bytes: usize| format!("0\r\nA:{}\r\nB:\r\n\r\n", "x".repeat(bytes - 8)).into_bytes();
    let limit = usize::from(TRAILER_BYTES_MAX);
    check_long("at the limit", &body(limit), Ok(b""));
    check_long("one past it", &body(limit + 1), Err(Error::TrailersTooLong));
    assert_eq!(Error::TrailersTooLong.status(), 431);
    assert_eq!((Error::BodyTooLarge.status(), Error::BadSize.status()), (413, 400));
}

#[test]
fn what_the_output_held_before_counts() {
    let mut out = b"12345".to_vec();
    let input = b"4\r\nWiki\r\n0\r\n\r\n";
    assert_eq!(Decoder::new().decode(input, &mut out, 8), Err(Error::BodyTooLarge));
    assert_eq!(Decoder::new().decode(input, &mut out, 9), Ok((input.len(), true)));
    assert_eq!(out, b"12345Wiki");
    // Room that is gone already is no room, and no overflow.
    assert_eq!(Decoder::new().decode(input, &mut out, 0), Err(Error::BodyTooLarge));
    assert_eq!(Decoder::new().decode(LAST_CHUNK, &mut out, 0), Ok((LAST_CHUNK.len(), true)));
}

#[test]
fn written_chunks() {
    let rows: [(&str, &[u8]); 4] = [
        ("", b""),
        ("1\r\nx\r\n", b"x"),
        ("f\r\n012345678901234\r\n", b"012345678901234"),
        ("10\r\n0123456789012345\r\n", b"0123456789012345"),
    ];
    for (expect, data) in rows {
        let mut out = Vec::new();
        write_chunk(&mut out, data);
        assert_eq!(String::from_utf8_lossy(&out), expect, "RFC 9112 §7.1");
        out.extend_from_slice(LAST_CHUNK);
        check("written", &out, Ok(data));
    }
    for length in [255, 256, 4_095, 4_096, 65_536] {
        let mut out = Vec::new();
        write_chunk(&mut out, &vec![b'x'; length]);
        assert!(out.starts_with(format!("{length:x}\r\n").as_bytes()), "{length}");
    }
}
