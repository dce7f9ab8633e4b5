//! The MySQL client/server protocol, the server's half of it, with prepared statements.
//!
//! Specification: "MySQL Client/Server Protocol" in the MySQL source documentation, protocol
//! version 10 with `CLIENT_PROTOCOL_41`.
//!
//! ```text
//!   client                                        server
//!     |                    <- seq 0  greeting, nonce |   handshake::Greeting
//!     | seq 1  user, proof, database ->              |   handshake::Response
//!     |         <- seq 2  use that plugin, new nonce |   handshake::encode_switch (if plugins differ)
//!     | seq 3  proof ->                              |
//!     |                                 <- OK or ERR |   resultset
//!     | seq 0  command ->                            |   command::Command
//!     |          <- seq 1…  OK, ERR, EOF or rows     |   resultset
//! ```
//!
//! Each concern has its file: `packet` (framing), `value` (the integers and strings inside),
//! `handshake`, `command`, `prepared` (statements with parameters), `resultset` (every answer). Units are bytes; all integers are
//! little-endian.
//!
//! Left out: TLS and compression (not offered), full authentication of `caching_sha2_password`
//! (would need TLS or RSA), cursors, query attributes, session tracking.
//!
//! ```
//! use encke::proto::mysql::{command::Command, packet};
//! let input = b"\x09\0\0\0\x03SELECT 1";
//! let packet = packet::parse(input, 0, 1000).unwrap().unwrap();
//! assert_eq!(Command::parse(&packet.payload), Ok(Command::Query(b"SELECT 1")));
//! ```

pub mod command;
pub mod handshake;
pub mod packet;
pub mod prepared;
pub mod resultset;
pub mod value;

/// The number and SQLSTATE of an error, as clients and their programs know them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// MySQL's error number.
    pub number: u16,
    /// Five characters of SQLSTATE.
    pub state: &'static str,
}

impl Code {
    /// The handshake response cannot be read.
    pub const BAD_HANDSHAKE: Code = Code { number: 1043, state: "08S01" };
    /// No memory is left.
    pub const OUT_OF_RESOURCES: Code = Code { number: 1041, state: "HY000" };
    /// This user may not do this.
    pub const DATABASE_DENIED: Code = Code { number: 1044, state: "42000" };
    /// Wrong user or password.
    pub const ACCESS_DENIED: Code = Code { number: 1045, state: "28000" };
    /// The command byte is unknown.
    pub const UNKNOWN_COMMAND: Code = Code { number: 1047, state: "08S01" };
    /// No such database.
    pub const UNKNOWN_DATABASE: Code = Code { number: 1049, state: "42000" };
    /// The server is going away.
    pub const SHUTDOWN: Code = Code { number: 1053, state: "08S01" };
    /// No such column.
    pub const UNKNOWN_COLUMN: Code = Code { number: 1054, state: "42S22" };
    /// The statement is not in the grammar.
    pub const SYNTAX: Code = Code { number: 1064, state: "42000" };
    /// Everything that has no number of its own.
    pub const OTHER: Code = Code { number: 1105, state: "HY000" };
    /// No such table.
    pub const UNKNOWN_TABLE: Code = Code { number: 1146, state: "42S02" };
    /// A packet above the bound.
    pub const PACKET_TOO_LARGE: Code = Code { number: 1153, state: "08S01" };
    /// A packet with another sequence number than the one due.
    pub const PACKETS_OUT_OF_ORDER: Code = Code { number: 1156, state: "08S01" };
    /// Parameters that contradict themselves or their statement.
    pub const WRONG_ARGUMENTS: Code = Code { number: 1210, state: "HY000" };
    /// No such prepared statement.
    pub const UNKNOWN_STATEMENT: Code = Code { number: 1243, state: "HY000" };
    /// Bytes that are not text in the connection's character set.
    pub const BAD_STRING: Code = Code { number: 1366, state: "HY000" };
    /// More parameters in a statement than may be numbered.
    pub const TOO_MANY_PARAMETERS: Code = Code { number: 1390, state: "HY000" };
    /// A value longer than its column takes.
    pub const TOO_LONG: Code = Code { number: 1406, state: "22001" };
    /// Rows were asked for that no cursor holds back.
    pub const NO_CURSOR: Code = Code { number: 1421, state: "HY000" };
    /// More prepared statements than a connection may have.
    pub const TOO_MANY_STATEMENTS: Code = Code { number: 1461, state: "42000" };
    /// A packet whose inside contradicts itself.
    pub const MALFORMED_PACKET: Code = Code { number: 1835, state: "HY000" };
}
