//! WebSocket clients: tungstenite, and frames made by hand for what tungstenite would not send.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use tungstenite::client::{ClientRequestBuilder, client_with_config};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Error, Message, WebSocket};

use crate::http::{Http, READ_TIMEOUT};

/// A client whose handshake is done.
pub struct Ws(pub WebSocket<TcpStream>);

impl Ws {
    pub fn connect(address: SocketAddr, target: &str) -> Ws {
        Ws::with_protocol(address, target, None).0
    }

    /// The second value is the subprotocol that was agreed to.
    pub fn with_protocol(
        address: SocketAddr,
        target: &str,
        protocol: Option<&str>,
    ) -> (Ws, Option<String>) {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        stream.set_write_timeout(Some(READ_TIMEOUT)).expect("a timeout");
        let uri = format!("ws://{address}{target}").parse().expect("a URI");
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(protocol) = protocol {
            request = request.with_sub_protocol(protocol);
        }
        let config = WebSocketConfig::default().max_frame_size(None).max_message_size(None);
        let (socket, response) =
            client_with_config(request, stream, Some(config)).expect("a handshake");
        let agreed = response.headers().get("Sec-WebSocket-Protocol");
        (Ws(socket), agreed.map(|value| value.to_str().expect("text").to_owned()))
    }

    pub fn send(&mut self, message: Message) {
        self.0.send(message).expect("a send");
    }

    pub fn text(&mut self, text: &str) {
        self.send(Message::text(text));
    }

    /// The next message that is not a ping.
    pub fn read(&mut self) -> Message {
        loop {
            match self.0.read() {
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                // A signal to the test is nothing to it.
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => {}
                message => return message.expect("a message in time"),
            }
        }
    }

    pub fn read_text(&mut self) -> String {
        match self.read() {
            Message::Text(text) => text.to_string(),
            other => panic!("not text: {other:?}"),
        }
    }

    pub fn read_json(&mut self) -> serde_json::Value {
        let text = self.read_text();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Reads up to the close, answers it, and returns code and reason.
    pub fn closed(&mut self) -> (u16, String) {
        loop {
            match self.read() {
                Message::Close(Some(frame)) => {
                    // The answer goes out by itself; then the server closes.
                    while self.0.read().is_ok() {}
                    return (frame.code.into(), frame.reason.to_string());
                }
                Message::Close(None) => panic!("a close without a code"),
                _ => {}
            }
        }
    }
}

/// The request of RFC 6455 §1.3.
pub const UPGRADE: [&str; 4] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A connection that was upgraded by hand.
pub fn upgrade(address: SocketAddr, target: &str) -> Http {
    let mut http = Http::connect(address);
    http.ask(&format!("GET {target}"), &UPGRADE);
    let head = http.head();
    assert_eq!(head.status, 101, "{head:?}");
    assert_eq!(head.header("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    http
}

/// A masked frame; `first` is FIN, reserved bits and opcode.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Reads one unmasked frame: its first byte and its payload.
pub fn read_frame(http: &mut Http) -> (u8, Vec<u8>) {
    let head = http.bytes(2);
    let length = match head[1] {
        127 => u64::from_be_bytes(http.bytes(8).try_into().expect("8 bytes")) as usize,
        126 => usize::from(u16::from_be_bytes(http.bytes(2).try_into().expect("2 bytes"))),
        short => usize::from(short),
    };
    (head[0], http.bytes(length))
}

/// The code of a close frame, after which the connection ends.
pub fn read_close(http: &mut Http) -> u16 {
    let (first, payload) = read_frame(http);
    assert_eq!(first, 0x88, "{payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}
