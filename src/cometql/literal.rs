//! What the text between two quotes means.
//!
//! PHP scripts escape JSON once, twice, or not at all, and CppComet forwards it nearly raw. The
//! rule here equals CppComet wherever that works, and repairs the rest:
//!
//! ```text
//!   1. L = the literal, read in pairs: the doubled outer quote becomes one, \' becomes ', the rest stays
//!   2. L is JSON                   → the message is L
//!   3. else                        → the message is the literal as MySQL reads it
//!
//!   '{"a":"it\'s"}'     → {"a":"it's"}        JSON with the quote escaped for SQL
//!   '{\"a\":\"b\\\\c\"}' → {"a":"b\\c"}       JSON through mysqli_real_escape_string
//!   'it''s\n'           → it's, line break    plain text
//! ```

use crate::proto::json;

/// One value as it is written in a statement, not interpreted yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Literal {
    /// Between quotes, exactly as written.
    Quoted {
        /// The outer quote, `'` or `"`.
        quote: char,
        /// What is between them.
        raw: String,
    },
    /// A number, a bare word, `NULL`, or a name in backticks: the text itself.
    Plain(String),
    /// Bound to a prepared statement: the text itself, in a message too.
    Exact(String),
    /// An expression, which only a column that is ignored may be given.
    Expression,
}

impl Literal {
    /// The text as MySQL would read it; `None` for an expression.
    pub fn text(self) -> Option<String> {
        match self {
            Literal::Quoted { quote, raw } => Some(unescape(&raw, quote)),
            Literal::Plain(text) | Literal::Exact(text) => Some(text),
            Literal::Expression => None,
        }
    }

    /// The text as a message, by the rule above; `None` for an expression.
    pub fn message(self) -> Option<String> {
        match self {
            Literal::Quoted { quote, raw } => Some(message(&raw, quote)),
            other => other.text(),
        }
    }
}

fn message(raw: &str, quote: char) -> String {
    let nearly_raw = reduce_quotes(raw, quote);
    if is_json(nearly_raw.as_bytes()) { nearly_raw } else { unescape(raw, quote) }
}

fn is_json(bytes: &[u8]) -> bool {
    json::validate(bytes).is_ok()
}

/// Step 1. `\"` stays even between double quotes: reducing it would make valid JSON of
/// `"{\"b\":\"C:\\\\dir\"}"`, with its backslashes still doubled.
fn reduce_quotes(raw: &str, quote: char) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => match rest.next() {
                Some('\'') => out.push('\''),
                escaped => {
                    out.push('\\');
                    out.extend(escaped);
                }
            },
            _ if character == quote && rest.next_if_eq(&quote).is_some() => out.push(quote),
            _ => out.push(character),
        }
    }
    out
}

/// The literal as MySQL reads it (reference manual, "String Literals", table of escape sequences).
fn unescape(raw: &str, quote: char) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\\' => unescape_one(rest.next(), &mut out),
            _ if character == quote && rest.next_if_eq(&quote).is_some() => out.push(quote),
            _ => out.push(character),
        }
    }
    out
}

fn unescape_one(escaped: Option<char>, out: &mut String) {
    match escaped {
        Some('0') => out.push('\0'),
        Some('b') => out.push('\u{8}'),
        Some('n') => out.push('\n'),
        Some('r') => out.push('\r'),
        Some('t') => out.push('\t'),
        Some('Z') => out.push('\u{1a}'),
        // These two escape for LIKE, and keep their backslash everywhere else.
        Some(wildcard @ ('%' | '_')) => out.extend(['\\', wildcard]),
        Some(other) => out.push(other),
        // Not from a tokenizer: it pairs every backslash.
        None => out.push('\\'),
    }
}
