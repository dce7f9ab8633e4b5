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
//! Limits: the caller's bound on a payload, and in any case `PAYLOAD_BYTES_MAX`. Left out: a
//! payload of `ffffff` bytes, which announces that the next packet goes on with it. It is above
//! every bound that may be set here, so it is refused as too large, as its continuation would be.
//!
//! ```
//! use encke::proto::mysql::packet::{self, Error};
//! let packet = packet::parse(b"\x01\0\0\0\x0e", 0, 100).unwrap().unwrap();
//! assert_eq!((packet.payload, packet.bytes_used), (&b"\x0e"[..], 5));
//! assert_eq!(packet::parse(b"\x01\0\0", 0, 100), Ok(None));
//! assert_eq!(packet::parse(b"\x65\0\0\0", 0, 100), Err(Error::TooLarge));
//! ```

use super::Code;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 4;
/// Largest payload that is one packet, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 0xff_fffe;

/// One packet that has arrived whole. Borrows the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// What it carries.
    pub payload: &'a [u8],
    /// How much of the input it took, header included.
    pub bytes_used: usize,
}

/// The peer breaks the framing; nothing after it can be understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The payload would be above the bound.
    TooLarge,
    /// Another sequence number than the one due.
    OutOfOrder,
}

impl Error {
    /// What to tell the client before closing.
    pub fn code(self) -> Code {
        match self {
            Error::TooLarge => Code::PACKET_TOO_LARGE,
            Error::OutOfOrder => Code::PACKETS_OUT_OF_ORDER,
        }
    }

    /// MySQL's words for it.
    pub fn text(self) -> &'static str {
        match self {
            Error::TooLarge => "Got a packet bigger than 'max_allowed_packet' bytes",
            Error::OutOfOrder => "Got packets out of order",
        }
    }
}

/// Takes one packet from the front of `input`; `None` needs more bytes. The header alone decides on
/// errors, so a packet that is too large is refused before any of it has been kept.
pub fn parse(
    input: &[u8],
    sequence: u8,
    payload_bytes_max: usize,
) -> Result<Option<Packet<'_>>, Error> {
    let Some((&[low, middle, high, number], rest)) = input.split_first_chunk() else {
        return Ok(None);
    };
    if number != sequence {
        return Err(Error::OutOfOrder);
    }
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    if length > payload_bytes_max.min(PAYLOAD_BYTES_MAX) {
        return Err(Error::TooLarge);
    }
    Ok(rest.get(..length).map(|payload| Packet { payload, bytes_used: HEADER_BYTES + length }))
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

    /// One packet, whose payload `write` appends.
    pub fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0, 0, 0, self.sequence]);
        write(self.out);
        let length = self.out.len() - start - HEADER_BYTES;
        assert!(length <= PAYLOAD_BYTES_MAX, "an answer must fit into one packet: {length} bytes");
        self.out[start..start + 3].copy_from_slice(&(length as u32).to_le_bytes()[..3]);
        self.sequence = self.sequence.wrapping_add(1);
    }
}
