//! Every answer of a MySQL server: OK, ERR, EOF, and rows of text.
//!
//! Specification: "Generic Response Packets" and "Text Resultset", without `CLIENT_DEPRECATE_EOF`.
//!
//! ```text
//!   OK    00, lenenc affected rows, lenenc insert id, u16 status, u16 warnings
//!   ERR   ff, u16 number, '#', 5 bytes SQLSTATE, text up to the end
//!   EOF   fe, u16 warnings, u16 status
//!   rows  lenenc column count | one definition per column | EOF | one packet per row | EOF
//!         definition: "def", schema, table, table, name, name as lenenc strings, 0c,
//!                     u16 charset, u32 width, u8 type, u16 flags, u8 decimals, 00 00
//!         row:        a lenenc string per column, or fb for NULL
//! ```
//!
//! Every column is a VAR_STRING in utf8mb4, numbers too: back ends of CometQL have never seen
//! anything else. The status word is the constant 0x0002 (autocommit): PHP chooses its way of
//! escaping by another bit of it, NO_BACKSLASH_ESCAPES, which therefore must never flicker.
//!
//! Limits: an ERR text is cut at 512 bytes, as MySQL does; a row must fit into one packet.
//! Left out: the OK packet's info text and session tracking, binary rows.
//!
//! ```
//! use encke::proto::mysql::{packet::Writer, resultset};
//! let mut out = Vec::new();
//! resultset::ok(&mut Writer::new(&mut out, 1), 0, 0);
//! assert_eq!(out, b"\x07\0\0\x01\x00\x00\x00\x02\x00\x00\x00");
//! ```

use super::Code;
use super::packet::Writer;
use super::value::{put_lenenc_integer, put_lenenc_string};

/// SERVER_STATUS_AUTOCOMMIT, and nothing else ever.
pub const STATUS: u16 = 0x0002;
/// utf8mb4_general_ci.
pub const CHARSET: u8 = 45;
/// Where an error's text is cut, in bytes.
pub const ERROR_TEXT_BYTES_MAX: usize = 512;

const TYPE_VAR_STRING: u8 = 0xfd;
/// Told as each column's width, in bytes. Clients only use it to lay out tables.
const COLUMN_WIDTH: u32 = 1024;

/// An OK packet.
pub fn ok(writer: &mut Writer<'_>, affected_rows: u64, insert_id: u64) {
    writer.packet(|out| {
        out.push(0x00);
        put_lenenc_integer(out, affected_rows);
        put_lenenc_integer(out, insert_id);
        out.extend_from_slice(&STATUS.to_le_bytes());
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
pub fn eof(writer: &mut Writer<'_>) {
    writer.packet(|out| {
        out.extend_from_slice(&[0xfe, 0, 0]);
        out.extend_from_slice(&STATUS.to_le_bytes());
    });
}

/// The answer to COM_STATISTICS: text without any header.
pub fn text(writer: &mut Writer<'_>, text: &str) {
    writer.packet(|out| out.extend_from_slice(text.as_bytes()));
}

/// Begins a result set: everything before the first row.
pub fn columns(writer: &mut Writer<'_>, names: &[String]) {
    assert!(!names.is_empty(), "a result set has columns");
    writer.packet(|out| put_lenenc_integer(out, names.len() as u64));
    for name in names {
        column(writer, name);
    }
    eof(writer);
}

fn column(writer: &mut Writer<'_>, name: &str) {
    writer.packet(|out| {
        // Catalog; then schema, table and original table, which a client does not need to know.
        for part in ["def", "", "", ""] {
            put_lenenc_string(out, part.as_bytes());
        }
        put_lenenc_string(out, name.as_bytes());
        put_lenenc_string(out, b"");
        out.push(0x0c);
        out.extend_from_slice(&u16::from(CHARSET).to_le_bytes());
        out.extend_from_slice(&COLUMN_WIDTH.to_le_bytes());
        out.push(TYPE_VAR_STRING);
        out.extend_from_slice(&[0, 0, 0, 0, 0]);
    });
}

/// One row; `None` is NULL. As many values as there are columns. After the last row comes an EOF.
pub fn row(writer: &mut Writer<'_>, values: &[Option<String>]) {
    writer.packet(|out| {
        for value in values {
            match value {
                Some(text) => put_lenenc_string(out, text.as_bytes()),
                None => out.push(0xfb),
            }
        }
    });
}
