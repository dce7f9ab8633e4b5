//! Chunked bodies: what a slow reader makes of the whole, the decoder makes of any pieces.

use encke::proto::annotate;
use encke::proto::chunked::{
    Decoder, EXTENSION_BYTES_MAX, Error, SIZE_DIGITS_MAX, TRAILER_BYTES_MAX, write_chunk,
};

use super::http_head::check_lines;
use crate::support::random::Random;

const ROOM: usize = 300;

/// The body, how much of the input is it, and whether it has ended.
type Read = (Vec<u8>, usize, bool);

pub fn check(input: &[u8]) {
    let whole = decode(&[input]);
    let slow = decode_slowly(input);
    let is_alike = match (&whole, &slow) {
        (Ok(whole), Some(slow)) => whole == slow,
        (Err(_), None) => true,
        _ => false,
    };
    assert!(is_alike, "{}: {whole:?}, and slowly {slow:?}", input.escape_ascii());
    assert_eq!(decode(&input.chunks(1).collect::<Vec<_>>()), whole, "{}", input.escape_ascii());
    let pieces = Random::new(input.len() as u64).pieces(input);
    assert_eq!(decode(&pieces), whole, "{}", input.escape_ascii());
    check_lines(&annotate::http::body(input, true));
    check_lines(&annotate::stream::chunks(input));
    check_lines(&annotate::stream::events(input));
    check_written(input);
}

fn decode(pieces: &[&[u8]]) -> Result<Read, Error> {
    let (mut decoder, mut body, mut used) = (Decoder::new(), Vec::new(), 0);
    for piece in pieces {
        let (taken, is_done) = decoder.decode(piece, &mut body, ROOM)?;
        used += taken;
        assert!(body.len() <= ROOM);
        if is_done {
            return Ok((body, used, true));
        }
        assert_eq!(taken, piece.len(), "all is used that does not end it");
    }
    Ok((body, used, false))
}

/// What was written comes back, and the next request begins where it should.
fn check_written(input: &[u8]) {
    let mut body = Vec::new();
    let pieces = Random::new(input.len() as u64 + 1).pieces(&input[..input.len().min(ROOM)]);
    pieces.iter().for_each(|piece| write_chunk(&mut body, piece));
    let whole = body.len() + 5;
    body.extend(b"0\r\n\r\nGET ");
    assert_eq!(decode(&[&body]), Ok((pieces.concat(), whole, true)));
}

/// RFC 9112 §7.1, in its order. `None`: not a chunked body, and no beginning of one.
fn decode_slowly(input: &[u8]) -> Option<Read> {
    let mut slow = Slow { input, at: 0, extensions: 0, trailers: 0 };
    let mut body = Vec::new();
    let end = slow.read(&mut body);
    match end {
        Ok(()) => Some((body, slow.at, true)),
        Err(End::NoMoreBytes) => Some((body, input.len(), false)),
        Err(End::Refused) => None,
    }
}

enum End {
    NoMoreBytes,
    Refused,
}

struct Slow<'a> {
    input: &'a [u8],
    at: usize,
    extensions: u16,
    trailers: u16,
}

impl Slow<'_> {
    fn byte(&mut self) -> Result<u8, End> {
        let byte = self.input.get(self.at).copied().ok_or(End::NoMoreBytes)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, expected: u8) -> Result<(), End> {
        if self.byte()? == expected { Ok(()) } else { Err(End::Refused) }
    }

    fn read(&mut self, body: &mut Vec<u8>) -> Result<(), End> {
        loop {
            let size = self.size(ROOM - body.len())?;
            if size == 0 {
                return self.trailers();
            }
            for _ in 0..size {
                body.push(self.byte()?);
            }
            self.expect(b'\r')?;
            self.expect(b'\n')?;
        }
    }

    /// `chunk-size [ chunk-ext ] CRLF`; what does not fit is refused as soon as the size has ended.
    fn size(&mut self, room: usize) -> Result<u64, End> {
        let (mut size, mut digits) = (0u64, 0);
        let mut byte = loop {
            let byte = self.byte()?;
            let Some(digit) = char::from(byte).to_digit(16) else { break byte };
            digits += 1;
            if digits > SIZE_DIGITS_MAX {
                return Err(End::Refused);
            }
            size = size * 16 + u64::from(digit);
        };
        if digits == 0 || !b"\r; \t".contains(&byte) || size > room as u64 {
            return Err(End::Refused);
        }
        // Blanks stand before a semicolon alone.
        while byte == b' ' || byte == b'\t' {
            self.count_extension()?;
            byte = self.byte()?;
            if byte == b'\r' {
                return Err(End::Refused);
            }
        }
        if byte == b';' {
            while byte != b'\r' {
                self.count_extension()?;
                if !is_text(byte) {
                    return Err(End::Refused);
                }
                byte = self.byte()?;
            }
        }
        if byte != b'\r' {
            return Err(End::Refused);
        }
        self.expect(b'\n')?;
        Ok(size)
    }

    fn count_extension(&mut self) -> Result<(), End> {
        self.extensions += 1;
        if self.extensions > EXTENSION_BYTES_MAX { Err(End::Refused) } else { Ok(()) }
    }

    /// `*( field-line CRLF ) CRLF`
    fn trailers(&mut self) -> Result<(), End> {
        loop {
            let start = self.at;
            let mut byte = self.byte()?;
            if byte == b'\r' {
                return self.expect(b'\n');
            }
            while byte != b':' {
                self.count_trailer()?;
                if !byte.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~".contains(&byte) {
                    return Err(End::Refused);
                }
                byte = self.byte()?;
            }
            if self.at == start + 1 {
                return Err(End::Refused);
            }
            while byte != b'\r' {
                self.count_trailer()?;
                if !is_text(byte) {
                    return Err(End::Refused);
                }
                byte = self.byte()?;
            }
            self.count_trailer()?;
            self.expect(b'\n')?;
            self.count_trailer()?;
        }
    }

    fn count_trailer(&mut self) -> Result<(), End> {
        self.trailers += 1;
        if self.trailers > TRAILER_BYTES_MAX { Err(End::Refused) } else { Ok(()) }
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7e | 0x80..)
}
