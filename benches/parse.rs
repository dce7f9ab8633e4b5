//! Bytes a second through each protocol, beside a well-known package where both do the same work.

mod support;

use std::hint::black_box;
use std::io::Cursor;

use encke::proto::http1::{HeaderSpace, Limits, parse_head, write_header, write_status};
use encke::proto::websocket::{self, Decoder, Opcode, apply_mask, write_frame};
use encke::proto::{chunked, sse, ws_handshake};
use support::crowd::{get, upgrade};
use support::{Bench, Unit};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

fn main() {
    let bench = Bench::new();
    http(&bench);
    for payload_bytes in [16, 128, 4_096, 65_536] {
        websocket_in(&bench, payload_bytes);
        websocket_out(&bench, payload_bytes);
    }
    event_stream(&bench);
    chunks(&bench);
    #[cfg(feature = "cometql")]
    insert(&bench);
}

fn http(bench: &Bench) {
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
        bench.row(&format!("HTTP head, {name}"), Unit::Bytes, head.len() as u64, || {
            let mut space = HeaderSpace::new();
            black_box(parse_head(black_box(head), &mut space, &limits)).unwrap().unwrap();
        });
        // It only splits: no lengths, hosts, mixed line ends are judged.
        bench.row(&format!("HTTP head, {name}: httparse"), Unit::Bytes, head.len() as u64, || {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut headers);
            black_box(request.parse(black_box(head)).unwrap());
        });
    }
    let mut out = Vec::with_capacity(256);
    bench.row("response head", Unit::Operations, 1, || {
        out.clear();
        write_status(&mut out, 200);
        write_header(&mut out, "Content-Type", b"text/event-stream");
        write_header(&mut out, "Cache-Control", b"no-store");
        black_box(&out);
    });
    bench.row("Sec-WebSocket-Accept", Unit::Operations, 1, || {
        black_box(ws_handshake::accept_key(black_box(b"dGhlIHNhbXBsZSBub25jZQ==")));
    });
}

/// 64 masked text frames of ASCII, decoded from one buffer.
fn websocket_in(bench: &Bench, payload_bytes: usize) {
    let mut stream = Vec::new();
    for _ in 0..64 {
        let mut payload = vec![b'x'; payload_bytes];
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        apply_mask(&mut payload, mask, 0);
        let start = stream.len();
        websocket::write_frame_head(&mut stream, Opcode::Text, true, payload_bytes);
        stream[start + 1] |= 0x80;
        stream.extend_from_slice(&mask);
        stream.extend_from_slice(&payload);
    }
    let amount = stream.len() as u64;
    let mut buffer = stream.clone();
    let limits = websocket::Limits { message_bytes_max: 1 << 20 };
    bench.row(&format!("WebSocket in, {payload_bytes} B"), Unit::Bytes, amount, || {
        // Unmasking is in place: the copy stands for what the kernel would do.
        buffer.copy_from_slice(&stream);
        let (mut at, mut decoder) = (0, Decoder::new());
        while at < buffer.len() {
            let (used, event) = decoder.decode(&mut buffer[at..], &limits).unwrap();
            black_box(event).unwrap();
            at += used;
        }
    });
    bench.row(
        &format!("WebSocket in, {payload_bytes} B: tungstenite"),
        Unit::Bytes,
        amount,
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
    let mut out = Vec::new();
    let amount = payload_bytes as u64;
    bench.row(&format!("WebSocket out, {payload_bytes} B"), Unit::Bytes, amount, || {
        out.clear();
        write_frame(&mut out, Opcode::Text, black_box(&payload));
        black_box(&out);
    });
    let text = String::from_utf8(payload.clone()).expect("it is ASCII");
    let message = Message::text(text);
    let written = Cursor::new(Vec::new());
    let mut socket = WebSocket::from_raw_socket(written, Role::Server, None);
    let name = format!("WebSocket out, {payload_bytes} B: tungstenite");
    bench.row(&name, Unit::Bytes, amount, || {
        socket.get_mut().set_position(0);
        socket.send(message.clone()).unwrap();
        black_box(socket.get_ref());
    });
}

fn event_stream(bench: &Bench) {
    for (name, data) in [("one line", "x".repeat(128)), ("lines", "0123456789abcde\n".repeat(8))] {
        let mut out = Vec::new();
        let event = sse::Event {
            id: Some("1763690000-1"),
            event: Some("chat"),
            data: Some(data.as_bytes()),
        };
        bench.row(&format!("SSE event, 128 B, {name}"), Unit::Bytes, data.len() as u64, || {
            out.clear();
            sse::write_event(&mut out, black_box(&event));
            black_box(&out);
        });
    }
}

fn chunks(bench: &Bench) {
    for chunk_bytes in [16, 1_024] {
        let mut body = Vec::new();
        for _ in 0..64 {
            chunked::write_chunk(&mut body, &vec![b'x'; chunk_bytes]);
        }
        body.extend_from_slice(chunked::LAST_CHUNK);
        let mut data = Vec::new();
        let name = format!("chunked body, chunks of {chunk_bytes} B");
        bench.row(&name, Unit::Bytes, body.len() as u64, || {
            data.clear();
            let (used, is_done) =
                chunked::Decoder::new().decode(black_box(&body), &mut data, 1 << 20).unwrap();
            assert!(is_done && used == body.len());
        });
    }
}

#[cfg(feature = "cometql")]
fn insert(bench: &Bench) {
    use encke::cometql::statement::Statement;
    for rows in [1, 100] {
        let values = vec![r"('SimplePhpChat', '', 'It\'s one line of a chat, and no more')"; rows];
        let values = values.join(", ");
        let sql = format!("INSERT INTO pipes_messages (name, event, message) VALUES {values}");
        bench.row(&format!("INSERT, rows: {rows}"), Unit::Bytes, sql.len() as u64, || {
            black_box(Statement::parse(black_box(&sql))).unwrap();
        });
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
