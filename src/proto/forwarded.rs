//! What proxies say of who asked: `X-Forwarded-For`, `Forwarded` (RFC 7239) and `X-Real-IP`.
//!
//! ```text
//! X-Forwarded-For: 203.0.113.9, 10.0.0.2          each proxy appends who asked it
//! Forwarded: for=203.0.113.9;proto=https, for="[2001:db8::2]:4711"
//! X-Real-IP: 203.0.113.9                          one proxy, one address
//! ```
//! The nearest proxy's word stands last. Everything before may be the client's own invention: whom to
//! believe is not decided here.
//!
//! Left out: `by`, `host` and `proto` of `Forwarded`; backslashes in its quoted strings, which no address
//! has.

use std::net::{IpAddr, SocketAddr};

use super::http1::Head;

/// The nodes named, the nearest last, from the first of the three fields that is there: a proxy that
/// sets `X-Forwarded-For` passes a client's `Forwarded` on as it came.
pub fn nodes<'a>(head: &Head<'a>) -> Vec<&'a [u8]> {
    let listed: Vec<_> = head.list("X-Forwarded-For").collect();
    if !listed.is_empty() {
        return listed;
    }
    let elements = head.headers_named("Forwarded").flat_map(|line| split(line, b','));
    let named: Vec<_> = elements.map(node_of).collect();
    if !named.is_empty() {
        return named;
    }
    head.headers_named("X-Real-IP").collect()
}

/// The address of a node, if it has one: a port behind it is left out, brackets too.
///
/// ```
/// use encke::proto::forwarded::address;
/// assert_eq!(address(b"[2001:db8::2]:4711"), Some("2001:db8::2".parse().unwrap()));
/// assert_eq!(address(b"unknown"), None);
/// ```
pub fn address(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// The value of `for` in one element; empty if it has none (RFC 7239 §4).
fn node_of(element: &[u8]) -> &[u8] {
    let mut pairs = split(element, b';');
    let node = pairs.find_map(|pair| {
        let at = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (pair[..at].trim_ascii(), pair[at + 1..].trim_ascii());
        name.eq_ignore_ascii_case(b"for").then_some(value)
    });
    let node = node.unwrap_or_default();
    node.strip_prefix(b"\"").and_then(|node| node.strip_suffix(b"\"")).unwrap_or(node)
}

/// The parts between separators that stand outside of quotes, without empty ones.
fn split(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let parts = text.split(move |&byte| {
        is_quoted ^= byte == b'"';
        byte == separator && !is_quoted
    });
    parts.map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}
