//! A message as a WebSocket frame (RFC 6455): text when it is UTF-8, else binary.

use crate::hub::delivery::Payload;
use crate::proto::websocket::{Opcode, write_frame};

pub(super) fn frame(payload: Payload<'_>, out: &mut Vec<u8>) {
    let opcode = if payload.is_text { Opcode::Text } else { Opcode::Binary };
    write_frame(out, opcode, payload.data);
}

pub(super) fn heartbeat(out: &mut Vec<u8>) {
    write_frame(out, Opcode::Ping, b"");
}
