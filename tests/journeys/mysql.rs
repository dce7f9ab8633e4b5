//! A small MySQL client over a bare socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use crate::http::READ_TIMEOUT;

/// One connection.
pub struct MySql {
    stream: TcpStream,
    nonce: Vec<u8>,
}

/// What a server answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    Ok,
    Error { number: u16, state: String, text: String },
    Rows(Vec<Vec<Option<String>>>),
}

impl Reply {
    /// Number and SQLSTATE of an error.
    #[track_caller]
    pub fn error(&self) -> (u16, &str) {
        match self {
            Reply::Error { number, state, .. } => (*number, state),
            other => panic!("not an error: {other:?}"),
        }
    }
}

impl MySql {
    /// Connects and reads the greeting.
    pub fn connect(address: SocketAddr) -> MySql {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        let mut client = MySql { stream, nonce: Vec::new() };
        let (sequence, greeting) = client.packet();
        assert_eq!((sequence, greeting[0]), (0, 10), "protocol version 10");
        let version = greeting.iter().position(|&byte| byte == 0).expect("a version");
        let (first, second) = (version + 5, version + 5 + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10);
        client.nonce = [&greeting[first..first + 8], &greeting[second..second + 12]].concat();
        assert!(greeting.ends_with(b"mysql_native_password\0"), "{greeting:?}");
        client
    }

    /// Connected and logged in, with the password if there is one.
    pub fn open(address: SocketAddr, password: Option<&str>) -> MySql {
        let mut client = MySql::connect(address);
        assert_eq!(client.log_in("root", password), Reply::Ok);
        client
    }

    /// Logs in by `mysql_native_password`.
    pub fn log_in(&mut self, user: &str, password: Option<&str>) -> Reply {
        self.send_login(user, password);
        self.reply(2)
    }

    /// Says who it is, and does not wait for the answer: to a wrong password it comes late.
    pub fn send_login(&mut self, user: &str, password: Option<&str>) {
        let proof = password.map(|password| native_proof(password, &self.nonce));
        let response = response(user, &proof.unwrap_or_default(), "mysql_native_password");
        self.send(1, &response);
    }

    /// Logs in as a client of MySQL 8 does: names the other plugin, is sent a fresh nonce for it.
    pub fn log_in_caching(&mut self, user: &str, password: &str) -> Reply {
        self.send(1, &response(user, &[7; 32], "caching_sha2_password"));
        let (sequence, switch) = self.packet();
        assert_eq!(sequence, 2);
        let rest = switch.strip_prefix(b"\xfecaching_sha2_password\0").expect("a switch");
        let nonce = rest.strip_suffix(b"\0").expect("a nonce");
        assert_ne!(nonce, self.nonce, "a fresh one");
        let once: [u8; 32] = Sha256::digest(password).into();
        let twice: [u8; 32] = Sha256::digest(once).into();
        let both: [u8; 32] = Sha256::digest([&twice[..], nonce].concat()).into();
        let proof: Vec<u8> = once.iter().zip(both).map(|(one, other)| one ^ other).collect();
        self.send(3, &proof);
        let (sequence, payload) = self.packet();
        if payload != [1, 3] {
            assert_eq!(sequence, 4);
            return read_error(&payload);
        }
        self.reply(5)
    }

    /// Runs a statement.
    pub fn query(&mut self, sql: impl AsRef<[u8]>) -> Reply {
        self.command(3, sql.as_ref())
    }

    /// Any command, and its answer.
    pub fn command(&mut self, command: u8, argument: &[u8]) -> Reply {
        self.send(0, &[&[command], argument].concat());
        self.reply(1)
    }

    pub fn send(&mut self, sequence: u8, payload: &[u8]) {
        self.send_raw(&packet(sequence, payload));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a write");
    }

    /// Sends what may be refused half way.
    pub fn try_send_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next packet: its number and payload.
    pub fn packet(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).expect("a packet in time");
        let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
        self.stream.read_exact(&mut payload).expect("a whole packet");
        (head[3], payload)
    }

    /// An answer whose first packet has this number.
    pub fn reply(&mut self, mut sequence: u8) -> Reply {
        let mut next = |client: &mut MySql| {
            let (number, payload) = client.packet();
            assert_eq!(number, sequence, "{payload:?}");
            sequence = sequence.wrapping_add(1);
            payload
        };
        let first = next(self);
        match first[0] {
            0 => return Reply::Ok,
            0xff => return read_error(&first),
            _ => {}
        }
        let columns = usize::from(first[0]);
        for _ in 0..columns {
            assert_eq!(&next(self)[..4], b"\x03def");
        }
        assert_eq!(next(self)[0], 0xfe, "EOF");
        let mut rows = Vec::new();
        loop {
            let row = next(self);
            if row[0] == 0xfe && row.len() < 9 {
                return Reply::Rows(rows);
            }
            rows.push(read_row(&row, columns));
        }
    }

    /// The server has closed, and said nothing more.
    #[track_caller]
    pub fn ends(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end in time");
        assert!(rest.is_empty(), "{rest:?}");
    }
}

pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

fn native_proof(password: &str, nonce: &[u8]) -> Vec<u8> {
    let once: [u8; 20] = Sha1::digest(password).into();
    let twice: [u8; 20] = Sha1::digest(once).into();
    let both: [u8; 20] = Sha1::digest([nonce, &twice].concat()).into();
    once.iter().zip(both).map(|(one, other)| one ^ other).collect()
}

/// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH; utf8mb4.
fn response(user: &str, proof: &[u8], plugin: &str) -> Vec<u8> {
    let mut payload = 0x0008_a201_u32.to_le_bytes().to_vec();
    payload.extend(0x0100_0000_u32.to_le_bytes());
    payload.push(45);
    payload.extend([0; 23]);
    payload.extend(user.as_bytes());
    payload.extend([0, proof.len() as u8]);
    payload.extend(proof);
    payload.extend(plugin.as_bytes());
    payload.push(0);
    payload
}

fn read_error(payload: &[u8]) -> Reply {
    assert_eq!((payload[0], payload[3]), (0xff, b'#'), "{payload:?}");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    Reply::Error {
        number: u16::from_le_bytes([payload[1], payload[2]]),
        state: text(&payload[4..9]),
        text: text(&payload[9..]),
    }
}

fn read_row(mut bytes: &[u8], columns: usize) -> Vec<Option<String>> {
    let mut row = Vec::new();
    for _ in 0..columns {
        let length = usize::from(bytes[0]);
        bytes = &bytes[1..];
        if length == 0xfb {
            row.push(None);
            continue;
        }
        assert!(length < 0xfb, "no test asks for long values");
        row.push(Some(String::from_utf8(bytes[..length].to_vec()).expect("text")));
        bytes = &bytes[length..];
    }
    row
}
