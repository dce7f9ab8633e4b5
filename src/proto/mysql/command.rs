//! What a client asks for once it is logged in.
//!
//! Specification: "Command Phase". A command is the first packet of a new count (sequence 0).
//!
//! ```text
//!   +------+--------------------------- - -
//!   | byte | argument, up to the packet's end
//!   +------+--------------------------- - -
//!     01 QUIT              -                 03 QUERY       statement
//!     02 INIT_DB           database          04 FIELD_LIST  table NUL wildcard
//!     09 STATISTICS        -                 0e PING        -
//!     11 CHANGE_USER       user NUL, u8 length and proof, database NUL, u16 charset, plugin NUL, …
//!     16 STMT_PREPARE      statement         17 STMT_EXECUTE  u32 id, … (`prepared`)
//!     18 STMT_SEND_LONG_DATA  u32 id, u16 parameter, data: never answered
//!     19 STMT_CLOSE        u32 id: never answered
//!     1a STMT_RESET        u32 id            1b SET_OPTION   u16: 0 several statements on, 1 off
//!     1c STMT_FETCH        u32 id, u32 rows  1f RESET_CONNECTION
//! ```
//!
//! Limits: the packet's. Left out: what only a database has (replication, shutdown, process list …);
//! it is named, so that a log can tell what a client wanted.
//!
//! ```
//! use encke::proto::mysql::command::Command;
//! assert_eq!(Command::parse(b"\x02CometQL_v1"), Ok(Command::InitDb(b"CometQL_v1")));
//! assert_eq!(Command::parse(b"\x0d"), Ok(Command::Unserved("COM_DEBUG")));
//! ```

use super::Code;
use super::prepared::Execute;
use super::value::{Malformed, Reader};

/// One command. Borrows the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// COM_QUIT: the client closes.
    Quit,
    /// COM_INIT_DB: choose this database.
    InitDb(&'a [u8]),
    /// COM_QUERY: run this text.
    Query(&'a [u8]),
    /// COM_FIELD_LIST: the columns of a table.
    FieldList {
        /// Its name.
        table: &'a [u8],
        /// A pattern for the columns' names; empty is all.
        wildcard: &'a [u8],
    },
    /// COM_STATISTICS: a line of text, without any header.
    Statistics,
    /// COM_PING.
    Ping,
    /// COM_CHANGE_USER: log in again.
    ChangeUser(ChangeUser<'a>),
    /// COM_STMT_PREPARE of this text.
    Prepare(&'a [u8]),
    /// COM_STMT_EXECUTE.
    Execute(Execute<'a>),
    /// COM_STMT_SEND_LONG_DATA: more of a parameter's value, ahead of COM_STMT_EXECUTE. No answer.
    SendLongData {
        /// Of which statement.
        statement: u32,
        /// Which parameter, from 0.
        parameter: u16,
        /// What is appended.
        data: &'a [u8],
    },
    /// COM_STMT_CLOSE: forget this statement. No answer.
    CloseStatement(u32),
    /// COM_STMT_RESET: forget what was sent ahead for this statement.
    ResetStatement(u32),
    /// COM_STMT_FETCH: rows of this statement's cursor.
    Fetch(u32),
    /// One that may not be answered and cannot be read.
    Unanswered,
    /// COM_SET_OPTION: several statements in a packet on or off.
    SetOption {
        /// On.
        multi_statements: bool,
    },
    /// COM_RESET_CONNECTION: as after login.
    ResetConnection,
    /// One with a name but no service here.
    Unserved(&'static str),
}

/// The argument of COM_CHANGE_USER. Its proof is left unread: it is made from the greeting's nonce,
/// which is long gone, so the server has to switch to a new one anyway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChangeUser<'a> {
    /// The new user's name.
    pub user: &'a [u8],
    /// The database to be in; empty is none.
    pub database: &'a [u8],
    /// How the client would like to prove itself; empty if it does not say.
    pub plugin: &'a [u8],
}

/// Not a command. The connection stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// Nothing known, or nothing at all.
    Unknown,
    /// The argument contradicts itself.
    Malformed,
}

impl Error {
    /// What to tell the client.
    pub fn code(self) -> Code {
        match self {
            Error::Unknown => Code::UNKNOWN_COMMAND,
            Error::Malformed => Code::MALFORMED_PACKET,
        }
    }

    /// MySQL's words for it.
    pub fn text(self) -> &'static str {
        match self {
            Error::Unknown => "Unknown command",
            Error::Malformed => "Malformed communication packet",
        }
    }
}

impl From<Malformed> for Error {
    fn from(_: Malformed) -> Error {
        Error::Malformed
    }
}

impl<'a> Command<'a> {
    /// Reads a packet's payload.
    pub fn parse(payload: &'a [u8]) -> Result<Command<'a>, Error> {
        let (&byte, argument) = payload.split_first().ok_or(Error::Unknown)?;
        let mut reader = Reader::new(argument);
        Ok(match byte {
            0x01 => Command::Quit,
            0x02 => Command::InitDb(argument),
            0x03 => Command::Query(argument),
            0x04 => {
                let table = reader.nul_string_or_rest();
                Command::FieldList { table, wildcard: reader.nul_string_or_rest() }
            }
            0x09 => Command::Statistics,
            0x0e => Command::Ping,
            0x11 => Command::ChangeUser(ChangeUser::parse(argument)?),
            0x16 => Command::Prepare(argument),
            0x17 => Command::Execute(Execute::parse(argument)?),
            0x18 => long_data(reader).unwrap_or(Command::Unanswered),
            0x19 => reader.u32().map_or(Command::Unanswered, Command::CloseStatement),
            0x1a => Command::ResetStatement(reader.u32()?),
            0x1b => Command::SetOption {
                multi_statements: match reader.u16()? {
                    0 => true,
                    1 => false,
                    _ => return Err(Error::Unknown),
                },
            },
            0x1c => Command::Fetch(reader.u32()?),
            0x1f => Command::ResetConnection,
            _ => Command::Unserved(name(byte).ok_or(Error::Unknown)?),
        })
    }
}

fn long_data(mut reader: Reader<'_>) -> Result<Command<'_>, Malformed> {
    let (statement, parameter) = (reader.u32()?, reader.u16()?);
    Ok(Command::SendLongData { statement, parameter, data: reader.rest() })
}

impl<'a> ChangeUser<'a> {
    fn parse(argument: &'a [u8]) -> Result<ChangeUser<'a>, Malformed> {
        let mut reader = Reader::new(argument);
        let user = reader.nul_string()?;
        let proof_bytes = reader.u8()?;
        reader.bytes(usize::from(proof_bytes))?;
        let database = reader.nul_string_or_rest();
        // The character set and all that follows may be missing.
        let has_plugin = reader.u16().is_ok();
        let plugin = if has_plugin { reader.nul_string_or_rest() } else { b"" };
        Ok(ChangeUser { user, database, plugin })
    }
}

/// What the specification calls a command.
pub fn name(byte: u8) -> Option<&'static str> {
    NAMES.get(usize::from(byte)).copied()
}

/// By their bytes, from 00.
const NAMES: [&str; 32] = [
    "COM_SLEEP",
    "COM_QUIT",
    "COM_INIT_DB",
    "COM_QUERY",
    "COM_FIELD_LIST",
    "COM_CREATE_DB",
    "COM_DROP_DB",
    "COM_REFRESH",
    "COM_SHUTDOWN",
    "COM_STATISTICS",
    "COM_PROCESS_INFO",
    "COM_CONNECT",
    "COM_PROCESS_KILL",
    "COM_DEBUG",
    "COM_PING",
    "COM_TIME",
    "COM_DELAYED_INSERT",
    "COM_CHANGE_USER",
    "COM_BINLOG_DUMP",
    "COM_TABLE_DUMP",
    "COM_CONNECT_OUT",
    "COM_REGISTER_SLAVE",
    "COM_STMT_PREPARE",
    "COM_STMT_EXECUTE",
    "COM_STMT_SEND_LONG_DATA",
    "COM_STMT_CLOSE",
    "COM_STMT_RESET",
    "COM_SET_OPTION",
    "COM_STMT_FETCH",
    "COM_DAEMON",
    "COM_BINLOG_DUMP_GTID",
    "COM_RESET_CONNECTION",
];
