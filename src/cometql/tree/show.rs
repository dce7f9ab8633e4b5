//! SHOW, DESCRIBE and EXPLAIN: read word by word, as CppComet has forms that are in no grammar.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::cometql::Error;
use crate::cometql::literal::Literal;
use crate::cometql::show::{Show, StatusKind};
use crate::cometql::statement::{TableName, not_served, syntax};

/// What is left to be read.
struct Words<'a> {
    tokens: Vec<&'a Token>,
    at: usize,
}

/// Reads a whole statement that begins with SHOW.
pub fn show(tokens: &[TokenWithSpan]) -> Result<Show, Error> {
    let mut words = Words::after_verb(tokens)?;
    let is_full = words.skip_any(&["extended", "full"]);
    let scope = words.word_at(0);
    let kind = match scope.as_deref() {
        Some("session" | "local") => Some(StatusKind::Session),
        Some("global") => Some(StatusKind::Global),
        Some("avg") => Some(StatusKind::Average),
        Some("uptime") => Some(StatusKind::Uptime),
        Some("ram") => Some(StatusKind::Ram),
        Some("filesystem") => Some(StatusKind::FileSystem),
        _ => None,
    };
    words.at += usize::from(kind.is_some());
    let what = words.word_at(0).ok_or_else(|| syntax(&"SHOW what?"))?;
    words.at += 1;
    let show = match &*what {
        "databases" | "schemas" => Show::Databases { like: words.like()? },
        "tables" => {
            let database = words.database()?;
            Show::Tables { database, is_full, like: words.like()? }
        }
        "columns" | "fields" => {
            let table = words.table_after_from()?;
            Show::Columns { table, is_full, like: words.like()? }
        }
        "table" if words.skip_any(&["status"]) => {
            let database = words.database()?;
            Show::TableStatus { database, like: words.like()? }
        }
        "index" | "indexes" | "keys" => {
            let table = words.table_after_from()?;
            words.like()?;
            Show::Index { table }
        }
        "create" if words.skip_any(&["table"]) => Show::CreateTable { table: words.table()? },
        "status" => Show::Status { kind: kind.unwrap_or(StatusKind::Session), like: words.like()? },
        "variables" => Show::Variables { like: words.like()? },
        "processlist" => Show::ProcessList,
        "warnings" | "errors" => {
            words.at = words.tokens.len();
            Show::Warnings
        }
        "engines" => Show::Engines,
        "storage" if words.skip_any(&["engines"]) => Show::Engines,
        "charset" => Show::CharacterSets { like: words.like()? },
        "character" if words.skip_any(&["set"]) => Show::CharacterSets { like: words.like()? },
        "collation" => Show::Collations { like: words.like()? },
        _ => return Err(not_served(&format!("SHOW {}", what.to_uppercase()))),
    };
    words.end()?;
    Ok(show)
}

/// Reads a whole statement that begins with DESCRIBE, DESC or EXPLAIN. Of statements nothing is explained.
pub fn describe(tokens: &[TokenWithSpan]) -> Result<Show, Error> {
    let mut words = Words::after_verb(tokens)?;
    let is_statement = |word: &str| {
        ["select", "insert", "update", "delete", "replace", "with", "analyze"].contains(&word)
    };
    if matches!(words.peek(), Some(Token::Word(word)) if word.quote_style.is_none()
        && is_statement(&word.value.to_ascii_lowercase()))
    {
        return Err(not_served(&"EXPLAIN of a statement"));
    }
    let table = words.table()?;
    let like = match words.peek() {
        None => None,
        Some(Token::Word(column)) => {
            words.at += 1;
            Some(column.value.replace('_', "\\_"))
        }
        Some(_) => Some(words.text()?),
    };
    words.end()?;
    Ok(Show::Columns { table, is_full: false, like })
}

impl<'a> Words<'a> {
    fn after_verb(tokens: &'a [TokenWithSpan]) -> Result<Words<'a>, Error> {
        let is_space = |token: &&Token| matches!(token, Token::Whitespace(_) | Token::EOF);
        let mut tokens: Vec<_> =
            tokens.iter().map(|token| &token.token).filter(|token| !is_space(token)).collect();
        let is_end = |token: &&&Token| matches!(token, Token::SemiColon);
        let end = tokens.iter().rev().take_while(is_end).count();
        tokens.truncate(tokens.len() - end);
        let begin = tokens.iter().take_while(is_end).count();
        if tokens[begin.min(tokens.len())..].contains(&&Token::SemiColon) {
            return Err(syntax(&"one statement at a time"));
        }
        Ok(Words { tokens, at: begin + 1 })
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).copied()
    }

    /// An unquoted word some places ahead, in lower case.
    fn word_at(&self, ahead: usize) -> Option<String> {
        match self.tokens.get(self.at + ahead)? {
            Token::Word(word) if word.quote_style.is_none() => {
                Some(word.value.to_ascii_lowercase())
            }
            _ => None,
        }
    }

    /// Goes on behind these words, as far as they are there.
    fn skip_any(&mut self, words: &[&str]) -> bool {
        let before = self.at;
        while self.word_at(0).is_some_and(|word| words.contains(&&*word)) {
            self.at += 1;
        }
        self.at > before
    }

    fn name(&mut self) -> Result<String, Error> {
        let name = match self.peek() {
            Some(Token::Word(word)) => word.value.clone(),
            _ => return Err(self.unexpected("a name")),
        };
        self.at += 1;
        Ok(name)
    }

    /// `t` or `db.t`.
    fn table(&mut self) -> Result<TableName, Error> {
        let first = self.name()?;
        if self.peek() != Some(&Token::Period) {
            return Ok(TableName { database: None, table: first });
        }
        self.at += 1;
        Ok(TableName { database: Some(first), table: self.name()? })
    }

    /// `FROM t`, `FROM t FROM db`.
    fn table_after_from(&mut self) -> Result<TableName, Error> {
        if !self.skip_any(&["from", "in"]) {
            return Err(self.unexpected("FROM"));
        }
        let table = self.table()?;
        let database = self.database()?.or(table.database);
        Ok(TableName { database, table: table.table })
    }

    fn database(&mut self) -> Result<Option<String>, Error> {
        if self.skip_any(&["from", "in"]) { self.name().map(Some) } else { Ok(None) }
    }

    /// A WHERE is not looked at: its client gets more rows than it asked for, and picks.
    fn like(&mut self) -> Result<Option<String>, Error> {
        match self.peek() {
            Some(Token::Word(word)) if word.keyword == Keyword::LIKE => {
                self.at += 1;
                self.text().map(Some)
            }
            Some(Token::Word(word)) if word.keyword == Keyword::WHERE => {
                self.at = self.tokens.len();
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn text(&mut self) -> Result<String, Error> {
        let literal = match self.peek() {
            Some(Token::SingleQuotedString(raw)) => {
                Literal::Quoted { quote: '\'', raw: raw.clone() }
            }
            Some(Token::DoubleQuotedString(raw)) => {
                Literal::Quoted { quote: '"', raw: raw.clone() }
            }
            Some(Token::TripleSingleQuotedString(text)) => Literal::Exact(text.clone()),
            // CppComet takes a bare word as a text; and a prepared statement has no values yet.
            Some(Token::Word(word)) => Literal::Plain(word.value.clone()),
            Some(Token::Placeholder(mark)) => Literal::Plain(mark.clone()),
            _ => return Err(self.unexpected("a text")),
        };
        self.at += 1;
        literal.text().ok_or_else(|| self.unexpected("a text"))
    }

    fn end(&self) -> Result<(), Error> {
        if self.at < self.tokens.len() { Err(self.unexpected("the end")) } else { Ok(()) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        match self.peek() {
            Some(token) => syntax(&format!("Expected: {wanted}, found: {token}")),
            None => syntax(&format!("Expected: {wanted}, found: the end")),
        }
    }
}
