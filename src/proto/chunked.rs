//! The chunked transfer coding: RFC 9112 §7.1.
//!
//! ```text
//! 4;note=x CRLF      size in hex, extensions (ignored)
//! Wiki CRLF          so many bytes, and a line end that counts for nothing
//! 0 CRLF             the last chunk
//! Expires: … CRLF    trailers (discarded)
//! CRLF               the end of the body
//! ```
//!
//! Line ends are CRLF and nothing else, sizes are hex digits and nothing else: two readers that
//! differ in what they tolerate here see two different next requests (RFC 9112 §11.2).
//!
//! Limits: [`SIZE_DIGITS_MAX`] digits in a size, [`EXTENSION_BYTES_MAX`] and [`TRAILER_BYTES_MAX`]
//! in the whole body; the body itself by the `room` of each call. The state of a [`Decoder`] is 16
//! bytes.
//! Left out: the meaning of extensions and trailers (RFC 9112 §7.1.1 and §7.1.2 allow both to be
//! dropped).
//!
//! ```
//! use encke::proto::chunked::Decoder;
//! let mut body = Vec::new();
//! let input = b"4\r\nWiki\r\n5\r\npedia\r\n0\r\n\r\nGET ";
//! let (used, is_done) = Decoder::new().decode(input, &mut body, 1_000).unwrap();
//! assert_eq!((&body[..], used, is_done), (&b"Wikipedia"[..], input.len() - 4, true));
//! ```

use super::http1::is_token_byte;
use super::url::hex_value;

/// Most digits of a chunk size, leading zeros included: what fits 64 bits.
pub const SIZE_DIGITS_MAX: u8 = 16;
/// Most bytes of chunk extensions in one body.
pub const EXTENSION_BYTES_MAX: u16 = 4_096;
/// Most bytes of trailers in one body, line ends included.
pub const TRAILER_BYTES_MAX: u16 = 8_192;
/// The chunk that ends a body, and no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Why a chunked body was refused. The connection closes: where the next request begins is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    BadSize,
    /// A CR without LF, or an LF without CR.
    BadLineEnd,
    /// The data of a chunk is not followed by CRLF.
    BadDataEnd,
    /// A control character in a chunk extension.
    BadExtension,
    /// A trailer line that is no field line.
    BadTrailer,
    /// More than `EXTENSION_BYTES_MAX`.
    ExtensionsTooLong,
    /// More than `TRAILER_BYTES_MAX`.
    TrailersTooLong,
    /// The announced chunk does not fit the room.
    BodyTooLarge,
}

impl Error {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Error::BodyTooLarge => 413,
            Error::TrailersTooLong => 431,
            _ => 400,
        }
    }

    /// One line for the body of that answer.
    pub fn explain(self) -> &'static str {
        match self {
            Error::BadSize => "a chunk size must be hexadecimal digits",
            Error::BadLineEnd => "the lines of a chunked body must end in CRLF",
            Error::BadDataEnd => "a chunk is longer than its size says",
            Error::BadExtension => "a chunk extension holds a control character",
            Error::BadTrailer => "a trailer line is malformed",
            Error::ExtensionsTooLong => "the chunk extensions are too long",
            Error::TrailersTooLong => "the trailers are too long",
            Error::BodyTooLarge => "the body is too large",
        }
    }
}

/// What the next byte is part of, in the order of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The size; so many digits have been read.
    Size(u8),
    /// White space behind the size, which RFC 9112 §7.1.1 tolerates before a `;` alone.
    BeforeExtension,
    Extension,
    /// The LF of the size line.
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// The first byte of a trailer line, or of the line that ends the body.
    LineStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

/// Takes the chunks of one body apart, however the network cuts them.
#[derive(Debug)]
pub struct Decoder {
    /// Bytes that the current chunk still has; while in `Size`, the number so far.
    remaining: u64,
    extension_bytes: u16,
    trailer_bytes: u16,
    state: State,
}

const _: () = assert!(size_of::<Decoder>() <= 16);

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// At the first byte of a body.
    pub fn new() -> Self {
        Decoder { remaining: 0, extension_bytes: 0, trailer_bytes: 0, state: State::Size(0) }
    }

    /// Appends the data in `input` to `out`: the bytes used, and whether the body has ended.
    ///
    /// Uses all of `input` unless the body ends within it. `out` never grows above `room` bytes,
    /// what it held before included; a chunk that would do so is refused as soon as its size is
    /// known. After an error the decoder is of no further use.
    pub fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        room: usize,
    ) -> Result<(usize, bool), Error> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            if self.state == State::Data {
                at += self.take_data(&input[at..], out);
            } else {
                self.state = self.step(input[at])?;
                at += 1;
                // An empty chunk is the last one; `step` has made that of it already.
                let free = room.saturating_sub(out.len()) as u64;
                if self.is_size_known() && self.remaining > free {
                    return Err(Error::BodyTooLarge);
                }
            }
        }
        Ok((at, self.state == State::Done))
    }

    fn take_data(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let length = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        out.extend_from_slice(&input[..length]);
        self.remaining -= length as u64;
        if self.remaining == 0 {
            self.state = State::DataCr;
        }
        length
    }

    fn is_size_known(&self) -> bool {
        matches!(self.state, State::BeforeExtension | State::Extension | State::SizeLf)
    }

    fn step(&mut self, byte: u8) -> Result<State, Error> {
        match self.state {
            State::Size(digits) => self.step_size(digits, byte),
            State::BeforeExtension => match byte {
                b' ' | b'\t' => self.count_extension(State::BeforeExtension),
                b';' => self.count_extension(State::Extension),
                _ => Err(Error::BadSize),
            },
            State::Extension => match byte {
                b'\r' => Ok(State::SizeLf),
                b'\n' => Err(Error::BadLineEnd),
                _ if is_text(byte) => self.count_extension(State::Extension),
                _ => Err(Error::BadExtension),
            },
            State::SizeLf => {
                let next = if self.remaining == 0 { State::LineStart } else { State::Data };
                expect(byte, b'\n', next, Error::BadLineEnd)
            }
            State::DataCr => expect(byte, b'\r', State::DataLf, Error::BadDataEnd),
            State::DataLf => expect(byte, b'\n', State::Size(0), Error::BadDataEnd),
            State::LineStart | State::TrailerName | State::TrailerValue | State::TrailerLf => {
                self.step_trailer(byte)
            }
            State::EndLf => expect(byte, b'\n', State::Done, Error::BadLineEnd),
            // `decode` handles both itself.
            State::Data | State::Done => unreachable!("no single bytes here"),
        }
    }

    fn step_size(&mut self, digits: u8, byte: u8) -> Result<State, Error> {
        match (byte, hex_value(byte)) {
            (_, Some(value)) if digits < SIZE_DIGITS_MAX => {
                // At most 16 digits: nothing is shifted out.
                self.remaining = self.remaining << 4 | u64::from(value);
                Ok(State::Size(digits + 1))
            }
            _ if digits == 0 => Err(Error::BadSize),
            (b'\r', _) => Ok(State::SizeLf),
            (b'\n', _) => Err(Error::BadLineEnd),
            (b';', _) => self.count_extension(State::Extension),
            (b' ' | b'\t', _) => self.count_extension(State::BeforeExtension),
            _ => Err(Error::BadSize),
        }
    }

    fn step_trailer(&mut self, byte: u8) -> Result<State, Error> {
        if self.state == State::LineStart && byte == b'\r' {
            return Ok(State::EndLf);
        }
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(Error::TrailersTooLong);
        }
        match (self.state, byte) {
            // RFC 9112 §5: no white space before the colon, hence no folded lines either.
            (State::LineStart | State::TrailerName, _) if is_token_byte(byte) => {
                Ok(State::TrailerName)
            }
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerLf, b'\n') => Ok(State::LineStart),
            (State::TrailerLf, _) | (_, b'\n') => Err(Error::BadLineEnd),
            (State::TrailerValue, _) if is_text(byte) => Ok(State::TrailerValue),
            _ => Err(Error::BadTrailer),
        }
    }

    fn count_extension(&mut self, next: State) -> Result<State, Error> {
        self.extension_bytes += 1;
        if self.extension_bytes > EXTENSION_BYTES_MAX {
            return Err(Error::ExtensionsTooLong);
        }
        Ok(next)
    }
}

fn expect(byte: u8, expected: u8, next: State, error: Error) -> Result<State, Error> {
    if byte == expected { Ok(next) } else { Err(error) }
}

/// What may stand in a line: RFC 9110 §5.5 `field-vchar`, space and tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// Appends `data` as one chunk. Nothing for empty data: an empty chunk would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    let digits = (usize::BITS - data.len().leading_zeros()).div_ceil(4);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[data.len() >> (place * 4) & 15]);
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}
