//! MySQL packets: what frames everything else.
//!
//! Specification: "MySQL Packets".
//!
//! ```text
//!   0        3          4
//!   +--------+----------+------------------- - -
//!   | length | sequence | payload
//!   +--------+----------+------------------- - -
//!     u24 LE   u8         `length` bytes
//! ```
//!
//! The sequence number starts at 0 with the greeting and with each command, and grows by one with
//! every packet of either side, 255 being followed by 0.
//!
//! A payload of `CHUNK_BYTES` and more is a chain: full packets of `ffffff` bytes, and one with fewer,
//! perhaps none, that ends it ("Sending More Than 16Mb").
//!
//! Limits: the caller's bound on a payload, over its whole chain; headers alone decide on it.
//!
//! ```
//! use encke::proto::mysql::packet::{self, Error};
//! let packet = packet::parse(b"\x01\0\0\0\x0e", 0, 100).unwrap().unwrap();
//! assert_eq!((&packet.payload[..], packet.bytes_used), (&b"\x0e"[..], 5));
//! assert_eq!(packet::parse(b"\x01\0\0", 0, 100), Ok(None));
//! assert_eq!(packet::parse(b"\x65\0\0\0", 0, 100), Err(Error::TooLarge { sequence: 0 }));
//! ```

use std::borrow::Cow;

use super::Code;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 4;
/// A packet with so many bytes is full, and the next one goes on with its payload.
pub const CHUNK_BYTES: usize = 0xff_ffff;

/// One payload that has arrived whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// What it carries. Borrows the input, except from a chain, which is put together.
    pub payload: Cow<'a, [u8]>,
    /// How much of the input it took, headers included.
    pub bytes_used: usize,
    /// Its number; of a chain, the last one's.
    pub sequence: u8,
}

/// The peer breaks the framing; nothing after it can be understood. Each names the number of the packet
/// that does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The payload would be above the bound.
    TooLarge {
        /// As the client gave it.
        sequence: u8,
    },
    /// Another sequence number than the one due.
    OutOfOrder {
        /// As the client gave it.
        sequence: u8,
    },
}

impl Error {
    /// What to tell the client before closing.
    pub fn code(self) -> Code {
        match self {
            Error::TooLarge { .. } => Code::PACKET_TOO_LARGE,
            Error::OutOfOrder { .. } => Code::PACKETS_OUT_OF_ORDER,
        }
    }

    /// MySQL's words for it.
    pub fn text(self) -> &'static str {
        match self {
            Error::TooLarge { .. } => "Got a packet bigger than 'max_allowed_packet' bytes",
            Error::OutOfOrder { .. } => "Got packets out of order",
        }
    }

    /// The number that the answer comes after: the client goes on from its own, right or wrong.
    pub fn sequence(self) -> u8 {
        match self {
            Error::TooLarge { sequence } | Error::OutOfOrder { sequence } => sequence,
        }
    }
}

/// Takes one payload from the front of `input`; `None` needs more bytes. The headers alone decide on
/// errors, so a payload that is too large is refused before all of it has been kept. What is not whole is
/// looked at again with more bytes: only its headers, one in 16 MB.
pub fn parse(
    input: &[u8],
    sequence: u8,
    payload_bytes_max: usize,
) -> Result<Option<Packet<'_>>, Error> {
    let (mut rest, mut due, mut bytes) = (input, sequence, 0_usize);
    loop {
        let Some((&[low, middle, high, number], after)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        if number != due {
            return Err(Error::OutOfOrder { sequence: number });
        }
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        bytes = bytes.saturating_add(length);
        if bytes > payload_bytes_max {
            return Err(Error::TooLarge { sequence: number });
        }
        let Some((chunk, behind)) = after.split_at_checked(length) else { return Ok(None) };
        if length < CHUNK_BYTES {
            let bytes_used = input.len() - behind.len();
            let payload = if bytes == length { chunk.into() } else { join(input, bytes).into() };
            return Ok(Some(Packet { payload, bytes_used, sequence: number }));
        }
        (rest, due) = (behind, due.wrapping_add(1));
    }
}

/// The payload of a chain of so many bytes, without the headers between.
fn join(input: &[u8], bytes: usize) -> Vec<u8> {
    let mut payload = Vec::with_capacity(bytes);
    for packet in input.chunks(HEADER_BYTES + CHUNK_BYTES) {
        let left = bytes - payload.len();
        let chunk = packet.get(HEADER_BYTES..).unwrap_or_default();
        payload.extend_from_slice(&chunk[..chunk.len().min(left)]);
    }
    payload
}

/// Writes packets one after the other, numbering them.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
    sequence: u8,
}

impl<'a> Writer<'a> {
    /// Appends to `out`; the first packet gets `sequence`.
    pub fn new(out: &'a mut Vec<u8>, sequence: u8) -> Writer<'a> {
        Writer { out, sequence }
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    /// One payload, which `write` appends: one packet, or a chain if it is large.
    pub fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEADER_BYTES]);
        write(self.out);
        let length = self.out.len() - start - HEADER_BYTES;
        if length < CHUNK_BYTES {
            let header = self.header(length);
            self.out[start..start + HEADER_BYTES].copy_from_slice(&header);
            return;
        }
        let payload = self.out.split_off(start + HEADER_BYTES);
        self.out.truncate(start);
        self.out.reserve(length + (length / CHUNK_BYTES + 1) * HEADER_BYTES);
        for chunk in payload.chunks(CHUNK_BYTES) {
            let header = self.header(chunk.len());
            self.out.extend_from_slice(&header);
            self.out.extend_from_slice(chunk);
        }
        if length.is_multiple_of(CHUNK_BYTES) {
            let header = self.header(0);
            self.out.extend_from_slice(&header);
        }
    }

    /// The header of the next packet.
    fn header(&mut self, length: usize) -> [u8; HEADER_BYTES] {
        let [low, middle, high, _] = (length as u32).to_le_bytes();
        let number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        [low, middle, high, number]
    }
}
