//! The head of a frame that a client sent: everything before the payload, 6 to 14 bytes.
//!
//! Its fields are checked in the order of the bytes, each as soon as it is there. So a bad frame gets
//! the same answer from the whole head as from its beginning, and no byte more is awaited than needed.

use std::ops::Range;

use super::message::Message;
use super::{CONTROL_BYTES_MAX, Error, FIN, LENGTH_IN_2, LENGTH_IN_8, Limits, Opcode, RSV1};

const RSV: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const TEXT: u8 = Opcode::Text as u8;
const BINARY: u8 = Opcode::Binary as u8;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7f;

/// A parsed head, and how far its payload has come: `taken` <= `payload_bytes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) payload_bytes: usize,
    pub(super) taken: usize,
    pub(super) mask: [u8; 4],
    pub(super) opcode: Opcode,
    pub(super) fin: bool,
    /// It begins a compressed message.
    pub(super) is_compressed: bool,
}

/// What most clients send most of the time: a message in one frame of at most 125 bytes, all there.
pub(super) struct Usual {
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Where the payload is.
    pub(super) range: Range<usize>,
}

/// Everything that is not [`Usual`], valid or not, is `None`, and for [`parse_head`] to tell. Only for
/// speed: it halves the time of a short message.
#[inline]
pub(super) fn parse_usual(bytes: &[u8], limits: &Limits) -> Option<Usual> {
    const ONE_TEXT: u8 = FIN | TEXT;
    const ONE_BINARY: u8 = FIN | BINARY;
    let &[first, second, a, b, c, d, ref rest @ ..] = bytes else { return None };
    let opcode = match first {
        ONE_TEXT => Opcode::Text,
        ONE_BINARY => Opcode::Binary,
        _ => return None,
    };
    // Without a mask the difference is above all that a byte with one can give.
    let len = usize::from(second.wrapping_sub(MASK));
    let is_usual = len < usize::from(LENGTH_IN_2);
    let is_allowed = len <= limits.message_bytes_max;
    let is_there = len <= rest.len();
    (is_usual && is_allowed && is_there).then_some(Usual {
        opcode,
        mask: [a, b, c, d],
        range: 6..6 + len,
    })
}

/// One head at the front of `bytes`: its length and its frame, or `None` when bytes are missing.
/// `message`: the one that is under way.
pub(super) fn parse_head(
    bytes: &[u8],
    message: &Message,
    limits: &Limits,
) -> Result<Option<(usize, Frame)>, Error> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    let is_agreed = limits.compressed_bytes_max.is_some();
    let (opcode, is_compressed) = parse_first(first, message, is_agreed)?;
    let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
    check_second(second, opcode)?;
    let room = match opcode.is_control() {
        true => CONTROL_BYTES_MAX,
        false if is_compressed => limits.compressed_bytes_max.unwrap_or(0),
        false => message.bytes_max(limits).saturating_sub(message.unfinished_bytes().unwrap_or(0)),
    };
    let (length_bytes, payload_bytes) = match second & LENGTH {
        LENGTH_IN_2 => (2, parse_length::<2>(rest, room)?),
        LENGTH_IN_8 => (8, parse_length::<8>(rest, room)?),
        short if usize::from(short) > room => return Err(Error::MessageTooBig),
        short => (0, Some(usize::from(short))),
    };
    let Some(payload_bytes) = payload_bytes else { return Ok(None) };
    let Some(&mask) = rest[length_bytes..].first_chunk() else { return Ok(None) };
    let fin = first & FIN != 0;
    let frame = Frame { payload_bytes, taken: 0, mask, opcode, fin, is_compressed };
    Ok(Some((2 + length_bytes + mask.len(), frame)))
}

/// FIN, RSV1 to RSV3 and the opcode: the latter, and whether it begins a compressed message.
fn parse_first(first: u8, message: &Message, is_agreed: bool) -> Result<(Opcode, bool), Error> {
    let in_message = message.unfinished_bytes().is_some();
    // RFC 7692 §6.1: RSV1 is set on the first frame of a message, and on no control frame.
    let may_begin = matches!(first & OPCODE, TEXT | BINARY);
    let is_compressed = is_agreed && may_begin && first & RSV == RSV1;
    // RFC 6455 §5.2: "MUST be 0 unless an extension is negotiated".
    if first & RSV != 0 && !is_compressed {
        return Err(Error::ReservedBits);
    }
    let opcode = Opcode::from_bits(first & OPCODE).ok_or(Error::ReservedOpcode)?;
    let fin = first & FIN != 0;
    match opcode {
        // RFC 6455 §5.4: fragments of one message must not be interleaved with another message.
        Opcode::Continuation if !in_message => Err(Error::UnexpectedContinuation),
        Opcode::Text | Opcode::Binary if in_message => Err(Error::UnfinishedMessage),
        // RFC 6455 §5.5: control frames "MUST NOT be fragmented".
        Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => Err(Error::FragmentedControl),
        _ => Ok((opcode, is_compressed)),
    }
}

/// MASK, and what the 7-bit length alone shows to be wrong.
fn check_second(second: u8, opcode: Opcode) -> Result<(), Error> {
    // RFC 6455 §5.1: "The server MUST close the connection upon receiving a frame that is not masked".
    if second & MASK == 0 {
        return Err(Error::NotMasked);
    }
    if opcode.is_control() && usize::from(second & LENGTH) > CONTROL_BYTES_MAX {
        return Err(Error::LongControl);
    }
    // RFC 6455 §5.5.1: "the first two bytes of the body MUST be a 2-byte unsigned integer".
    if opcode == Opcode::Close && second & LENGTH == 1 {
        return Err(Error::HalfCloseCode);
    }
    Ok(())
}

/// A length in `N` bytes, 2 or 8, of which some may be missing: then `None`, or already an error when
/// no missing byte could mend it.
fn parse_length<const N: usize>(rest: &[u8], room: usize) -> Result<Option<usize>, Error> {
    let known = &rest[..N.min(rest.len())];
    if known.is_empty() {
        return Ok(None);
    }
    // least <= length <= most, equal when no byte is missing.
    let missing_bits = 8 * (N - known.len());
    let least = known.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)) << missing_bits;
    let most = least | ((1 << missing_bits) - 1);
    // RFC 6455 §5.2: "the most significant bit MUST be 0", "the minimal number of bytes MUST be used".
    if least >> 63 != 0 {
        return Err(Error::LengthTopBit);
    }
    if most < if N == 2 { 126 } else { 1 << 16 } {
        return Err(Error::LengthNotMinimal);
    }
    // `room` fits in usize, so what is not above it does too.
    if least > room as u64 {
        return Err(Error::MessageTooBig);
    }
    Ok((missing_bits == 0).then_some(least as usize))
}
