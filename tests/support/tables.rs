//! The rows of the tables in all tests, as inputs to begin from: every text in their sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The contents of all string literals of these files in `tests`, each once, in their order.
pub fn literals(files: &[&str]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for file in files {
        let path = folder().join(file);
        let source = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for literal in of_source(&source) {
            if !literal.is_empty() && !found.contains(&literal) {
                found.push(literal);
            }
        }
    }
    assert!(!found.is_empty(), "there are tables in {files:?}");
    found
}

/// `tests`, for programs that are in it and in crates below it.
fn folder() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above.find(|folder| folder.join("tests/support").is_dir());
    root.expect("the sources are there").join("tests")
}

/// Every string literal of a Rust source, unescaped.
pub fn of_source(source: &[u8]) -> Vec<Vec<u8>> {
    let (mut literals, mut at) = (Vec::new(), 0);
    while at < source.len() {
        let rest = &source[at..];
        let is_inside_a_word = at > 0 && source[at - 1].is_ascii_alphanumeric();
        at += match rest {
            [b'/', b'/', ..] => bytes_before(rest, b"\n"),
            [b'r', b'#' | b'"', ..] | [b'b', b'r', b'#' | b'"', ..] if !is_inside_a_word => {
                let start = rest.iter().position(|&byte| byte != b'b' && byte != b'r').unwrap_or(0);
                raw(&rest[start..], &mut literals) + start
            }
            [b'"', ..] => plain(rest, &mut literals),
            [b'\'', b'\\', ..] => 3 + bytes_before(&rest[3..], b"'"),
            // Of other characters the quote is as good as a lifetime's, unless it is one.
            [b'\'', b'"', b'\'', ..] => 3,
            _ => 1,
        };
    }
    literals
}

fn bytes_before(text: &[u8], end: &[u8]) -> usize {
    text.windows(end.len()).position(|part| part == end).unwrap_or(text.len())
}

/// From the first `#` or quote on; returns the bytes of the literal.
fn raw(text: &[u8], literals: &mut Vec<Vec<u8>>) -> usize {
    let hashes = text.iter().take_while(|&&byte| byte == b'#').count();
    let Some(inner) = text[hashes..].strip_prefix(b"\"") else { return hashes.max(1) };
    let end = [b"\"", &b"#".repeat(hashes)[..]].concat();
    let length = bytes_before(inner, &end);
    literals.push(inner[..length].to_vec());
    hashes + 1 + length + end.len()
}

fn plain(text: &[u8], literals: &mut Vec<Vec<u8>>) -> usize {
    let (mut literal, mut at) = (Vec::new(), 1);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => break,
            b'\\' => at += 1 + unescape(&text[at + 1..], &mut literal),
            _ => {
                literal.push(byte);
                at += 1;
            }
        }
    }
    literals.push(literal);
    at + 1
}

/// Appends what stands behind a backslash; returns its bytes.
fn unescape(text: &[u8], out: &mut Vec<u8>) -> usize {
    let number = |digits: &[u8]| u32::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    match text {
        [b'x', high, low, ..] => {
            out.push(number(&[*high, *low]) as u8);
            3
        }
        [b'u', b'{', rest @ ..] => {
            let length = bytes_before(rest, b"}");
            let character = char::from_u32(number(&rest[..length])).expect("a character");
            out.extend(character.to_string().as_bytes());
            length + 3
        }
        [b'\n', rest @ ..] => 1 + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count(),
        [letter, ..] => {
            out.push(match letter {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'0' => 0,
                other => *other,
            });
            1
        }
        [] => 0,
    }
}
