//! SQL text to what CometQL can do.
//!
//! The grammar is the `sqlparser` package's, in its MySQL dialect; `tree` turns its tree into the
//! much smaller `Statement` of this file. The tokenizer runs without unescaping, so that `literal`
//! sees every text as it was written. SET, SHOW and DESCRIBE are read from their tokens: CppComet has forms
//! of them that are in no grammar.
//!
//! A prepared statement is read twice: with its `?` as they are, to see that it can be run, and each time
//! it is executed with a token in the place of each. A value never becomes SQL text, so nothing in it can
//! be taken for SQL: a bound text is a token of a kind that the tokenizer knows but never makes of MySQL's
//! text (three quotes), and `tree` makes `Literal::Exact` of it. The text is kept and not its tokens,
//! which are a hundred times as large.
//!
//! Bounds, as the text comes from outside: `FRAME_BYTES_MAX` outside of literals, before anything is
//! made of them; the parser goes at most `DEPTH_MAX` deep (its own 50
//! overflow a thread's stack of 2 MB in a debug build); brackets at most `NESTING_MAX` deep, since
//! some of its alternatives are tried twice at every level; and at most `JOINTS_MAX` keywords and
//! operators, since a chain such as `1+1+1…` becomes a tree as deep as it is long, which would be
//! freed recursively. Rows, values and names are not counted: they make the tree wide, not deep.
//! For the same reason nothing prints an expression that has not been understood.

use std::fmt::Display;

use sqlparser::dialect::MySqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Span, Token, TokenWithSpan, Tokenizer, Word};

use super::condition::Condition;
use super::literal::Literal;
use super::select::Select;
use super::show::Show;
use super::texts::quoted_bytes;
use super::tree::{self, understand};
use super::{Error, variables};
use crate::hub::command::Change;

/// Bytes outside of literals: each may become a token and a node, some hundred times as large. Enough
/// for a thousand rows and more.
const FRAME_BYTES_MAX: usize = 64 * 1024;
const DEPTH_MAX: usize = 20;
const NESTING_MAX: usize = 8;
const JOINTS_MAX: usize = 250;
/// How much of the parser's words an error keeps, in bytes: it may quote a whole literal.
const HINT_BYTES_MAX: usize = 300;
/// What stands for a value, in a text and in the title of a column that is one.
pub(super) const PLACEHOLDER: &str = "?";
/// Where a value stands that was put in: nowhere in the text, whose lines count from 1.
pub(super) const BOUND: Span = Span::empty();

/// One statement, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Statement {
    /// `INSERT`.
    Insert {
        /// Into which.
        table: TableName,
        /// The column list, if there is one.
        columns: Option<Vec<String>>,
        /// The values as written.
        rows: Vec<Vec<Literal>>,
        /// What becomes of keys that are there already: REPLACE and a plain INSERT write over them.
        change: Change,
    },
    /// `SELECT` from a table.
    Select(Box<Select>),
    /// `UPDATE`.
    Update {
        /// Which.
        table: TableName,
        /// Columns and their new values.
        set: Vec<(String, Literal)>,
        /// The WHERE.
        condition: Option<Condition>,
    },
    /// `DELETE`.
    Delete {
        /// From which.
        table: TableName,
        /// The WHERE.
        condition: Option<Condition>,
    },
    /// `SELECT` without a table.
    SelectConstants {
        /// The select list.
        items: Vec<Item>,
        /// Whether LIMIT lets the one row through.
        has_row: bool,
    },
    /// `SET` anything.
    Set {
        /// What becomes of `autocommit`, if it is named.
        autocommit: Option<bool>,
    },
    /// `BEGIN`, `COMMIT` and their kind.
    Transaction {
        /// Whether one is under way afterwards; `None`: as before.
        is_open: Option<bool>,
    },
    /// `USE` a database.
    Use(String),
    /// `SHOW`, `DESCRIBE`.
    Show(Show),
}

/// A table's name, perhaps with its database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableName {
    /// Before the dot.
    pub database: Option<String>,
    /// After it.
    pub table: String,
}

/// One column of a `SELECT` without a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The column's name: its alias, or the expression as written.
    pub title: String,
    /// What it is.
    pub constant: Constant,
}

/// What can be selected without a table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Constant {
    /// NULL.
    Null,
    /// A literal.
    Text(String),
    /// `@@name`.
    Variable(String),
    /// `DATABASE()`.
    Database,
    /// `VERSION()`.
    Version,
    /// `USER()` and its synonyms.
    User,
    /// `CONNECTION_ID()`.
    ConnectionId,
    /// `NOW()`, in UTC.
    Now,
    /// `UNIX_TIMESTAMP()`.
    UnixTimestamp,
}

/// What is put in the place of a `?`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Parameter {
    /// NULL.
    Null,
    /// A number.
    Number(String),
    /// A text, which means itself.
    Text(String),
}

impl Statement {
    /// Reads one statement.
    pub fn parse(text: &str) -> Result<Statement, Error> {
        Statement::execute(text, Vec::new())
    }

    /// Reads one statement as it is before its values are known, and counts them.
    pub fn prepare(text: &str) -> Result<(Statement, usize), Error> {
        let tokens = tokens_of(text)?;
        let parameters = tokens.iter().filter(|token| is_placeholder(&token.token)).count();
        Ok((Statement::of_tokens(tokens)?, parameters))
    }

    /// Reads one statement with these values, as many as it has places for.
    pub fn execute(text: &str, parameters: Vec<Parameter>) -> Result<Statement, Error> {
        let mut tokens = tokens_of(text)?;
        put_in(&mut tokens, parameters)?;
        Statement::of_tokens(tokens)
    }

    fn of_tokens(tokens: Vec<TokenWithSpan>) -> Result<Statement, Error> {
        check_shape(&tokens)?;
        let first = tokens.iter().map(|token| &token.token).find(|token| !is_blank(token));
        match first {
            None => return Err(Error::Empty),
            Some(Token::Word(word)) if is_served(word) => {}
            Some(other) => return Err(syntax(&format!("'{other}' begins no known statement"))),
        }
        let verb = first.map(Token::to_string).unwrap_or_default();
        match first {
            // CppComet takes forms of SET that are in no grammar, and none of them does anything.
            Some(Token::Word(word)) if word.keyword == Keyword::SET => {
                return Ok(Statement::Set { autocommit: variables::autocommit_of(&tokens) });
            }
            Some(Token::Word(word)) if word.keyword == Keyword::SHOW => {
                return tree::show::show(&tokens).map(Statement::Show);
            }
            Some(Token::Word(word)) if is_describe(word) => {
                return tree::show::describe(&tokens).map(Statement::Show);
            }
            _ => {}
        }
        let mut statements = Parser::new(&MySqlDialect {})
            .with_recursion_limit(DEPTH_MAX)
            .with_tokens_with_locations(tokens)
            .parse_statements()
            .map_err(|error| match error {
                ParserError::TokenizerError(hint) | ParserError::ParserError(hint) => syntax(&hint),
                ParserError::RecursionLimitExceeded => syntax(&"nested too deeply"),
            })?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => understand(statement, &verb),
            _ => Err(syntax(&"one statement at a time")),
        }
    }

    /// What it is, for a log.
    pub fn kind(&self) -> &'static str {
        match self {
            Statement::Insert { .. } => "INSERT",
            Statement::Select(_) | Statement::SelectConstants { .. } => "SELECT",
            Statement::Update { .. } => "UPDATE",
            Statement::Delete { .. } => "DELETE",
            Statement::Set { .. } => "SET",
            Statement::Transaction { .. } => "transaction",
            Statement::Use(_) => "USE",
            Statement::Show(_) => "SHOW",
        }
    }
}

fn tokens_of(text: &str) -> Result<Vec<TokenWithSpan>, Error> {
    if frame_bytes(text.as_bytes()) > FRAME_BYTES_MAX {
        return Err(Error::StatementTooLong(FRAME_BYTES_MAX));
    }
    Tokenizer::new(&MySqlDialect {}, text)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(|error| syntax(&error))
}

fn is_placeholder(token: &Token) -> bool {
    matches!(token, Token::Placeholder(mark) if mark == PLACEHOLDER)
}

/// Puts values in the places of `?`.
fn put_in(tokens: &mut [TokenWithSpan], parameters: Vec<Parameter>) -> Result<(), Error> {
    let mut parameters = parameters.into_iter();
    let mut is_count = false;
    for TokenWithSpan { token, span } in tokens {
        if is_placeholder(token) {
            let parameter = parameters.next().ok_or_else(|| syntax(&"a ? that has no value"))?;
            *token = parameter.into_token(is_count);
            *span = BOUND;
        } else {
            let is_limit = |word: &Word| matches!(word.keyword, Keyword::LIMIT | Keyword::OFFSET);
            is_count = match token {
                Token::Word(word) => is_limit(word),
                Token::Comma | Token::Number(..) | Token::Whitespace(_) => is_count,
                _ => false,
            };
        }
    }
    Ok(())
}

impl Parameter {
    /// Many clients send every value as a text, and so the number of rows after LIMIT.
    fn into_token(self, is_count: bool) -> Token {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match self {
            Parameter::Null => Token::make_keyword("NULL"),
            Parameter::Text(text) if is_count && is_digits(&text) => Token::Number(text, false),
            Parameter::Text(text) => Token::TripleSingleQuotedString(text),
            Parameter::Number(number) => Token::Number(number, false),
        }
    }
}

pub(super) fn syntax(hint: &impl Display) -> Error {
    let mut hint = hint.to_string();
    if hint.len() > HINT_BYTES_MAX {
        let mut end = HINT_BYTES_MAX;
        while !hint.is_char_boundary(end) {
            end -= 1;
        }
        hint.truncate(end);
    }
    Error::Syntax(hint.into())
}

pub(super) fn not_served(what: &impl Display) -> Error {
    match syntax(what) {
        Error::Syntax(hint) => Error::NotServed(hint),
        other => other,
    }
}

fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::SemiColon | Token::EOF)
}

fn is_describe(first: &Word) -> bool {
    matches!(first.keyword, Keyword::DESCRIBE | Keyword::DESC | Keyword::EXPLAIN)
}

fn is_served(first: &Word) -> bool {
    use Keyword::*;
    matches!(
        first.keyword,
        SELECT
            | INSERT
            | REPLACE
            | DELETE
            | UPDATE
            | SHOW
            | SET
            | USE
            | BEGIN
            | START
            | COMMIT
            | ROLLBACK
            | SAVEPOINT
            | RELEASE
            | DESCRIBE
            | DESC
            | EXPLAIN
    )
}

/// How much of a statement is neither in a literal nor in a comment. Never too little: where it is not
/// plain how the tokenizer will go on, all that follows counts.
fn frame_bytes(text: &[u8]) -> usize {
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        let is_doubtful = match byte {
            // A prefix may change what the quotes mean.
            b'\'' | b'"' => at > 0 && b"bBeEnNqQrRuUxX&".contains(&text[at - 1]),
            b'#' | b'$' => true,
            b'-' => rest.starts_with(b"--"),
            b'/' => rest.starts_with(b"/*!"),
            _ => false,
        };
        if is_doubtful {
            return count + rest.len();
        }
        let skipped = match byte {
            b'\'' | b'"' | b'`' => quoted_bytes(rest, byte),
            b'/' if rest.starts_with(b"/*") => {
                rest[2..].windows(2).position(|end| end == b"*/").map_or(rest.len(), |end| end + 4)
            }
            _ => 0,
        };
        at += skipped.max(1);
        count += usize::from(skipped == 0);
    }
    count
}

/// CometQL joins nothing, and the parser goes one level deeper for each of these without counting.
fn is_refused(word: &Word) -> bool {
    use Keyword::*;
    matches!(word.keyword, JOIN | STRAIGHT_JOIN | UNION | INTERSECT | EXCEPT | MINUS)
}

/// The bounds of the module's doc.
fn check_shape(tokens: &[TokenWithSpan]) -> Result<(), Error> {
    let (mut depth, mut joints) = (0_usize, 0_usize);
    for token in tokens {
        match &token.token {
            Token::LParen | Token::LBracket | Token::LBrace => depth += 1,
            Token::RParen | Token::RBracket | Token::RBrace => depth = depth.saturating_sub(1),
            Token::Word(word) if word.quote_style.is_some() => {}
            Token::Word(word) if is_refused(word) => return Err(not_served(&word.value)),
            Token::Word(word) if matches!(word.keyword, Keyword::NoKeyword | Keyword::NULL) => {}
            Token::Comma | Token::Number(..) => {}
            Token::SingleQuotedString(_) | Token::DoubleQuotedString(_) => {}
            Token::TripleSingleQuotedString(_) | Token::Placeholder(_) => {}
            blank if is_blank(blank) => {}
            _ => joints += 1,
        }
        if depth > NESTING_MAX {
            return Err(syntax(&"nested too deeply"));
        }
        if joints > JOINTS_MAX {
            return Err(syntax(&"too many keywords and operators"));
        }
    }
    Ok(())
}
