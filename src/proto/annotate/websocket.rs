//! WebSocket frames of either side (RFC 6455 §5.2), valid or not, however the network cut them.
//!
//! `FIN=1 RSV=000` are the upper bits of the first byte, `MASK` is the highest of the second; in how
//! many bits the length stands is told, because a length has three forms. RSV1 on text or bytes begins a
//! compressed message (RFC 7692): what a frame has all of is shown as it was before.

use super::{SHOWN_BYTES_MAX, quote, quote_start};
use crate::proto::deflate::Decompressor;

/// Two bytes, eight of length, four of mask.
const HEAD_BYTES_MAX: usize = 14;

/// Of a compressed message so many bytes are kept to show what is in it, and so many read.
const COMPRESSED_BYTES_MAX: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 64 * 1024;

/// One direction of a connection: what has come of the frame under way.
#[derive(Debug, Default)]
pub struct Frames {
    head: Vec<u8>,
    /// The beginning of the payload, unmasked.
    shown: Vec<u8>,
    /// Bytes of the payload that have come.
    taken: u64,
}

/// One whole frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// The line for it.
    pub text: String,
    /// FIN is set: no further fragment belongs to it.
    pub is_final: bool,
}

impl Frames {
    /// Takes bytes up to the end of a frame. Returns how many were used (all, when the frame does not
    /// end in them), and the frame.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, Option<Frame>) {
        let mut used = 0;
        let Some(head) = self.take_head(bytes, &mut used) else { return (used, None) };
        let left = head.payload_bytes - self.taken;
        let piece =
            &bytes[used..][..usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - used)];
        let shown_max = if head.is_compressed() { COMPRESSED_BYTES_MAX } else { SHOWN_BYTES_MAX };
        let room = shown_max - self.shown.len();
        let at = self.shown.len();
        let unmasked = piece.iter().take(room).enumerate();
        self.shown.extend(unmasked.map(|(index, byte)| byte ^ head.key[(at + index) % 4]));
        self.taken += piece.len() as u64;
        used += piece.len();
        if self.taken < head.payload_bytes {
            return (used, None);
        }
        let frame = Frame { text: self.describe(&head), is_final: head.first & 0x80 != 0 };
        *self = Frames::default();
        (used, Some(frame))
    }

    /// What has come of a frame that will not be read to its end; nothing between two frames.
    pub fn unfinished(&self) -> Option<String> {
        match Head::parse(&self.head) {
            Some(head) => {
                Some(format!("{}; {} bytes of it are here", self.describe(&head), self.taken))
            }
            None if self.head.is_empty() => None,
            None => Some(format!("frame {}: the head has begun", hex(&self.head))),
        }
    }

    fn take_head(&mut self, bytes: &[u8], used: &mut usize) -> Option<Head> {
        loop {
            if let Some(head) = Head::parse(&self.head) {
                return Some(head);
            }
            debug_assert!(self.head.len() < HEAD_BYTES_MAX);
            self.head.push(*bytes.get(*used)?);
            *used += 1;
        }
    }

    fn describe(&self, head: &Head) -> String {
        let Head { first, second, payload_bytes, .. } = *head;
        let mut text = format!(
            "frame {}: FIN={} RSV={:03b} opcode={} {}, MASK={}, length {payload_bytes} in {} bits",
            hex(&self.head),
            first >> 7,
            first >> 4 & 7,
            first & 15,
            opcode_name(first & 15),
            second >> 7,
            head.length_bits,
        );
        if first & 15 == 8 {
            text.push_str(&self.close());
        } else if head.is_compressed() {
            text.push_str(&self.compressed(head));
        } else if payload_bytes > 0 {
            text.push_str(&format!(", {}", quote_start(&self.shown, payload_bytes)));
        }
        text
    }

    /// Where all of the message is here, and nothing but it: what it says.
    fn compressed(&self, head: &Head) -> String {
        let is_whole = head.first & 0x80 != 0 && self.shown.len() as u64 == head.payload_bytes;
        let mut decompressor = Decompressor::default();
        match decompressor.decompress(&self.shown, READ_BYTES_MAX) {
            Ok(message) if is_whole => {
                format!(", compressed from {} bytes: {}", message.len(), quote(message))
            }
            _ => ", compressed".to_owned(),
        }
    }

    /// RFC 6455 §5.5.1: nothing, or a code and a reason.
    fn close(&self) -> String {
        let Some((code, reason)) = self.shown.split_first_chunk() else {
            return if self.shown.is_empty() { ", no code" } else { ", half a code" }.to_owned();
        };
        let code = u16::from_be_bytes(*code);
        let reason = quote_start(reason, self.taken.saturating_sub(2));
        format!(", code {code} ({}), reason {reason}", close_meaning(code))
    }
}

struct Head {
    first: u8,
    second: u8,
    length_bits: u8,
    payload_bytes: u64,
    /// Zeros without a mask.
    key: [u8; 4],
}

impl Head {
    /// RFC 7692 §6: RSV1 on a frame that begins a message.
    fn is_compressed(&self) -> bool {
        self.first & 0x40 != 0 && matches!(self.first & 15, 1 | 2)
    }

    /// `None`: it is not whole yet.
    fn parse(bytes: &[u8]) -> Option<Head> {
        let &[first, second, ref rest @ ..] = bytes else { return None };
        let (length_bytes, length_bits) = match second & 0x7f {
            126 => (2, 16),
            127 => (8, 64),
            _ => (0, 7),
        };
        let (length, rest) = rest.split_at_checked(length_bytes)?;
        let long = length.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let payload_bytes = if length_bytes == 0 { u64::from(second & 0x7f) } else { long };
        let key = if second & 0x80 == 0 { [0; 4] } else { *rest.first_chunk()? };
        Some(Head { first, second, length_bits, payload_bytes, key })
    }
}

/// Every frame of a whole piece of output; what is left over is told in its own line.
pub fn frames(bytes: &[u8]) -> Vec<String> {
    let (mut frames, mut lines, mut at) = (Frames::default(), Vec::new(), 0);
    while at < bytes.len() {
        let (used, frame) = frames.next(&bytes[at..]);
        at += used;
        lines.extend(frame.map(|frame| frame.text));
    }
    lines.extend(frames.unfinished());
    lines
}

fn opcode_name(opcode: u8) -> &'static str {
    match opcode {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        _ => "reserved",
    }
}

/// RFC 6455 §7.4.1 and IANA's registry, in a few words.
pub fn close_meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "stands for no code, never sent",
        1006 => "stands for a broken connection, never sent",
        1007 => "not UTF-8, or not what was announced",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "an extension is missing",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "stands for a failed TLS handshake, never sent",
        3000..=3999 => "registered with IANA",
        4000..=4999 => "the application's own",
        _ => "reserved",
    }
}

fn hex(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
