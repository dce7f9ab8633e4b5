//! The client's side of WebSocket, and a slow decoder to compare with, both in the RFC's own words.

use encke::proto::websocket::{Decoder, Error, Event, Limits};

/// An event that owns its bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Text(String),
    Binary(Vec<u8>),
    /// Whether it is text, and the payload.
    Compressed(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Seen {
        match event {
            Event::Text(text) => Seen::Text(text.into()),
            Event::Binary(bytes) => Seen::Binary(bytes.into()),
            Event::Compressed { is_text, payload } => Seen::Compressed(is_text, payload.into()),
            Event::Ping(bytes) => Seen::Ping(bytes.into()),
            Event::Pong(bytes) => Seen::Pong(bytes.into()),
            Event::Close { code, reason } => Seen::Close(code, reason.into()),
        }
    }
}

/// What a decoder made of a stream.
#[derive(PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Each with the number of bytes from the start of the stream to the end of its last frame.
    pub events: Vec<(Seen, usize)>,
    pub error: Option<Error>,
    /// Whether nothing is unfinished; false after an error.
    pub is_idle: bool,
}

/// Feeds the pieces one after the other. Also returns how many bytes were given when it ended.
pub fn decode(pieces: &[&[u8]], limits: &Limits) -> (Outcome, usize) {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    let mut given = 0;
    for piece in pieces {
        let mut bytes = piece.to_vec();
        let start = given;
        let mut at = 0;
        given += piece.len();
        while at < bytes.len() {
            let (used, event) = match decoder.decode(&mut bytes[at..], limits) {
                Ok((used, event)) => (used, event.map(Seen::from)),
                Err(error) => {
                    return (Outcome { events, error: Some(error), is_idle: false }, given);
                }
            };
            at += used;
            assert!(used > 0, "every call uses a byte");
            assert!(event.is_some() || at == bytes.len(), "without an event all bytes are used");
            events.extend(event.map(|event| (event, start + at)));
            // What an owner does who keeps nothing for idle connections.
            if decoder.is_idle() {
                decoder = Decoder::new();
            }
        }
    }
    (Outcome { events, error: None, is_idle: decoder.is_idle() }, given)
}

/// One masked frame. `first` is the byte with FIN, RSV and the opcode.
pub fn client_frame(first: u8, mask: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ ..=125 => frame.push(0x80 | len as u8),
        len @ ..=65535 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    frame
}

/// How a sequence of bytes stands to UTF-8.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Utf8 {
    Whole,
    /// Valid so far; ends inside a character.
    Begun,
    Never,
}

/// Byte by byte after table 3-7 of the Unicode standard ("Well-Formed UTF-8 Byte Sequences").
pub fn judge_utf8(bytes: &[u8]) -> Utf8 {
    let mut expected: &[(u8, u8)] = &[];
    for &byte in bytes {
        if let Some((&(low, high), rest)) = expected.split_first() {
            if byte < low || byte > high {
                return Utf8::Never;
            }
            expected = rest;
            continue;
        }
        const ANY: (u8, u8) = (0x80, 0xbf);
        expected = match byte {
            0x00..=0x7f => &[],
            0xc2..=0xdf => &[ANY],
            0xe0 => &[(0xa0, 0xbf), ANY],
            0xe1..=0xec | 0xee..=0xef => &[ANY, ANY],
            0xed => &[(0x80, 0x9f), ANY],
            0xf0 => &[(0x90, 0xbf), ANY, ANY],
            0xf1..=0xf3 => &[ANY, ANY, ANY],
            0xf4 => &[(0x80, 0x8f), ANY, ANY],
            _ => return Utf8::Never,
        };
    }
    if expected.is_empty() { Utf8::Whole } else { Utf8::Begun }
}

/// Decodes the whole stream, one byte at a time, copying everything and hurrying nowhere.
pub fn decode_slowly(stream: &[u8], limits: &Limits) -> Outcome {
    let mut slow = Slow { stream, at: 0, message: None, events: Vec::new() };
    let mut end = None;
    while end.is_none() {
        end = slow.frame(limits).err();
    }
    let Slow { message, events, at, .. } = slow;
    match end {
        Some(End::Refused(error)) => Outcome { events, error: Some(error), is_idle: false },
        // `at` stays before a frame whose bytes are not all there.
        _ => Outcome { events, error: None, is_idle: message.is_none() && at == stream.len() },
    }
}

enum End {
    NoMoreBytes,
    Refused(Error),
}

#[derive(Clone, Copy)]
struct Kind {
    is_text: bool,
    is_compressed: bool,
}

struct Slow<'a> {
    stream: &'a [u8],
    at: usize,
    message: Option<(Kind, Vec<u8>)>,
    events: Vec<(Seen, usize)>,
}

impl Slow<'_> {
    fn byte(&self, at: usize) -> Result<u8, End> {
        self.stream.get(at).copied().ok_or(End::NoMoreBytes)
    }

    fn frame(&mut self, limits: &Limits) -> Result<(), End> {
        let refuse = |error| Err(End::Refused(error));
        let mut at = self.at;
        let first = self.byte(at)?;
        let (fin, opcode) = (first >> 7 == 1, first & 15);
        let is_agreed = limits.compressed_bytes_max.is_some();
        let is_compressed = match (first >> 4 & 7, opcode) {
            (0, _) => false,
            (4, 1 | 2) if is_agreed => true,
            _ => return refuse(Error::ReservedBits),
        };
        match opcode {
            3..=7 | 11..=15 => return refuse(Error::ReservedOpcode),
            0 if self.message.is_none() => return refuse(Error::UnexpectedContinuation),
            1 | 2 if self.message.is_some() => return refuse(Error::UnfinishedMessage),
            8..=10 if !fin => return refuse(Error::FragmentedControl),
            _ => at += 1,
        }
        let second = self.byte(at)?;
        at += 1;
        if second >> 7 == 0 {
            return refuse(Error::NotMasked);
        }
        let mut length = u128::from(second & 127);
        if opcode >= 8 && length > 125 {
            return refuse(Error::LongControl);
        }
        if opcode == 8 && length == 1 {
            return refuse(Error::HalfCloseCode);
        }
        let before = self.message.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let kind = match &self.message {
            Some((kind, _)) if opcode == 0 => *kind,
            _ => Kind { is_text: opcode == 1, is_compressed },
        };
        let bytes_max = match limits.compressed_bytes_max {
            Some(bytes_max) if kind.is_compressed => bytes_max,
            _ => limits.message_bytes_max,
        };
        // A control frame has room elsewhere.
        let room = bytes_max.saturating_sub(before) as u128;
        let (longer, shortest) = match length {
            126 => (2, 126),
            127 => (8, 65536),
            _ => (0, 0),
        };
        if longer > 0 {
            length = 0;
        } else if opcode < 8 && length > room {
            return refuse(Error::MessageTooBig);
        }
        for i in 0..longer {
            length = length * 256 + u128::from(self.byte(at)?);
            at += 1;
            // As if all that is missing were zeros, and as if it were ones.
            let unknown = 256_u128.pow(longer - 1 - i);
            let (least, most) = (length * unknown, length * unknown + unknown - 1);
            if least >= 1 << 63 {
                return refuse(Error::LengthTopBit);
            }
            if most < shortest {
                return refuse(Error::LengthNotMinimal);
            }
            if least > room {
                return refuse(Error::MessageTooBig);
            }
        }
        let mut mask = [0; 4];
        for key in &mut mask {
            *key = self.byte(at)?;
            at += 1;
        }
        self.payload(at, length as usize, mask, (opcode, fin, kind))
    }

    fn payload(
        &mut self,
        mut at: usize,
        length: usize,
        mask: [u8; 4],
        (opcode, fin, kind): (u8, bool, Kind),
    ) -> Result<(), End> {
        let mut payload = match &self.message {
            Some((_, before)) if opcode == 0 => before.clone(),
            _ => Vec::new(),
        };
        let mut ended = Ok(());
        for i in 0..length {
            match self.byte(at) {
                Ok(byte) => payload.push(byte ^ mask[i % 4]),
                Err(end) => {
                    ended = Err(end);
                    break;
                }
            }
            at += 1;
        }
        let is_whole = ended.is_ok() && fin;
        let utf8 = match opcode {
            0..=2 if kind.is_text && !kind.is_compressed => judge_utf8(&payload),
            8 if payload.len() > 2 => judge_utf8(&payload[2..]),
            _ => Utf8::Whole,
        };
        let code = match payload[..] {
            [high, low, ..] if opcode == 8 => Some(u16::from(high) * 256 + u16::from(low)),
            _ => None,
        };
        if let Some(0..=999 | 1004..=1006 | 1015..=2999 | 5000..) = code {
            return Err(End::Refused(Error::InvalidCloseCode));
        }
        if utf8 == Utf8::Never || (utf8 == Utf8::Begun && is_whole) {
            return Err(End::Refused(Error::InvalidUtf8));
        }
        ended?;
        self.at = at;
        if opcode < 8 && !fin {
            self.message = Some((kind, payload));
            return Ok(());
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it was judged");
        let seen = match opcode {
            8 => Seen::Close(code, text(payload.get(2..).unwrap_or(&[]))),
            9 => Seen::Ping(payload),
            10 => Seen::Pong(payload),
            _ => {
                self.message = None;
                match kind {
                    Kind { is_compressed: true, is_text } => Seen::Compressed(is_text, payload),
                    Kind { is_text: true, .. } => Seen::Text(text(&payload)),
                    _ => Seen::Binary(payload),
                }
            }
        };
        self.events.push((seen, at));
        Ok(())
    }
}
