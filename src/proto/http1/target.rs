//! What a request is for: the four forms of a target, RFC 9112 §3.2, and
//! hosts as RFC 3986 §3.2 writes them.
//!
//! ```text
//! /where?q=now                         origin-form: the usual one
//! http://www.example.org:8001/pub      absolute-form: what proxies get, and servers must take
//! www.example.com:80                   authority-form: CONNECT alone
//! *                                    asterisk-form: OPTIONS alone
//! ```

use super::{Error, Method};
use std::net::Ipv6Addr;

/// A target taken apart; `path` as in `Head`.
pub(super) struct Target<'a> {
    pub(super) path: &'a [u8],
    pub(super) query: &'a [u8],
    /// Of absolute-form alone.
    pub(super) authority: Option<&'a [u8]>,
}

/// The four forms of RFC 9112 §3.2.
pub(super) fn parse_target(method: Method, target: &[u8]) -> Result<Target<'_>, Error> {
    if method == Method::Connect {
        // Authority-form, and only here; the port is not optional (RFC 9110 §9.3.6).
        let has_port = target.last().is_some_and(u8::is_ascii_digit) && target.contains(&b':');
        let is_authority = has_port && is_authority(target);
        return Err(if is_authority { Error::Connect } else { Error::BadTarget });
    }
    if target == b"*" && method == Method::Options {
        return Ok(Target { path: target, query: b"", authority: None });
    }
    if target.starts_with(b"/") {
        let (path, query) = split_query(target);
        return Ok(Target { path, query, authority: None });
    }
    let rest = strip_scheme(target).ok_or(Error::BadTarget)?;
    let end = rest.iter().position(|&byte| byte == b'/' || byte == b'?').unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // RFC 9110 §4.2.1: an http URI with an empty host is invalid. §4.2.4: so is user information.
    if authority.is_empty() || !is_authority(authority) {
        return Err(Error::BadTarget);
    }
    let (path, query) = match split_query(rest) {
        // RFC 9112 §3.2.4: OPTIONS of a URI with neither path nor query speaks of the whole server.
        ([], _) if rest.is_empty() && method == Method::Options => (&b"*"[..], &b""[..]),
        ([], query) => (&b"/"[..], query),
        parts => parts,
    };
    Ok(Target { path, query, authority: Some(authority) })
}

fn split_query(target: &[u8]) -> (&[u8], &[u8]) {
    match target.iter().position(|&byte| byte == b'?') {
        Some(at) => (&target[..at], &target[at + 1..]),
        None => (target, b""),
    }
}

fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    [&b"http://"[..], b"https://"].into_iter().find_map(|scheme| {
        let (start, rest) = target.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// `uri-host [":" port]` of RFC 9110 §4.2, with a host that is not empty.
pub(super) fn is_authority(text: &[u8]) -> bool {
    let (is_host, port) = if let Some(rest) = text.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
        (is_ipv6(&rest[..end]), &rest[end + 1..])
    } else {
        let end = text.iter().position(|&byte| byte == b':').unwrap_or(text.len());
        (end > 0 && is_reg_name(&text[..end]), &text[end..])
    };
    // RFC 3986 §3.2.3: the port may be empty behind its colon.
    is_host && (port.is_empty() || port[0] == b':' && port[1..].iter().all(u8::is_ascii_digit))
}

fn is_ipv6(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// RFC 3986 §3.2.2 `reg-name`, which dotted IPv4 addresses are, too.
fn is_reg_name(mut text: &[u8]) -> bool {
    while let Some(at) = text.iter().position(|&byte| !is_reg_name_byte(byte)) {
        text = match &text[at..] {
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            _ => return false,
        }
    }
    true
}

/// RFC 3986 §2.2, §2.3: unreserved and sub-delims.
fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=')
}
