//! MySQL packets as text.

use encke::proto::annotate::mysql::{from_client, from_server};
use encke::proto::mysql::Code;
use encke::proto::mysql::handshake::{Greeting, Nonce, Plugin, encode_fast_success, encode_switch};
use encke::proto::mysql::packet::Writer;
use encke::proto::mysql::prepared::prepared;
use encke::proto::mysql::resultset::{self, Status};

const ON: Status = Status::AUTOCOMMIT;

const COMMON: &str = "LONG_PASSWORD LONG_FLAG CONNECT_WITH_DB IGNORE_SPACE PROTOCOL_41 INTERACTIVE \
                      TRANSACTIONS SECURE_CONNECTION MULTI_STATEMENTS MULTI_RESULTS PLUGIN_AUTH CONNECT_ATTRS \
                      PLUGIN_AUTH_LENENC_CLIENT_DATA";

fn written(sequence: u8, write: impl FnOnce(&mut Writer<'_>)) -> Vec<String> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out, sequence));
    from_server(&out)
}

#[test]
fn a_greeting_is_taken_apart() {
    let nonce = Nonce::from_random([b'n'; 20]);
    let greeting =
        Greeting { version: "8.0.0-encke", connection_number: 3, nonce: &nonce, offers_tls: false };
    let lines = written(0, |writer| writer.packet(|out| greeting.encode(out)));
    assert_eq!(
        lines,
        [
            "packet 0, 79 bytes: greeting, protocol 10, server \"8.0.0-encke\", connection 3",
            "  nonce (20 bytes) for \"mysql_native_password\"",
            &format!("  capabilities 0x003ba70d {COMMON}"),
            "  character set 45, status 0x0002 AUTOCOMMIT",
        ]
    );
}

#[test]
fn a_handshake_response_shows_everything_but_the_proof() {
    let mut payload = 0x0008_a209_u32.to_le_bytes().to_vec();
    payload.extend(0x0100_0000_u32.to_le_bytes());
    payload.push(45);
    payload.extend([0; 23]);
    payload.extend(b"root\0\x14ssssssssssssssssssssCometQL_v1\0mysql_native_password\0");
    let packet = [&[payload.len() as u8, 0, 0, 1], &payload[..]].concat();
    let lines = from_client(&packet, false);
    assert_eq!(
        lines,
        [
            "packet 1, 91 bytes: handshake response, user \"root\"",
            "  capabilities 0x0008a209 LONG_PASSWORD CONNECT_WITH_DB PROTOCOL_41 TRANSACTIONS \
             SECURE_CONNECTION PLUGIN_AUTH",
            "  greatest packet 16777216 bytes, character set 45",
            "  proof (20 bytes) by \"mysql_native_password\"",
            "  database \"CometQL_v1\"",
        ]
    );
    let secret = from_client(b"\x14\0\0\x03ssssssssssssssssssss", false);
    assert_eq!(secret, ["packet 3, 20 bytes: proof (20 bytes)"]);
    let broken = from_client(b"\x06\0\0\x01secret", false);
    assert_eq!(broken, ["packet 1, 6 bytes: handshake response that cannot be read (6 bytes)"]);
}

#[test]
fn commands_have_names() {
    let rows: [(&[u8], &str); 16] = [
        (b"\x09\0\0\0\x03SELECT 1", "packet 0, 9 bytes: 03 COM_QUERY \"SELECT 1\""),
        (b"\x01\0\0\0\x01", "packet 0, 1 bytes: 01 COM_QUIT"),
        (b"\x01\0\0\0\x0e", "packet 0, 1 bytes: 0e COM_PING"),
        (b"\x03\0\0\0\x02db", "packet 0, 3 bytes: 02 COM_INIT_DB \"db\""),
        (
            b"\x11\0\0\0\x11root\0\x05proofdb\0\x2d\0",
            "packet 0, 17 bytes: 11 COM_CHANGE_USER, user \"root\", database \"db\", plugin \"\"",
        ),
        (b"\x05\0\0\0\x17\x01\0\0\0", "packet 0, 5 bytes: 17 COM_STMT_EXECUTE, argument (4 bytes)"),
        (
            b"\x0d\0\0\0\x17\x01\0\0\0\0\x01\0\0\0\x01\0\0",
            "packet 0, 13 bytes: 17 COM_STMT_EXECUTE of statement 1, 3 bytes of parameters",
        ),
        (b"\x09\0\0\0\x16SELECT ?", "packet 0, 9 bytes: 16 COM_STMT_PREPARE \"SELECT ?\""),
        (
            b"\x09\0\0\0\x18\x02\0\0\0\x01\0xy",
            "packet 0, 9 bytes: 18 COM_STMT_SEND_LONG_DATA for parameter 1 of statement 2 (2 bytes)",
        ),
        (b"\x05\0\0\0\x19\x02\0\0\0", "packet 0, 5 bytes: 19 COM_STMT_CLOSE of statement 2"),
        (b"\x05\0\0\0\x1a\x02\0\0\0", "packet 0, 5 bytes: 1a COM_STMT_RESET of statement 2"),
        (b"\x03\0\0\0\x1b\0\0", "packet 0, 3 bytes: 1b COM_SET_OPTION several statements on"),
        (b"\x04\0\0\0\x04t\0\0", "packet 0, 4 bytes: 04 COM_FIELD_LIST of \"t\""),
        (b"\x02\0\0\x01xy", "packet 1, 2 bytes: goes on with the command, 2 bytes of it"),
        (b"\x02\0\0\0\xf0\x01", "packet 0, 2 bytes: f0 an unknown command, argument (1 bytes)"),
        (b"\0\0\0\0", "packet 0, 0 bytes: no command at all"),
    ];
    for (bytes, expect) in rows {
        assert_eq!(from_client(bytes, true), [expect]);
    }
    let insert = b"\x03INSERT INTO `Users_Auth` (id, hash) VALUES (1, 'secret')";
    let packet = [&[insert.len() as u8, 0, 0, 0], &insert[..]].concat();
    assert_eq!(
        from_client(&packet, true),
        ["packet 0, 57 bytes: 03 COM_QUERY on users_auth (56 bytes)"]
    );
}

#[test]
fn answers_are_told_apart() {
    assert_eq!(
        written(1, |writer| resultset::ok(writer, 2, 5, ON)),
        ["packet 1, 7 bytes: 00 OK, 2 rows, insert id 5, status 0x0002 AUTOCOMMIT, 0 warnings"]
    );
    assert_eq!(
        written(1, |writer| resultset::error(writer, Code::SYNTAX, "near 'x'")),
        ["packet 1, 17 bytes: ff ERR 1064 (SQLSTATE 42000): \"near 'x'\""]
    );
    assert_eq!(
        written(1, |writer| resultset::eof(writer, ON)),
        ["packet 1, 5 bytes: fe EOF, 0 warnings, status 0x0002 AUTOCOMMIT"]
    );
    assert_eq!(
        written(1, |writer| resultset::text(writer, "Uptime: 1")),
        ["packet 1, 9 bytes: text \"Uptime: 1\""]
    );
    let nonce = Nonce::from_random([b'n'; 20]);
    assert_eq!(
        written(2, |writer| writer.packet(|out| encode_switch(out, Plugin::CachingSha2, &nonce))),
        ["packet 2, 44 bytes: switch to \"caching_sha2_password\", nonce (20 bytes)"]
    );
    assert_eq!(
        written(4, |writer| writer.packet(encode_fast_success)),
        ["packet 4, 2 bytes: more for the login: 03, the proof was good, OK follows"]
    );
    assert_eq!(
        from_server(b"\x17\0\0\0\xff\x10\x04Too many connections"),
        ["packet 0, 23 bytes: ff ERR 1040: \"Too many connections\""]
    );
}

#[test]
fn rows_are_rows_however_many_there_are() {
    let names = ["a".to_owned(), "b".to_owned()];
    let lines = written(1, |writer| {
        resultset::columns(writer, &names, ON);
        for _ in 0..300 {
            resultset::row(writer, &[Some(String::new()), None]);
        }
        resultset::eof(writer, ON);
        // The answer to the next command, in the same write.
        resultset::ok(writer, 0, 0, ON);
    });
    let column = "VAR_STRING, character set 45, width 1024";
    assert_eq!(lines[0], "packet 1, 1 bytes: 2 columns");
    assert_eq!(lines[1], format!("packet 2, 23 bytes: column 1 \"a\", {column}"));
    assert_eq!(lines[2], format!("packet 3, 23 bytes: column 2 \"b\", {column}"));
    assert!(lines[3].ends_with("AUTOCOMMIT: rows follow"), "{}", lines[3]);
    assert!(lines[4..304].iter().all(|line| line.ends_with("2 bytes: row \"\", NULL")));
    assert!(lines[304].contains("fe EOF"));
    assert!(lines[305].contains("00 OK"));
}

#[test]
fn prepared_statements_are_told_from_other_answers() {
    let lines = written(1, |writer| prepared(writer, 7, 1, &["a".to_owned()], ON));
    let definition = "VAR_STRING, character set 45, width 1024";
    let eof = "fe EOF, 0 warnings, status 0x0002 AUTOCOMMIT";
    assert_eq!(
        lines,
        [
            "packet 1, 12 bytes: 00 prepared, statement 7, 1 columns, 1 parameters".to_owned(),
            format!("packet 2, 23 bytes: column 1 \"?\", {definition}"),
            format!("packet 3, 5 bytes: {eof}"),
            format!("packet 4, 23 bytes: column 1 \"a\", {definition}"),
            format!("packet 5, 5 bytes: {eof}"),
        ]
    );
    let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
    let lines = written(1, |writer| {
        resultset::columns(writer, &names, ON);
        resultset::binary_row(writer, &[Some("x".to_owned()), None, Some(String::new())]);
        resultset::binary_row(writer, &[None, None, None]);
        resultset::eof(writer, ON);
        resultset::fields(writer, "t", ["a"], ON);
    });
    assert!(lines[5].ends_with(": binary row \"x\", NULL, \"\""), "{}", lines[5]);
    assert!(lines[6].ends_with(": binary row NULL, NULL, NULL"), "{}", lines[6]);
    assert!(lines[8].contains(": column 1 \"a\" of \"\".\"t\", VAR_STRING"), "{}", lines[8]);
    assert_eq!(lines[9], format!("packet 10, 5 bytes: {eof}"));
}

#[test]
fn what_cannot_be_understood_is_shown_as_it_is() {
    assert_eq!(
        from_server(b"\x02\0\0\x01\xff\x01"),
        ["packet 1, 2 bytes: not understood, \"\\xff\\u{1}\""]
    );
    assert_eq!(
        from_server(b"\x09\0\0\x01\xff"),
        ["packet 1, 9 bytes (8 to come): not understood, \"\\xff\""]
    );
    assert_eq!(from_client(b"\x09\0", true), ["packet: 2 of the 4 bytes of its header"]);
    // No SQLSTATE can speak to a terminal.
    assert_eq!(
        from_server(b"\x0a\0\0\x01\xff\x01\0#\x1b[2J\nx"),
        ["packet 1, 10 bytes: ff ERR 1 (SQLSTATE \\x1b[2J\\n): \"x\""]
    );
    assert_eq!(
        from_server(b"\x09\0\0\x01\xff\x01\0#12\xff45"),
        ["packet 1, 9 bytes: ff ERR 1: \"#12\\xff45\""]
    );
}
