//! Several statements in one packet: where each begins and ends.
//!
//! ```text
//!   INSERT … VALUES (';');  -- a comment;↵ SELECT 1;
//!   └────── first ───────┘└─── left out ──┘└ rest ─┘
//! ```
//!
//! Quotes and comments are read as MySQL reads them. If the parser should see one of them otherwise, a
//! part is refused as more than one statement, or as none; it is never run twice.

/// The first statement and all that follows it. What says nothing is left out, so that the rest is empty
/// where no statement follows.
pub fn first(text: &str) -> (&str, &str) {
    let bytes = text.as_bytes();
    let start = blank_bytes(bytes);
    let mut at = start;
    while at < bytes.len() && bytes[at] != b';' {
        at += unit_bytes(&bytes[at..]);
    }
    let at = at.min(bytes.len());
    let rest = at + blank_bytes(&bytes[at..]);
    // Units end before or behind ASCII, so these are borders of characters.
    (&text[start..at], &text[rest..])
}

/// The length of what says nothing: space, semicolons, comments.
fn blank_bytes(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match comment_bytes(&text[at..]) {
            0 if byte.is_ascii_whitespace() || byte == b';' => at += 1,
            0 => break,
            length => at += length,
        }
    }
    at.min(text.len())
}

/// The length of what is taken together: a quoted text, a comment, or one byte.
fn unit_bytes(text: &[u8]) -> usize {
    match text[0] {
        quote @ (b'\'' | b'"' | b'`') => quoted_bytes(text, quote),
        _ => comment_bytes(text).max(1),
    }
}

/// The length of the comment at the front; 0 if there is none. What is hidden from other servers alone
/// (`/*!`) is none.
fn comment_bytes(text: &[u8]) -> usize {
    let is_dashes = text.starts_with(b"--") && text.get(2).is_none_or(u8::is_ascii_whitespace);
    if is_dashes || text.starts_with(b"#") {
        return text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |end| end + 1);
    }
    if text.starts_with(b"/*") && !text.starts_with(b"/*!") {
        let end = text[2..].windows(2).position(|end| end == b"*/");
        return end.map_or(text.len(), |end| end + 4);
    }
    0
}

/// The length of the quoted text at the front, its quotes included.
pub fn quoted_bytes(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        if byte == quote {
            return at + 1;
        }
        at += if byte == b'\\' && quote != b'`' { 2 } else { 1 };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn statements_end_at_their_semicolons() {
        for (text, statement, rest) in [
            ("SELECT 1", "SELECT 1", ""),
            ("SELECT 1;", "SELECT 1", ""),
            ("SELECT 1 ; \n", "SELECT 1 ", ""),
            (" ; SELECT 1;; SELECT 2;", "SELECT 1", "SELECT 2;"),
            ("SELECT ';'; SELECT 2", "SELECT ';'", "SELECT 2"),
            ("SELECT 'a\\';'; b", "SELECT 'a\\';'", "b"),
            ("SELECT 'a'';'; b", "SELECT 'a'';'", "b"),
            ("SELECT \";'\"; b", "SELECT \";'\"", "b"),
            ("SELECT `;\\`; b", "SELECT `;\\`", "b"),
            ("SELECT /* ; ' */ 1; b", "SELECT /* ; ' */ 1", "b"),
            ("SELECT 1 -- ;\n; b", "SELECT 1 -- ;\n", "b"),
            ("SELECT 1 # ;\n; b", "SELECT 1 # ;\n", "b"),
            ("SELECT 1--;b", "SELECT 1--", "b"),
            ("a; -- nothing", "a", ""),
            ("a; /* nothing */ # more", "a", ""),
            ("/* first */ a; b", "a", "b"),
            ("/*!40101 SET NAMES utf8 */; b", "/*!40101 SET NAMES utf8 */", "b"),
            ("SELECT 'open;", "SELECT 'open;", ""),
            ("SELECT 'open\\", "SELECT 'open\\", ""),
            ("/* open; a", "", ""),
            ("ä';ü'; ö", "ä';ü'", "ö"),
            ("", "", ""),
        ] {
            assert_eq!(first(text), (statement, rest), "{text}");
        }
    }
}
