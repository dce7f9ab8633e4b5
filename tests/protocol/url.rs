//! Percent-encoding and query strings.

use encke::proto::url::{Error, percent_decode, query_pairs};
use std::borrow::Cow;

struct Row<T> {
    name: &'static str,
    spec: &'static str,
    input: &'static str,
    expect: T,
}

const BAD: Result<&[u8], Error> = Err(Error::BadEscape);

#[test]
fn escapes() {
    let rows: &[Row<Result<&[u8], Error>>] = &[
        Row { name: "empty", spec: "RFC 3986 §2.1", input: "", expect: Ok(b"") },
        Row {
            name: "nothing to do",
            spec: "RFC 3986 §2.3",
            input: "/a-b_c.~",
            expect: Ok(b"/a-b_c.~"),
        },
        Row { name: "the RFC's space", spec: "RFC 3986 §2.1", input: "%20", expect: Ok(b" ") },
        Row { name: "both cases", spec: "RFC 3986 §2.1", input: "%3a%3A", expect: Ok(b"::") },
        Row { name: "decoded once", spec: "RFC 3986 §2.4", input: "%2541", expect: Ok(b"%41") },
        Row {
            name: "any byte",
            spec: "RFC 3986 §2.1",
            input: "%00%ff%0A",
            expect: Ok(b"\0\xff\n"),
        },
        Row {
            name: "UTF-8",
            spec: "RFC 3986 §2.5",
            input: "%E3%82%A2",
            expect: Ok("ア".as_bytes()),
        },
        Row { name: "plus stays", spec: "RFC 3986 §2.2", input: "a+b%2B", expect: Ok(b"a+b+") },
        Row { name: "nothing behind %", spec: "RFC 3986 §2.1", input: "a%", expect: BAD },
        Row { name: "one digit", spec: "RFC 3986 §2.1", input: "a%2", expect: BAD },
        Row { name: "no digit", spec: "RFC 3986 §2.1", input: "%zz", expect: BAD },
        Row { name: "second is no digit", spec: "RFC 3986 §2.1", input: "%2g", expect: BAD },
        Row { name: "sign for a digit", spec: "RFC 3986 §2.1", input: "%+1", expect: BAD },
        Row { name: "two per cent signs", spec: "RFC 3986 §2.1", input: "%%20", expect: BAD },
        Row {
            name: "JavaScript's old escape",
            spec: "RFC 3986 §2.1",
            input: "%u0041",
            expect: BAD,
        },
        Row { name: "space for a digit", spec: "RFC 3986 §2.1", input: "% 20", expect: BAD },
    ];
    for row in rows {
        let found = percent_decode(row.input.as_bytes());
        assert_eq!(found.as_deref(), row.expect.as_deref(), "{} ({})", row.name, row.spec);
    }
    assert_eq!(Error::BadEscape.status(), 400);
}

#[test]
fn text_without_escapes_is_borrowed() {
    assert!(matches!(percent_decode(b"/channels/a+b"), Ok(Cow::Borrowed(_))));
}

#[test]
fn a_decoded_escape_never_makes_a_new_one() {
    // Every text of up to four of these, against a decoder of one line per rule.
    let alphabet = b"%2a+\xffg";
    for count in 0..alphabet.len().pow(4) {
        let digits = |n: usize| alphabet[count / alphabet.len().pow(n as u32) % alphabet.len()];
        let text: Vec<u8> = (0..4).map(digits).collect();
        assert_eq!(percent_decode(&text).ok().map(Cow::into_owned), slow_decode(&text), "{text:?}");
    }
}

fn slow_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut parts = text.split(|&byte| byte == b'%');
    let mut decoded = parts.next()?.to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let digits = std::str::from_utf8(digits).ok()?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend_from_slice(&part[2..]);
    }
    Some(decoded)
}

#[test]
fn queries() {
    type Pairs = &'static [Option<(&'static str, &'static str)>];
    const SPEC: &str = "WHATWG URL §5.1";
    let rows: &[Row<Pairs>] = &[
        Row { name: "empty", spec: SPEC, input: "", expect: &[] },
        Row { name: "one", spec: SPEC, input: "a=1", expect: &[Some(("a", "1"))] },
        Row {
            name: "in order",
            spec: SPEC,
            input: "b=2&a=1",
            expect: &[Some(("b", "2")), Some(("a", "1"))],
        },
        Row {
            name: "twice",
            spec: SPEC,
            input: "a=1&a=2",
            expect: &[Some(("a", "1")), Some(("a", "2"))],
        },
        Row { name: "no equals sign", spec: SPEC, input: "flag", expect: &[Some(("flag", ""))] },
        Row { name: "no name", spec: SPEC, input: "=v", expect: &[Some(("", "v"))] },
        Row {
            name: "more equals signs",
            spec: SPEC,
            input: "a=b=c",
            expect: &[Some(("a", "b=c"))],
        },
        Row { name: "empty stretches", spec: SPEC, input: "&&a=1&", expect: &[Some(("a", "1"))] },
        Row { name: "plus", spec: SPEC, input: "a+b=c+d%2B", expect: &[Some(("a b", "c d+"))] },
        Row {
            name: "escaped signs do not split",
            spec: SPEC,
            input: "a%26b%3D=%3D",
            expect: &[Some(("a&b=", "="))],
        },
        Row { name: "bad name", spec: SPEC, input: "%=1", expect: &[None] },
        Row { name: "bad value", spec: SPEC, input: "a=%4", expect: &[None] },
        Row {
            name: "the escape ends at the pair",
            spec: SPEC,
            input: "a=%&41",
            expect: &[None, Some(("41", ""))],
        },
        Row {
            name: "one bad among good",
            spec: SPEC,
            input: "a=1&b=%x&c=3",
            expect: &[Some(("a", "1")), None, Some(("c", "3"))],
        },
    ];
    for row in rows {
        let found: Vec<_> = query_pairs(row.input.as_bytes()).map(Result::ok).collect();
        let found: Vec<_> = found
            .iter()
            .map(|pair| pair.as_ref().map(|(name, value)| (&**name, &**value)))
            .collect();
        let expect: Vec<_> =
            row.expect.iter().map(|pair| pair.map(|(n, v)| (n.as_bytes(), v.as_bytes()))).collect();
        assert_eq!(found, expect, "{} ({})", row.name, row.spec);
    }
}
