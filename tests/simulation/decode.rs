//! What comes over the wire, read by decoders written apart from the server: HTTP responses, chunks,
//! event streams, server frames.

use serde_json::Value;

/// Head of a response.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

impl Head {
    /// How far back the server's messages may refer if they are compressed; `None`: they are not.
    pub fn window_bits(&self) -> Option<u8> {
        let agreed = self.header("Sec-WebSocket-Extensions")?;
        let bits = |parameter: &str| {
            parameter.trim().strip_prefix("server_max_window_bits=")?.parse().ok()
        };
        Some(agreed.split(';').find_map(bits).unwrap_or(15))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &value[..])
    }
}

/// What a connection brings.
#[derive(Debug)]
pub enum Part {
    /// With the number of bytes of the connection up to its end.
    Head(Head, u64),
    Data(Vec<u8>),
    End,
}

#[derive(Debug, PartialEq)]
enum State {
    Head,
    Length(usize),
    ChunkSize,
    Chunk(usize),
    /// After the last chunk.
    Trailers,
    UntilClose,
    /// After a 101.
    Other,
}

/// Reads one response after the other.
pub struct Reader {
    bytes: Vec<u8>,
    used: u64,
    state: State,
}

impl Reader {
    pub fn new() -> Reader {
        Reader { bytes: Vec::new(), used: 0, state: State::Head }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing has begun that has not ended.
    pub fn is_whole(&self) -> bool {
        let is_endless = matches!(self.state, State::UntilClose | State::Other | State::ChunkSize);
        self.bytes.is_empty() && (self.state == State::Head || is_endless)
    }

    /// Whether it stands between two responses.
    pub fn is_between(&self) -> bool {
        self.state == State::Head && self.bytes.is_empty()
    }

    fn use_up(&mut self, count: usize) -> Vec<u8> {
        self.used += count as u64;
        self.bytes.drain(..count).collect()
    }

    fn line(&mut self) -> Option<String> {
        let at = self.bytes.windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.use_up(at + 2);
        Some(String::from_utf8(line[..at].to_vec()).expect("framing is ASCII"))
    }

    /// The next part, if it is there. `is_head_only`: the response belongs to a HEAD request.
    pub fn next(&mut self, is_head_only: bool) -> Option<Part> {
        loop {
            match self.state {
                State::Head => return self.head(is_head_only),
                State::Length(0) => {
                    self.state = State::Head;
                    return Some(Part::End);
                }
                State::Length(left) | State::Chunk(left) if left > 0 => {
                    let count = left.min(self.bytes.len());
                    if count == 0 {
                        return None;
                    }
                    let data = self.use_up(count);
                    match &mut self.state {
                        State::Length(left) | State::Chunk(left) => *left -= count,
                        _ => unreachable!(),
                    }
                    return Some(Part::Data(data));
                }
                State::Length(_) => unreachable!(),
                State::Chunk(_) => {
                    assert_eq!(self.line()?, "", "a chunk ends with its length");
                    self.state = State::ChunkSize;
                }
                State::ChunkSize => {
                    let line = self.line()?;
                    let size = usize::from_str_radix(&line, 16).expect("a chunk's size");
                    self.state = State::Chunk(size);
                    if size == 0 {
                        self.state = State::Trailers;
                    }
                }
                State::Trailers => {
                    assert_eq!(self.line()?, "", "there are none");
                    self.state = State::Head;
                    return Some(Part::End);
                }
                State::UntilClose | State::Other => {
                    if self.bytes.is_empty() {
                        return None;
                    }
                    let count = self.bytes.len();
                    return Some(Part::Data(self.use_up(count)));
                }
            }
        }
    }

    fn head(&mut self, is_head_only: bool) -> Option<Part> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.use_up(end)).expect("heads are text");
        let mut lines = head.trim_end().split("\r\n");
        let mut status_line = lines.next().expect("a status line").splitn(3, ' ');
        assert_eq!(status_line.next(), Some("HTTP/1.1"));
        let status = status_line.next().and_then(|text| text.parse().ok()).expect("a status");
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.to_owned(), value.trim().to_owned())
        };
        let head = Head { status, headers: lines.map(header).collect() };
        let length = head.header("Content-Length").map(|text| text.parse().expect("a length"));
        let is_chunked = head.header("Transfer-Encoding") == Some("chunked");
        assert!(!(is_chunked && length.is_some()), "one way to tell the length");
        self.state = match (status, length) {
            (101, _) => State::Other,
            (100, _) => State::Head,
            (204 | 304, _) => State::Length(0),
            _ if is_head_only => State::Length(0),
            (_, Some(length)) => State::Length(length),
            _ if is_chunked => State::ChunkSize,
            _ => State::UntilClose,
        };
        Some(Part::Head(head, self.used))
    }
}

/// One dispatched event of an event stream; the id is the stream's last one.
#[derive(Debug, Default, Clone)]
pub struct StreamEvent {
    pub id: Option<String>,
    pub event: String,
    pub data: Option<String>,
}

/// Lines of a text that arrives in pieces.
#[derive(Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// Whether nothing has begun that has not ended.
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<String> {
        let at = self.0.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.0.drain(..=at).collect();
        Some(String::from_utf8(line[..at].to_vec()).expect("streams are UTF-8"))
    }
}

/// WHATWG HTML §9.2.6, as far as a server that writes LF needs it.
#[derive(Default)]
pub struct EventReader {
    pub lines: Lines,
    pending: StreamEvent,
}

impl EventReader {
    /// Whether nothing has begun that has not ended.
    pub fn is_whole(&self) -> bool {
        let pending = &self.pending;
        self.lines.is_whole() && pending.data.is_none() && pending.id.is_none()
    }

    /// The next event, or an id alone.
    pub fn next(&mut self) -> Option<StreamEvent> {
        while let Some(line) = self.lines.next() {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                _ if line.is_empty() => {
                    let event = std::mem::take(&mut self.pending);
                    if event.id.is_some() || event.data.is_some() {
                        return Some(event);
                    }
                }
                "" => {}
                "id" => self.pending.id = Some(value.to_owned()),
                "event" => self.pending.event = value.to_owned(),
                "data" => match &mut self.pending.data {
                    Some(data) => {
                        data.push('\n');
                        data.push_str(value);
                    }
                    None => self.pending.data = Some(value.to_owned()),
                },
                "retry" => assert!(value.parse::<u64>().is_ok()),
                other => panic!("unknown field {other:?} in an event stream"),
            }
        }
        None
    }
}

/// A frame from the server.
#[derive(Debug)]
pub enum Frame {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

/// Takes the first whole frame (RFC 6455 §5.2) off the front; the server neither masks nor fragments, and
/// compresses where that was agreed on (RFC 7692), with a window of so many bits.
pub fn take_frame(bytes: &mut Vec<u8>, window_bits: Option<u8>) -> Option<Frame> {
    let (&first, &second) = (bytes.first()?, bytes.get(1)?);
    let is_compressed = window_bits.is_some() && matches!(first, 0xc1 | 0xc2);
    assert!(first >> 4 == 8 || is_compressed, "FIN and nothing reserved: {first:02x}");
    assert_eq!(second >> 7, 0, "a server does not mask");
    let (start, length) = match second {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().unwrap()))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().unwrap())),
        short => (2, u64::from(short)),
    };
    let end = start + length as usize;
    let mut payload = bytes.get(start..end)?.to_vec();
    bytes.drain(..end);
    if let Some(bits) = window_bits.filter(|_| is_compressed) {
        let sent = payload.len();
        payload = inflate(payload, bits);
        assert!(sent < payload.len(), "or it would not be compressed");
    }
    Some(match first & 15 {
        1 => Frame::Text(String::from_utf8(payload).expect("text is UTF-8")),
        2 => Frame::Binary(payload),
        8 => Frame::Close(payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]))),
        9 => Frame::Ping(payload),
        10 => Frame::Pong(payload),
        other => panic!("opcode {other}"),
    })
}

/// RFC 7692 §7.2.2, by zlib itself. What refers further back than the window is an error to it.
#[cfg(feature = "deflate")]
fn inflate(mut payload: Vec<u8>, window_bits: u8) -> Vec<u8> {
    payload.extend([0, 0, 0xff, 0xff]);
    let mut stream = flate2::Decompress::new_with_window_bits(false, window_bits);
    let mut message = Vec::with_capacity(1 << 20);
    let status = stream.decompress_vec(&payload, &mut message, flate2::FlushDecompress::Sync);
    status.expect("it can be read");
    assert_eq!(stream.total_in(), payload.len() as u64, "all of it");
    message
}

#[cfg(not(feature = "deflate"))]
fn inflate(_: Vec<u8>, _: u8) -> Vec<u8> {
    panic!("nobody agreed to that")
}

/// RFC 7692 §7.2.1: a message as a client may compress it.
#[cfg(feature = "deflate")]
pub fn deflate(message: &[u8], window_bits: u8) -> Vec<u8> {
    let level = flate2::Compression::fast();
    let mut stream = flate2::Compress::new_with_window_bits(level, false, window_bits);
    let mut payload = Vec::with_capacity(2 * message.len() + 100);
    let status = stream.compress_vec(message, &mut payload, flate2::FlushCompress::Sync);
    status.expect("there is room");
    assert!(payload.ends_with(&[0, 0, 0xff, 0xff]), "a flush");
    payload.truncate(payload.len() - 4);
    payload
}

#[cfg(not(feature = "deflate"))]
pub fn deflate(_: &[u8], _: u8) -> Vec<u8> {
    panic!("nobody agreed to that")
}

/// JSON as somebody else reads it.
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"))
}
