//! Percent-encoding and query strings: RFC 3986 §2.1 and the form encoding of the WHATWG URL
//! standard.
//!
//! ```text
//! /channels/a%2Fb ? event=chat+line & last=5 & flag
//!            │             │    │       │        └ no "=": name "flag", value empty
//!            "/"           name │       next pair
//!                               "+" is a space in a query, and a plus sign in a path
//! ```
//!
//! Limits: none of its own; the result is never longer than the input, which the request head
//! bounds.
//! Nothing is allocated for text without escapes.
//! Left out: encoding (the server never makes a URL out of foreign text), and any view on which
//! bytes are wise: an escaped NUL or newline is decoded like any other and judged by whoever uses
//! the text.
//!
//! ```
//! use encke::proto::url;
//! assert_eq!(&*url::percent_decode(b"a%2fb+c").unwrap(), b"a/b+c");
//! let (name, value) = url::query_pairs(b"event=chat+line").next().unwrap().unwrap();
//! assert_eq!((&*name, &*value), (&b"event"[..], &b"chat line"[..]));
//! ```

use std::borrow::Cow;

/// Why a piece of a URL was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A `%` that two hexadecimal digits do not follow (RFC 3986 §2.1).
    BadEscape,
}

impl Error {
    /// The HTTP status that answers it.
    pub fn status(self) -> u16 {
        400
    }

    /// One line for the body of that answer.
    pub fn explain(self) -> &'static str {
        "a % in the URL must be followed by two hexadecimal digits"
    }
}

/// Undoes percent-encoding, once. `+` stays as it is: only query strings give it another meaning.
pub fn percent_decode(text: &[u8]) -> Result<Cow<'_, [u8]>, Error> {
    decode(text, false)
}

/// Name and value of one pair, decoded.
pub type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// The pairs of a query string (without its `?`), in order, decoded.
///
/// Empty stretches between two `&` are skipped; a pair without `=` has an empty value; further `=`
/// belong to the value. An error says that this pair is unusable; the next call goes on behind it.
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = Result<Pair<'_>, Error>> {
    let is_plain = is_plain(query, true);
    let decode = move |text| if is_plain { Ok(Cow::Borrowed(text)) } else { decode(text, true) };
    query.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(move |pair| {
        let equals = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = match equals {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &pair[pair.len()..]),
        };
        Ok((decode(name)?, decode(value)?))
    })
}

/// Whether the text stands for itself. Without a branch, for many bytes at a time.
fn is_plain(text: &[u8], plus_is_space: bool) -> bool {
    let other = if plus_is_space { b'+' } else { b'%' };
    !text.iter().fold(false, |is_odd, &byte| is_odd | (byte == b'%') | (byte == other))
}

fn decode(text: &[u8], plus_is_space: bool) -> Result<Cow<'_, [u8]>, Error> {
    if is_plain(text, plus_is_space) {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = match *rest {
            [] => return Ok(Cow::Owned(decoded)),
            [b'%', high, low, ref tail @ ..] => {
                let high = hex_value(high).ok_or(Error::BadEscape)?;
                let low = hex_value(low).ok_or(Error::BadEscape)?;
                decoded.push(high << 4 | low);
                tail
            }
            [b'%', ..] => return Err(Error::BadEscape),
            [byte, ref tail @ ..] => {
                decoded.push(if byte == b'+' && plus_is_space { b' ' } else { byte });
                tail
            }
        }
    }
}

/// The value of one hexadecimal digit, of either case.
pub(super) fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// A path as it may be shown to others. CometServerApi.js puts its key into the path, as the value of the
/// first field below `/ws/`, and the name of a session is as good as a key.
///
/// ```
/// use encke::proto::url::shown_path;
/// assert_eq!(&*shown_path(b"/ws/sesion=secret&myid=7"), b"/ws/sesion=*&myid=7");
/// assert_eq!(&*shown_path(b"/channels/a"), b"/channels/a");
/// ```
pub fn shown_path(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(at) = path.windows(4).position(|part| part == b"/ws/") else {
        return Cow::Borrowed(path);
    };
    let (before, fields) = path.split_at(at + 4);
    let mut shown = before.to_vec();
    for (index, field) in fields.split(|&byte| byte == b'&').enumerate() {
        if index > 0 {
            shown.push(b'&');
        }
        match field.iter().position(|&byte| byte == b'=') {
            Some(equals) if index == 0 || &field[..equals] == b"session" => {
                shown.extend_from_slice(&field[..=equals]);
                shown.push(b'*');
            }
            _ => shown.extend_from_slice(field),
        }
    }
    Cow::Owned(shown)
}
