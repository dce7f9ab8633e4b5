//! Messages of WebSockets that come and go compressed (RFC 7692), where that was agreed on.
//!
//! What goes to many is compressed once for each size of window in use (`rendered.rs`). What goes to one
//! client alone (its past, answers, messages for its user) goes as it is: compressing it takes longer than
//! ten deliveries. An echo endpoint sends back compressed what came compressed.
//!
//! What comes is read in one piece, within the bound for any message, and only of clients that do not send
//! too fast. A few bytes can become very many, so what one client can have read before others are looked
//! after is bounded as well.

use std::mem;
use std::str::from_utf8;

use super::Server;
use super::conn::Format;
use super::socket::Socket;
use crate::dialects::ECHO;
use crate::hub::delivery::Payload;
use crate::proto::deflate;
use crate::proto::websocket::{Error, Event};
use crate::transports::websocket::frame_compressed;

/// What is read for one client before others are looked after, in bytes: some milliseconds.
const PER_TURN_BYTES_MAX: usize = 1024 * 1024;

/// The longest payload of a compressed message. A deflate stream may be longer than what is in it: of noise,
/// in small blocks.
pub(super) fn payload_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_add(message_bytes_max / 8 + 64)
}

impl<S: Socket> Server<S> {
    /// A message that is whole, and still to be read.
    #[inline(never)]
    pub(super) fn on_compressed(
        &mut self,
        slot: u32,
        is_text: bool,
        payload: &[u8],
        format: Format,
    ) {
        if format.dialect != ECHO && !self.may_send(slot, format.dialect) {
            return;
        }
        let bytes_max = self.frame_limits(format).message_bytes_max;
        let mut decompressor = mem::take(&mut self.decompressor);
        let event = decompressor.decompress(payload, bytes_max).map_err(|error| match error {
            deflate::Error::Invalid => Error::InvalidDeflate,
            deflate::Error::TooBig => Error::MessageTooBig,
        });
        let event = event.and_then(|message| match is_text {
            true => from_utf8(message).map(Event::Text).map_err(|_| Error::InvalidUtf8),
            false => Ok(Event::Binary(message)),
        });
        self.decompressed_bytes += payload.len() + read_bytes(&event, bytes_max);
        match event {
            Ok(event) if format.dialect == ECHO => self.echo_compressed(slot, event, format),
            Ok(event) => self.take_message(slot, event, format.dialect),
            Err(error) => self.refuse_frame(slot, error),
        }
        self.decompressor = decompressor;
    }

    /// Whether the client whose turn it is has had enough of it.
    #[inline]
    pub(super) fn has_decompressed_much(&self) -> bool {
        self.decompressed_bytes > PER_TURN_BYTES_MAX
    }

    fn echo_compressed(&mut self, slot: u32, event: Event<'_>, format: Format) {
        let reversed: String;
        let (data, is_text) = match event {
            Event::Text(text) if format.variant != 0 => {
                reversed = text.chars().rev().collect();
                (reversed.as_bytes(), true)
            }
            Event::Text(text) => (text.as_bytes(), true),
            Event::Binary(data) => (data, false),
            _ => return,
        };
        let Some(window_bits) = format.window_bits() else { return };
        let payload = Payload { id: None, event: None, data, is_text };
        // From here on what is gathered is for this client.
        self.out(slot);
        frame_compressed(payload, window_bits, &mut self.compressor, &mut self.out);
    }
}

fn read_bytes(event: &Result<Event<'_>, Error>, bytes_max: usize) -> usize {
    match event {
        Ok(Event::Text(text)) => text.len(),
        Ok(Event::Binary(data)) => data.len(),
        _ => bytes_max,
    }
}
