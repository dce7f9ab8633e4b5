//! Prepared statements: what COM_STMT_PREPARE is answered, and what COM_STMT_EXECUTE says.
//!
//! Specification: "COM_STMT_PREPARE Response", "COM_STMT_EXECUTE", "Binary Protocol Value".
//!
//! ```text
//!   prepared  00, u32 id, u16 columns, u16 parameters, 00, u16 warnings
//!             | one definition per parameter | EOF, if there are any
//!             | one definition per column    | EOF, if there are any
//!   execute   u32 id, u8 cursor, u32 1, and if there are parameters:
//!             a bit per parameter that is NULL, u8 whether types follow, [u8 type, u8 80 if unsigned …],
//!             a value per parameter that is neither NULL nor sent ahead
//!   values    integers and floats   1, 2, 4 or 8 bytes
//!             texts, blobs, …       lenenc string
//!             date, datetime        u8 0, 4, 7 or 11: u16 year, month, day | hour, minute, second | u32 µs
//!             time                  u8 0, 8 or 12: negative, u32 days, hour, minute, second | u32 µs
//! ```
//!
//! A client that leaves the types out means those of the last time. Numbers and times become the text
//! that MySQL shows for them; the bytes of the others are left as they are.
//!
//! Limits: the packet's. Left out: cursors (whatever is asked for, all rows come at once, which the
//! protocol allows), query attributes (not offered). What stands behind the last value is not looked at.
//!
//! ```
//! use encke::proto::mysql::prepared::{Execute, Value};
//! let execute = Execute::parse(b"\x01\0\0\0\0\x01\0\0\0\0\x01\x08\0\xfe\xff\xff\xff\xff\xff\xff\xff");
//! let mut types = Vec::new();
//! let values = execute.unwrap().values(1, &mut types, |_| false);
//! assert_eq!(values, Ok(vec![Value::Number("-2".to_owned())]));
//! ```

use super::packet::Writer;
use super::resultset::{self, Status};
use super::value::{Malformed, Reader};

/// How a parameter's values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Type {
    kind: u8,
    is_unsigned: bool,
}

/// A parameter's value. Borrows the packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A number, as MySQL shows it.
    Number(String),
    /// A date or a time, as MySQL shows it.
    Time(String),
    /// A text or a blob.
    Bytes(&'a [u8]),
    /// COM_STMT_SEND_LONG_DATA has brought it.
    SentAhead,
}

/// The argument of COM_STMT_EXECUTE. Borrows the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Execute<'a> {
    /// Which statement.
    pub statement: u32,
    parameters: &'a [u8],
}

impl<'a> Execute<'a> {
    /// Reads what can be read without knowing the statement.
    pub fn parse(argument: &'a [u8]) -> Result<Execute<'a>, Malformed> {
        let mut reader = Reader::new(argument);
        let statement = reader.u32()?;
        let (_cursor, _iterations) = (reader.u8()?, reader.u32()?);
        Ok(Execute { statement, parameters: reader.rest() })
    }

    /// The values of a statement with `count` parameters. `types` are those of the last time, and become
    /// those of this one if it has any. `is_sent` knows by number what was sent ahead.
    pub fn values(
        &self,
        count: usize,
        types: &mut Vec<Type>,
        is_sent: impl Fn(usize) -> bool,
    ) -> Result<Vec<Value<'a>>, Malformed> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut reader = Reader::new(self.parameters);
        let nulls = reader.bytes(count.div_ceil(8))?;
        if reader.u8()? != 0 {
            let pairs = reader.bytes(2 * count)?.as_chunks::<2>().0;
            let of = |&[kind, flags]: &[u8; 2]| Type { kind, is_unsigned: flags & 0x80 != 0 };
            *types = pairs.iter().map(of).collect();
        }
        if types.len() != count {
            return Err(Malformed);
        }
        let value = |(index, kind): (usize, &Type)| match nulls[index / 8] >> (index % 8) & 1 {
            // As MySQL has it: what was sent is the value, whatever the bitmap says.
            _ if is_sent(index) => Ok(Value::SentAhead),
            1 => Ok(Value::Null),
            _ => kind.read(&mut reader),
        };
        types.iter().enumerate().map(value).collect()
    }
}

impl Type {
    fn read<'a>(self, reader: &mut Reader<'a>) -> Result<Value<'a>, Malformed> {
        Ok(match self.kind {
            0x01 => self.integer(reader.u8()?.into(), 1),
            // SHORT, YEAR
            0x02 | 0x0d => self.integer(reader.u16()?.into(), 2),
            // LONG, INT24
            0x03 | 0x09 => self.integer(reader.u32()?.into(), 4),
            0x08 => self.integer(reader.u64()?, 8),
            0x04 => float(f32::from_bits(reader.u32()?))?,
            0x05 => float(f64::from_bits(reader.u64()?))?,
            0x06 => Value::Null,
            // DATE, NEWDATE; TIMESTAMP, DATETIME
            0x0a | 0x0e => Value::Time(date_time(reader, false)?),
            0x07 | 0x0c => Value::Time(date_time(reader, true)?),
            0x0b => Value::Time(time(reader)?),
            // DECIMAL, VARCHAR, BIT; JSON, NEWDECIMAL, ENUM, SET, four sizes of BLOB, VAR_STRING, STRING,
            // GEOMETRY
            0x00 | 0x0f | 0x10 | 0xf5..=0xff => Value::Bytes(reader.lenenc_string()?),
            _ => return Err(Malformed),
        })
    }

    /// An integer of so many bytes.
    fn integer(self, value: u64, bytes: u32) -> Value<'static> {
        let unused = 64 - 8 * bytes;
        let signed = (value << unused) as i64 >> unused;
        Value::Number(if self.is_unsigned { value.to_string() } else { signed.to_string() })
    }
}

/// Shortest digits that mean the same number, with an exponent where MySQL has one.
fn float<T>(value: T) -> Result<Value<'static>, Malformed>
where
    T: Into<f64> + Copy + std::fmt::Display + std::fmt::LowerExp,
{
    let size = value.into().abs();
    if !size.is_finite() {
        return Err(Malformed);
    }
    let is_plain = size == 0.0 || (1e-15..1e15).contains(&size);
    Ok(Value::Number(if is_plain { value.to_string() } else { format!("{value:e}") }))
}

/// `YYYY-MM-DD`, with ` hh:mm:ss` and `.ffffff` where there is a time.
fn date_time(reader: &mut Reader<'_>, has_time: bool) -> Result<String, Malformed> {
    let length = reader.u8()?;
    if !matches!(length, 0 | 4 | 7 | 11) {
        return Err(Malformed);
    }
    let mut reader = Reader::new(reader.bytes(length.into())?);
    let (mut year, mut month, mut day) = (0, 0, 0);
    if length >= 4 {
        (year, month, day) = (reader.u16()?, reader.u8()?, reader.u8()?);
    }
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if has_time || length > 4 {
        text.push(' ');
        let hour = if length >= 7 { reader.u8()? } else { 0 };
        put_clock(&mut text, hour.into(), &mut reader)?;
    }
    Ok(text)
}

/// `hh:mm:ss`, with `.ffffff` where there is one; days are more hours.
fn time(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let length = reader.u8()?;
    if !matches!(length, 0 | 8 | 12) {
        return Err(Malformed);
    }
    let mut reader = Reader::new(reader.bytes(length.into())?);
    let (mut text, mut hours) = (String::new(), 0);
    if length > 0 {
        if reader.u8()? != 0 {
            text.push('-');
        }
        hours = 24 * u64::from(reader.u32()?) + u64::from(reader.u8()?);
    }
    put_clock(&mut text, hours, &mut reader)?;
    Ok(text)
}

/// The hours, and what is left of minutes, seconds and microseconds.
fn put_clock(text: &mut String, hours: u64, reader: &mut Reader<'_>) -> Result<(), Malformed> {
    let mut next = || if reader.is_empty() { Ok(0) } else { reader.u8() };
    let (minute, second) = (next()?, next()?);
    text.push_str(&format!("{hours:02}:{minute:02}:{second:02}"));
    if !reader.is_empty() {
        text.push_str(&format!(".{:06}", reader.u32()?));
    }
    Ok(())
}

/// The answer to COM_STMT_PREPARE: so many parameters, and these columns if rows will come.
pub fn prepared(
    writer: &mut Writer<'_>,
    statement: u32,
    parameters: u16,
    columns: &[String],
    status: Status,
) {
    assert!(columns.len() <= usize::from(u16::MAX), "a select list is bounded");
    writer.packet(|out| {
        out.push(0x00);
        out.extend_from_slice(&statement.to_le_bytes());
        out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
        out.extend_from_slice(&parameters.to_le_bytes());
        out.extend_from_slice(&[0, 0, 0]);
    });
    resultset::definitions(writer, &vec!["?"; parameters.into()], status);
    resultset::definitions(writer, columns, status);
}
