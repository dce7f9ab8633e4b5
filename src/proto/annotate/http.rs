//! HTTP/1.1 heads line by line (RFC 9112 §2.1), and whatever follows a response's head.
//!
//! Hidden are the values of `Authorization`, `Cookie` and their like, and those query parameters whose
//! name speaks of a secret, in the target and in `Referer`.

use super::{hidden, quote, stream, websocket};
use crate::proto::url;

/// What a connection carries between or instead of HTTP responses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carries {
    /// Responses one after the other, each with its own length.
    Bodies,
    /// WebSocket frames, behind a 101.
    Frames,
    /// Server-sent events, behind a 200.
    Events,
    /// Chunks without end, or plain text where the client knows no chunks, behind a 200.
    Chunks,
}

/// Header fields whose values are nobody's business.
const SECRET_FIELDS: [&str; 5] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"];
/// What the name of a query parameter with a secret has in it.
const SECRET_NAMES: [&str; 7] =
    ["token", "auth", "key", "secret", "password", "signature", "session"];

/// The lines of a request's head.
pub fn request(head: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for line in head.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match lines.len() {
            _ if line.is_empty() => {}
            0 => lines.push(request_line(line)),
            _ => lines.push(field_line(line)),
        }
    }
    lines
}

fn request_line(line: &[u8]) -> String {
    let parts: Vec<String> = line.split(|&byte| byte == b' ').map(without_secrets).collect();
    parts.join(" ")
}

fn field_line(line: &[u8]) -> String {
    let colon = line.iter().position(|&byte| byte == b':');
    let Some((name, value)) = colon.map(|at| (&line[..at], line[at + 1..].trim_ascii())) else {
        return format!("  {}", plain(line));
    };
    let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
    let value = if SECRET_FIELDS.iter().any(|secret| is(secret)) {
        scheme_and_secret(value)
    } else if is("referer") {
        without_secrets(value)
    } else {
        plain(value)
    };
    format!("  {}: {value}", plain(name))
}

/// `Bearer (3 bytes)`: how somebody proves something is no secret.
fn scheme_and_secret(value: &[u8]) -> String {
    let space = value.iter().position(|&byte| byte == b' ');
    let scheme = space.map(|at| value.split_at(at)).filter(|(scheme, _)| {
        [&b"bearer"[..], b"basic", b"digest"].iter().any(|known| known.eq_ignore_ascii_case(scheme))
    });
    match scheme {
        Some((scheme, secret)) => format!("{} {}", plain(scheme), hidden(secret.trim_ascii())),
        None => hidden(value),
    }
}

/// A URL, or a part of one, with the values of secret parameters hidden.
fn without_secrets(url: &[u8]) -> String {
    let shown = |path| plain(&url::shown_path(path));
    let Some(at) = url.iter().position(|&byte| byte == b'?') else { return shown(url) };
    let (path, query) = (&url[..at], &url[at + 1..]);
    let pairs: Vec<String> = query.split(|&byte| byte == b'&').map(pair).collect();
    format!("{}?{}", shown(path), pairs.join("&"))
}

fn pair(pair: &[u8]) -> String {
    let equals = pair.iter().position(|&byte| byte == b'=');
    let (name, value) = pair.split_at(equals.map_or(pair.len(), |at| at + 1));
    let is_secret = match url::percent_decode(name) {
        Ok(decoded) => {
            let decoded = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
            SECRET_NAMES.iter().any(|secret| decoded.contains(secret))
        }
        Err(_) => true,
    };
    let value = if is_secret && !value.is_empty() { hidden(value) } else { plain(value) };
    plain(name) + &value
}

/// As [`quote`], without the quotes: for text whose ends are clear.
fn plain(bytes: &[u8]) -> String {
    let quoted = quote(bytes);
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.to_owned(),
        None => quoted,
    }
}

/// A piece of a request's body.
pub fn body(bytes: &[u8], is_chunked: bool) -> Vec<String> {
    if is_chunked {
        return stream::chunks(bytes);
    }
    vec![format!("body, {} bytes: {}", bytes.len(), quote(bytes))]
}

/// Everything that was written to a connection in one go: heads, and what they announce.
pub fn sent(bytes: &[u8], carries: Carries) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((head, after)) = split_head(rest) else {
            match carries {
                Carries::Bodies => {
                    lines.push(format!("more, {} bytes: {}", rest.len(), quote(rest)))
                }
                Carries::Frames => lines.extend(websocket::frames(rest)),
                Carries::Events => lines.extend(stream::events(rest)),
                Carries::Chunks => lines.extend(stream::chunks(rest)),
            }
            break;
        };
        lines.extend(request(head));
        // RFC 9112 §6.3: the answer to HEAD has no body, whatever its length says.
        let has_body = split_head(after).is_none();
        let length = field(head, "content-length").filter(|_| has_body).unwrap_or(0);
        let (body, behind) = after.split_at(length.min(after.len()));
        if !body.is_empty() {
            lines.push(format!("body, {} bytes: {}", body.len(), quote(body)));
        }
        rest = behind;
    }
    lines
}

/// A response's head at the front, its empty line included. Neither frames nor events, chunks or
/// bodies of ours begin like one.
fn split_head(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.strip_prefix(b"HTTP/1.")?;
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(bytes.split_at(end + 4))
}

/// The number in a header field.
fn field(head: &[u8], name: &str) -> Option<usize> {
    let line = head.split(|&byte| byte == b'\n').find_map(|line| {
        let (own, value) = line.split_at_checked(name.len())?;
        own.eq_ignore_ascii_case(name.as_bytes()).then_some(value)?.strip_prefix(b":")
    })?;
    str::from_utf8(line.trim_ascii()).ok()?.parse().ok()
}
