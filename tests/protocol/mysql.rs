//! MySQL packets, values, handshake and commands, row by row.

use encke::proto::mysql::Code;
use encke::proto::mysql::command::{self, ChangeUser, Command};
use encke::proto::mysql::handshake::{
    self, Greeting, Nonce, Plugin, Response, caching_sha2_proof, native_proof,
};
use encke::proto::mysql::packet::{self, Writer};
use encke::proto::mysql::prepared::{Execute, Value, prepared};
use encke::proto::mysql::resultset::{self, Status};
use encke::proto::mysql::value::{Malformed, Reader, put_lenenc_integer, put_lenenc_string};

use crate::support::splits::splits;

const ON: Status = Status::AUTOCOMMIT;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Feeds pieces as a server does, keeping what is not used, until they end or an error does it.
fn packets_of(pieces: &[&[u8]], max: usize) -> (Vec<Vec<u8>>, Option<packet::Error>) {
    let (mut kept, mut found) = (Vec::new(), Vec::new());
    for piece in pieces {
        kept.extend_from_slice(piece);
        loop {
            match packet::parse(&kept, found.len() as u8, max) {
                Ok(None) => break,
                Ok(Some(packet)) => {
                    let used = packet.bytes_used;
                    found.push(packet.payload.into_owned());
                    kept.drain(..used);
                }
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

#[test]
fn packets() {
    use packet::Error::{OutOfOrder, TooLarge};
    // name, input, payloads, error. The bound is 5 bytes; numbers are due from 0.
    for (name, input, payloads, error) in [
        ("one", "01 00 00 00 0e", &["0e"][..], None),
        ("empty payload", "00 00 00 00", &[""], None),
        ("two", "01 00 00 00 0e 02 00 00 01 03 31", &["0e", "03 31"], None),
        ("at the bound", "05 00 00 00 01 02 03 04 05", &["01 02 03 04 05"], None),
        ("unfinished header", "01 00 00", &[], None),
        ("unfinished payload", "02 00 00 00 0e", &[], None),
        ("one and a half", "01 00 00 00 0e 02 00 00 01 03", &["0e"], None),
        ("above the bound", "06 00 00 00", &[], Some(TooLarge { sequence: 0 })),
        ("high byte of the length", "00 00 01 00", &[], Some(TooLarge { sequence: 0 })),
        ("announces another", "ff ff ff 00", &[], Some(TooLarge { sequence: 0 })),
        ("wrong number", "01 00 00 01 0e", &[], Some(OutOfOrder { sequence: 1 })),
        (
            "number not grown",
            "01 00 00 00 0e 01 00 00 00 0e",
            &["0e"],
            Some(OutOfOrder { sequence: 0 }),
        ),
        ("HTTP", "47 45 54 20 2f", &[], Some(OutOfOrder { sequence: 0x20 })),
        ("too large comes second", "ff ff ff 09", &[], Some(OutOfOrder { sequence: 9 })),
    ] {
        let input = hex(input);
        let payloads: Vec<Vec<u8>> = payloads.iter().map(|text| hex(text)).collect();
        for pieces in splits(&input) {
            assert_eq!(packets_of(&pieces, 5), (payloads.clone(), error), "{name}");
        }
    }
    for (error, code) in [(TooLarge { sequence: 3 }, 1153), (OutOfOrder { sequence: 3 }, 1156)] {
        assert_eq!((error.code().number, error.code().state), (code, "08S01"));
        assert_eq!(error.sequence(), 3);
    }
}

/// "Sending More Than 16Mb": a full packet is followed by another, which may be empty.
#[test]
fn chains_of_packets_are_one_payload() {
    const CHUNK: usize = packet::CHUNK_BYTES;
    for length in [CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 5] {
        let payload: Vec<u8> = (0..length).map(|at| (at / 251) as u8).collect();
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, 254);
        writer.packet(|out| out.extend_from_slice(&payload));
        let packets = length / CHUNK + 1;
        assert_eq!(writer.sequence(), 254_u8.wrapping_add(packets as u8));
        assert_eq!(out.len(), length + 4 * packets);
        let max = length;
        let found = packet::parse(&out, 254, max).unwrap().expect("whole");
        assert_eq!((found.bytes_used, *found.payload == payload[..]), (out.len(), true));
        assert_eq!(found.sequence, 253_u8.wrapping_add(packets as u8));
        assert_eq!(matches!(found.payload, std::borrow::Cow::Borrowed(_)), packets == 1);
        for cut in [3, 4, CHUNK, CHUNK + 3, CHUNK + 4, out.len() - 1] {
            if cut < out.len() {
                assert_eq!(packet::parse(&out[..cut], 254, max), Ok(None), "{length} cut at {cut}");
            }
        }
        // What follows stays, and the bound is the whole chain's.
        out.extend(b"\x01\0\0\0\x0e");
        let found = packet::parse(&out, 254, max).unwrap().expect("whole");
        assert_eq!((found.bytes_used, found.payload.len()), (out.len() - 5, length));
        let error = packet::parse(&out, 254, max - 1);
        assert!(matches!(error, Err(packet::Error::TooLarge { .. })), "{length}");
        if packets > 1 {
            out[CHUNK + 4 + 3] = 7;
            let error = packet::parse(&out, 254, max);
            assert_eq!(error, Err(packet::Error::OutOfOrder { sequence: 7 }));
        }
    }
}

#[test]
fn numbers_of_written_packets_go_round() {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, 255);
    writer.packet(|payload| payload.push(1));
    writer.packet(|payload| payload.extend([2, 3]));
    assert_eq!(writer.sequence(), 1);
    assert_eq!(out, hex("01 00 00 ff 01  02 00 00 00 02 03"));
}

#[test]
fn length_encoded_integers() {
    for (value, bytes) in [
        (0, "00"),
        (250, "fa"),
        (251, "fc fb 00"),
        (0xffff, "fc ff ff"),
        (0x1_0000, "fd 00 00 01"),
        (0xff_ffff, "fd ff ff ff"),
        (0x100_0000, "fe 00 00 00 01 00 00 00 00"),
        (u64::MAX, "fe ff ff ff ff ff ff ff ff"),
    ] {
        let bytes = hex(bytes);
        let mut out = Vec::new();
        put_lenenc_integer(&mut out, value);
        assert_eq!(out, bytes, "{value}");
        assert_eq!(Reader::new(&bytes).lenenc_integer(), Ok(value));
        for end in 0..bytes.len() {
            assert_eq!(Reader::new(&bytes[..end]).lenenc_integer(), Err(Malformed), "{value}");
        }
    }
    for not_an_integer in ["fb", "ff", ""] {
        assert_eq!(Reader::new(&hex(not_an_integer)).lenenc_integer(), Err(Malformed));
    }
    // Longer than needed, which the text allows.
    assert_eq!(Reader::new(&hex("fc 05 00")).lenenc_integer(), Ok(5));
}

#[test]
fn strings() {
    for length in [0, 1, 250, 251, 70_000] {
        let text = vec![b'x'; length];
        let mut out = Vec::new();
        put_lenenc_string(&mut out, &text);
        assert_eq!(Reader::new(&out).lenenc_string(), Ok(&text[..]));
        if let Some(cut) = out.len().checked_sub(1).filter(|_| length > 0) {
            assert_eq!(Reader::new(&out[..cut]).lenenc_string(), Err(Malformed));
        }
    }
    // A length far above what is there, and above what a machine can address.
    for input in ["05 61", "fe ff ff ff ff ff ff ff ff 61", "fd ff ff ff"] {
        assert_eq!(Reader::new(&hex(input)).lenenc_string(), Err(Malformed), "{input}");
    }
    let mut reader = Reader::new(b"ab\0c");
    assert_eq!(reader.nul_string(), Ok(&b"ab"[..]));
    assert_eq!(reader.nul_string(), Err(Malformed));
    assert_eq!(reader.nul_string_or_rest(), b"c");
    assert!(reader.is_empty() && reader.rest().is_empty());
    let mut reader = Reader::new(&[1, 2, 1, 4, 3, 2, 1]);
    assert_eq!((reader.u8(), reader.u16(), reader.u32()), (Ok(1), Ok(0x102), Ok(0x0102_0304)));
    assert_eq!(
        (reader.u8(), reader.u16(), reader.u32()),
        (Err(Malformed), Err(Malformed), Err(Malformed))
    );
}

#[test]
fn commands() {
    let change =
        |user, database, plugin| Ok(Command::ChangeUser(ChangeUser { user, database, plugin }));
    let none: &[u8] = b"";
    for (name, payload, expect) in [
        ("COM_QUIT", &b"\x01"[..], Ok(Command::Quit)),
        ("COM_INIT_DB", b"\x02test", Ok(Command::InitDb(b"test"))),
        (
            "COM_QUERY",
            b"\x03select @@version_comment limit 1",
            Ok(Command::Query(b"select @@version_comment limit 1")),
        ),
        ("COM_QUERY, empty", b"\x03", Ok(Command::Query(b""))),
        (
            "COM_FIELD_LIST",
            b"\x04pipes\0%a\0",
            Ok(Command::FieldList { table: b"pipes", wildcard: b"%a" }),
        ),
        (
            "COM_FIELD_LIST, as mysqlnd ends it",
            b"\x04pipes",
            Ok(Command::FieldList { table: b"pipes", wildcard: none }),
        ),
        ("COM_STATISTICS", b"\x09", Ok(Command::Statistics)),
        ("COM_PING", b"\x0e", Ok(Command::Ping)),
        ("COM_STMT_PREPARE", b"\x16SELECT ?", Ok(Command::Prepare(b"SELECT ?"))),
        (
            "COM_STMT_SEND_LONG_DATA",
            b"\x18\x01\0\0\0\x02\0x",
            Ok(Command::SendLongData { statement: 1, parameter: 2, data: b"x" }),
        ),
        ("COM_STMT_SEND_LONG_DATA, cut", b"\x18\x01\0\0\0\x02", Ok(Command::Unanswered)),
        ("COM_STMT_CLOSE", b"\x19\x01\0\0\0", Ok(Command::CloseStatement(1))),
        ("COM_STMT_CLOSE, cut", b"\x19\x01\0\0", Ok(Command::Unanswered)),
        ("COM_STMT_RESET", b"\x1a\0\x01\0\0", Ok(Command::ResetStatement(256))),
        ("COM_STMT_RESET, cut", b"\x1a\0", Err(command::Error::Malformed)),
        ("COM_STMT_FETCH", b"\x1c\x03\0\0\0\x0a\0\0\0", Ok(Command::Fetch(3))),
        ("COM_STMT_FETCH, cut", b"\x1c", Err(command::Error::Malformed)),
        ("COM_SET_OPTION, on", b"\x1b\0\0", Ok(Command::SetOption { multi_statements: true })),
        ("COM_SET_OPTION, off", b"\x1b\x01\0", Ok(Command::SetOption { multi_statements: false })),
        ("COM_SET_OPTION, another", b"\x1b\x02\0", Err(command::Error::Unknown)),
        ("COM_SET_OPTION, cut", b"\x1b\0", Err(command::Error::Malformed)),
        ("COM_RESET_CONNECTION", b"\x1f", Ok(Command::ResetConnection)),
        ("COM_STMT_EXECUTE, cut", b"\x17\x01\0\0\0\0\x01\0\0", Err(command::Error::Malformed)),
        ("COM_REFRESH", b"\x07\x01", Ok(Command::Unserved("COM_REFRESH"))),
        (
            "COM_CHANGE_USER, all of it",
            b"\x11u\0\x02abdb\0\x2d\0mysql_native_password\0\x03a=b",
            change(b"u", b"db", b"mysql_native_password"),
        ),
        ("COM_CHANGE_USER, no charset", b"\x11u\0\0db\0", change(b"u", b"db", none)),
        ("COM_CHANGE_USER, no database", b"\x11u\0\0", change(b"u", none, none)),
        ("COM_CHANGE_USER, no NUL", b"\x11user", Err(command::Error::Malformed)),
        ("COM_CHANGE_USER, proof missing", b"\x11u\0", Err(command::Error::Malformed)),
        ("COM_CHANGE_USER, proof cut", b"\x11u\0\x14abc", Err(command::Error::Malformed)),
        ("no command", b"", Err(command::Error::Unknown)),
        ("past the last", b"\x20", Err(command::Error::Unknown)),
        ("0xff", b"\xff", Err(command::Error::Unknown)),
    ] {
        assert_eq!(Command::parse(payload), expect, "{name}");
    }
    assert_eq!(command::Error::Unknown.code(), Code::UNKNOWN_COMMAND);
    for byte in 0..=255 {
        // Whatever it is, it has an answer.
        let _ = Command::parse(&[byte]);
    }
}

#[test]
fn greeting() {
    let nonce = Nonce::from_random(std::array::from_fn(|i| i as u8 + 1));
    let greeting =
        Greeting { version: "5.7.99-x", connection_number: 11, nonce: &nonce, offers_tls: false };
    let mut out = Vec::new();
    greeting.encode(&mut out);
    let expect = [
        hex("0a"),
        b"5.7.99-x\0".to_vec(),
        hex("0b 00 00 00  01 02 03 04 05 06 07 08  00"),
        // capabilities (low), charset, status, capabilities (high), 21
        hex("0d a7  2d  02 00  3b 00  15"),
        hex("00 00 00 00 00 00 00 00 00 00"),
        hex("09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 00"),
        b"mysql_native_password\0".to_vec(),
    ];
    assert_eq!(out, expect.concat());
}

#[test]
fn a_nonce_is_text_without_end_or_separator() {
    for byte in 0..=255_u8 {
        let nonce = Nonce::from_random([byte; 20]);
        assert!(nonce.as_bytes().iter().all(|&b| b != 0 && b != b'$' && b < 0x80), "{byte}");
    }
}

/// The answers were made with another implementation (Python's hashlib), from the documented
/// formulas.
#[test]
fn proofs() {
    let nonce = Nonce::from_random(std::array::from_fn(|i| i as u8 + 1));
    let native = hex("b32bb3a583e1340c0a1108d58b1be49781ad8c2f");
    let sha2 = hex("746ebe205d56a0707acb3e796e834e0dd7b1d61743b26bd5202c7a623230c7c9");
    assert_eq!(native_proof(b"secret", &nonce)[..], native);
    assert_eq!(caching_sha2_proof(b"secret", &nonce)[..], sha2);
    for (plugin, proof) in [(Plugin::Native, native), (Plugin::CachingSha2, sha2)] {
        assert!(plugin.proves(b"secret", &nonce, &proof));
        assert!(!plugin.proves(b"Secret", &nonce, &proof));
        assert!(!plugin.proves(b"", &nonce, &proof));
        assert!(!plugin.proves(b"secret", &Nonce::from_random([1; 20]), &proof));
        assert!(!plugin.proves(b"secret", &nonce, b""));
        assert!(!plugin.proves(b"secret", &nonce, &[0]));
        assert!(plugin.proves(b"", &nonce, b""));
        for end in 0..proof.len() {
            assert!(!plugin.proves(b"secret", &nonce, &proof[..end]));
        }
        for at in 0..proof.len() {
            let mut wrong = proof.clone();
            wrong[at] ^= 0x80;
            assert!(!plugin.proves(b"secret", &nonce, &wrong));
        }
        assert_eq!(Plugin::by_name(plugin.name().as_bytes()), Some(plugin));
    }
    // Without a password caching_sha2_password sends a NUL; for the other it is a wrong proof.
    assert!(Plugin::CachingSha2.proves(b"", &nonce, &[0]));
    assert!(!Plugin::Native.proves(b"", &nonce, &[0]));
    assert_eq!(Plugin::by_name(b"sha256_password"), None);
}

#[test]
fn switch_request() {
    let nonce = Nonce::from_random([b'n'; 20]);
    let mut out = Vec::new();
    handshake::encode_switch(&mut out, Plugin::CachingSha2, &nonce);
    assert_eq!(out, b"\xfecaching_sha2_password\0nnnnnnnnnnnnnnnnnnnn\0");
    out.clear();
    handshake::encode_fast_success(&mut out);
    assert_eq!(out, [1, 3]);
}

/// What a client with these capabilities sends, to a server that offers everything of
/// mysql-clients.md.
fn response(flags: u32, charset: u8, max_packet: u32, filler: [u8; 23]) -> Vec<u8> {
    let mut out = flags.to_le_bytes().to_vec();
    out.extend(max_packet.to_le_bytes());
    out.push(charset);
    out.extend(filler);
    out.extend(b"root\0\x14ppppppppppppppppppp!");
    if flags & 0x8 != 0 {
        out.extend(b"CometQL_v1\0");
    }
    if flags & 0x8_0000 != 0 {
        out.extend(b"mysql_native_password\0");
    }
    if flags & 0x10_0000 != 0 {
        out.extend(b"\x15\x0c_client_name\x07mysqlnd");
    }
    out
}

#[test]
fn responses_of_real_clients() {
    let mut libmariadb = [0; 23];
    libmariadb[19] = 0x1d;
    for (client, flags, charset, max_packet, filler) in [
        ("cli, batch", 0x00bf_a28c_u32, 45, 1 << 20, libmariadb),
        ("cli, terminal", 0x20ff_a68c, 45, 1 << 20, libmariadb),
        ("mariadb-admin", 0x80be_a284, 45, 1 << 20, libmariadb),
        ("mysqli", 0x001a_a28d, 8, 0xc000_0000, [0; 23]),
        ("pdo", 0x001b_a28d, 45, 0xc000_0000, [0; 23]),
        ("pymysql", 0x003a_a20d, 45, 0xff_ffff, [0; 23]),
        ("connector-pure", 0x003b_a20d, 45, 0x4000_0000, [0; 23]),
        ("connector-c", 0x19bf_a28d, 255, 0x4000_0000, [0; 23]),
        ("node-mysql", 0x0006_f3cf, 45, 0, [0; 23]),
        ("node-mysql2", 0x08ba_f3ce, 45, 0, libmariadb),
        ("dbd-mysql", 0x00be_a28e, 45, 1 << 20, libmariadb),
        ("dbd-mariadb", 0x80be_a28e, 45, 1 << 20, [0xff; 23]),
    ] {
        let payload = response(flags, charset, max_packet, filler);
        let expect = Response {
            user: b"root",
            proof: b"ppppppppppppppppppp!",
            database: if flags & 8 != 0 { b"CometQL_v1" } else { b"" },
            plugin: if flags & 0x8_0000 != 0 { b"mysql_native_password" } else { b"" },
            multi_statements: flags & 0x1_0000 != 0,
        };
        assert_eq!(Response::parse(&payload), Ok(expect), "{client}");
        // Cut anywhere up to the proof's end it is no response; and nothing panics after that.
        for end in 0..payload.len() {
            let cut = Response::parse(&payload[..end]);
            assert_eq!(cut.is_err(), end < 32 + 5 + 21, "{client} cut at {end}");
        }
        let framed = [&[payload.len() as u8, 0, 0, 0], &payload[..]].concat();
        for pieces in splits(&framed) {
            assert_eq!(packets_of(&pieces, 1000).0, [&payload[..]], "{client}");
        }
    }
}

#[test]
fn responses() {
    let head = |flags: u32| [&flags.to_le_bytes()[..], &[0; 28]].concat();
    let long = [&b"u\0\xfc\x2c\x01"[..], &[7; 300]].concat();
    let none: &[u8] = b"";
    for (name, flags, tail, expect) in [
        // The example of "Protocol::HandshakeResponse41".
        ("documented", 0x000f_a68d, &b"pam\0\x14\xab\x09\xee\xf6\xbc\xb1\x32\x3e\x61\x14\x38\x65\xc0\x99\x1d\x95\x7d\x75\xd4\x47test\0mysql_native_password\0"[..],
            Ok((&b"pam"[..], 20, &b"test"[..], &b"mysql_native_password"[..]))),
        ("lenenc proof above 250", 0x0020_8200, &long, Ok((b"u", 300, none, none))),
        ("NUL-terminated proof", 0x0000_0208, b"u\0pw\0db\0", Ok((b"u", 2, b"db", none))),
        ("no user, no proof", 0x0000_8200, b"\0\0", Ok((none, 0, none, none))),
        ("database without its NUL", 0x0000_8208, b"u\0\0db", Ok((b"u", 0, b"db", none))),
        ("empty database", 0x0008_8208, b"u\0\0\0p\0", Ok((b"u", 0, none, b"p"))),
        ("database flag, nothing there", 0x0000_8208, b"u\0\0", Ok((b"u", 0, none, none))),
        ("before 4.1", 0x0000_8000, b"u\0\0", Err(handshake::Error::TooOld)),
        ("will compress", 0x0000_8220, b"u\0\0", Err(handshake::Error::Compressed)),
        ("user without its NUL", 0x0000_8200, b"user", Err(handshake::Error::Malformed)),
        ("no proof at all", 0x0000_8200, b"u\0", Err(handshake::Error::Malformed)),
        ("proof cut", 0x0000_8200, b"u\0\x14abc", Err(handshake::Error::Malformed)),
        ("lenenc proof is NULL", 0x0020_8200, b"u\0\xfb", Err(handshake::Error::Malformed)),
        ("lenenc proof without end", 0x0020_8200, b"u\0\xfe\xff\xff\xff\xff\xff\xff\xff\xff",
            Err(handshake::Error::Malformed)),
        ("request for TLS", 0x0000_8a00, b"", Err(handshake::Error::Malformed)),
    ] {
        let payload = [&head(flags), tail].concat();
        let parsed = Response::parse(&payload);
        let parsed = parsed.map(|r| (r.user, r.proof.len(), r.database, r.plugin));
        assert_eq!(parsed, expect, "{name}");
    }
}

#[test]
fn answers() {
    let written = |write: &dyn Fn(&mut Writer<'_>)| {
        let mut out = Vec::new();
        write(&mut Writer::new(&mut out, 1));
        out
    };
    assert_eq!(written(&|w| resultset::ok(w, 0, 0, ON)), hex("07 00 00 01 00 00 00 02 00 00 00"));
    assert_eq!(
        written(&|w| resultset::ok(w, 300, 1, ON)),
        hex("09 00 00 01 00 fc 2c 01 01 02 00 00 00")
    );
    assert_eq!(written(&|w| resultset::eof(w, ON)), hex("05 00 00 01 fe 00 00 02 00"));
    // The example of "ERR_Packet".
    assert_eq!(
        written(&|w| resultset::error(w, Code { number: 1096, state: "HY000" }, "No tables used")),
        hex("17 00 00 01 ff 48 04 23 48 59 30 30 30 4e 6f 20 74 61 62 6c 65 73 20 75 73 65 64")
    );
    assert_eq!(written(&|w| resultset::text(w, "Uptime: 1")), b"\x09\0\0\x01Uptime: 1");
    let rows = written(&|w| {
        resultset::columns(w, &["a".to_string()], ON);
        resultset::row(w, &[Some("x".to_string())]);
        resultset::row(w, &[None]);
        resultset::eof(w, ON);
    });
    let expect = [
        hex("01 00 00 01 01"),
        hex("17 00 00 02 03 64 65 66 00 00 00 01 61 00 0c 2d 00 00 04 00 00 fd 00 00 00 00 00"),
        hex("05 00 00 03 fe 00 00 02 00"),
        hex("02 00 00 04 01 78"),
        hex("01 00 00 05 fb"),
        hex("05 00 00 06 fe 00 00 02 00"),
    ];
    assert_eq!(rows, expect.concat());
}

#[test]
fn an_error_text_is_cut_between_characters() {
    let mut out = Vec::new();
    resultset::error(&mut Writer::new(&mut out, 1), Code::OTHER, &"ü".repeat(1000));
    assert_eq!(std::str::from_utf8(&out[13..]).map(str::len), Ok(512));
    out.clear();
    resultset::error(&mut Writer::new(&mut out, 1), Code::OTHER, &format!("x{}", "ü".repeat(1000)));
    assert_eq!(std::str::from_utf8(&out[13..]).map(str::len), Ok(511));
}

#[test]
fn definitions_of_a_table_and_of_a_prepared_statement() {
    let mut out = Vec::new();
    resultset::fields(&mut Writer::new(&mut out, 1), "t", ["a", "bc"], ON);
    let expect = [
        hex(
            "1b 00 00 01 03 64 65 66 00 01 74 01 74 01 61 01 61 0c 2d 00 00 04 00 00 fd 00 00 00 00 00 fb",
        ),
        hex(
            "1d 00 00 02 03 64 65 66 00 01 74 01 74 02 62 63 02 62 63 0c 2d 00 00 04 00 00 fd 00 00 00 00 00 fb",
        ),
        hex("05 00 00 03 fe 00 00 02 00"),
    ];
    assert_eq!(out, expect.concat());
    out.clear();
    prepared(&mut Writer::new(&mut out, 1), 0x01020304, 1, &["a".to_string()], ON);
    let definition = "00 00 00 01 XX 00 0c 2d 00 00 04 00 00 fd 00 00 00 00 00";
    let expect = [
        hex("0c 00 00 01 00 04 03 02 01 01 00 01 00 00 00 00"),
        hex(&format!("17 00 00 02 03 64 65 66 {}", definition.replace("XX", "3f"))),
        hex("05 00 00 03 fe 00 00 02 00"),
        hex(&format!("17 00 00 04 03 64 65 66 {}", definition.replace("XX", "61"))),
        hex("05 00 00 05 fe 00 00 02 00"),
    ];
    assert_eq!(out, expect.concat());
    out.clear();
    prepared(&mut Writer::new(&mut out, 1), 1, 0, &[], ON);
    assert_eq!(out, hex("0c 00 00 01 00 01 00 00 00 00 00 00 00 00 00 00"));
}

#[test]
fn binary_rows() {
    let text = |text: &str| Some(text.to_string());
    let nine = || vec![None, text("b"), None, None, None, None, None, text(""), None];
    for (values, payload) in [
        (vec![text("a")], "00 00 01 61"),
        (vec![None], "00 04"),
        (vec![None, text("b")], "00 04 01 62"),
        // The sixth column is the last in the first byte of the bitmap.
        (vec![None; 6], "00 fc"),
        (vec![None; 7], "00 fc 01"),
        (nine(), "00 f4 05 01 62 00"),
    ] {
        let mut out = Vec::new();
        resultset::binary_row(&mut Writer::new(&mut out, 0), &values);
        assert_eq!(out[4..], hex(payload), "{values:?}");
    }
}

/// Type, flags, value on the wire, what it is.
#[test]
fn parameters_of_every_type() {
    let number = |text: &str| Ok(Value::Number(text.to_string()));
    let time = |text: &str| Ok(Value::Time(text.to_string()));
    for (kind, flags, input, expect) in [
        (0x01, 0x00, "ff", number("-1")),
        (0x01, 0x80, "ff", number("255")),
        (0x01, 0x00, "7f", number("127")),
        (0x02, 0x00, "00 80", number("-32768")),
        (0x02, 0x80, "00 80", number("32768")),
        (0x0d, 0x80, "e9 07", number("2025")),
        (0x03, 0x00, "fe ff ff ff", number("-2")),
        (0x03, 0x80, "fe ff ff ff", number("4294967294")),
        (0x09, 0x00, "fe ff ff ff", number("-2")),
        (0x08, 0x00, "00 00 00 00 00 00 00 80", number("-9223372036854775808")),
        (0x08, 0x80, "ff ff ff ff ff ff ff ff", number("18446744073709551615")),
        (0x04, 0x00, "cd cc 8c 3f", number("1.1")),
        (0x05, 0x00, "9a 99 99 99 99 99 f1 3f", number("1.1")),
        (0x05, 0x00, "00 00 00 00 00 00 24 40", number("10")),
        (0x05, 0x00, "00 00 00 00 00 00 00 00", number("0")),
        (0x05, 0x00, "a0 c8 eb 85 f3 cc e1 7f", number("1e308")),
        (0x05, 0x00, "00 00 00 00 00 00 f8 7f", Err(Malformed)), // NaN
        (0x05, 0x00, "00 00 00 00 00 00 f0 ff", Err(Malformed)), // -infinity
        (0x06, 0x00, "", Ok(Value::Null)),
        (0x0f, 0x00, "02 68 69", Ok(Value::Bytes(b"hi"))),
        (0x10, 0x00, "01 ff", Ok(Value::Bytes(b"\xff"))),
        (0x00, 0x00, "03 31 2e 35", Ok(Value::Bytes(b"1.5"))),
        (0xf5, 0x00, "02 7b 7d", Ok(Value::Bytes(b"{}"))),
        (0xf6, 0x00, "01 31", Ok(Value::Bytes(b"1"))),
        (0xf7, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xf8, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xf9, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xfa, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xfb, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xfc, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xfd, 0x00, "00", Ok(Value::Bytes(b""))),
        (0xfe, 0x00, "fc 01 00 61", Ok(Value::Bytes(b"a"))),
        (0xff, 0x00, "01 61", Ok(Value::Bytes(b"a"))),
        (0xfd, 0x00, "02 61", Err(Malformed)),
        (0xfd, 0x00, "fe ff ff ff ff ff ff ff ff 61", Err(Malformed)),
        (0xfd, 0x00, "fb", Err(Malformed)),
        (0x0a, 0x00, "04 e9 07 0b 15", time("2025-11-21")),
        (0x0a, 0x00, "00", time("0000-00-00")),
        (0x0c, 0x00, "00", time("0000-00-00 00:00:00")),
        (0x0c, 0x00, "04 e9 07 0b 15", time("2025-11-21 00:00:00")),
        (0x07, 0x00, "07 e9 07 0b 15 01 02 03", time("2025-11-21 01:02:03")),
        (0x0c, 0x00, "0b e9 07 0b 15 01 02 03 40 e2 01 00", time("2025-11-21 01:02:03.123456")),
        (0x0c, 0x00, "05 e9 07 0b 15 01", Err(Malformed)),
        (0x0c, 0x00, "07 e9 07 0b 15", Err(Malformed)),
        (0x0b, 0x00, "00", time("00:00:00")),
        (0x0b, 0x00, "08 00 00 00 00 00 01 02 03", time("01:02:03")),
        (0x0b, 0x00, "08 01 02 00 00 00 01 02 03", time("-49:02:03")),
        (0x0b, 0x00, "0c 00 00 00 00 00 01 02 03 01 00 00 00", time("01:02:03.000001")),
        (0x0b, 0x00, "08 00 ff ff ff ff ff ff ff", time("103079215335:255:255")),
        (0x0b, 0x00, "09 00 00 00 00 00 01 02 03 00", Err(Malformed)),
        (0x11, 0x00, "00 00 00 00 00 00 00 00", Err(Malformed)),
        (0xf4, 0x00, "01 61", Err(Malformed)),
    ] {
        let value = hex(input);
        let head = [&hex("01 00 00 00  00  01 00 00 00  00  01")[..], &[kind, flags]].concat();
        let whole = [&head[..], &value].concat();
        let read = |bytes: &[u8]| {
            let values = Execute::parse(bytes)?.values(1, &mut Vec::new(), |_| false)?;
            assert_eq!(values.len(), 1);
            Ok(format!("{:?}", values[0]))
        };
        assert_eq!(
            read(&whole),
            expect.clone().map(|value| format!("{value:?}")),
            "{kind:x} {input}"
        );
        // Cut anywhere it is nothing, and nothing panics.
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), Err(Malformed), "{kind:x} {input} cut at {end}");
        }
    }
}

#[test]
fn parameters_together() {
    let mut types = Vec::new();
    let read = |types: &mut Vec<_>, count, sent: Option<usize>, input: &str| {
        let bytes = [hex("07 00 00 00  05  01 00 00 00"), hex(input)].concat();
        let execute = Execute::parse(&bytes).expect("its head is whole");
        assert_eq!(execute.statement, 7);
        let values = execute.values(count, types, |index| Some(index) == sent);
        values.map(|values| format!("{values:?}"))
    };
    assert_eq!(read(&mut types, 0, None, ""), Ok("[]".into()));
    assert_eq!(read(&mut types, 0, None, "ff ff ff"), Ok("[]".into()));
    // Without types there is no first time.
    assert_eq!(read(&mut types, 2, None, "00 00 01 01"), Err(Malformed));
    let both = Ok("[Number(\"1\"), Bytes([97])]".to_string());
    assert_eq!(read(&mut types, 2, None, "00 01 01 00 fd 00 01 01 61"), both);
    // Types of the last time; NULL by the bitmap; one that was sent ahead, whatever the bitmap says.
    assert_eq!(read(&mut types, 2, None, "00 00 01 01 61"), both);
    assert_eq!(read(&mut types, 2, None, "01 00 01 61"), Ok("[Null, Bytes([97])]".into()));
    assert_eq!(read(&mut types, 2, None, "03 00"), Ok("[Null, Null]".into()));
    for bitmap in ["00", "02"] {
        let sent = read(&mut types, 2, Some(1), &format!("{bitmap} 00 01"));
        assert_eq!(sent, Ok("[Number(\"1\"), SentAhead]".into()));
    }
    assert_eq!(read(&mut types, 3, None, "00 00 01 01 61"), Err(Malformed), "another count");
    // Nine parameters have two bytes of bitmap.
    let nine = format!("fe 01 01 {}", "01 00".repeat(9));
    let values = read(&mut types, 9, None, &(nine + "05"));
    assert_eq!(values, Ok(format!("[Number(\"5\"){}]", ", Null".repeat(8))));
}
