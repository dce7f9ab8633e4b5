//! JSON, as little as the spine needs: RFC 8259. Trees and numbers belong to `serde_json`.
//!
//! ```text
//! {"event" : "chat", "data" : {"text":"hi"}}
//!  ↑ key     ↑ raw value      ↑ raw value, checked and handed on byte for byte
//! ```
//!
//! Limits: UTF-8 (§8.1), [`DEPTH_MAX`] open arrays and objects; nothing recurses. Equal keys all
//! stay. Unlike `serde_json` it takes numbers of any size (nobody computes with them) and lone
//! surrogate escapes (§8.2 allows them, browsers do), read as U+FFFD.
//!
//! ```
//! use encke::proto::json;
//! let (key, value) = json::members(br#"{"data": "\u00e4"}"#).unwrap().next().unwrap();
//! assert_eq!((&*key, json::string_value(value).as_deref()), ("data", Some("ä")));
//! ```

use super::url::hex_value;
use std::borrow::Cow;

/// Most arrays and objects open at once; that of `serde_json`.
pub const DEPTH_MAX: u32 = 127;
/// The escapes of one letter (§7), and what each means.
const ESCAPE_LETTERS: &[u8; 8] = br#""\/bfnrt"#;
const ESCAPE_MEANINGS: &[u8; 8] = b"\"\\/\x08\x0c\n\r\t";

/// Why a text is not taken. How that is answered depends on where it came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Not one complete JSON value (§2) in UTF-8 (§8.1).
    BadSyntax,
    /// More than `DEPTH_MAX` arrays and objects open at once (§9 allows a limit).
    TooDeep,
    /// JSON, but no object, where members were wanted.
    NotAnObject,
}

/// Appends a JSON string, quotes included. Escapes what §7 says must be, and nothing else.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    out.push(b'"');
    while let Some(at) = rest.iter().position(|&byte| matches!(byte, 0..=0x1f | b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        match ESCAPE_MEANINGS.iter().position(|&meaning| meaning == rest[at]) {
            Some(index) => out.extend_from_slice(&[b'\\', ESCAPE_LETTERS[index]]),
            None => out.extend_from_slice(format!("\\u{:04x}", rest[at]).as_bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Is this one JSON value, with white space around it at most?
pub fn validate(text: &[u8]) -> Result<(), Error> {
    std::str::from_utf8(text).map_err(|_| Error::BadSyntax)?;
    let end = value_end(text, 0)?;
    if skip_space(text, end) == text.len() { Ok(()) } else { Err(Error::BadSyntax) }
}

/// Validates the whole text, then walks over the members of the object that it must be.
pub fn members(text: &[u8]) -> Result<Members<'_>, Error> {
    validate(text)?;
    text.trim_ascii_start().strip_prefix(b"{").map(Members).ok_or(Error::NotAnObject)
}

/// The members of an object, in order: key, decoded, and value as it was sent, without spaces.
/// Inside: the rest of a valid text, from behind the `{` or behind a value.
#[derive(Clone, Debug)]
pub struct Members<'a>(&'a [u8]);

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_ascii_start();
        let rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        // At the closing brace no string begins.
        let key = string_value(&rest[..string_end(rest, 0).ok()?])?;
        let value = rest[key_end(rest, 0).ok()?..].trim_ascii_start();
        let (value, rest) = value.split_at(value_end(value, 0).ok()?);
        self.0 = rest;
        Some((key, value))
    }
}

/// Decodes one JSON string, quotes included; None if `raw` is anything else.
pub fn string_value(raw: &[u8]) -> Option<Cow<'_, str>> {
    let end = string_end(raw, 0).ok().filter(|&end| end == raw.len())?;
    let inner = std::str::from_utf8(&raw[1..end - 1]).ok()?;
    let (mut text, mut rest) = (String::new(), inner);
    while let Some(at) = rest.find('\\') {
        let (decoded, bytes) = unescape(&rest.as_bytes()[at..])?;
        text.push_str(&rest[..at]);
        text.push(decoded);
        rest = &rest[at + bytes..];
    }
    Some(if rest.len() == inner.len() { Cow::Borrowed(inner) } else { Cow::Owned(text + rest) })
}

/// One escape of §7 at the front: what it means, and its bytes.
fn unescape(text: &[u8]) -> Option<(char, usize)> {
    let letter = text.get(1)?;
    if let Some(index) = ESCAPE_LETTERS.iter().position(|short| short == letter) {
        return Some((char::from(ESCAPE_MEANINGS[index]), 2));
    }
    let first = four_digits(text)?;
    match text.get(6..).and_then(four_digits) {
        Some(second @ 0xdc00..=0xdfff) if (0xd800..=0xdbff).contains(&first) => {
            Some((char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12))
        }
        _ => Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)),
    }
}

fn four_digits(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |code, &digit| Some(code << 4 | u32::from(hex_value(digit)?)))
}

fn skip_space(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| b" \t\n\r".contains(byte)).count()
}

/// The end of the value at `at`, white space before it allowed.
fn value_end(text: &[u8], mut at: usize) -> Result<usize, Error> {
    // What is open, the innermost in bit 0: 1 is an object, 0 an array (or nothing).
    let (mut open, mut depth) = (0u128, 0);
    loop {
        at = skip_space(text, if open & 1 == 1 { key_end(text, at)? } else { at });
        let first = *text.get(at).ok_or(Error::BadSyntax)?;
        if first == b'{' || first == b'[' {
            (open, depth, at) = (open << 1 | u128::from(first == b'{'), depth + 1, at + 1);
            if depth > DEPTH_MAX {
                return Err(Error::TooDeep);
            }
            // '}' and ']' are two above their opening signs. An empty one is closed below.
            if text.get(skip_space(text, at)) != Some(&(first + 2)) {
                continue;
            }
        } else {
            at = scalar_end(text, at)?;
        }
        // A value has ended, and with it all that close right behind it.
        while depth > 0 {
            at = skip_space(text, at) + 1;
            match (text.get(at - 1), open & 1) {
                (Some(b','), _) => break,
                (Some(b'}'), 1) | (Some(b']'), 0) => (open, depth) = (open >> 1, depth - 1),
                _ => return Err(Error::BadSyntax),
            }
        }
        if depth == 0 {
            return Ok(at);
        }
    }
}

/// A key and its colon, white space before both allowed.
fn key_end(text: &[u8], at: usize) -> Result<usize, Error> {
    let colon = skip_space(text, string_end(text, skip_space(text, at))?);
    if text.get(colon) == Some(&b':') { Ok(colon + 1) } else { Err(Error::BadSyntax) }
}

fn scalar_end(text: &[u8], at: usize) -> Result<usize, Error> {
    let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
    match literals.into_iter().find(|literal| text[at..].starts_with(literal)) {
        Some(literal) => Ok(at + literal.len()),
        None if text[at] == b'"' => string_end(text, at),
        None => number_end(text, at),
    }
}

fn string_end(text: &[u8], start: usize) -> Result<usize, Error> {
    let mut at = start + usize::from(text.get(start) == Some(&b'"'));
    while at > start {
        at += match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => unescape(&text[at..]).ok_or(Error::BadSyntax)?.1,
            Some(0x20..) => 1,
            _ => break,
        }
    }
    Err(Error::BadSyntax)
}

/// §6: `[-] int [. digits] [e [+-] digits]`, no leading zeros.
fn number_end(text: &[u8], start: usize) -> Result<usize, Error> {
    let has = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    let mut at = start + usize::from(has(start, b"-"));
    at = if has(at, b"0") { at + 1 } else { digits_end(text, at)? };
    at = if has(at, b".") { digits_end(text, at + 1)? } else { at };
    let sign = usize::from(has(at + 1, b"+-"));
    if has(at, b"eE") { digits_end(text, at + 1 + sign) } else { Ok(at) }
}

fn digits_end(text: &[u8], at: usize) -> Result<usize, Error> {
    let count = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count > 0 { Ok(at + count) } else { Err(Error::BadSyntax) }
}
