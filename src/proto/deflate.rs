//! A WebSocket message compressed with deflate: RFC 7692 §7.2, RFC 1951.
//!
//! ```text
//! "Hello"                           48 65 6c 6c 6f
//! one block of fixed codes, and an  f2 48 cd c9 c9 07 00 00 00 ff ff
//! empty stored one (a "sync flush")
//! goes over the wire without the    f2 48 cd c9 c9 07 00
//! last four bytes, in a frame with
//! RSV1, or in several of which the
//! first has it
//! ```
//!
//! Every message begins with an empty window (`permessage_deflate.rs` agrees on that), so one compressor for
//! each size of window and one decompressor serve all connections. They are made when they are first needed,
//! and go when nobody needed them for a minute: 251 KB of heap with a window of 9 bits to 380 KB with 15, and
//! 48 KB to decompress. What they write to stays as long, up to [`KEPT_BYTES_MAX`] each.
//!
//! **When it is worth it.** A message of JSON with words in it, in bytes, and what zlib makes of it:
//!
//! | bytes | 64 | 80 | 100 | 128 | 200 | 500 | 2,000 | 10,000 |
//! |---|---|---|---|---|---|---|---|---|
//! | compressed | 63 | 74 | 89 | 105 | 128 | 208 | 527 | 1,996 |
//!
//! Each costs the time of ten to twenty writes to a socket (much of it to empty the compressor's
//! tables), and no packet is smaller than some 60 bytes. So what is shorter than
//! [`MESSAGE_BYTES_MIN`] stays as it is, and so does what is longer than [`MESSAGE_BYTES_MAX`], which
//! would keep everybody else waiting. Whatever does not become smaller stays too.
//!
//! Level 4 of zlib: up to some kilobytes it writes what the usual level 6 writes, and beyond that it is 10 %
//! more in a third of the time.
//!
//! **What is read.** Any number of blocks, of any kind. A block may say that it is the last (BFINAL): what
//! follows begins anew (§7.2.3.4). No bytes at all are an empty message, as all decompressors have it. Left
//! out: contexts that live longer than a message.
//!
//! ```
//! use encke::proto::deflate::{Compressor, Decompressor};
//!
//! // RFC 7692 §7.2.3.1.
//! let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
//! assert_eq!(Decompressor::default().decompress(hello, 100), Ok(&b"Hello"[..]));
//!
//! let mut compressor = Compressor::default();
//! assert!(compressor.compress(15, &[b'a'; 1_000]).is_some_and(|payload| payload.len() < 20));
//! assert_eq!(compressor.compress(15, b"Hello"), None);
//! ```

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Whether this build can compress.
pub const IS_PRESENT: bool = true;
/// Shorter messages are not compressed.
pub const MESSAGE_BYTES_MIN: usize = 128;
/// Longer messages are not compressed.
pub const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Memory for results that is kept from one message to the next.
pub const KEPT_BYTES_MAX: usize = 64 * 1024;

/// See the module's documentation.
const LEVEL: u32 = 4;
const WINDOW_BITS_MIN: u8 = 9;
const WINDOW_BITS_MAX: u8 = 15;
/// §7.2.1: what a sender leaves off, and a receiver puts back.
const FLUSH: [u8; 4] = [0x00, 0x00, 0xff, 0xff];
/// An empty stored block with BFINAL. Behind a message that is whole it ends the stream; it is inside a
/// block if the message is not.
const END: [u8; 5] = [0x01, 0x00, 0x00, 0xff, 0xff];
/// Memory that nobody needed for so long is given back.
const UNUSED_SECONDS_MAX: u64 = 60;
/// Room that a result is given at a time.
const STEP_BYTES: usize = 16 * 1024;

/// Why a message cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The data is no deflate stream, or not all of one.
    Invalid,
    /// There is more in it than is allowed.
    TooBig,
}

/// Writes messages: one for all connections.
#[derive(Debug, Default)]
pub struct Compressor {
    /// By window size, the smallest first.
    streams: [Option<Compress>; (WINDOW_BITS_MAX - WINDOW_BITS_MIN + 1) as usize],
    payload: Vec<u8>,
    usage: Usage,
}

impl Compressor {
    /// Gives back what a great message took, and all memory if nothing was compressed for a minute. To be
    /// called now and then; `second` is of any clock.
    pub fn forget_unused(&mut self, second: u64) {
        empty(&mut self.payload);
        if self.usage.is_over(second) {
            *self = Compressor::default();
        }
    }

    /// The payload that goes with RSV1, or `None` if the message is better sent as it is. `window_bits`: 9
    /// to 15.
    pub fn compress(&mut self, window_bits: u8, message: &[u8]) -> Option<&[u8]> {
        if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(&message.len()) {
            return None;
        }
        let place = usize::from(window_bits - WINDOW_BITS_MIN);
        let level = Compression::new(LEVEL);
        let stream = self.streams[place]
            .get_or_insert_with(|| Compress::new_with_window_bits(level, false, window_bits));
        self.usage.is_recent = true;
        stream.reset();
        empty(&mut self.payload);
        // With so much room either everything fits, or it has not become smaller.
        self.payload.reserve(message.len() + FLUSH.len());
        let room = self.payload.capacity();
        stream.compress_vec(message, &mut self.payload, FlushCompress::Sync).ok()?;
        let is_whole = self.payload.len() < room;
        let payload = self.payload.strip_suffix(&FLUSH).filter(|_| is_whole)?;
        (payload.len() < message.len()).then_some(payload)
    }
}

/// Reads messages: one for all connections.
#[derive(Debug, Default)]
pub struct Decompressor {
    stream: Option<Decompress>,
    message: Vec<u8>,
    usage: Usage,
}

impl Decompressor {
    /// As [`Compressor::forget_unused`].
    pub fn forget_unused(&mut self, second: u64) {
        empty(&mut self.message);
        if self.usage.is_over(second) {
            *self = Decompressor::default();
        }
    }

    /// The message of a payload that came with RSV1: at most `bytes_max` bytes, and no memory beyond.
    pub fn decompress(&mut self, payload: &[u8], bytes_max: usize) -> Result<&[u8], Error> {
        let stream = self
            .stream
            .get_or_insert_with(|| Decompress::new_with_window_bits(false, WINDOW_BITS_MAX));
        let message = &mut self.message;
        empty(message);
        if payload.is_empty() {
            return Ok(message);
        }
        self.usage.is_recent = true;
        stream.reset(false);
        read(stream, payload, message, bytes_max)?;
        let before = message.len();
        read(stream, &FLUSH, message, bytes_max)?;
        let is_at_end = read(stream, &END, message, bytes_max)?;
        if is_at_end && message.len() == before { Ok(message) } else { Err(Error::Invalid) }
    }
}

/// When something was used last, as far as somebody looks.
#[derive(Debug, Default)]
struct Usage {
    is_recent: bool,
    seen_at: u64,
}

impl Usage {
    /// Whether nobody has used it for long.
    fn is_over(&mut self, second: u64) -> bool {
        if std::mem::take(&mut self.is_recent) {
            self.seen_at = second;
        }
        second.saturating_sub(self.seen_at) >= UNUSED_SECONDS_MAX
    }
}

/// Reads all of `input`, whatever ends and begins in it; true when the last byte is an end.
fn read(
    stream: &mut Decompress,
    mut input: &[u8],
    message: &mut Vec<u8>,
    bytes_max: usize,
) -> Result<bool, Error> {
    loop {
        grow(message, bytes_max);
        let (used_before, len_before) = (stream.total_in(), message.len());
        let status = stream
            .decompress_vec(input, message, FlushDecompress::None)
            .map_err(|_| Error::Invalid)?;
        if message.len() > bytes_max {
            return Err(Error::TooBig);
        }
        let used = (stream.total_in() - used_before) as usize;
        input = &input[used..];
        let is_at_end = status == Status::StreamEnd;
        if is_at_end {
            stream.reset(false);
        }
        // Where no room is left there may be more to come.
        if input.is_empty() && (is_at_end || message.len() < message.capacity()) {
            return Ok(is_at_end);
        }
        // Each round uses input or gives output.
        if used == 0 && message.len() == len_before {
            return Err(Error::Invalid);
        }
    }
}

/// Room for more, but never for much more than is allowed: what is too big shows in the first byte beyond.
fn grow(message: &mut Vec<u8>, bytes_max: usize) {
    if message.len() == message.capacity() {
        let double = (2 * message.len()).max(STEP_BYTES);
        let capacity = double.min(bytes_max.saturating_add(1)).max(message.len() + 1);
        message.reserve_exact(capacity - message.len());
    }
}

/// A result is needed for a moment only.
fn empty(result: &mut Vec<u8>) {
    result.clear();
    result.shrink_to(KEPT_BYTES_MAX);
}
