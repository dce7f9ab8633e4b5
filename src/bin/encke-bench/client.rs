//! One connection: where it stands, and what the server's bytes mean there.

use std::mem::take;

use encke::proto::chunked::Decoder;
use mio::net::TcpStream;

use super::wire::{find_marks, parse_frame};

/// The most that is kept of an answer that is not whole yet.
const TEXT_BYTES_MAX: usize = 4 << 20;
/// Characters of what it said that are kept.
const HEARD_MAX: usize = 120;
/// Header lines of an answer.
const HEADERS_MAX: usize = 64;

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    WebSocket,
    /// An event stream or any other answer without an end.
    Endless,
    /// Parked again after each answer.
    Poll,
    /// Publishes, one request at a time.
    Post,
}

/// What comes next from the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    Connecting,
    /// The head of an answer.
    Head,
    /// The frame before which nothing may be said.
    Welcome,
    /// The frame that says we are subscribed.
    Confirm,
    Frames,
    Body,
    /// Nothing: it is our turn.
    Idle,
}

/// How long the body of an answer is.
#[derive(Debug)]
enum Body {
    Bytes(usize),
    Chunks(Box<Decoder>),
    Endless,
}

/// What has happened on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It is connected, and subscribed.
    Live,
    /// The WebSocket is open; what subscribes is still to be said.
    Upgraded,
    /// A message with this time in it.
    Message(u64),
    /// A publication was accepted, or a poll ended and waits to be sent again.
    Answered,
    /// A WebSocket wants a pong.
    Ping,
    Closed,
}

/// What every connection of a worker is told to expect.
pub struct Expect {
    pub run: u32,
    pub welcome: Vec<u8>,
    pub ready: Vec<u8>,
    /// `Sec-WebSocket-Accept`.
    pub accept: Vec<u8>,
}

pub struct Client {
    pub stream: TcpStream,
    pub kind: Kind,
    pub phase: Phase,
    /// For `{i}`.
    pub number: u32,
    /// When it began, or should have begun.
    pub since: u64,
    pub is_live: bool,
    /// It speaks; what it hears does not count.
    pub is_publisher: bool,
    /// What the kernel would not take yet.
    pub out: Vec<u8>,
    /// Header lines that the next poll repeats, so that nothing is missed.
    pub cursor: Box<[u8]>,
    /// Payload of a ping to be answered.
    pub pong: Vec<u8>,
    /// The last thing it said instead of what was waited for, shortened.
    pub heard: String,
    partial: Vec<u8>,
    /// The body so far, without chunks; of an endless one what may begin a mark.
    text: Vec<u8>,
    body: Body,
}

impl Client {
    pub fn new(stream: TcpStream, kind: Kind, number: u32, since: u64) -> Client {
        Client {
            stream,
            kind,
            phase: Phase::Connecting,
            number,
            since,
            is_live: false,
            is_publisher: false,
            out: Vec::new(),
            cursor: Box::default(),
            pong: Vec::new(),
            heard: String::new(),
            partial: Vec::new(),
            text: Vec::new(),
            body: Body::Bytes(0),
        }
    }

    /// Takes what has arrived. An error is why the connection is of no further use.
    pub fn take(
        &mut self,
        input: &[u8],
        expect: &Expect,
        tell: &mut dyn FnMut(What),
    ) -> Result<(), String> {
        if self.partial.is_empty() {
            let used = self.consume(input, expect, tell)?;
            self.partial.extend_from_slice(&input[used..]);
            return Ok(());
        }
        let mut all = take(&mut self.partial);
        all.extend_from_slice(input);
        let used = self.consume(&all, expect, tell)?;
        if used < all.len() {
            all.drain(..used);
            self.partial = all;
        }
        if self.partial.len() > TEXT_BYTES_MAX + input.len() {
            return Err("it sends more than 4 MiB at once".into());
        }
        Ok(())
    }

    fn consume(
        &mut self,
        input: &[u8],
        expect: &Expect,
        tell: &mut dyn FnMut(What),
    ) -> Result<usize, String> {
        let mut at = 0;
        // Each round uses at least one byte, or ends.
        while at < input.len() {
            let rest = &input[at..];
            let used = match self.phase {
                Phase::Head => self.take_head(rest, expect, tell)?,
                Phase::Welcome | Phase::Confirm | Phase::Frames => {
                    self.take_frame(rest, expect, tell)?
                }
                Phase::Body => Some(self.take_body(rest, expect, tell)?),
                Phase::Connecting | Phase::Idle => return Err("it answers unasked".into()),
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        Ok(at)
    }

    fn take_head(
        &mut self,
        input: &[u8],
        expect: &Expect,
        tell: &mut dyn FnMut(What),
    ) -> Result<Option<usize>, String> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut head = httparse::Response::new(&mut headers);
        let used = match head.parse(input).map_err(|error| format!("it sends no HTTP: {error}"))? {
            httparse::Status::Complete(used) => used,
            httparse::Status::Partial => return Ok(None),
        };
        let code = head.code.unwrap_or(0);
        let find = |name: &str| {
            let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| header.value)
        };
        let is_fine = match self.kind {
            Kind::WebSocket => code == 101,
            Kind::Endless => code == 200,
            Kind::Poll => matches!(code, 200 | 204 | 304 | 408),
            Kind::Post => (200..300).contains(&code),
        };
        if !is_fine {
            return Err(format!("it answers {code} {}", head.reason.unwrap_or_default()));
        }
        if self.kind == Kind::WebSocket {
            if find("Sec-WebSocket-Accept") != Some(expect.accept.as_slice()) {
                return Err("its Sec-WebSocket-Accept is wrong".into());
            }
            match expect.welcome.is_empty() {
                true => self.begin(expect, tell),
                false => self.phase = Phase::Welcome,
            }
            return Ok(Some(used));
        }
        let is_chunked = find("Transfer-Encoding")
            .is_some_and(|value| value.to_ascii_lowercase().ends_with(b"chunked"));
        let length = find("Content-Length")
            .and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
        self.body = match length {
            _ if matches!(code, 204 | 304) => Body::Bytes(0),
            _ if is_chunked => Body::Chunks(Box::new(Decoder::new())),
            Some(length) => Body::Bytes(length),
            None => Body::Endless,
        };
        if self.kind == Kind::Poll && code == 200 {
            self.cursor = cursor(find("ETag"), find("Last-Modified"));
        }
        self.phase = Phase::Body;
        if self.kind == Kind::Endless {
            tell(What::Live);
        }
        if matches!(self.body, Body::Bytes(0)) {
            self.end_body(expect, tell);
        }
        Ok(Some(used))
    }

    /// A WebSocket on which it is our turn to speak.
    fn begin(&mut self, expect: &Expect, tell: &mut dyn FnMut(What)) {
        self.phase = if expect.ready.is_empty() { Phase::Frames } else { Phase::Confirm };
        tell(What::Upgraded);
        if self.phase == Phase::Frames {
            tell(What::Live);
        }
    }

    /// Whether this is what is waited for; other words are kept, as they may say what is wrong.
    fn hears(&mut self, payload: &[u8], wanted: &[u8]) -> bool {
        let is_it = payload.windows(wanted.len()).any(|window| window == wanted);
        self.heard = if is_it { String::new() } else { shortened(payload) };
        is_it
    }

    fn take_body(
        &mut self,
        input: &[u8],
        expect: &Expect,
        tell: &mut dyn FnMut(What),
    ) -> Result<usize, String> {
        let (used, is_over) = match &mut self.body {
            Body::Bytes(left) => {
                let used = input.len().min(*left);
                self.text.extend_from_slice(&input[..used]);
                *left -= used;
                (used, *left == 0)
            }
            Body::Chunks(decoder) => decoder
                .decode(input, &mut self.text, TEXT_BYTES_MAX)
                .map_err(|error| error.explain().to_owned())?,
            Body::Endless => {
                self.text.extend_from_slice(input);
                (input.len(), false)
            }
        };
        if is_over {
            self.end_body(expect, tell);
            if self.kind == Kind::Endless {
                return Err("it ended the stream".into());
            }
        } else if self.kind == Kind::Endless {
            let next = find_marks(&self.text, expect.run, |due| tell(What::Message(due)));
            let tail = self.text.split_off(next);
            self.text = tail;
        }
        if self.text.len() > TEXT_BYTES_MAX {
            return Err("an answer of more than 4 MiB".into());
        }
        Ok(used)
    }

    fn end_body(&mut self, expect: &Expect, tell: &mut dyn FnMut(What)) {
        let text = take(&mut self.text);
        if self.kind != Kind::Post {
            find_marks(&text, expect.run, |due| tell(What::Message(due)));
        }
        self.phase = Phase::Idle;
        tell(What::Answered);
    }

    fn take_frame(
        &mut self,
        input: &[u8],
        expect: &Expect,
        tell: &mut dyn FnMut(What),
    ) -> Result<Option<usize>, String> {
        let Some(frame) = parse_frame(input)? else { return Ok(None) };
        let payload = &input[frame.payload.clone()];
        match frame.opcode {
            8 => return Err(format!("it closes: {}", close_reason(payload))),
            9 => {
                self.pong = payload.to_vec();
                tell(What::Ping);
            }
            10 => {}
            _ if self.phase == Phase::Welcome => {
                if self.hears(payload, &expect.welcome) {
                    self.begin(expect, tell);
                }
            }
            _ if self.phase == Phase::Confirm => {
                if self.hears(payload, &expect.ready) {
                    self.phase = Phase::Frames;
                    tell(What::Live);
                }
            }
            _ => {
                find_marks(payload, expect.run, |due| tell(What::Message(due)));
            }
        }
        Ok(Some(frame.payload.end))
    }
}

/// Room for a sentence in a table.
fn shortened(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().filter(|c| !c.is_control()).take(HEARD_MAX).collect()
}

/// What a poll says about the answer before it.
fn cursor(etag: Option<&[u8]>, modified: Option<&[u8]>) -> Box<[u8]> {
    let mut lines = Vec::new();
    for (name, value) in [("If-None-Match", etag), ("If-Modified-Since", modified)] {
        if let Some(value) = value {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        }
    }
    lines.into_boxed_slice()
}

fn close_reason(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            format!("{code} {}", String::from_utf8_lossy(reason))
        }
        _ => "no code".to_owned(),
    }
}
