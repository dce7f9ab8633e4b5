//! Both directions against readers and writers that are not ours: one of forty lines, and tungstenite.

use std::io::{self, Read, Write};

use encke::proto::websocket::{Opcode, write_close, write_frame, write_frame_head};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Bytes, Message};

use super::{LIMITS, closed, cuts, ping, text};
use crate::support::websocket::{Seen, decode};

const LENGTHS: [usize; 10] = [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 70_000];

/// One unmasked frame, read as the RFC's picture says: FIN, opcode, payload, what follows.
fn read_frame(bytes: &[u8]) -> (bool, u8, &[u8], &[u8]) {
    assert_eq!(bytes[0] & 0x70, 0, "no extension");
    assert!(bytes[1] < 0x80, "RFC 6455 §5.1: a server must not mask");
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| n * 256 + usize::from(*byte));
    let (head, len) = match bytes[1] {
        126 => (4, number(&bytes[2..4])),
        127 => (10, number(&bytes[2..10])),
        short => (2, usize::from(short)),
    };
    let shortest = if len < 126 {
        2
    } else if len < 65_536 {
        4
    } else {
        10
    };
    assert_eq!(head, shortest, "{len} bytes");
    let (payload, rest) = bytes[head..].split_at(len);
    (bytes[0] & 0x80 != 0, bytes[0] & 15, payload, rest)
}

#[test]
fn written_frames_are_read_back() {
    let mut out = Vec::new();
    for len in LENGTHS {
        let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        write_frame(&mut out, Opcode::Binary, &payload);
        write_frame_head(&mut out, Opcode::Text, false, len);
        out.extend(&payload);
    }
    let mut rest = &out[..];
    for len in LENGTHS {
        let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        let (fin, opcode, read, more) = read_frame(rest);
        assert!((fin, opcode, read) == (true, 2, &payload[..]), "{len} bytes");
        let (fin, opcode, read, more) = read_frame(more);
        assert!((fin, opcode, read) == (false, 1, &payload[..]), "{len} bytes");
        rest = more;
    }
    assert_eq!(rest, b"");
}

/// A connection whose other end is this test.
#[derive(Default)]
struct Wire {
    to_client: io::Cursor<Vec<u8>>,
    from_client: Vec<u8>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_client.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.from_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn client(to_client: Vec<u8>) -> WebSocket<Wire> {
    let wire = Wire { to_client: io::Cursor::new(to_client), from_client: Vec::new() };
    WebSocket::from_raw_socket(wire, Role::Client, None)
}

/// Sends, and checks what arrives however it is cut.
fn arrives(messages: Vec<Message>, expect: &[Seen]) {
    let mut client = client(Vec::new());
    for message in messages {
        client.send(message).expect("tungstenite sends it");
    }
    let stream = &client.get_ref().from_client;
    for pieces in cuts(stream) {
        let (outcome, _) = decode(&pieces, &LIMITS);
        assert_eq!((outcome.error, outcome.is_idle), (None, true));
        let seen: Vec<_> = outcome.events.into_iter().map(|(seen, _)| seen).collect();
        assert!(seen == expect, "{} bytes in {} pieces", stream.len(), pieces.len());
    }
}

#[test]
fn what_tungstenite_sends_arrives() {
    for len in LENGTHS {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        let letters = "κ".repeat(len / 2);
        arrives(
            vec![Message::binary(bytes.clone()), Message::text(letters.clone())],
            &[Seen::Binary(bytes), text(&letters)],
        );
    }
    let frame = |part: &'static [u8], opcode, fin| {
        Message::Frame(Frame::message(Bytes::from_static(part), opcode, fin))
    };
    arrives(
        vec![
            Message::Ping(Bytes::from_static(b"ping")),
            frame(b"a\xe2", OpCode::Data(Data::Text), false),
            frame(b"", OpCode::Data(Data::Continue), false),
            Message::Pong(Bytes::from_static(b"between")),
            frame(b"\x82\xac", OpCode::Data(Data::Continue), true),
            Message::Close(Some(CloseFrame { code: 3000.into(), reason: "bye κ".into() })),
        ],
        &[ping(b"ping"), Seen::Pong(b"between".into()), text("a€"), closed(3000, "bye κ")],
    );
    arrives(vec![Message::Close(None)], &[Seen::Close(None, "".into())]);
}

#[test]
fn tungstenite_reads_what_is_written() {
    for len in LENGTHS {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        let letters = "κ".repeat(len / 2);
        let mut out = Vec::new();
        write_frame(&mut out, Opcode::Binary, &bytes);
        write_frame(&mut out, Opcode::Text, letters.as_bytes());
        let mut client = client(out);
        assert!(client.read().expect("binary") == Message::binary(bytes), "{len} bytes");
        assert!(client.read().expect("text") == Message::text(letters), "{len} bytes");
    }
    let mut out = Vec::new();
    write_frame(&mut out, Opcode::Ping, &[1; 125]);
    write_frame_head(&mut out, Opcode::Text, false, 1);
    out.extend(b"\xc3");
    write_frame(&mut out, Opcode::Pong, b"");
    write_frame(&mut out, Opcode::Continuation, b"\xa9");
    write_close(&mut out, 1001, &"é".repeat(100));
    let mut client = client(out);
    let mut read = || client.read().expect("it is valid");
    assert_eq!(read(), Message::Ping(vec![1; 125].into()));
    assert_eq!(read(), Message::Pong(Bytes::new()));
    assert_eq!(read(), Message::text("é"));
    let cut = "é".repeat(61);
    let close = CloseFrame { code: 1001.into(), reason: (&*cut).into() };
    assert_eq!(read(), Message::Close(Some(close)));
}
