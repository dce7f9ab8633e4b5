//! MySQL packets of either side ("MySQL Client/Server Protocol").
//!
//! Which packet is what depends on what went before; here it is told from its number and its first
//! byte, which is enough as long as an answer is looked at whole. Rows are shown as texts if they can be
//! read as such, and else as those of a prepared statement.

use super::{hidden, quote};
use crate::proto::mysql::command::{self, Command};
use crate::proto::mysql::handshake::{Response, is_tls_request};
use crate::proto::mysql::packet::HEADER_BYTES;
use crate::proto::mysql::value::{Malformed, Reader};

/// The bits of the capability word, from the lowest.
const CAPABILITIES: [&str; 32] = [
    "LONG_PASSWORD",
    "FOUND_ROWS",
    "LONG_FLAG",
    "CONNECT_WITH_DB",
    "NO_SCHEMA",
    "COMPRESS",
    "ODBC",
    "LOCAL_FILES",
    "IGNORE_SPACE",
    "PROTOCOL_41",
    "INTERACTIVE",
    "SSL",
    "IGNORE_SIGPIPE",
    "TRANSACTIONS",
    "RESERVED",
    "SECURE_CONNECTION",
    "MULTI_STATEMENTS",
    "MULTI_RESULTS",
    "PS_MULTI_RESULTS",
    "PLUGIN_AUTH",
    "CONNECT_ATTRS",
    "PLUGIN_AUTH_LENENC_CLIENT_DATA",
    "CAN_HANDLE_EXPIRED_PASSWORDS",
    "SESSION_TRACK",
    "DEPRECATE_EOF",
    "OPTIONAL_RESULTSET_METADATA",
    "ZSTD_COMPRESSION",
    "QUERY_ATTRIBUTES",
    "MULTI_FACTOR_AUTHENTICATION",
    "CAPABILITY_EXTENSION",
    "SSL_VERIFY_SERVER_CERT",
    "REMEMBER_OPTIONS",
];

/// The bits of the status word, from the lowest.
const STATUSES: [&str; 16] = [
    "IN_TRANS",
    "AUTOCOMMIT",
    "2",
    "MORE_RESULTS_EXISTS",
    "NO_GOOD_INDEX_USED",
    "NO_INDEX_USED",
    "CURSOR_EXISTS",
    "LAST_ROW_SENT",
    "DB_DROPPED",
    "NO_BACKSLASH_ESCAPES",
    "METADATA_CHANGED",
    "QUERY_WAS_SLOW",
    "PS_OUT_PARAMS",
    "IN_TRANS_READONLY",
    "SESSION_STATE_CHANGED",
    "15",
];

/// Of COM_STMT_EXECUTE: the statement's number, the cursor, the count of iterations.
const EXECUTE_HEAD_BYTES: usize = 9;
/// Of an answer to COM_STMT_PREPARE, without definitions.
const PREPARED_BYTES: usize = 12;
/// The longest proof there is; inside TLS the second packet is the response, which is longer.
const PROOF_BYTES_MAX: usize = 32;

/// A table whose rows are secrets: a statement that names it is not shown.
const SECRET_TABLE: &str = "users_auth";

/// Packets of a client. Before the login what they hold is mostly proof.
pub fn from_client(bytes: &[u8], is_logged_in: bool) -> Vec<String> {
    each_packet(bytes, |sequence, payload| match (is_logged_in, sequence) {
        (true, 0) => of_command(payload),
        (true, _) => vec![format!("goes on with the command, {} bytes of it", payload.len())],
        (false, 1) if is_tls_request(payload) => vec!["asks for TLS".to_owned()],
        (false, 1) => of_response(payload),
        (false, 2) if payload.len() > PROOF_BYTES_MAX => of_response(payload),
        (false, _) => vec![format!("proof {}", hidden(payload))],
    })
}

/// Packets of the server: one answer, or several.
pub fn from_server(bytes: &[u8]) -> Vec<String> {
    let mut part = Part::First;
    each_packet(bytes, |sequence, payload| {
        of_server(sequence, payload, &mut part).unwrap_or_else(|Malformed| raw(payload))
    })
}

/// Where in an answer the next packet stands.
#[derive(Clone, Copy)]
enum Part {
    First,
    /// So many definitions, this one the nth, and then an EOF.
    Columns(u64, u64),
    /// Of so many columns.
    Rows(u64),
    /// Definitions without rows, this one the nth, and then an EOF.
    Fields(u64),
}

fn each_packet(bytes: &[u8], mut describe: impl FnMut(u8, &[u8]) -> Vec<String>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some((&[low, middle, high, sequence], after)) = rest.split_first_chunk() {
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        let (payload, behind) = after.split_at(length.min(after.len()));
        let missing = length - payload.len();
        let mut described = describe(sequence, payload).into_iter();
        let first = described.next().unwrap_or_default();
        let cut = if missing > 0 { format!(" ({missing} to come)") } else { String::new() };
        lines.push(format!("packet {sequence}, {length} bytes{cut}: {first}"));
        lines.extend(described.map(|line| format!("  {line}")));
        rest = behind;
    }
    if !rest.is_empty() {
        let begun = rest.len();
        lines.push(format!("packet: {begun} of the {HEADER_BYTES} bytes of its header"));
    }
    lines
}

fn raw(payload: &[u8]) -> Vec<String> {
    vec![format!("not understood, {}", quote(payload))]
}

fn of_command(payload: &[u8]) -> Vec<String> {
    let Some((&byte, argument)) = payload.split_first() else {
        return vec!["no command at all".to_owned()];
    };
    let name = command::name(byte).unwrap_or("an unknown command");
    let text = match Command::parse(payload) {
        Ok(Command::Query(text) | Command::Prepare(text)) => format!(" {}", statement(text)),
        Ok(Command::InitDb(database)) => format!(" {}", quote(database)),
        Ok(Command::ChangeUser(change)) => format!(
            ", user {}, database {}, plugin {}",
            quote(change.user),
            quote(change.database),
            quote(change.plugin)
        ),
        Ok(Command::FieldList { table, wildcard: b"" }) => {
            format!(" of {}", quote(table))
        }
        Ok(Command::FieldList { table, wildcard }) => {
            format!(" of {} like {}", quote(table), quote(wildcard))
        }
        Ok(Command::Execute(execute)) => {
            // What is bound may be a secret, and which statement this is was said long ago.
            let parameters = argument.len().saturating_sub(EXECUTE_HEAD_BYTES);
            format!(" of statement {}, {parameters} bytes of parameters", execute.statement)
        }
        Ok(Command::SendLongData { statement, parameter, data }) => {
            format!(" for parameter {parameter} of statement {statement} {}", hidden(data))
        }
        Ok(Command::CloseStatement(id) | Command::ResetStatement(id) | Command::Fetch(id)) => {
            format!(" of statement {id}")
        }
        Ok(Command::SetOption { multi_statements }) => {
            format!(" several statements {}", if multi_statements { "on" } else { "off" })
        }
        _ if argument.is_empty() => String::new(),
        _ => format!(", argument {}", hidden(argument)),
    };
    vec![format!("{byte:02x} {name}{text}")]
}

fn statement(text: &[u8]) -> String {
    match String::from_utf8_lossy(text).to_ascii_lowercase().contains(SECRET_TABLE) {
        true => format!("on {SECRET_TABLE} {}", hidden(text)),
        false => quote(text),
    }
}

/// Handshake response (`Protocol::HandshakeResponse41`).
fn of_response(payload: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(payload);
    let front = (reader.u32(), reader.u32(), reader.u8());
    let ((Ok(capabilities), Ok(packet_max), Ok(charset)), Ok(response)) =
        (front, Response::parse(payload))
    else {
        return vec![format!("handshake response that cannot be read {}", hidden(payload))];
    };
    vec![
        format!("handshake response, user {}", quote(response.user)),
        format!("capabilities {}", bits(capabilities, 8, &CAPABILITIES)),
        format!("greatest packet {packet_max} bytes, character set {charset}"),
        format!("proof {} by {}", hidden(response.proof), quote(response.plugin)),
        format!("database {}", quote(response.database)),
    ]
}

fn of_server(sequence: u8, payload: &[u8], part: &mut Part) -> Result<Vec<String>, Malformed> {
    let mut reader = Reader::new(payload);
    let line = match (*part, reader.u8()?) {
        (_, 0xff) => {
            *part = Part::First;
            error(reader)?
        }
        (Part::First, 0x0a) if sequence == 0 => return greeting(reader),
        (Part::First, 0x00) if payload.len() == PREPARED_BYTES && ok(reader).is_err() => {
            prepared(reader)?
        }
        (Part::First, 0x00) if payload.len() >= 7 => ok(reader)?,
        (Part::First, 0x01) if payload.len() == 2 => format!(
            "more for the login: {}",
            if payload[1] == 3 { "03, the proof was good, OK follows" } else { "full proof" }
        ),
        (Part::First, 0xfe) if payload.len() > 5 => {
            let plugin = quote(reader.nul_string()?);
            format!("switch to {plugin}, nonce {}", hidden(reader.nul_string_or_rest()))
        }
        (Part::Columns(count, _), 0xfe) if payload.len() <= 5 => {
            *part = Part::Rows(count);
            eof(reader)? + ": rows follow"
        }
        (_, 0xfe) if payload.len() <= 5 => {
            *part = Part::First;
            eof(reader)?
        }
        (Part::First, 0x03) if payload[1..].starts_with(b"def") => {
            *part = Part::Fields(2);
            column(Reader::new(payload), 1)?
        }
        (Part::Fields(number), _) => {
            *part = Part::Fields(number + 1);
            column(Reader::new(payload), number)?
        }
        (Part::First, _) => first_of_rows(payload, part),
        (Part::Columns(count, number), _) => {
            *part = Part::Columns(count, number + 1);
            column(Reader::new(payload), number)?
        }
        (Part::Rows(count), _) => match row(payload) {
            Ok(texts) if texts.len() as u64 == count => format!("row {}", texts.join(", ")),
            _ => format!("binary row {}", binary_row(payload, count)?.join(", ")),
        },
    };
    Ok(vec![line])
}

fn greeting(mut reader: Reader<'_>) -> Result<Vec<String>, Malformed> {
    let version = quote(reader.nul_string()?);
    let connection = reader.u32()?;
    let first = reader.nul_string()?;
    let (low, charset, status) = (reader.u16()?, reader.u8()?, reader.u16()?);
    let capabilities = u32::from(low) | u32::from(reader.u16()?) << 16;
    reader.bytes(11)?;
    let second = reader.nul_string()?;
    let nonce_bytes = first.len() + second.len();
    Ok(vec![
        format!("greeting, protocol 10, server {version}, connection {connection}"),
        format!("nonce ({nonce_bytes} bytes) for {}", quote(reader.nul_string_or_rest())),
        format!("capabilities {}", bits(capabilities, 8, &CAPABILITIES)),
        format!("character set {charset}, status {}", bits(status.into(), 4, &STATUSES)),
    ])
}

fn ok(mut reader: Reader<'_>) -> Result<String, Malformed> {
    let (rows, id) = (reader.lenenc_integer()?, reader.lenenc_integer()?);
    let (status, warnings) = (reader.u16()?, reader.u16()?);
    if !reader.is_empty() {
        return Err(Malformed);
    }
    let status = bits(status.into(), 4, &STATUSES);
    Ok(format!("00 OK, {rows} rows, insert id {id}, status {status}, {warnings} warnings"))
}

fn error(mut reader: Reader<'_>) -> Result<String, Malformed> {
    let number = reader.u16()?;
    let rest = reader.rest();
    let parts = rest.strip_prefix(b"#").and_then(|rest| rest.split_at_checked(5));
    let (state, text) = match parts.filter(|(state, _)| state.is_ascii()) {
        Some((state, text)) => (format!(" (SQLSTATE {})", state.escape_ascii()), text),
        None => (String::new(), rest),
    };
    Ok(format!("ff ERR {number}{state}: {}", quote(text)))
}

fn eof(mut reader: Reader<'_>) -> Result<String, Malformed> {
    let (warnings, status) = (reader.u16()?, reader.u16()?);
    Ok(format!("fe EOF, {warnings} warnings, status {}", bits(status.into(), 4, &STATUSES)))
}

/// The count of columns, which is nothing else; or the text that answers COM_STATISTICS.
fn first_of_rows(payload: &[u8], part: &mut Part) -> String {
    let mut reader = Reader::new(payload);
    match reader.lenenc_integer() {
        Ok(count) if reader.is_empty() => {
            *part = Part::Columns(count, 1);
            format!("{count} columns")
        }
        _ => format!("text {}", quote(payload)),
    }
}

fn column(mut reader: Reader<'_>, number: u64) -> Result<String, Malformed> {
    let [_, schema, table, _, name, _] = {
        let mut parts = [&b""[..]; 6];
        for part in &mut parts {
            *part = reader.lenenc_string()?;
        }
        parts
    };
    reader.u8()?;
    let (charset, width, kind) = (reader.u16()?, reader.u32()?, reader.u8()?);
    let of = match (schema, table) {
        (b"", b"") => String::new(),
        _ => format!(" of {}.{}", quote(schema), quote(table)),
    };
    let kind = type_name(kind);
    Ok(format!(
        "column {number} {}{of}, {kind}, character set {charset}, width {width}",
        quote(name)
    ))
}

/// Of COM_STMT_PREPARE; the definitions of parameters and columns follow.
fn prepared(mut reader: Reader<'_>) -> Result<String, Malformed> {
    let (id, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
    Ok(format!("00 prepared, statement {id}, {columns} columns, {parameters} parameters"))
}

fn row(payload: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut values = Vec::new();
    let mut rest = payload;
    while let Some(&first) = rest.first() {
        if first == 0xfb {
            values.push("NULL".to_owned());
            rest = &rest[1..];
            continue;
        }
        let mut reader = Reader::new(rest);
        values.push(quote(reader.lenenc_string()?));
        rest = reader.rest();
    }
    Ok(values)
}

/// A row of texts after COM_STMT_EXECUTE: its bitmap says what is NULL, from the third bit.
fn binary_row(payload: &[u8], count: u64) -> Result<Vec<String>, Malformed> {
    let mut reader = Reader::new(payload);
    reader.u8()?;
    let count = usize::try_from(count).map_err(|_| Malformed)?;
    let bitmap = reader.bytes(count.saturating_add(2).div_ceil(8))?;
    let value = |bit: usize| match bitmap[bit / 8] >> (bit % 8) & 1 {
        1 => Ok("NULL".to_owned()),
        _ => reader.lenenc_string().map(quote),
    };
    (2..count.saturating_add(2)).map(value).collect()
}

fn type_name(kind: u8) -> String {
    let name = match kind {
        0x03 => "LONG",
        0x08 => "LONGLONG",
        0x05 => "DOUBLE",
        0x06 => "NULL",
        0x0f => "VARCHAR",
        0xfc => "BLOB",
        0xfd => "VAR_STRING",
        0xfe => "STRING",
        _ => return format!("type {kind:02x}"),
    };
    name.to_owned()
}

fn bits(value: u32, digits: usize, names: &[&str]) -> String {
    let set = names.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    format!("{value:#0width$x} {}", names.join(" "), width = digits + 2)
}
