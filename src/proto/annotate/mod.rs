//! Units of the protocols as text for people: what `RUST_LOG=encke::wire=trace` prints.
//!
//! ```text
//!   81 85 37 fa 21 3d 7f 9f 4d 51 58
//!   └▶ frame 81 85 37 fa 21 3d: FIN=1 RSV=000 opcode=1 text, MASK=1, length 5 in 7 bits, "Hello"
//! ```
//!
//! Bytes in, lines out: nothing here decides, keeps or fails. What cannot be understood is shown as it
//! is, because a study tool that is silent about the odd case is silent about the interesting one.
//!
//! Text is shown with control characters escaped, so that no client can begin a line of its own or
//! speak to the terminal; quotes are left as they are, as lengths are always told. Of everything long
//! the first [`SHOWN_BYTES_MAX`] bytes are shown. Secrets (proofs, keys, tokens, cookies) are shown as
//! `(20 bytes)`.
//!
//! Left out: whatever is inside a message, such as a token in a dialect's JSON. It is the message's text.
//!
//! ```
//! use encke::proto::annotate::{quote, websocket};
//! assert_eq!(quote(b"one\ntwo\xff"), r#""one\ntwo\xff""#);
//! let lines = websocket::frames(b"\x89\x00");
//! assert_eq!(lines, ["frame 89 00: FIN=1 RSV=000 opcode=9 ping, MASK=0, length 0 in 7 bits"]);
//! ```

pub mod http;
#[cfg(feature = "cometql")]
pub mod mysql;
pub mod stream;
pub mod websocket;

/// Of a longer text so many bytes are shown.
pub const SHOWN_BYTES_MAX: usize = 200;

/// Bytes between quotes: UTF-8 as it is, everything that is not text escaped, shortened.
pub fn quote(bytes: &[u8]) -> String {
    quote_start(bytes, bytes.len() as u64)
}

/// As [`quote`], of a text of which only the beginning was kept: it has `total` bytes.
fn quote_start(bytes: &[u8], total: u64) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES_MAX)];
    let is_cut = (shown.len() as u64) < total;
    let mut out = String::with_capacity(shown.len() + 2);
    out.push('"');
    let mut chunks = shown.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        chunk.valid().chars().for_each(|character| escape(character, &mut out));
        // A character that the cut went through is left out, not shown as broken.
        let is_torn = is_cut && chunks.peek().is_none() && is_begun(chunk.invalid());
        if !is_torn {
            chunk.invalid().iter().for_each(|byte| out.push_str(&format!("\\x{byte:02x}")));
        }
    }
    out.push('"');
    if is_cut {
        out.push_str(&format!("… ({} of {total} bytes)", shown.len()));
    }
    out
}

fn escape(character: char, out: &mut String) {
    match character {
        '"' | '\'' => out.push(character),
        other => out.extend(other.escape_debug()),
    }
}

/// Whether more bytes could make a character of these.
fn is_begun(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// A secret: its length is all that is told.
fn hidden(bytes: &[u8]) -> String {
    format!("({} bytes)", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_text_and_everything_else_is_escaped() {
        let rows: [(&[u8], &str); 6] = [
            (b"", r#""""#),
            (b"plain", r#""plain""#),
            ("ünï ☃ 😀 \"q\" 'q'".as_bytes(), "\"ünï ☃ 😀 \"q\" 'q'\""),
            (b"\r\n\t\0\x1b[2J\\", r#""\r\n\t\0\u{1b}[2J\\""#),
            (b"\xff\xfe", r#""\xff\xfe""#),
            // Right-to-left override: it would turn the rest of a terminal's line around.
            ("\u{202e}".as_bytes(), r#""\u{202e}""#),
        ];
        for (bytes, expect) in rows {
            assert_eq!(quote(bytes), expect);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "é".repeat(300);
        let expect = format!("\"{}\"… (200 of 600 bytes)", "é".repeat(100));
        assert_eq!(quote(long.as_bytes()), expect);
        let odd = format!("x{long}");
        let expect = format!("\"x{}\"… (200 of 601 bytes)", "é".repeat(99));
        assert_eq!(quote(odd.as_bytes()), expect);
        let whole = "x".repeat(SHOWN_BYTES_MAX);
        assert_eq!(quote(whole.as_bytes()), format!("\"{whole}\""));
    }
}
