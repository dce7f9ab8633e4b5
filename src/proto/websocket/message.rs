//! A message that does not lie whole in the input: its bytes so far, and UTF-8 checked as it comes.
//!
//! ```text
//! fragments    "caf\xc3"       "\xa9 \xe2\x82"      "\xac"
//! text         "caf"           "café "            "café €"
//! tail         \xc3            \xe2\x82            (empty, as it must be at the end)
//! ```
//!
//! RFC 6455 §8.1: what is not UTF-8 fails the connection. It does so at the first byte that no other
//! byte can mend, which for a text of megabytes is long before its end. Memory grows by doubling, and
//! never beyond what the message can become. Binary and compressed messages are only collected.

use std::str::from_utf8;

use super::{Error, Limits, Opcode};

/// The payload of an unfinished message, unmasked.
#[derive(Debug)]
pub(super) enum Message {
    None,
    /// All the whole characters so far, then the beginning of one more.
    Text {
        text: String,
        tail: Tail,
    },
    Binary(Vec<u8>),
    /// Of text or of bytes: nobody knows what is in it yet.
    Compressed {
        is_text: bool,
        payload: Vec<u8>,
    },
}

impl Message {
    /// Does nothing for what is already begun.
    pub(super) fn begin(&mut self, opcode: Opcode, is_compressed: bool) {
        if let Message::None = self {
            *self = match opcode {
                _ if is_compressed => {
                    Message::Compressed { is_text: opcode == Opcode::Text, payload: Vec::new() }
                }
                Opcode::Text => Message::Text { text: String::new(), tail: Tail::default() },
                _ => Message::Binary(Vec::new()),
            };
        }
    }

    /// Payload bytes so far, if a message is under way.
    pub(super) fn unfinished_bytes(&self) -> Option<usize> {
        match self {
            Message::None => None,
            Message::Text { text, tail } => Some(text.len() + usize::from(tail.len)),
            Message::Binary(bytes) | Message::Compressed { payload: bytes, .. } => {
                Some(bytes.len())
            }
        }
    }

    /// The most that all its fragments together may have.
    pub(super) fn bytes_max(&self, limits: &Limits) -> usize {
        match self {
            Message::Compressed { .. } => limits.compressed_bytes_max.unwrap_or(0),
            _ => limits.message_bytes_max,
        }
    }

    /// Bytes of memory for these.
    pub(super) fn bytes_kept(&self) -> usize {
        match self {
            Message::None => 0,
            Message::Text { text, .. } => text.capacity(),
            Message::Binary(bytes) | Message::Compressed { payload: bytes, .. } => bytes.capacity(),
        }
    }

    /// `bytes_max`: what the whole message cannot exceed, from what is known now.
    pub(super) fn append(&mut self, piece: &[u8], bytes_max: usize) -> Result<(), Error> {
        let needed = self.unfinished_bytes().unwrap_or(0) + piece.len();
        match self {
            Message::Text { text, tail } => {
                if needed > text.capacity() {
                    text.reserve_exact(grown(needed, text.capacity(), bytes_max) - text.len());
                }
                tail.append(piece, text)
            }
            Message::Binary(bytes) | Message::Compressed { payload: bytes, .. } => {
                if needed > bytes.capacity() {
                    bytes.reserve_exact(grown(needed, bytes.capacity(), bytes_max) - bytes.len());
                }
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Message::None => unreachable!("begin() is called before"),
        }
    }

    /// RFC 6455 §8.1: a text message that ends inside a character is not UTF-8. A fragment may.
    pub(super) fn check_end(&self) -> Result<(), Error> {
        match self {
            Message::Text { tail, .. } if tail.len > 0 => Err(Error::InvalidUtf8),
            _ => Ok(()),
        }
    }
}

/// Doubles, so that many small pieces are not copied again and again, but not beyond `bytes_max`.
fn grown(needed: usize, capacity: usize, bytes_max: usize) -> usize {
    needed.max(bytes_max.min(capacity.saturating_mul(2)))
}

/// The first bytes of a character whose last one is still to come: a valid beginning, `len` <= 3.
#[derive(Default, Debug)]
pub(super) struct Tail {
    bytes: [u8; 3],
    len: u8,
}

impl Tail {
    /// Appends to `text` all characters that `piece` completes, and keeps what is left.
    fn append(&mut self, mut piece: &[u8], text: &mut String) -> Result<(), Error> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            self.push(byte, text)?;
            piece = rest;
        }
        let (whole, left) = split_characters(piece)?;
        text.push_str(whole);
        self.bytes[..left.len()].copy_from_slice(left);
        self.len = left.len() as u8;
        Ok(())
    }

    /// One byte more, which completes the character, continues it, or is impossible.
    fn push(&mut self, byte: u8, text: &mut String) -> Result<(), Error> {
        let len = usize::from(self.len);
        let mut character = [0; 4];
        character[..len].copy_from_slice(&self.bytes[..len]);
        character[len] = byte;
        let (whole, left) = split_characters(&character[..=len])?;
        text.push_str(whole);
        self.bytes[..left.len()].copy_from_slice(left);
        self.len = left.len() as u8;
        Ok(())
    }
}

/// Whole characters, and up to three bytes that begin one more.
fn split_characters(bytes: &[u8]) -> Result<(&str, &[u8]), Error> {
    let error = match from_utf8(bytes) {
        Ok(text) => return Ok((text, &[])),
        Err(error) => error,
    };
    // RFC 6455 §8.1: fail at what no further byte could make valid.
    if error.error_len().is_some() {
        return Err(Error::InvalidUtf8);
    }
    let (whole, left) = bytes.split_at(error.valid_up_to());
    let whole = from_utf8(whole).map_err(|_| Error::InvalidUtf8)?;
    Ok((whole, left))
}
