//! System variables: what clients and tools read on connect before they dare to say anything.
//!
//! The values are those that make a client send UTF-8 and expect nothing. Setting one is accepted
//! and changes nothing, except `autocommit`: clients look for it in the status word of the answer.

use sqlparser::tokenizer::{Token, TokenWithSpan};

/// What clients see as the server's version: digits first, because some read it as a number.
pub const VERSION: &str = concat!("5.7.99-encke-", env!("CARGO_PKG_VERSION"));

const VERSION_COMMENT: &str = concat!("encke ", env!("CARGO_PKG_VERSION"), ", a Comet server");

/// What the variables that are not constant follow.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Of `max_allowed_packet`, in bytes.
    pub statement_bytes_max: usize,
    /// Of `autocommit`.
    pub is_autocommit: bool,
    /// Of `have_ssl`: whether who asks for TLS gets it.
    pub offers_tls: bool,
}

/// All that have a value, by name.
const VARIABLES: &[(&str, &str)] = &[
    ("auto_increment_increment", "1"),
    ("autocommit", ""),
    ("character_set_client", "utf8mb4"),
    ("character_set_connection", "utf8mb4"),
    ("character_set_database", "utf8mb4"),
    ("character_set_results", "utf8mb4"),
    ("character_set_server", "utf8mb4"),
    ("character_set_system", "utf8mb4"),
    ("collation_connection", "utf8mb4_general_ci"),
    ("collation_database", "utf8mb4_general_ci"),
    ("collation_server", "utf8mb4_general_ci"),
    ("foreign_key_checks", "1"),
    ("have_ssl", ""),
    ("init_connect", ""),
    ("interactive_timeout", "28800"),
    ("license", "MIT"),
    ("lower_case_table_names", "0"),
    ("max_allowed_packet", ""),
    ("max_prepared_stmt_count", "1000"),
    ("net_buffer_length", "16384"),
    ("net_write_timeout", "60"),
    ("performance_schema", "0"),
    ("protocol_version", "10"),
    ("query_cache_size", "0"),
    ("query_cache_type", "OFF"),
    ("read_only", "0"),
    ("sql_mode", ""),
    ("sql_safe_updates", "0"),
    ("system_time_zone", "UTC"),
    ("time_zone", "SYSTEM"),
    ("transaction_isolation", "READ-COMMITTED"),
    ("transaction_read_only", "0"),
    ("tx_isolation", "READ-COMMITTED"),
    ("tx_read_only", "0"),
    ("unique_checks", "1"),
    ("version", VERSION),
    ("version_comment", VERSION_COMMENT),
    ("version_compile_machine", std::env::consts::ARCH),
    ("version_compile_os", std::env::consts::OS),
    ("wait_timeout", "28800"),
];

/// A variable's value; names are compared without case, and unknown ones are empty.
pub fn value(name: &str, state: &State) -> String {
    let known = VARIABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    known.map_or(String::new(), |&(name, text)| text_of(name, text, state))
}

/// Those whose name fits a LIKE pattern, in alphabetical order.
pub fn like<'a>(
    pattern: Option<&'a str>,
    state: &'a State,
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    VARIABLES
        .iter()
        .filter(move |(name, _)| pattern.is_none_or(|pattern| is_like(name, pattern)))
        .map(|&(name, text)| (name, text_of(name, text, state)))
}

fn text_of(name: &str, text: &str, state: &State) -> String {
    match name {
        "autocommit" => u8::from(state.is_autocommit).to_string(),
        "have_ssl" => if state.offers_tls { "YES" } else { "DISABLED" }.to_string(),
        "max_allowed_packet" => state.statement_bytes_max.to_string(),
        _ => text.to_string(),
    }
}

/// What a SET makes of the session's `autocommit`, in any of the ways that clients write it:
/// `SET autocommit=0`, `SET @@session.autocommit = OFF`, `set names utf8, autocommit := 'on'`.
pub(super) fn autocommit_of(tokens: &[TokenWithSpan]) -> Option<bool> {
    let is_blank = |token: &&Token| matches!(token, Token::Whitespace(_) | Token::SemiColon);
    let tokens: Vec<&Token> =
        tokens.iter().map(|token| &token.token).filter(|token| !is_blank(token)).collect();
    let assignments = tokens.get(1..)?.split(|token| **token == Token::Comma);
    assignments.filter_map(autocommit_in).next_back()
}

fn autocommit_in(mut assignment: &[&Token]) -> Option<bool> {
    let scopes = ["session", "local", "@@session", "@@local"];
    while let [scope, rest @ ..] = assignment {
        let is_scope = **scope == Token::Period || scopes.iter().any(|name| is_word(scope, name));
        if !is_scope {
            break;
        }
        assignment = rest;
    }
    let [name, value @ ..] = assignment else { return None };
    if !is_word(name, "autocommit") && !is_word(name, "@@autocommit") {
        return None;
    }
    let [.., value] = value else { return None };
    match value {
        Token::Word(word) => switch(&word.value),
        Token::Number(text, _)
        | Token::SingleQuotedString(text)
        | Token::DoubleQuotedString(text)
        | Token::TripleSingleQuotedString(text) => switch(text),
        _ => None,
    }
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(name))
}

fn switch(value: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    // DEFAULT is on.
    if is_one_of(["1", "on", "true"]) || value.eq_ignore_ascii_case("default") {
        return Some(true);
    }
    is_one_of(["0", "off", "false"]).then_some(false)
}

/// SQL's LIKE over ASCII, without case: `%` is any run, `_` any byte, `\` takes the next one
/// literally. Walks back only to the last `%`, so the work is at most the product of both lengths.
pub fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern) = (text.as_bytes(), pattern.as_bytes());
    let (mut at, mut in_pattern) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        let wanted = pattern.get(in_pattern);
        if wanted == Some(&b'%') {
            retry = Some((at, in_pattern + 1));
            in_pattern += 1;
        } else if let Some(width) = fits(text[at], &pattern[in_pattern..]) {
            at += 1;
            in_pattern += width;
        } else if let Some((from, back_to)) = retry {
            retry = Some((from + 1, back_to));
            (at, in_pattern) = (from + 1, back_to);
        } else {
            return false;
        }
    }
    pattern[in_pattern..].iter().all(|&byte| byte == b'%')
}

/// How many bytes of the pattern this byte of text uses up, if it fits.
fn fits(byte: u8, pattern: &[u8]) -> Option<usize> {
    match *pattern {
        [b'\\', literal, ..] => byte.eq_ignore_ascii_case(&literal).then_some(2),
        [b'_', ..] => Some(1),
        [literal, ..] => byte.eq_ignore_ascii_case(&literal).then_some(1),
        [] => None,
    }
}
