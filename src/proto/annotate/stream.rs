//! Endless responses: server-sent events (WHATWG HTML §9.2.6) and chunks (RFC 9112 §7.1).

use super::quote;

/// Events, one line each, and what else a block of an event stream may be.
pub fn events(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest.windows(2).position(|window| window == b"\n\n");
        let (block, after) = rest.split_at(end.map_or(rest.len(), |at| at + 2));
        lines.push(event(block.trim_ascii_end(), end.is_some()));
        rest = after;
    }
    lines
}

fn event(block: &[u8], is_whole: bool) -> String {
    let (mut parts, mut data, mut has_id) = (Vec::new(), Vec::new(), false);
    for line in block.split(|&byte| byte == b'\n') {
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match name {
            b"data" => data.push(value),
            b"" if line.is_empty() => {}
            b"" => parts.push(format!("comment {}", quote(value))),
            b"retry" => parts.push(format!("retry after {} ms", value.escape_ascii())),
            _ => {
                has_id |= name == b"id";
                parts.push(format!("{} {}", quote(name).trim_matches('"'), quote(value)));
            }
        }
    }
    if !data.is_empty() {
        let (lines, joined) = (data.len(), data.join(&b'\n'));
        let of_lines = if lines > 1 { format!(" in {lines} lines") } else { String::new() };
        parts.push(format!("data, {} bytes{of_lines}: {}", joined.len(), quote(&joined)));
    } else if has_id {
        parts.push("no data: the client keeps the id and calls nobody".to_owned());
    }
    let end = if is_whole { "" } else { " (its empty line is missing)" };
    format!("event stream: {}{end}", parts.join(", "))
}

/// Chunks, one line each. What does not begin with a chunk's size is shown as it is: the rest of a
/// chunk that began earlier, or a body for a client of HTTP/1.0.
pub fn chunks(bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((size, digits, after)) = chunk_size(rest) else {
            lines.push(format!("body, {} bytes: {}", rest.len(), quote(rest)));
            break;
        };
        if size == 0 {
            lines.push(format!("chunk, size {digits}: the last one, the body ends"));
            // The empty line behind it; trailers we never send.
            rest = after.strip_prefix(b"\r\n").unwrap_or(after);
            continue;
        }
        let (data, behind) = after.split_at(size.min(after.len()));
        let missing = size - data.len();
        let rest_of_it = if missing > 0 { format!(" ({missing} to come)") } else { String::new() };
        lines.push(format!("chunk, size {digits} = {size} bytes{rest_of_it}: {}", quote(data)));
        rest = behind.strip_prefix(b"\r\n").unwrap_or(behind);
    }
    lines
}

/// The size, its digits as they stand there, and what follows the line. Extensions are passed over.
fn chunk_size(bytes: &[u8]) -> Option<(usize, &str, &[u8])> {
    let line_end = bytes.windows(2).position(|window| window == b"\r\n")?;
    let (line, after) = (&bytes[..line_end], &bytes[line_end + 2..]);
    let digits = line.split(|&byte| byte == b';').next()?.trim_ascii_end();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| is_hex)?;
    Some((usize::from_str_radix(digits, 16).ok()?, digits, after))
}
