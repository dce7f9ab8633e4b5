//! CometQL: what a back end says to a Comet server through any MySQL client.
//!
//! `INSERT INTO pipes_messages (name, event, message) VALUES ('chat', '', 'hello')` publishes. A
//! pipe is a channel; the tables are views of the hub, not of a store.
//!
//! - `session`: one connection, from greeting to goodbye. Bytes in, bytes and one `hub` command
//!   out. `login`, `commands`: its parts. `prepared`: its prepared statements. `texts`: several statements in one packet.
//! - `statement`: SQL text to `Statement`, through the `sqlparser` package and `tree`. `literal`:
//!   what a quoted text means.
//! - `run`: what a statement does. `condition`, `select`: WHERE and the rest of a SELECT. `show`: SHOW.
//!   `variables`: what `@@name` says.
//! - `tables`: one file for each table and one line in a list.
//!
//! No socket, clock or random source is used here: all come in through `Context`.

mod commands;
mod condition;
pub mod literal;
mod login;
mod prepared;
pub mod run;
mod select;
pub mod session;
mod show;
pub mod statement;
pub mod tables;
mod texts;
mod tree;
pub mod variables;

use std::borrow::Cow;
use std::fmt;

use crate::hub::command::{Command, Refusal};
use crate::hub::message::TenantId;
use crate::proto::mysql::Code;

pub use session::Session;
pub use show::StatusKind;

/// Who may log in.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Where what they publish goes.
    pub tenant: TenantId,
    /// The number that is the user name (`root` and all that is no number count as 0); `None`: any
    /// name.
    pub dev_id: Option<u32>,
    /// `None`: anybody, with any or no password.
    pub password: Option<&'a str>,
}

/// Bounds on one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// SQL text of one statement, in bytes; of all prepared ones of a connection; and of the values that
    /// are sent ahead for them.
    pub statement_bytes_max: usize,
    /// One message, in bytes.
    pub message_bytes_max: usize,
    /// Rows of one INSERT.
    pub rows_max: usize,
}

/// What only the server knows of itself. What other nodes have comes with an outcome.
pub trait View {
    /// How many listen here to a pipe.
    fn subscribers(&self, tenant: TenantId, pipe: &str) -> u64;
    /// Who listens here to a pipe, the newest first, at most `most`.
    fn members(&self, tenant: TenantId, pipe: &str, most: usize) -> Vec<Member>;
    /// What a part of `SHOW STATUS` says, by name.
    fn status(&self, tenant: TenantId, kind: StatusKind) -> Vec<(Cow<'static, str>, String)>;
}

/// One connection on a pipe, as far as it showed something of itself; else empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Member {
    /// Its user; empty for nobody.
    pub user: Box<str>,
    /// What its browser calls itself in every session.
    pub uuid: String,
    /// `User-Agent`.
    pub agent: Box<str>,
    /// Where it came from, if a proxy said so.
    pub address: String,
    /// `Origin`.
    pub origin: Box<str>,
    /// `Accept-Language`.
    pub language: Box<str>,
}

/// What a session needs from outside for one step.
pub struct Context<'a> {
    /// The first that fits a user name counts.
    pub accounts: &'a [Account<'a>],
    /// The bounds.
    pub limits: &'a Limits,
    /// Whether back ends may go on inside TLS.
    pub offers_tls: bool,
    /// Whether there is memory for what stays between two commands.
    pub may_keep: bool,
    /// Fills a slice with unpredictable bytes.
    pub random: &'a mut dyn FnMut(&mut [u8]),
    /// Unix time.
    pub unix_second: u64,
    /// How long the server has been running.
    pub uptime_seconds: u64,
    /// The server.
    pub view: &'a dyn View,
}

/// What became of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The packet is not whole yet.
    More,
    /// One packet was answered; more may be waiting behind it.
    Replied,
    /// The engine is to be told all of these in order, and has to answer the last one first;
    /// `Session::complete` takes its outcome.
    Ask(Vec<Command>),
    /// The packet has more statements, for `Session::go_on` when others have had their turn.
    GoOn,
    /// What comes behind this packet is TLS, and the session goes on inside.
    StartTls,
    /// Flush, then close.
    Close,
}

/// A statement that cannot be served. The connection stays.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Not in the grammar; the parser's words.
    Syntax(Box<str>),
    /// Nothing to run.
    Empty,
    /// The statement's bytes are not UTF-8.
    NotUtf8,
    /// In the grammar, but without a meaning here; what it was.
    NotServed(Box<str>),
    /// No such database for this user.
    NoDatabase(Box<str>),
    /// No such table.
    NoTable(Box<str>),
    /// A table that only shows something.
    ReadOnly(&'static str),
    /// A table that never worked.
    NotReady(&'static str),
    /// A table whose rows never change.
    NoUpdate(&'static str),
    /// A call without a telephone exchange.
    NoMediaServer,
    /// No values of the key in the WHERE, for this verb.
    NoKey {
        /// What was to be done, as CppComet calls it.
        verb: &'static str,
        /// The column.
        key: &'static str,
    },
    /// More comparisons in one WHERE than the bound.
    TooManyConditions(usize),
    /// More values of one IN than the bound.
    TooManyValues(usize),
    /// No such column.
    NoColumn(Box<str>),
    /// Another number of values than of columns; the row, from 1.
    ColumnCount(usize),
    /// A column named twice.
    ColumnTwice(Box<str>),
    /// A column without which the row says nothing.
    Required(&'static str),
    /// A value that is not a literal, for this column.
    NotLiteral(&'static str),
    /// A pipe's name below 3 bytes.
    NameTooShort,
    /// A pipe's name above 64 bytes.
    NameTooLong,
    /// An event above 64 bytes.
    EventTooLong,
    /// A text above its bound.
    ValueTooLong {
        /// Its column.
        column: &'static str,
        /// The bound.
        bytes_max: usize,
    },
    /// A key of a user above 32 bytes.
    HashTooLong,
    /// A key of a user with other characters than `0-9A-Za-z=+/_`.
    BadHash,
    /// A value that is no number of a user.
    BadId {
        /// The first one.
        least: u32,
    },
    /// A value that is no number, for this column.
    NotNumber(&'static str),
    /// A name or event with other characters than `A-Za-z0-9_-`.
    BadCharacter,
    /// More text around the values than the bound, in bytes.
    StatementTooLong(usize),
    /// More rows in one statement than the bound.
    TooManyRows(usize),
    /// More columns in one select list than any use needs.
    TooManyColumns,
    /// No prepared statement has this number.
    NoStatement(u32),
    /// A prepared statement of this number has no rows waiting.
    NoCursor(u32),
    /// The bound on prepared statements, or on the bytes of their text.
    TooManyStatements(usize),
    /// A statement with more parameters than can be numbered.
    TooManyParameters,
    /// Values that do not fit their statement, for this command.
    WrongArguments(&'static str),
    /// More bytes of values sent ahead than the bound.
    SentTooMuch(usize),
    /// This user may log in and do nothing else.
    Denied,
    /// The bound on channels is reached.
    TooManyChannels,
    /// The bound on records, or on what waits for users, is reached.
    TooManyRecords,
    /// The bound on memory is reached.
    OutOfMemory,
    /// The engine cannot be reached, or has too much to do.
    Unavailable,
}

impl Error {
    /// MySQL's number and SQLSTATE.
    pub fn code(&self) -> Code {
        match self {
            Error::Syntax(_) => Code::SYNTAX,
            Error::NotUtf8 => Code::BAD_STRING,
            Error::NoDatabase(_) => Code::UNKNOWN_DATABASE,
            Error::NoTable(_) => Code::UNKNOWN_TABLE,
            Error::NoColumn(_) => Code::UNKNOWN_COLUMN,
            Error::NameTooLong
            | Error::EventTooLong
            | Error::HashTooLong
            | Error::ValueTooLong { .. }
            | Error::SentTooMuch(_) => Code::TOO_LONG,
            Error::NoStatement(_) => Code::UNKNOWN_STATEMENT,
            Error::NoCursor(_) => Code::NO_CURSOR,
            Error::OutOfMemory => Code::OUT_OF_RESOURCES,
            Error::TooManyStatements(_) => Code::TOO_MANY_STATEMENTS,
            Error::TooManyParameters => Code::TOO_MANY_PARAMETERS,
            Error::WrongArguments(_) => Code::WRONG_ARGUMENTS,
            Error::Denied => Code::DATABASE_DENIED,
            _ => Code::OTHER,
        }
    }

    /// CppComet's number, which begins the text in brackets.
    pub fn peer_number(&self) -> u16 {
        match self {
            Error::NotServed(_) | Error::NoUpdate(_) => 2,
            Error::Syntax(_) => 3,
            Error::ReadOnly(_) | Error::NotReady(_) => 10,
            Error::NameTooLong | Error::EventTooLong | Error::HashTooLong => 11,
            Error::ValueTooLong { .. } | Error::StatementTooLong(_) => 11,
            Error::NotUtf8 | Error::Required(_) | Error::NotLiteral(_) | Error::BadCharacter => 12,
            Error::SentTooMuch(_) => 11,
            Error::BadHash | Error::BadId { .. } | Error::NotNumber(_) => 12,
            Error::WrongArguments(_) => 12,
            Error::ColumnTwice(_) | Error::NoKey { .. } => 13,
            Error::NoColumn(_) | Error::ColumnCount(_) => 14,
            Error::NoDatabase(_) | Error::NoTable(_) => 15,
            Error::NoStatement(_) | Error::NoCursor(_) => 15,
            Error::Empty | Error::NameTooShort => 17,
            Error::TooManyConditions(_) => 18,
            Error::TooManyRows(_) | Error::TooManyValues(_) | Error::TooManyParameters => 19,
            Error::TooManyColumns => 20,
            Error::Denied => 403,
            Error::TooManyStatements(_)
            | Error::TooManyChannels
            | Error::TooManyRecords
            | Error::OutOfMemory
            | Error::Unavailable
            | Error::NoMediaServer => 500,
        }
    }
}

/// CppComet's words, which scripts may look for, and after them what helps.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.peer_number())?;
        match self {
            Error::Syntax(hint) => write!(f, "Syntax error in query: {hint}"),
            Error::Empty => f.write_str("Data is too short: the query was empty"),
            Error::NotUtf8 => f.write_str("Incorrect string value: the statement is not UTF-8"),
            Error::NotServed(what) => write!(f, "{what} is not yet implemented"),
            Error::NoDatabase(name) => {
                write!(f, "Select database failure: unknown database '{name}'")
            }
            Error::NoTable(name) => write!(f, "Table doesn't exist: '{name}'"),
            Error::ReadOnly(name) => write!(f, "Table `{name}` is read only"),
            Error::NotReady(name) => write!(f, "Table `{name}` is not ready yet"),
            Error::NoUpdate(name) => write!(f, "UPDATE of `{name}` is not yet implemented"),
            Error::NoMediaServer => {
                f.write_str("field in ini file not set option `host` in section `sip`")
            }
            Error::NoKey { verb, key } => write!(
                f,
                "{verb} without transferring the requested values of the primary key is not \
                 supported: say WHERE {key} = … or {key} IN (…)"
            ),
            Error::TooManyConditions(max) => write!(f, "Too many conditions: at most {max}"),
            Error::TooManyValues(max) => write!(f, "Too many values in one IN: at most {max}"),
            Error::NoColumn(name) => write!(f, "Not a specific column: unknown column '{name}'"),
            Error::ColumnCount(row) => {
                write!(f, "Error in columns list: the number of values in row {row} differs")
            }
            Error::ColumnTwice(name) => {
                write!(f, "Each column in the insert used only once: '{name}'")
            }
            Error::Required(name) => write!(f, "field `{name}` is required"),
            Error::NotLiteral(name) => write!(f, "field `{name}` must be a text or a number"),
            Error::NameTooShort => f.write_str("Channel name is too short"),
            Error::NameTooLong => f.write_str("Channel name is too long"),
            Error::EventTooLong => f.write_str("Channel event_name is too long"),
            Error::ValueTooLong { column, bytes_max } => {
                write!(f, "Data is too long for column '{column}': at most {bytes_max} bytes")
            }
            Error::HashTooLong => f.write_str("Hash string is too long: at most 32 bytes"),
            Error::BadHash => f.write_str(
                "Contains an invalid characters in the string hash: only 0-9A-Za-z=+/_ may be in it",
            ),
            Error::BadId { least } => write!(
                f,
                "The id field must be non-negative: a whole number from {least} to 2147483648"
            ),
            Error::NotNumber(name) => write!(f, "field `{name}` must be a whole number"),
            Error::BadCharacter => {
                f.write_str("The channel name can contain only the characters A-Za-z0-9_-")
            }
            Error::StatementTooLong(max) => {
                write!(f, "Data is too long: at most {max} bytes of SQL around the values")
            }
            Error::TooManyRows(max) => write!(f, "Too many rows in one insert: at most {max}"),
            Error::TooManyColumns => f.write_str("Too many columns"),
            Error::NoStatement(id) => write!(f, "Unknown prepared statement handler ({id})"),
            Error::NoCursor(id) => write!(f, "The statement ({id}) has no open cursor"),
            Error::TooManyStatements(max) => write!(
                f,
                "Can't create more than max_prepared_stmt_count statements (current value: {max}), \
                 or their text is too long: close some"
            ),
            Error::TooManyParameters => {
                f.write_str("Prepared statement contains too many placeholders")
            }
            Error::WrongArguments(what) => write!(f, "Incorrect arguments to {what}"),
            Error::SentTooMuch(max) => {
                write!(f, "Data is too long: at most {max} bytes may be sent ahead")
            }
            Error::Denied => f.write_str("Access denied: this user may only log in"),
            Error::TooManyChannels => f.write_str("There are too many channels"),
            Error::TooManyRecords => f.write_str("There is no room for more records"),
            Error::OutOfMemory => f.write_str("Out of memory: try again later"),
            Error::Unavailable => f.write_str("The engine is unavailable, try again"),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::TooManyChannels => Error::TooManyChannels,
            Refusal::TooManyRecords => Error::TooManyRecords,
            Refusal::Memory => Error::OutOfMemory,
            Refusal::Unavailable => Error::Unavailable,
        }
    }
}
