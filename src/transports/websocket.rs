//! A message as a WebSocket frame (RFC 6455): text when it is UTF-8, else binary.

use crate::hub::delivery::Payload;
use crate::proto::deflate::Compressor;
use crate::proto::websocket::{Opcode, write_compressed, write_frame};

pub(super) fn frame(payload: Payload<'_>, out: &mut Vec<u8>) {
    write_frame(out, opcode(payload), payload.data);
}

/// The same for clients that can read compressed messages (RFC 7692), if that makes it smaller.
pub fn frame_compressed(
    payload: Payload<'_>,
    window_bits: u8,
    compressor: &mut Compressor,
    out: &mut Vec<u8>,
) {
    match compressor.compress(window_bits, payload.data) {
        Some(compressed) => write_compressed(out, opcode(payload), compressed),
        None => frame(payload, out),
    }
}

fn opcode(payload: Payload<'_>) -> Opcode {
    if payload.is_text { Opcode::Text } else { Opcode::Binary }
}

pub(super) fn heartbeat(out: &mut Vec<u8>) {
    write_frame(out, Opcode::Ping, b"");
}
