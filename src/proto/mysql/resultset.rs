//! Every answer of a MySQL server: OK, ERR, EOF, and rows.
//!
//! Specification: "Generic Response Packets", "Text Resultset", "Binary Protocol Resultset",
//! "COM_FIELD_LIST Response", without `CLIENT_DEPRECATE_EOF`.
//!
//! ```text
//!   OK    00, lenenc affected rows, lenenc insert id, u16 status, u16 warnings
//!   ERR   ff, u16 number, '#', 5 bytes SQLSTATE, text up to the end
//!   EOF   fe, u16 warnings, u16 status
//!   rows  lenenc column count | one definition per column | EOF | one packet per row | EOF
//!         definition: "def", schema, table, table, name, name as lenenc strings, 0c,
//!                     u16 charset, u32 width, u8 type, u16 flags, u8 decimals, 00 00
//!         row:        a lenenc string per column, or fb for NULL
//!         binary row: 00, a bit per column that is NULL (the first is bit 2), the others as lenenc strings
//!   list  one definition per column, each with fb (no default value) behind it | EOF
//! ```
//!
//! Every column is a VAR_STRING in utf8mb4, numbers too: back ends of CometQL have never seen
//! anything else, and a binary row of such columns holds the same texts. Of the status word's bits only
//! those of `Status` are ever set: PHP chooses its way of escaping by another, NO_BACKSLASH_ESCAPES, which
//! must never flicker.
//!
//! Limits: an ERR text is cut at 512 bytes, as MySQL does; a row of 16 MB and more is a chain of packets.
//! Left out: the OK packet's info text and session tracking, types of columns.
//!
//! ```
//! use encke::proto::mysql::{packet::Writer, resultset::{self, Status}};
//! let mut out = Vec::new();
//! resultset::ok(&mut Writer::new(&mut out, 1), 0, 0, Status::AUTOCOMMIT);
//! assert_eq!(out, b"\x07\0\0\x01\x00\x00\x00\x02\x00\x00\x00");
//! ```

use super::Code;
use super::packet::Writer;
use super::value::{put_lenenc_integer, put_lenenc_string};

/// The status word of OK and EOF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status(u16);

impl Status {
    /// SERVER_STATUS_IN_TRANS: a transaction has been begun and not ended.
    pub const IN_TRANSACTION: Status = Status(0x0001);
    /// SERVER_STATUS_AUTOCOMMIT: where a connection begins.
    pub const AUTOCOMMIT: Status = Status(0x0002);
    /// SERVER_MORE_RESULTS_EXISTS: another answer to the same command follows.
    pub const MORE_RESULTS: Status = Status(0x0008);

    /// The same with this bit set or not.
    pub fn with(self, bit: Status, is_set: bool) -> Status {
        Status(if is_set { self.0 | bit.0 } else { self.0 & !bit.0 })
    }

    /// Whether this bit is set.
    pub fn has(self, bit: Status) -> bool {
        self.0 & bit.0 != 0
    }

    /// As it is on the wire.
    pub fn to_le_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }
}

/// utf8mb4_general_ci.
pub const CHARSET: u8 = 45;
/// Where an error's text is cut, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 512;

const TYPE_VAR_STRING: u8 = 0xfd;
/// In place of a lenenc string.
const NULL: u8 = 0xfb;
/// Bits of a binary row's bitmap before the first column's.
const BITMAP_OFFSET: usize = 2;
/// Told as each column's width, in bytes. Clients only use it to lay out tables.
const COLUMN_WIDTH: u32 = 1024;

/// An OK packet.
pub fn ok(writer: &mut Writer<'_>, affected_rows: u64, insert_id: u64, status: Status) {
    writer.packet(|out| {
        out.push(0x00);
        put_lenenc_integer(out, affected_rows);
        put_lenenc_integer(out, insert_id);
        out.extend_from_slice(&status.to_le_bytes());
        out.extend_from_slice(&[0, 0]);
    });
}

/// An ERR packet.
pub fn error(writer: &mut Writer<'_>, code: Code, text: &str) {
    assert_eq!(code.state.len(), 5, "a SQLSTATE has five characters");
    let mut end = text.len().min(ERROR_TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    writer.packet(|out| {
        out.push(0xff);
        out.extend_from_slice(&code.number.to_le_bytes());
        out.push(b'#');
        out.extend_from_slice(code.state.as_bytes());
        out.extend_from_slice(&text.as_bytes()[..end]);
    });
}

/// An EOF packet.
pub fn eof(writer: &mut Writer<'_>, status: Status) {
    writer.packet(|out| {
        out.extend_from_slice(&[0xfe, 0, 0]);
        out.extend_from_slice(&status.to_le_bytes());
    });
}

/// The answer to COM_STATISTICS: text without any header.
pub fn text(writer: &mut Writer<'_>, text: &str) {
    writer.packet(|out| out.extend_from_slice(text.as_bytes()));
}

/// Begins a result set: everything before the first row.
pub fn columns(writer: &mut Writer<'_>, names: &[String], status: Status) {
    assert!(!names.is_empty(), "a result set has columns");
    writer.packet(|out| put_lenenc_integer(out, names.len() as u64));
    definitions(writer, names, status);
}

/// Definitions of columns or parameters, and their EOF. Where there are none, there is no EOF either.
pub fn definitions(writer: &mut Writer<'_>, names: &[impl AsRef<str>], status: Status) {
    for name in names {
        writer.packet(|out| put_definition(out, "", name.as_ref()));
    }
    if !names.is_empty() {
        eof(writer, status);
    }
}

/// The answer to COM_FIELD_LIST.
pub fn fields<'a>(
    writer: &mut Writer<'_>,
    table: &str,
    names: impl IntoIterator<Item = &'a str>,
    status: Status,
) {
    for name in names {
        writer.packet(|out| {
            put_definition(out, table, name);
            out.push(NULL);
        });
    }
    eof(writer, status);
}

fn put_definition(out: &mut Vec<u8>, table: &str, name: &str) {
    // Catalog; then schema, table, original table. Only a list of fields says of which table it is.
    for part in ["def", "", table, table, name] {
        put_lenenc_string(out, part.as_bytes());
    }
    let original_name = if table.is_empty() { "" } else { name };
    put_lenenc_string(out, original_name.as_bytes());
    out.push(0x0c);
    out.extend_from_slice(&u16::from(CHARSET).to_le_bytes());
    out.extend_from_slice(&COLUMN_WIDTH.to_le_bytes());
    out.push(TYPE_VAR_STRING);
    out.extend_from_slice(&[0, 0, 0, 0, 0]);
}

/// One row; `None` is NULL. As many values as there are columns. After the last row comes an EOF.
pub fn row(writer: &mut Writer<'_>, values: &[Option<String>]) {
    writer.packet(|out| {
        for value in values {
            match value {
                Some(text) => put_lenenc_string(out, text.as_bytes()),
                None => out.push(NULL),
            }
        }
    });
}

/// The same row for a client that has executed a prepared statement.
pub fn binary_row(writer: &mut Writer<'_>, values: &[Option<String>]) {
    writer.packet(|out| {
        out.push(0x00);
        let bitmap = out.len();
        out.resize(bitmap + (values.len() + BITMAP_OFFSET).div_ceil(8), 0);
        for (column, value) in values.iter().enumerate() {
            let bit = column + BITMAP_OFFSET;
            match value {
                Some(text) => put_lenenc_string(out, text.as_bytes()),
                None => out[bitmap + bit / 8] |= 1 << (bit % 8),
            }
        }
    });
}
