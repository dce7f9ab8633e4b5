//! WebSocket connections: subscribers of the native dialect, and the echo endpoints.

use super::answers::Ask;
use super::compressed::payload_bytes_max;
use super::conn::{Conn, Flags, Format};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::metrics::known_close_code;
use super::pace::TOO_FAST;
use super::socket::Socket;
use super::{Server, rendered, wire};
use crate::dialects::native::{self, ClientMessage, variant};
use crate::dialects::{Announcement, COMET_JS, ECHO};
use crate::hub::access::{self, Action};
use crate::hub::command::Command;
use crate::hub::message::Data;
use crate::hub::names::{ChannelName, EventName};
use crate::proto::websocket::{
    Decoder, Error, Event, Limits, Opcode, decode_usual, write_close, write_frame, write_frame_head,
};

impl<S: Socket> Server<S> {
    /// Uses bytes of frames; returns how many.
    #[inline]
    pub(super) fn on_websocket_bytes(&mut self, slot: u32, bytes: &mut [u8]) -> usize {
        let &Conn { format, input, .. } = self.connections.get(slot);
        if wire::is_on() {
            self.wire_frames(slot, bytes);
        }
        let limits = self.frame_limits(format);
        if input.is_none()
            && let Some(usual) = decode_usual(bytes, &limits)
        {
            return match usual {
                Ok((used, event)) => {
                    self.on_event(slot, event, format);
                    used
                }
                Err(error) => {
                    self.refuse_frame(slot, error);
                    bytes.len()
                }
            };
        }
        self.decode(slot, bytes, &limits)
    }

    /// What a client may send.
    #[inline]
    pub(super) fn frame_limits(&self, format: Format) -> Limits {
        let limits = &self.settings.limits;
        let message_bytes_max = match format.dialect {
            ECHO => limits.echo_bytes_max,
            _ => limits.message_bytes_max,
        };
        let compressed_bytes_max =
            format.window_bits().map(|_| payload_bytes_max(message_bytes_max));
        Limits { message_bytes_max, compressed_bytes_max }
    }

    /// The same for a message that is not whole: one that has begun before, or begins here.
    #[inline(never)]
    fn decode(&mut self, slot: u32, bytes: &mut [u8], limits: &Limits) -> usize {
        let &Conn { format, input, .. } = self.connections.get(slot);
        let mut fresh = Decoder::new();
        let mut kept = input.and_then(|index| self.inputs.get_mut(index).decoder.take());
        let decoder = kept.as_deref_mut().unwrap_or(&mut fresh);
        match decoder.decode(bytes, limits) {
            Ok((used, event)) => {
                if let Some(event) = event {
                    self.on_event(slot, event, format);
                }
                if kept.is_some() || !fresh.is_idle() {
                    self.keep_decoder(slot, kept, fresh);
                }
                used
            }
            Err(error) => {
                self.refuse_frame(slot, error);
                bytes.len()
            }
        }
    }

    #[cold]
    pub(super) fn refuse_frame(&mut self, slot: u32, error: Error) {
        if wire::is_on() {
            self.wire_refused(slot, error.explain());
        }
        let why = match error.close_code() {
            1007 => Disconnect::BadText,
            1009 => Disconnect::TooBig,
            _ => Disconnect::ProtocolError,
        };
        self.close_websocket(slot, error.close_code(), error.explain(), why);
    }

    /// Keeps what is unfinished; gives back what is not.
    fn keep_decoder(&mut self, slot: u32, kept: Option<Box<Decoder>>, fresh: Decoder) {
        if !self.connections.is_used(slot) {
            return;
        }
        let was_kept = kept.is_some();
        let mut decoder = match kept {
            Some(decoder) => decoder,
            None => Box::new(fresh),
        };
        // The buffer of a finished message is freed by the next call.
        let limits = Limits { message_bytes_max: usize::MAX, compressed_bytes_max: None };
        let _ = decoder.decode(&mut [], &limits);
        if !decoder.is_idle() {
            self.input(slot).decoder = Some(decoder);
            self.weigh(slot);
        } else if was_kept {
            self.drop_input_if_empty(slot);
        }
    }

    #[inline(always)]
    pub(super) fn on_event(&mut self, slot: u32, event: Event<'_>, format: Format) {
        match (format.dialect, event) {
            (ECHO, Event::Text(text)) if format.variant == 0 => {
                write_frame(self.out(slot), Opcode::Text, text.as_bytes());
            }
            (ECHO, Event::Text(text)) => self.echo_reversed(slot, text),
            (ECHO, Event::Binary(data)) => write_frame(self.out(slot), Opcode::Binary, data),
            (_, Event::Compressed { is_text, payload }) => {
                self.on_compressed(slot, is_text, payload, format);
            }
            (dialect, message @ (Event::Text(_) | Event::Binary(_))) => {
                if self.may_send(slot, dialect) {
                    self.take_message(slot, message, dialect);
                }
            }
            (dialect, control) => self.on_control(slot, control, dialect),
        }
    }

    /// Whether a client may send one more message now. If not, it is told so.
    pub(super) fn may_send(&mut self, slot: u32, dialect: u8) -> bool {
        let may = self.may_speak(slot);
        match dialect {
            _ if may => {}
            COMET_JS => self.refuse_comet_text(slot),
            _ => self.refuse_client_message(slot, TOO_FAST, Disconnect::TooFast),
        }
        may
    }

    /// Uses a message of a subscriber, who may send it.
    #[inline]
    pub(super) fn take_message(&mut self, slot: u32, message: Event<'_>, dialect: u8) {
        match (dialect, message) {
            (COMET_JS, Event::Text(text)) => self.on_comet_text(slot, text),
            (COMET_JS, Event::Binary(data)) => {
                self.on_comet_text(slot, &String::from_utf8_lossy(data));
            }
            (_, Event::Text(text)) => self.on_client_message(slot, text.as_bytes(), Some(text)),
            (_, Event::Binary(data)) => self.on_client_message(slot, data, None),
            // Those are no messages, or not read yet.
            (
                _,
                Event::Compressed { .. } | Event::Ping(_) | Event::Pong(_) | Event::Close { .. },
            ) => {}
        }
    }

    #[inline(never)]
    fn on_control(&mut self, slot: u32, event: Event<'_>, dialect: u8) {
        match event {
            Event::Close { .. } if dialect == COMET_JS => {
                // Its client comes back only after an end that is not clean: nothing is answered.
                self.end_session_of(slot);
                self.finish(slot, Disconnect::ByPeer);
            }
            Event::Ping(data) => {
                if self.may_ping(slot) {
                    write_frame(self.out(slot), Opcode::Pong, data);
                }
            }
            Event::Pong(_) => {
                // Those that nobody asked for are no less work.
                self.may_ping(slot);
            }
            // Messages have been taken.
            Event::Text(_) | Event::Binary(_) | Event::Compressed { .. } => {}
            Event::Close { code, .. } => {
                self.metrics.closes_received.add(known_close_code(code));
                // RFC 6455 §5.5.1: the same code comes back; none, if none was given.
                match code {
                    Some(code) => write_close(self.out(slot), code, ""),
                    None => write_frame(self.out(slot), Opcode::Close, b""),
                }
                self.finish(slot, Disconnect::ByPeer);
            }
        }
    }

    /// By characters: reversed bytes would not be text any more.
    #[inline(never)]
    fn echo_reversed(&mut self, slot: u32, text: &str) {
        let out = self.out(slot);
        write_frame_head(out, Opcode::Text, true, text.len());
        let mut buffer = [0; 4];
        for character in text.chars().rev() {
            out.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
        }
    }

    /// What a subscriber sent is published, where the rule allows.
    fn on_client_message(&mut self, slot: u32, bytes: &[u8], text: Option<&str>) {
        let is_json = self.connections.get(slot).format.variant & variant::JSON != 0;
        let message = match (is_json, text) {
            (true, Some(text)) => native::parse_client_json(text),
            (true, None) => {
                let explain = "a message is JSON, and JSON is text";
                return self.refuse_client_message(slot, explain, Disconnect::Refused);
            }
            (false, _) => Ok(ClientMessage {
                channel: None,
                event: EventName::default(),
                data: Data::new(bytes),
            }),
        };
        match message {
            Ok(message) => self.publish_for_client(slot, message),
            Err(refusal) => {
                self.refuse_client_message(slot, &refusal.explain, Disconnect::Refused);
            }
        }
    }

    fn publish_for_client(&mut self, slot: u32, message: ClientMessage) {
        let tenant = self.connections.get(slot).tenant;
        let channels: Vec<ChannelName> = match message.channel {
            Some(channel) => vec![channel],
            None => self.channels_of(slot),
        };
        let (standing, rules) = (self.standing(slot), self.rules(tenant));
        let may = |name: &ChannelName| access::may(&standing, rules, Action::Publish, Some(name));
        if channels.iter().any(|name| may(name).is_err()) {
            let explain = "publishing here is not allowed to this client";
            return self.refuse_client_message(slot, explain, Disconnect::Refused);
        }
        let messages = native::messages(&channels, &message.event, &message.data);
        let by = self.by(slot);
        let command = Command::Publish { tenant, messages, by, idempotency_key: None };
        self.ask(slot, Ask::ClientPublish, command);
    }

    /// As JSON, `encke:error`; raw there is no place for it but the close.
    pub(super) fn refuse_client_message(&mut self, slot: u32, explain: &str, why: Disconnect) {
        let format = self.connections.get(slot).format;
        if format.variant & variant::JSON == 0 {
            return self.close_websocket(slot, why.row().code, explain, why);
        }
        let data = native::error_data(explain);
        let event = Announcement { id: None, name: "encke:error", data: &data };
        self.announce(slot, format, &event);
    }

    /// Says something to one client in its format.
    pub(super) fn announce(&mut self, slot: u32, format: Format, event: &Announcement<'_>) {
        let mut bytes = Vec::new();
        rendered::announce(event, format, &self.callbacks, &mut bytes);
        self.out(slot).extend_from_slice(&bytes);
    }

    fn is_comet(&self, slot: u32) -> bool {
        self.connections.get(slot).format.dialect == COMET_JS
    }

    /// Ends in the words of RFC 6455, where the client stands that.
    pub(super) fn close_websocket(&mut self, slot: u32, code: u16, text: &str, why: Disconnect) {
        if self.is_comet(slot) {
            return self.finish(slot, why);
        }
        self.metrics.closes_sent.add(code);
        write_close(self.out(slot), code, text);
        self.finish(slot, why);
    }

    /// Heartbeat time: a client that did not answer the last ping is gone.
    pub(super) fn on_websocket_deadline(&mut self, slot: u32) {
        let limits = &self.settings.limits;
        let (heartbeat, pong) = (limits.heartbeat_seconds, limits.pong_seconds);
        let conn = self.connections.get_mut(slot);
        if conn.flags.has(Flags::AWAITING_PONG) {
            if conn.flags.has(Flags::UNREAD) {
                // It may have answered: an engine or a full feed keeps us from reading.
                conn.deadline = Tick::after(self.now, pong);
                return;
            }
            return self.cut(slot, Disconnect::Silent);
        }
        if conn.flags.take(Flags::PINGED) {
            conn.deadline = Tick::after(self.now, heartbeat.saturating_sub(pong).max(1));
            return;
        }
        conn.flags.set(Flags::AWAITING_PONG);
        conn.flags.set(Flags::PINGED);
        conn.deadline = Tick::after(self.now, pong);
        self.heartbeat(slot);
    }
}
