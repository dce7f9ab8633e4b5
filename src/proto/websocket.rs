//! WebSocket frames, the server's side (RFC 6455 §5 to §8): masked frames in, unmasked frames out.
//!
//! ```text
//!   byte 0            byte 1            0, 2 or 8 bytes   4 bytes      payload bytes
//! +-+-+-+-+-------+ +-+-------------+ +---------------+ +----------+ +----------------+
//! |F|R|R|R|opcode | |M|   length    | | longer length | |   mask   | | payload, byte i|
//! |I|S|S|S|       | |A|  0 to 125,  | | 126: u16      | | M is set | | xor mask[i % 4]|
//! |N|V|V|V|       | |S|  126 or 127 | | 127: u64      | | by every | |                |
//! | |1|2|3|       | |K|             | | big endian    | | client   | |                |
//! +-+-+-+-+-------+ +-+-------------+ +---------------+ +----------+ +----------------+
//!
//! opcode   0 continuation   1 text   2 binary   8 close   9 ping   10 pong   others: refused
//! close    nothing, or a code (u16, big endian) and a reason (UTF-8, at most 123 bytes)
//! ```
//!
//! A message is one frame with FIN, or a text or binary frame without it, then continuations, the
//! last one with FIN. Control frames (close, ping, pong) have FIN, at most 125 bytes, and may stand
//! between the fragments of a message.
//!
//! **How it reads.** A frame that lies whole in the input is unmasked in place and borrowed: nothing
//! is copied. Of anything else every byte is taken as it comes, into memory that grows with what has
//! arrived, never with what a head claims. Every error is found at the first byte that shows it,
//! however the network cut the stream; text is checked over the borders of reads and fragments.
//!
//! **Limits.** [`Limits::message_bytes_max`] bounds a whole message, over all its fragments, and is
//! applied when a head announces the bytes. Fragments are not counted: empty ones cost no memory.
//! One decoder holds at most so many bytes and one unfinished control frame.
//!
//! **Compression** (RFC 7692 §6.1, §7.2.2). Where it was agreed on, RSV1 on the first frame of a
//! message says that the message is compressed. Its payload is collected, bounded by
//! [`Limits::compressed_bytes_max`], and handed over as it is: reading it is the affair of
//! `deflate.rs`. RSV1 anywhere else, and RSV2 and RSV3, are refused (§5.2).
//!
//! **Left out.** Other extensions. The opening handshake, which is HTTP. Masking of what is sent,
//! which is the client's duty (§5.1). Decisions: whether to answer a ping, to echo a close, or to read
//! on after one is the owner's.
//!
//! ```
//! use encke::proto::websocket::{Decoder, Event, Limits, Opcode, write_frame};
//!
//! // RFC 6455 §5.7: a single-frame masked text message.
//! let mut input = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
//! let mut decoder = Decoder::new();
//! let limits = Limits { message_bytes_max: 1_000, compressed_bytes_max: None };
//! let (used, event) = decoder.decode(&mut input, &limits).unwrap();
//! assert_eq!((used, event), (11, Some(Event::Text("Hello"))));
//! assert!(decoder.is_idle());
//!
//! let mut output = Vec::new();
//! write_frame(&mut output, Opcode::Text, b"Hello");
//! assert_eq!(output, b"\x81\x05Hello");
//! ```

mod head;
mod message;

use std::ops::Range;
use std::str::from_utf8;

use head::{Frame, Usual, parse_head, parse_usual};
use message::Message;

/// RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less".
const CONTROL_BYTES_MAX: usize = 125;
/// What a close frame's code leaves for its reason.
const CLOSE_REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;
/// Two bytes, eight of length, four of mask.
const HEAD_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
/// RFC 7692 §6: the "Per-Message Compressed" bit.
const RSV1: u8 = 0x40;
/// Values of the 7-bit length which say that the length follows in two or eight bytes.
const LENGTH_IN_2: u8 = 126;
const LENGTH_IN_8: u8 = 127;

/// What a client may make the server hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest text or binary message, in payload bytes, summed over its fragments.
    pub message_bytes_max: usize,
    /// The same for the payload of a compressed message; `None` where no compression was agreed on.
    pub compressed_bytes_max: Option<usize>,
}

/// What a frame is for; the discriminant is its value on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// A further fragment of the message that is under way.
    Continuation = 0,
    /// A message in UTF-8, or its first fragment.
    Text = 1,
    /// A message of any bytes, or its first fragment.
    Binary = 2,
    /// The last frame of its sender.
    Close = 8,
    /// To be answered by a pong with the same payload.
    Ping = 9,
    /// Answers a ping, or is a sign of life that nobody asked for.
    Pong = 10,
}

impl Opcode {
    fn from_bits(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// RFC 6455 §5.5: "opcodes where the most significant bit of the opcode is 1".
    fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// What has arrived. The bytes belong to the input or to the decoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A whole message that is compressed (RFC 7692): of text or of bytes, and its payload.
    Compressed {
        /// Whether it must be UTF-8.
        is_text: bool,
        /// For `deflate.rs` to read.
        payload: &'a [u8],
    },
    /// A ping, 0 to 125 bytes.
    Ping(&'a [u8]),
    /// A pong, 0 to 125 bytes.
    Pong(&'a [u8]),
    /// A close frame. What follows it on the connection has no meaning (RFC 6455 §5.5.1).
    Close {
        /// One that [`is_valid_close_code`] accepts, or none: then the payload was empty.
        code: Option<u16>,
        /// At most 123 bytes; empty without a code.
        reason: &'a str,
    },
}

/// How the client broke the protocol. The connection must be failed (RFC 6455 §7.1.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// An RSV bit is set where no extension that was agreed on has a meaning for it (§5.2).
    ReservedBits,
    /// Opcodes 3 to 7 and 11 to 15 (§5.2).
    ReservedOpcode,
    /// A control frame without FIN (§5.5).
    FragmentedControl,
    /// A continuation, and nothing to continue (§5.4).
    UnexpectedContinuation,
    /// A text or binary frame before the last fragment of the message before it (§5.4).
    UnfinishedMessage,
    /// A client's frame without a mask (§5.1).
    NotMasked,
    /// A control frame that announces more than 125 bytes (§5.5).
    LongControl,
    /// A length in more bytes than it needs (§5.2).
    LengthNotMinimal,
    /// A 64-bit length with the highest bit set (§5.2).
    LengthTopBit,
    /// The message is longer than [`Limits::message_bytes_max`] (§10.4).
    MessageTooBig,
    /// A close frame with a payload of one byte: half a code (§5.5.1).
    HalfCloseCode,
    /// A close code that must not be sent (§7.4).
    InvalidCloseCode,
    /// A text message or a close reason that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A compressed message whose payload is no deflate stream (RFC 7692 §7.2.2). No decoder finds that,
    /// but who reads its [`Event::Compressed`].
    InvalidDeflate,
}

impl Error {
    /// The code of the close frame that answers it (RFC 6455 §7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            // RFC 7692 names no code; this one is for "data within a message that was not consistent".
            Error::InvalidUtf8 | Error::InvalidDeflate => 1007,
            Error::MessageTooBig => 1009,
            _ => 1002,
        }
    }

    /// One clause for the close frame's reason; ASCII, shorter than 123 bytes.
    pub fn explain(self) -> &'static str {
        match self {
            Error::ReservedBits => "a reserved bit is set without a meaning",
            Error::ReservedOpcode => "the opcode is reserved",
            Error::FragmentedControl => "a control frame must not be fragmented",
            Error::UnexpectedContinuation => "there is no message to continue",
            Error::UnfinishedMessage => "the message before is not finished",
            Error::NotMasked => "frames of a client must be masked",
            Error::LongControl => "a control frame must not exceed 125 bytes",
            Error::LengthNotMinimal => "the length must use as few bytes as possible",
            Error::LengthTopBit => "the highest bit of a length must be 0",
            Error::MessageTooBig => "the message is too big",
            Error::HalfCloseCode => "a close code has two bytes",
            Error::InvalidCloseCode => "the close code must not be sent",
            Error::InvalidUtf8 => "the text is not UTF-8",
            Error::InvalidDeflate => "the message is not compressed as was agreed",
        }
    }
}

/// Everything of an unfinished frame or message of one connection.
///
/// It owns heap memory only while something is unfinished or the last event is still borrowed from
/// it. So a server need keep one only for connections that are not [idle](Decoder::is_idle).
/// After an [`Error`] it must not be used again.
#[derive(Debug)]
pub struct Decoder {
    reading: Reading,
    /// Of a text or binary message: what came in earlier calls or fragments.
    message: Message,
    /// Of a control frame that arrives in pieces; it may stand inside a message.
    control: Vec<u8>,
    /// What the last event borrowed, to be freed by the next call.
    lent: Lent,
}

const _: () = assert!(size_of::<Decoder>() <= 104);

/// The part of a frame that comes next.
#[derive(Debug)]
enum Reading {
    /// `bytes[..len]` have arrived, and are too few: `len` < 14.
    Head {
        bytes: [u8; HEAD_BYTES_MAX],
        len: u8,
    },
    Payload(Frame),
}

impl Reading {
    const NOTHING: Reading = Reading::Head { bytes: [0; HEAD_BYTES_MAX], len: 0 };
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lent {
    Nothing,
    Message,
    Control,
}

/// A frame that completed an event, and where the payload of the event is.
enum Complete {
    /// In this range of the input, unmasked.
    Input(Frame, Range<usize>),
    /// In `Decoder::message`.
    Message,
    /// In `Decoder::control`.
    Control(Opcode),
}

impl Decoder {
    /// Nothing has arrived.
    pub const fn new() -> Decoder {
        Decoder {
            reading: Reading::NOTHING,
            message: Message::None,
            control: Vec::new(),
            lent: Lent::Nothing,
        }
    }

    /// Memory that what has begun makes it keep, in bytes.
    pub fn bytes_kept(&self) -> usize {
        self.message.bytes_kept()
    }

    /// True when nothing is unfinished: the owner may drop it and start from a new one.
    pub fn is_idle(&self) -> bool {
        matches!(self.reading, Reading::Head { len: 0, .. })
            && (matches!(self.message, Message::None) || self.lent == Lent::Message)
    }

    /// Takes bytes from the front of `input`, unmasking in place, until one event is complete or the
    /// input is used up. Returns how many bytes were used, and the event if there is one.
    ///
    /// Call it again with the rest while bytes remain: without an event all of them were used. An
    /// empty input is allowed, and only frees the memory of the event before.
    pub fn decode<'a>(
        &'a mut self,
        input: &'a mut [u8],
        limits: &Limits,
    ) -> Result<(usize, Option<Event<'a>>), Error> {
        self.free_lent();
        if self.is_idle()
            && let Some(usual) = parse_usual(input, limits)
        {
            let (used, event) = take_usual(input, usual)?;
            return Ok((used, Some(event)));
        }
        let mut used = 0;
        // Each round uses at least one byte.
        while used < input.len() {
            let Some(frame) = self.take_head(input, &mut used, limits)? else { break };
            let Some(complete) = self.take_payload(frame, input, &mut used, limits)? else {
                continue;
            };
            let event = match complete {
                Complete::Input(frame, range) if frame.is_compressed => Event::Compressed {
                    is_text: frame.opcode == Opcode::Text,
                    payload: &input[range],
                },
                Complete::Input(frame, range) => parse_event(frame.opcode, &input[range])?,
                Complete::Message => self.lend_message(),
                Complete::Control(opcode) => self.lend_control(opcode)?,
            };
            return Ok((used, Some(event)));
        }
        Ok((used, None))
    }

    fn free_lent(&mut self) {
        match self.lent {
            Lent::Nothing => return,
            Lent::Message => self.message = Message::None,
            Lent::Control => self.control = Vec::new(),
        }
        self.lent = Lent::Nothing;
    }

    /// The frame whose payload is next, or `None` when the head is not complete: then `used` is the
    /// length of the input.
    fn take_head(
        &mut self,
        input: &[u8],
        used: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Frame>, Error> {
        let fresh = &input[*used..];
        let (bytes, len) = match &mut self.reading {
            Reading::Payload(frame) => return Ok(Some(*frame)),
            Reading::Head { bytes, len } => (bytes, len),
        };
        let before = usize::from(*len);
        if before == 0
            && let Some((head_bytes, frame)) = parse_head(fresh, &self.message, limits)?
        {
            *used += head_bytes;
            return Ok(Some(frame));
        }
        let now = HEAD_BYTES_MAX.min(before + fresh.len());
        bytes[before..now].copy_from_slice(&fresh[..now - before]);
        if before > 0
            && let Some((head_bytes, frame)) = parse_head(&bytes[..now], &self.message, limits)?
        {
            *used += head_bytes - before;
            return Ok(Some(frame));
        }
        // No head is longer than 14 bytes, so now < 14 and all the input is in `bytes`.
        *len = now as u8;
        *used = input.len();
        Ok(None)
    }

    /// What `input` has of the frame's payload; `self.reading` becomes what is next after that.
    fn take_payload(
        &mut self,
        mut frame: Frame,
        input: &mut [u8],
        used: &mut usize,
        limits: &Limits,
    ) -> Result<Option<Complete>, Error> {
        let begin = *used;
        let left = frame.payload_bytes - frame.taken;
        let end = begin + left.min(input.len() - begin);
        let piece = &mut input[begin..end];
        apply_mask(piece, frame.mask, frame.taken);
        *used = end;
        let is_complete = piece.len() == left;
        self.reading = Reading::NOTHING;

        // Nothing of it came before, nothing comes after: it stays where it is.
        let is_alone = frame.fin && frame.opcode != Opcode::Continuation;
        if is_complete && is_alone && frame.taken == 0 {
            return Ok(Some(Complete::Input(frame, begin..end)));
        }
        // Of a payload that has not begun nothing is kept: it may yet be whole in the next input.
        if is_complete || !piece.is_empty() {
            self.keep(frame, piece, limits)?;
        }
        if !is_complete {
            frame.taken += piece.len();
            self.reading = Reading::Payload(frame);
            return Ok(None);
        }
        if frame.opcode.is_control() {
            return Ok(Some(Complete::Control(frame.opcode)));
        }
        if !frame.fin {
            return Ok(None);
        }
        self.message.check_end()?;
        Ok(Some(Complete::Message))
    }

    /// Copies a piece of a payload that is not whole in the input, refusing what cannot become valid.
    fn keep(&mut self, frame: Frame, piece: &[u8], limits: &Limits) -> Result<(), Error> {
        if frame.opcode.is_control() {
            self.control.extend_from_slice(piece);
            return match frame.opcode {
                Opcode::Close => check_close_so_far(&self.control),
                _ => Ok(()),
            };
        }
        self.message.begin(frame.opcode, frame.is_compressed);
        let bytes_max = match frame.fin {
            true => {
                let before = self.message.unfinished_bytes().unwrap_or(0);
                before + frame.payload_bytes - frame.taken
            }
            false => self.message.bytes_max(limits),
        };
        self.message.append(piece, bytes_max)
    }

    fn lend_message(&mut self) -> Event<'_> {
        self.lent = Lent::Message;
        match &self.message {
            Message::Text { text, .. } => Event::Text(text),
            Message::Binary(bytes) => Event::Binary(bytes),
            &Message::Compressed { is_text, ref payload } => Event::Compressed { is_text, payload },
            Message::None => unreachable!("its last fragment was just appended"),
        }
    }

    fn lend_control(&mut self, opcode: Opcode) -> Result<Event<'_>, Error> {
        self.lent = Lent::Control;
        parse_event(opcode, &self.control)
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

/// What a new [`Decoder`] would give for a message in one short frame that is all there, which is what
/// most clients send most of the time. Anything else is `None`, and left as it was for a decoder.
#[inline]
pub fn decode_usual<'a>(
    input: &'a mut [u8],
    limits: &Limits,
) -> Option<Result<(usize, Event<'a>), Error>> {
    parse_usual(input, limits).map(|usual| take_usual(input, usual))
}

#[inline]
fn take_usual(input: &mut [u8], usual: Usual) -> Result<(usize, Event<'_>), Error> {
    let used = usual.range.end;
    let payload = &mut input[usual.range];
    apply_mask(payload, usual.mask, 0);
    Ok((used, parse_event(usual.opcode, payload)?))
}

/// The event of a whole payload.
#[inline]
fn parse_event(opcode: Opcode, payload: &[u8]) -> Result<Event<'_>, Error> {
    Ok(match opcode {
        Opcode::Text => Event::Text(from_utf8(payload).map_err(|_| Error::InvalidUtf8)?),
        Opcode::Binary => Event::Binary(payload),
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        Opcode::Close => parse_close(payload)?,
        Opcode::Continuation => unreachable!("a continuation alone is no event"),
    })
}

/// `check_second` has refused a payload of one byte.
fn parse_close(payload: &[u8]) -> Result<Event<'_>, Error> {
    check_close_so_far(payload)?;
    let Some((code, reason)) = payload.split_first_chunk() else {
        return Ok(Event::Close { code: None, reason: "" });
    };
    let reason = from_utf8(reason).map_err(|_| Error::InvalidUtf8)?;
    Ok(Event::Close { code: Some(u16::from_be_bytes(*code)), reason })
}

/// Refuses the beginning of a close frame's payload when nothing that follows could mend it.
fn check_close_so_far(payload: &[u8]) -> Result<(), Error> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Ok(()) };
    if !is_valid_close_code(u16::from_be_bytes(*code)) {
        return Err(Error::InvalidCloseCode);
    }
    match from_utf8(reason) {
        Err(error) if error.error_len().is_some() => Err(Error::InvalidUtf8),
        _ => Ok(()),
    }
}

/// Appends one final, unmasked frame, its length in the shortest form.
///
/// # Panics
/// As [`write_frame_head`].
#[inline(always)] // As the head.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.reserve(HEAD_BYTES_MAX + payload.len());
    write_frame_head(out, opcode, true, payload.len());
    out.extend_from_slice(payload);
}

/// Appends one final frame whose payload is compressed, as RSV1 says (RFC 7692 §6.1).
pub fn write_compressed(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let start = out.len();
    write_frame(out, opcode, payload);
    out[start] |= RSV1;
}

/// Appends the head of an unmasked frame; `payload_bytes` bytes must follow it.
///
/// # Panics
/// When a control frame is not final or has more than 125 bytes (RFC 6455 §5.5).
#[inline(always)] // Nearly all callers have a constant opcode, which decides most of it.
pub fn write_frame_head(out: &mut Vec<u8>, opcode: Opcode, fin: bool, payload_bytes: usize) {
    assert!(!opcode.is_control() || (fin && payload_bytes <= CONTROL_BYTES_MAX));
    let first = opcode as u8 | if fin { FIN } else { 0 };
    if payload_bytes < usize::from(LENGTH_IN_2) {
        out.push(first);
        out.push(payload_bytes as u8);
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        let [high, low] = length.to_be_bytes();
        out.extend_from_slice(&[first, LENGTH_IN_2, high, low]);
    } else {
        out.extend_from_slice(&[first, LENGTH_IN_8]);
        out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
    }
}

/// Appends a close frame. The reason is cut to 123 bytes, between two characters.
///
/// # Panics
/// When the code is one that must not be sent: see [`is_valid_close_code`].
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    assert!(is_valid_close_code(code));
    let mut len = reason.len().min(CLOSE_REASON_BYTES_MAX);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    write_frame_head(out, Opcode::Close, true, 2 + len);
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(&reason.as_bytes()[..len]);
}

/// Masks or unmasks (RFC 6455 §5.3: the same operation). `offset`: how many bytes of the frame's
/// payload came before this piece of it.
#[inline]
pub fn apply_mask(payload: &mut [u8], mask: [u8; 4], offset: usize) {
    // The next byte of the mask is the lowest.
    let mask = u32::from_le_bytes(mask).rotate_right(8 * (offset % 4) as u32);
    let wide = u64::from(mask) << 32 | u64::from(mask);
    // Eight is a multiple of four: every word begins with the same byte of the mask.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ wide).to_le_bytes();
    }
    let mut rest_of_mask = wide;
    for byte in rest {
        *byte ^= rest_of_mask as u8;
        rest_of_mask >>= 8;
    }
}

/// Whether an endpoint may send this code in a close frame (RFC 6455 §7.4).
///
/// 1004 to 1006 and 1015 are reserved, 1016 to 2999 not assigned. 1012 to 1014 are not in the RFC but
/// in IANA's registry, which it opened.
pub fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}
