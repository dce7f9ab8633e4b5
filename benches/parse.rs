//! Bytes a second through each protocol, beside a well-known package where both do the same work.

mod support;

use std::hint::black_box;
use std::io::{Cursor, Write};

use encke::proto::http1::{HeaderSpace, Limits, parse_head, write_header, write_status};
use encke::proto::websocket::{self, Decoder, Opcode, apply_mask, write_frame};
use encke::proto::{chunked, json, sse, ws_handshake};
use fastwebsockets::{Frame, OpCode, Payload, unmask};
use support::crowd::{get, upgrade};
use support::{Bench, Pair, Unit};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn main() {
    let bench = Bench::new();
    request_head(&bench);
    response_head(&bench);
    for payload_bytes in [16, 128, 4_096, 65_536] {
        mask(&bench, payload_bytes);
        websocket_in(&bench, payload_bytes);
        websocket_out(&bench, payload_bytes);
    }
    utf8(&bench);
    event_stream(&bench);
    json_string(&bench);
    chunks(&bench);
    #[cfg(feature = "cometql")]
    insert(&bench);
}

/// Bytes through both.
fn bytes<'a>(name: &'a str, theirs: &'a str, amount: usize) -> Pair<'a> {
    Pair { name, theirs, unit: Unit::Bytes, amount: amount as u64 }
}

/// httparse, which ours stands on, only splits: no lengths, hosts, mixed line ends are judged.
fn request_head(bench: &Bench) {
    let browsers = get(
        "/channels/SimplePhpChat?transport=sse&presence=1",
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)\r\n\
         Accept: text/event-stream\r\nAccept-Language: en-GB,en;q=0.9\r\n\
         Accept-Encoding: gzip, deflate, br\r\nReferer: http://localhost:8080/\r\n\
         Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n\
         Cookie: session=0123456789abcdef0123456789abcdef\r\nConnection: keep-alive\r\n",
    );
    let limits = Limits { head_bytes_max: 16_384, target_bytes_max: 8_192 };
    for (name, head) in [("browser", browsers), ("upgrade", upgrade("/channels/a"))] {
        bench.pair(
            &bytes(&format!("HTTP head, {name}"), "httparse alone", head.len()),
            || {
                let mut space = HeaderSpace::new();
                black_box(parse_head(black_box(head), &mut space, &limits)).unwrap().unwrap();
            },
            || {
                let mut headers = [httparse::EMPTY_HEADER; 100];
                let mut request = httparse::Request::new(&mut headers);
                black_box(request.parse(black_box(head)).unwrap());
            },
        );
    }
}

fn response_head(bench: &Bench) {
    let (mut out, mut formatted) = (Vec::with_capacity(256), Vec::with_capacity(256));
    let one = |name, theirs| Pair { name, theirs, unit: Unit::Operations, amount: 1 };
    bench.pair(
        &one("response head", "write!"),
        || {
            out.clear();
            write_status(&mut out, 200);
            write_header(&mut out, "Content-Type", b"text/event-stream");
            write_header(&mut out, "Cache-Control", b"no-store");
            black_box(&out);
        },
        || {
            formatted.clear();
            let (status, kind, cache) = black_box((200, "text/event-stream", "no-store"));
            write!(formatted, "HTTP/1.1 {status} OK\r\n").unwrap();
            write!(formatted, "Content-Type: {kind}\r\nCache-Control: {cache}\r\n").unwrap();
            black_box(&formatted);
        },
    );
    let key = b"dGhlIHNhbXBsZSBub25jZQ==";
    bench.pair(
        &one("Sec-WebSocket-Accept", "tungstenite"),
        || _ = black_box(ws_handshake::accept_key(black_box(key))),
        || _ = black_box(derive_accept_key(black_box(key))),
    );
}

fn mask(bench: &Bench, payload_bytes: usize) {
    let (mut ours, mut theirs) = (vec![b'x'; payload_bytes], vec![b'x'; payload_bytes]);
    bench.pair(
        &bytes(&format!("mask, {payload_bytes} B"), "fastwebsockets", payload_bytes),
        || apply_mask(black_box(&mut ours), black_box(MASK), 0),
        || unmask(black_box(&mut theirs), black_box(MASK)),
    );
}

/// 64 masked text frames of ASCII, read as many at a time as fit into 64 KiB, as the server does.
fn websocket_in(bench: &Bench, payload_bytes: usize) {
    let mut stream = Vec::new();
    for _ in 0..64 {
        let mut payload = vec![b'x'; payload_bytes];
        apply_mask(&mut payload, MASK, 0);
        let start = stream.len();
        websocket::write_frame_head(&mut stream, Opcode::Text, true, payload_bytes);
        stream[start + 1] |= 0x80;
        stream.extend_from_slice(&MASK);
        stream.extend_from_slice(&payload);
    }
    let frame_bytes = stream.len() / 64;
    let read_bytes = (65_536 / frame_bytes).clamp(1, 64) * frame_bytes;
    let mut buffer = vec![0; read_bytes];
    let limits = websocket::Limits { message_bytes_max: 1 << 20, compressed_bytes_max: None };
    bench.pair(
        &bytes(&format!("WebSocket in, {payload_bytes} B"), "tungstenite", stream.len()),
        || {
            let mut decoder = Decoder::new();
            for read in stream.chunks(read_bytes) {
                // Unmasking is in place: the copy stands for what the kernel would do.
                buffer[..read.len()].copy_from_slice(read);
                let mut at = 0;
                while at < read.len() {
                    let (used, event) =
                        decoder.decode(&mut buffer[at..read.len()], &limits).unwrap();
                    black_box(event).unwrap();
                    at += used;
                }
            }
        },
        || {
            let cursor = Cursor::new(&stream[..]);
            let mut socket = WebSocket::from_raw_socket(ReadOnly(cursor), Role::Server, None);
            for _ in 0..64 {
                black_box(socket.read()).unwrap();
            }
        },
    );
}

fn websocket_out(bench: &Bench, payload_bytes: usize) {
    let payload = vec![b'x'; payload_bytes];
    let name = format!("WebSocket out, {payload_bytes} B");
    let write_ours = |out: &mut Vec<u8>| {
        out.clear();
        write_frame(out, Opcode::Text, black_box(&payload));
        black_box(out);
    };
    let (mut out, mut theirs) = (Vec::new(), Vec::new());
    bench.pair(
        &bytes(&name, "fastwebsockets", payload_bytes),
        || write_ours(&mut out),
        || {
            let payload = Payload::Borrowed(black_box(&payload));
            black_box(Frame::new(true, OpCode::Text, None, payload).write(&mut theirs));
        },
    );
    let text = String::from_utf8(payload.clone()).expect("it is ASCII");
    let message = Message::text(text);
    let mut socket = WebSocket::from_raw_socket(Cursor::new(Vec::new()), Role::Server, None);
    bench.pair(
        &bytes(&name, "tungstenite", payload_bytes),
        || write_ours(&mut out),
        || {
            socket.get_mut().set_position(0);
            socket.send(message.clone()).unwrap();
            black_box(socket.get_ref());
        },
    );
}

/// Ours is the standard library's.
fn utf8(bench: &Bench) {
    let texts =
        [("ASCII", "hello, world; "), ("German", "Größe und Übermut; "), ("Chinese", "你好，世界")];
    for (kind, text) in texts {
        for times in [1, 10, 300] {
            let text = text.repeat(times).into_bytes();
            bench.pair(
                &bytes(&format!("UTF-8, {kind}, {} B", text.len()), "simdutf8", text.len()),
                || _ = black_box(std::str::from_utf8(black_box(&text))).unwrap(),
                || _ = black_box(simdutf8::basic::from_utf8(black_box(&text))).unwrap(),
            );
        }
    }
}

/// No small package writes event streams: beside ours stands what anybody would write.
fn event_stream(bench: &Bench) {
    for (name, data) in [("one line", "x".repeat(128)), ("lines", "0123456789abcde\n".repeat(8))] {
        let (mut out, mut formatted) = (Vec::new(), Vec::new());
        let (id, event) = ("1763690000-1", "chat");
        let whole = sse::Event { id: Some(id), event: Some(event), data: Some(data.as_bytes()) };
        bench.pair(
            &bytes(&format!("SSE event, 128 B, {name}"), "write!", data.len()),
            || {
                out.clear();
                sse::write_event(&mut out, black_box(&whole));
                black_box(&out);
            },
            || {
                formatted.clear();
                let (id, event, data) = black_box((id, event, data.as_str()));
                write!(formatted, "id: {id}\nevent: {event}\n").unwrap();
                for line in data.split('\n') {
                    writeln!(formatted, "data: {line}").unwrap();
                }
                formatted.push(b'\n');
                black_box(&formatted);
            },
        );
        if bench.wants("SSE") {
            assert_eq!(out, formatted, "the same work");
        }
    }
}

fn json_string(bench: &Bench) {
    let quoting = "she said \"hello\" to us; ".repeat(6);
    for (name, text) in [("plain", "x".repeat(128)), ("quotes", quoting)] {
        let (mut out, mut theirs) = (Vec::new(), Vec::new());
        bench.pair(
            &bytes(&format!("JSON string, {} B, {name}", text.len()), "serde_json", text.len()),
            || {
                out.clear();
                json::write_string(&mut out, black_box(&text));
                black_box(&out);
            },
            || {
                theirs.clear();
                serde_json::to_writer(&mut theirs, black_box(&text)).unwrap();
                black_box(&theirs);
            },
        );
    }
}

/// Beside a loop around httparse's chunk sizes, for bodies that are whole.
fn chunks(bench: &Bench) {
    for chunk_bytes in [16, 1_024] {
        let mut body = Vec::new();
        for _ in 0..64 {
            chunked::write_chunk(&mut body, &vec![b'x'; chunk_bytes]);
        }
        body.extend_from_slice(chunked::LAST_CHUNK);
        let (mut data, mut theirs) = (Vec::new(), Vec::new());
        bench.pair(
            &bytes(&format!("chunked body, chunks of {chunk_bytes} B"), "httparse", body.len()),
            || {
                data.clear();
                let (used, is_done) =
                    chunked::Decoder::new().decode(black_box(&body), &mut data, 1 << 20).unwrap();
                assert!(is_done && used == body.len());
            },
            || {
                theirs.clear();
                let mut rest = black_box(&body[..]);
                while let httparse::Status::Complete((used, 1..)) =
                    httparse::parse_chunk_size(rest).unwrap()
                {
                    theirs.extend_from_slice(&rest[used..used + chunk_bytes]);
                    rest = &rest[used + chunk_bytes + 2..];
                }
                assert_eq!(rest, chunked::LAST_CHUNK);
            },
        );
    }
}

/// sqlparser, which ours stands on, makes a tree; what it means, and whether it is too large or too deep, is
/// ours.
#[cfg(feature = "cometql")]
fn insert(bench: &Bench) {
    use encke::cometql::statement::Statement;
    use sqlparser::dialect::MySqlDialect;
    use sqlparser::parser::Parser;
    for rows in [1, 100] {
        let values = vec![r"('SimplePhpChat', '', 'It\'s one line of a chat, and no more')"; rows];
        let values = values.join(", ");
        let sql = format!("INSERT INTO pipes_messages (name, event, message) VALUES {values}");
        bench.pair(
            &bytes(&format!("INSERT, rows: {rows}"), "sqlparser alone", sql.len()),
            || _ = black_box(Statement::parse(black_box(&sql))).unwrap(),
            || _ = black_box(Parser::parse_sql(&MySqlDialect {}, black_box(&sql))).unwrap(),
        );
    }
}

/// tungstenite wants to be able to answer.
struct ReadOnly<T>(Cursor<T>);

impl<T: AsRef<[u8]>> std::io::Read for ReadOnly<T> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<T> std::io::Write for ReadOnly<T> {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        Ok(buffer.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
