//! Bytes in: one shared read buffer; what is unfinished is copied into a box until it is finished.

use std::io::ErrorKind;
use std::mem;

use super::conn::{Flags, Phase};
use super::disconnect::Disconnect;
use super::http::BodyUnderWay;
use super::respond::Reply;
use super::socket::Socket;
use super::{Key, Server};
use crate::dialects::native::Refusal;
use crate::proto::websocket::Decoder;

/// Where reading into the buffer begins. The six bytes of a short frame's head end where a word does, and
/// text that begins a word is checked in fewer steps.
const ALIGNED: usize = 2;

/// Input that is not finished, or not yet wanted.
#[derive(Default)]
pub(crate) struct Input {
    /// Bytes that arrived and are not used.
    pub bytes: Vec<u8>,
    /// A request whose body is on its way.
    pub body: Option<Box<BodyUnderWay>>,
    /// A WebSocket frame or message that has only begun.
    pub decoder: Option<Box<Decoder>>,
    /// What it had when it was last weighed, in bytes.
    pub counted: usize,
}

impl Input {
    fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.body.is_none() && self.decoder.is_none()
    }

    /// Memory that its owner makes it keep.
    fn weight(&self) -> usize {
        self.bytes.capacity()
            + self.body.as_ref().map_or(0, |body| body.bytes_kept())
            + self.decoder.as_ref().map_or(0, |decoder| decoder.bytes_kept())
    }
}

impl<S: Socket> Server<S> {
    /// Lets a connection do what it can: use what has arrived, then read.
    pub(super) fn take_turn(&mut self, key: Key) {
        self.use_what_was_kept(key);
        self.read(key);
    }

    fn use_what_was_kept(&mut self, key: Key) {
        let Some(conn) = self.connections.find(key) else { return };
        if conn.flags.has(Flags::PAUSED) {
            self.go_on_mysql(key.slot);
        }
        if self.has_leftover(key) && self.may_take_input(key.slot) {
            self.use_joined(key, &mut []);
        }
    }

    fn has_leftover(&self, key: Key) -> bool {
        let input = self.connections.find(key).and_then(|conn| conn.input);
        input.is_some_and(|input| !self.inputs.get(input).bytes.is_empty())
    }

    fn may_take_input(&mut self, slot: u32) -> bool {
        self.connections.get(slot).takes_input() && !self.is_to_wait(slot)
    }

    /// Flow control: a full feed holds back whoever could add to it, who has sent much that was compressed
    /// goes on when others had their turn, and near the ceiling something is given up first.
    #[inline]
    fn holds_back(&self) -> bool {
        self.feed_is_full() || self.has_decompressed_much() || self.ceiling.is_near()
    }

    fn is_to_wait(&mut self, slot: u32) -> bool {
        let is_full = self.holds_back();
        if is_full {
            self.queue(slot);
        }
        is_full
    }

    /// Reads and uses what comes, unless there is something else to wait for.
    pub(super) fn read(&mut self, key: Key) {
        let mut buffer = mem::take(&mut self.read_buffer);
        let mut reads = 0;
        while self.read_once(key, &mut buffer, reads) {
            reads += 1;
        }
        self.read_buffer = buffer;
    }

    /// Bytes stay in the kernel, but for what a proxy says first. Where only the client's going could
    /// matter, it is looked for. Returns whether to read on.
    #[inline(never)]
    fn hold_unread(&mut self, slot: u32) -> bool {
        if self.connections.get(slot).phase == Phase::Proxied {
            return self.read_proxy_header(slot);
        }
        if self.connections.get(slot).takes_input() {
            // Something else holds it back: there will be no event when that is over.
            self.queue(slot);
        }
        let conn = self.connections.get(slot);
        if conn.flags.has(Flags::READ_CLOSED) {
            if conn.phase == Phase::LongPoll {
                self.sound_poll(slot);
            } else if self.is_held_back(slot) {
                self.logins.drop_answer(conn.key(slot));
                self.cut(slot, Disconnect::ByPeer);
            }
        }
        false
    }

    /// Reads once and uses it, after so many `reads` before; false when there is nothing more to read now.
    #[inline(always)]
    fn read_once(&mut self, key: Key, buffer: &mut [u8], reads: usize) -> bool {
        let is_full = self.holds_back();
        let Some(conn) = self.connections.find_mut(key) else { return false };
        if !conn.flags.has(Flags::UNREAD) {
            return false;
        }
        let ignores_input = conn.ignores_input();
        if !ignores_input && (is_full || !conn.takes_input()) {
            return self.hold_unread(key.slot);
        }
        if reads == self.settings.limits.reads_per_turn {
            self.queue(key.slot);
            return false;
        }
        if conn.tls.is_some() {
            return self.read_records(key, buffer);
        }
        let Some(socket) = &mut conn.socket else { return false };
        let buffer = &mut buffer[ALIGNED..];
        match socket.read(buffer) {
            Ok(0) => {
                self.at_end(key.slot);
                false
            }
            Ok(count) => {
                // A short read has drained the kernel, unless an end is known to follow.
                let is_drained = count < buffer.len() && !conn.flags.has(Flags::READ_CLOSED);
                if is_drained {
                    conn.flags.clear(Flags::UNREAD);
                }
                conn.flags.clear(Flags::AWAITING_PONG);
                self.metrics.bytes_in += count as u64;
                let fresh = &mut buffer[..count];
                match conn.input {
                    _ if ignores_input => {}
                    None => self.use_fresh(key, fresh),
                    Some(_) => self.use_joined(key, fresh),
                }
                !is_drained
            }
            Err(error) => self.on_read_error(key.slot, error.kind()),
        }
    }

    /// Whether to read on.
    #[cold]
    pub(super) fn on_read_error(&mut self, slot: u32, kind: ErrorKind) -> bool {
        match kind {
            ErrorKind::WouldBlock => self.connections.get_mut(slot).flags.clear(Flags::UNREAD),
            ErrorKind::Interrupted => return true,
            _ => self.cut(slot, Disconnect::Failed),
        }
        false
    }

    /// The peer will send no more; what it asked for is still written. Then this is read once more. Who
    /// listens to a stream and says that nothing more will come is gone.
    pub(super) fn at_end(&mut self, slot: u32) {
        self.uncork();
        if !self.connections.is_used(slot) {
            return;
        }
        let conn = self.connections.get(slot);
        match conn.phase {
            Phase::EventStream | Phase::Stream => self.cut(slot, Disconnect::ByPeer),
            _ if conn.outbox.is_some() => {}
            Phase::Closing => self.cut(slot, Disconnect::Finished),
            _ => self.cut(slot, Disconnect::ByPeer),
        }
    }

    /// Hands bytes to whatever the connection is doing, unit by unit, and keeps what is left. There is
    /// at least one byte, and `may_take_input`.
    #[inline(always)]
    fn use_fresh(&mut self, key: Key, fresh: &mut [u8]) {
        let used = self.use_units(key, fresh);
        if used < fresh.len() {
            self.keep_leftover(key, fresh[used..].to_vec());
        }
    }

    /// The same for a connection that has a box, with what may be left from before.
    #[inline(never)]
    pub(super) fn use_joined(&mut self, key: Key, fresh: &mut [u8]) {
        let mut joined = self.take_leftover(key.slot);
        if joined.is_empty() {
            return self.use_fresh(key, fresh);
        }
        joined.extend_from_slice(fresh);
        let used = self.use_units(key, &mut joined);
        // A unit that arrives in many pieces stays where it is.
        joined.drain(..used);
        if !joined.is_empty() {
            self.keep_leftover(key, joined);
        }
    }

    /// Returns how many bytes were used.
    #[inline(always)]
    fn use_units(&mut self, key: Key, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        loop {
            let used = match self.connections.get(key.slot).phase {
                Phase::Http | Phase::Lobby => self.on_http_bytes(key.slot, &mut bytes[at..]),
                Phase::WebSocket => self.on_websocket_bytes(key.slot, &mut bytes[at..]),
                Phase::MySql => self.on_mysql_bytes(key.slot, &bytes[at..]),
                _ => bytes.len() - at,
            };
            if used == 0 {
                return at;
            }
            at += used;
            self.uncork_if_much();
            if at == bytes.len()
                || self.connections.find(key).is_none()
                || !self.may_take_input(key.slot)
            {
                return at;
            }
        }
    }

    pub(super) fn take_leftover(&mut self, slot: u32) -> Vec<u8> {
        match self.connections.get(slot).input {
            Some(index) => {
                let bytes = mem::take(&mut self.inputs.get_mut(index).bytes);
                self.drop_input_if_empty(slot);
                bytes
            }
            None => Vec::new(),
        }
    }

    fn keep_leftover(&mut self, key: Key, rest: Vec<u8>) {
        if self.connections.find(key).is_some_and(|conn| !conn.ignores_input()) {
            self.input(key.slot).bytes = rest;
            self.weigh(key.slot);
        }
    }

    /// The connection's box for unfinished input, made if need be.
    pub(super) fn input(&mut self, slot: u32) -> &mut Input {
        let conn = self.connections.get_mut(slot);
        let index = *conn.input.get_or_insert_with(|| self.inputs.put(Input::default()));
        self.inputs.get_mut(index)
    }

    /// A box has more in it now. Where all boxes together have too much, or there is no memory for more, its
    /// owner is refused: whoever sends whole requests at once is not concerned.
    pub(super) fn weigh(&mut self, slot: u32) {
        let Some(index) = self.connections.get(slot).input else { return };
        let input = self.inputs.get_mut(index);
        let (before, weight) = (input.counted, input.weight());
        input.counted = weight;
        self.input_bytes = self.input_bytes - before + weight;
        if weight > before && self.is_one_too_much(slot) {
            self.shed(slot);
        }
    }

    /// In the lobby heads come in pieces, too: they are few.
    fn is_one_too_much(&mut self, slot: u32) -> bool {
        if self.ceiling.is_short() && self.connections.get(slot).phase != Phase::Lobby {
            self.metrics.shed.refused += 1;
            return true;
        }
        self.input_bytes > self.settings.limits.bodies_bytes_max
    }

    #[cold]
    fn shed(&mut self, slot: u32) {
        if matches!(self.connections.get(slot).phase, Phase::Http | Phase::Lobby) {
            let explain = "so much is on its way to the server that this has to wait";
            return self.refuse(slot, &Reply::last(), Refusal::new(503, explain));
        }
        if self.connections.get(slot).phase == Phase::MySql {
            return self.end_mysql_for_memory(slot);
        }
        self.end(slot, Disconnect::Unavailable);
    }

    /// Idle costs nothing: an empty box goes.
    pub(super) fn drop_input_if_empty(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        if let Some(index) = conn.input
            && self.inputs.get(index).is_empty()
        {
            self.input_bytes -= self.inputs.take(index).counted;
            conn.input = None;
        }
    }
}
