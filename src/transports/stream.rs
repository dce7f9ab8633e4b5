//! Endless HTTP responses for clients without anything better: lines of JSON for programs, `<script>`
//! elements for the hidden frame ("forever iframe") of an old browser.
//!
//! Each message is one chunk (RFC 9112 §7.1), so that every message is flushed by every proxy and can be
//! sent alone. Over HTTP/1.0 there are no chunks and the end of the connection is the end of the body.

use super::Framing;
use crate::hub::delivery::Payload;
use crate::proto::chunked::{LAST_CHUNK, write_chunk};
use crate::proto::http1::write_header;

/// Old browsers show nothing of a page before about this many bytes.
const IFRAME_PADDING_BYTES: usize = 2048;

/// Appends the headers of a stream of lines.
pub fn headers(framing: Framing<'_>, out: &mut Vec<u8>) {
    write_header(out, "Content-Type", b"application/x-ndjson; charset=utf-8");
    common_headers(framing, out);
}

/// Appends the headers of an iframe stream.
pub fn iframe_headers(framing: Framing<'_>, out: &mut Vec<u8>) {
    write_header(out, "Content-Type", b"text/html; charset=utf-8");
    common_headers(framing, out);
}

fn common_headers(framing: Framing<'_>, out: &mut Vec<u8>) {
    write_header(out, "X-Content-Type-Options", b"nosniff");
    write_header(out, "X-Accel-Buffering", b"no");
    if framing.chunked {
        write_header(out, "Transfer-Encoding", b"chunked");
    }
}

/// Appends the beginning of an iframe's page, padded so that every browser starts to run it.
pub fn iframe_preamble(framing: Framing<'_>, out: &mut Vec<u8>) {
    let mut page = b"<!doctype html><meta charset=utf-8><title>stream</title><body>".to_vec();
    page.resize(page.len() + IFRAME_PADDING_BYTES, b' ');
    page.push(b'\n');
    chunk(framing, &page, out);
}

/// Appends the end of the response.
pub fn farewell(framing: Framing<'_>, out: &mut Vec<u8>) {
    if framing.chunked {
        out.extend_from_slice(LAST_CHUNK);
    }
}

pub(super) fn frame_line(framing: Framing<'_>, payload: Payload<'_>, out: &mut Vec<u8>) {
    let mut line = Vec::with_capacity(payload.data.len() + 1);
    line.extend_from_slice(payload.data);
    line.push(b'\n');
    chunk(framing, &line, out);
}

pub(super) fn frame_script(framing: Framing<'_>, payload: Payload<'_>, out: &mut Vec<u8>) {
    let mut script = Vec::with_capacity(payload.data.len() + 32);
    script.extend_from_slice(b"<script>");
    script.extend_from_slice(framing.callback.as_bytes());
    script.push(b'(');
    write_for_script(payload.data, &mut script);
    script.extend_from_slice(b");</script>\n");
    chunk(framing, &script, out);
}

pub(super) fn heartbeat(framing: Framing<'_>, out: &mut Vec<u8>) {
    chunk(framing, b"\n", out);
}

fn chunk(framing: Framing<'_>, data: &[u8], out: &mut Vec<u8>) {
    if framing.chunked {
        write_chunk(out, data);
    } else {
        out.extend_from_slice(data);
    }
}

/// JSON inside a script: `<` could end the element, U+2028 and U+2029 end a line in old JavaScript. In
/// JSON all three stand only inside strings, where an escape means the same.
pub fn write_for_script(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        match rest {
            [b'<', ..] => out.extend_from_slice(b"\\u003c"),
            [0xe2, 0x80, 0xa8, tail @ ..] => {
                out.extend_from_slice(b"\\u2028");
                rest = tail;
                continue;
            }
            [0xe2, 0x80, 0xa9, tail @ ..] => {
                out.extend_from_slice(b"\\u2029");
                rest = tail;
                continue;
            }
            _ => out.push(byte),
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_end_its_script() {
        let mut out = Vec::new();
        write_for_script("{\"a\":\"</script>\u{2028}é\u{2029}\"}".as_bytes(), &mut out);
        assert_eq!(out, "{\"a\":\"\\u003c/script>\\u2028é\\u2029\"}".as_bytes());
    }
}
