//! The study tool: `RUST_LOG=encke::wire=trace` prints every unit that goes over a connection, decoded.
//!
//! `>` came from the client, `<` goes to it, `*` is what happened. What a unit means is written by
//! `proto::annotate`; here is only where units are seen. Nobody pays for it who does not look: each unit
//! costs one branch on the greatest level that is logged at all.

use std::fmt;

use log::{Level, LevelFilter};

use super::Server;
use super::conn::Phase;
use super::mysql;
use super::output::Chunk;
use super::socket::Socket;
use crate::proto::annotate::http::{self, Carries};

const TARGET: &str = "encke::wire";

/// Whether somebody looks.
#[inline(always)]
pub(super) fn is_on() -> bool {
    log::max_level() == LevelFilter::Trace && is_asked_for()
}

/// Something is logged at trace: is it this?
#[cold]
#[inline(never)]
fn is_asked_for() -> bool {
    log::log_enabled!(target: TARGET, Level::Trace)
}

impl<S: Socket> Server<S> {
    /// The head of a request.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_request(&self, slot: u32, head: &[u8]) {
        self.wire_lines(slot, '>', http::request(head));
    }

    /// A piece of a request's body.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_body(&self, slot: u32, bytes: &[u8], is_chunked: bool) {
        self.wire_lines(slot, '>', http::body(bytes, is_chunked));
    }

    /// Bytes of frames, still masked: as many as make one message, as the decoder will take them.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_frames(&mut self, slot: u32, bytes: &[u8]) {
        let Some(watched) = self.logs.watched(slot) else { return };
        let (mut lines, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let (used, frame) = watched.frames.next(&bytes[at..]);
            at += used;
            let Some(frame) = frame else { break };
            lines.push(frame.text);
            if frame.is_final {
                break;
            }
        }
        self.wire_lines(slot, '>', lines);
    }

    /// The decoder refused a frame: it is shown as far as it has come.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_refused(&mut self, slot: u32, explain: &str) {
        let unfinished = self.logs.watched(slot).and_then(|watched| watched.frames.unfinished());
        self.wire_lines(slot, '>', unfinished);
        self.wire_note(slot, format_args!("refused: {explain}"));
    }

    /// What goes out, whether the kernel takes it at once or not.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_sent(&self, slot: u32, chunks: &[Chunk<'_>]) {
        let bytes = chunks.iter().map(Chunk::bytes).collect::<Vec<_>>().concat();
        let conn = self.connections.get(slot);
        let carries = match conn.phase {
            Phase::MySql => return self.wire_lines(slot, '<', mysql::annotate_server(&bytes)),
            Phase::WebSocket => Carries::Frames,
            Phase::EventStream => Carries::Events,
            Phase::Stream => Carries::Chunks,
            _ => Carries::Bodies,
        };
        self.wire_lines(slot, '<', http::sent(&bytes, carries));
    }

    /// Something that is no unit of a protocol.
    #[cold]
    #[inline(never)]
    pub(super) fn wire_note(&self, slot: u32, text: fmt::Arguments<'_>) {
        if is_on() {
            self.wire_lines(slot, '*', [text.to_string()]);
        }
    }

    /// Lines about one unit.
    pub(super) fn wire_lines(
        &self,
        slot: u32,
        mark: char,
        lines: impl IntoIterator<Item = String>,
    ) {
        let key = self.connections.get(slot).key(slot);
        for line in lines {
            log::trace!(target: TARGET, "{key} {mark} {line}");
        }
    }
}
