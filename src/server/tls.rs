//! TLS between a socket and what is spoken over it: bytes that come in are opened before anybody looks
//! at them, and sealed after everybody is done with them.
//!
//! ```text
//!  socket ─▶ read_records ─▶ use_joined                   (input.rs, as for plain connections)
//!  socket ◀─ send, outbox ◀─ write_sealed ◀─ write        (output.rs)
//! ```
//! A slot has no more than an index into a side pool. Every read's records are opened to the end, so
//! nothing readable waits where no event would tell of it: what a phase does not take at once waits
//! where it does for everybody, in the box for unfinished input. Buffers belong to the loop. A record
//! that is not whole waits in its session; what the kernel refused waits sealed, in the outbox.

mod certificates;
mod session;
mod traffic;

use std::mem;

use super::conn::{Flags, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::output::Chunk;
use super::pool::{Pool, PoolIndex};
use super::respond::Reply;
use super::socket::Socket;
use super::{Key, Server};
use crate::dialects::native::Refusal;
pub use certificates::Certificates;
use session::{Session, State};

/// A fatal alert, internal_error, for somebody there is no room for (RFC 8446 §6.2).
pub(super) const NO_ROOM: &[u8] = b"\x15\x03\x03\0\x02\x02\x50";

/// Bytes that are sealed and written at a time.
const SEAL_BYTES: usize = 64 * 1024;
/// What the buffers keep between two storms.
const KEPT_BYTES: usize = 2 * SEAL_BYTES;

/// The sessions of all connections that have one, and buffers for whoever's turn it is.
pub(crate) struct Tls {
    sessions: Pool<Box<Session>>,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

impl Default for Tls {
    fn default() -> Tls {
        Tls { sessions: Pool::new(), plain: Vec::new(), sealed: Vec::new() }
    }
}

impl Tls {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// What they occupy, without what the library has on the heap for them.
    pub fn bytes(&self) -> usize {
        self.len() * (size_of::<Box<Session>>() + size_of::<Session>())
    }

    /// Gives back what was needed for a moment.
    pub fn shrink(&mut self) {
        self.plain = Vec::new();
        self.sealed = Vec::new();
    }
}

impl<S: Socket> Server<S> {
    /// From now on a connection speaks TLS; false if there are no certificates.
    pub(super) fn start_tls(&mut self, slot: u32) -> bool {
        let Some(config) = self.settings.certificates.config() else { return false };
        let Ok(session) = Session::start(config) else { return false };
        self.connections.get_mut(slot).tls = Some(self.tls.sessions.put(Box::new(session)));
        true
    }

    /// The same amid a conversation, with what has arrived behind its last plain byte.
    pub(super) fn switch_to_tls(&mut self, slot: u32, arrived: &[u8]) {
        let key = self.connections.get(slot).key(slot);
        self.uncork();
        if self.connections.find(key).is_none() {
            return;
        }
        if !self.start_tls(slot) {
            // A reload has just taken the certificates away.
            return self.finish(slot, Disconnect::Unavailable);
        }
        if !arrived.is_empty() {
            self.use_records(key, &mut arrived.to_vec());
        }
    }

    /// What `read_once` does, for a connection that speaks TLS: false when there is nothing more to read.
    #[inline(never)]
    pub(super) fn read_records(&mut self, key: Key, buffer: &mut [u8]) -> bool {
        let conn = self.connections.get_mut(key.slot);
        let (Some(index), Some(socket)) = (conn.tls, &mut conn.socket) else { return false };
        let Some(kept) = begin(self.tls.sessions.get(index), buffer) else {
            self.at_end(key.slot);
            return false;
        };
        let all = buffer.len();
        match socket.read(&mut buffer[kept..]) {
            Ok(0) => {
                self.at_end(key.slot);
                false
            }
            Ok(count) => {
                // As for all others: what the kernel gave is all that it had, and every whole record of
                // it is opened now.
                let is_drained = count < all - kept && !conn.flags.has(Flags::READ_CLOSED);
                if is_drained {
                    conn.flags.clear(Flags::UNREAD);
                }
                conn.flags.clear(Flags::AWAITING_PONG);
                self.metrics.bytes_in += count as u64;
                self.use_records(key, &mut buffer[..kept + count]);
                !is_drained
            }
            Err(error) => self.on_read_error(key.slot, error.kind()),
        }
    }

    /// Uses what has arrived, the rest of the last read in front of it.
    fn use_records(&mut self, key: Key, records: &mut [u8]) {
        let slot = key.slot;
        let conn = self.connections.get(slot);
        let Some(index) = conn.tls.filter(|_| conn.phase != Phase::Closing) else { return };
        if !self.tls.sessions.get(index).has_begun() && is_plain_http(conn.phase, records) {
            return self.refuse_plain(slot, index);
        }
        let mut plain = mem::take(&mut self.tls.plain);
        let mut sealed = mem::take(&mut self.tls.sealed);
        let session = self.tls.sessions.get_mut(index);
        let before = session.state();
        let result = session.open(records, &mut plain, &mut sealed);
        let after = session.state();
        if !sealed.is_empty() {
            self.send(slot, &sealed);
        }
        self.reuse_sealed(sealed);
        if self.connections.find(key).is_some() {
            match result {
                Ok(()) => {
                    if before == State::Shaking && after != State::Shaking {
                        self.on_handshake(slot, index);
                    }
                    self.use_opened(key, &mut plain, after);
                }
                Err(error) => self.on_fault(slot, before, &error),
            }
        }
        plain.clear();
        plain.shrink_to(KEPT_BYTES);
        self.tls.plain = plain;
    }

    fn use_opened(&mut self, key: Key, plain: &mut [u8], state: State) {
        if !plain.is_empty() && !self.connections.get(key.slot).ignores_input() {
            self.use_joined(key, plain);
        }
        if state != State::HalfClosed {
            return;
        }
        if let Some(conn) = self.connections.find_mut(key) {
            // As if the peer had sent FIN: whoever looks again comes to the end again.
            conn.flags.set(Flags::READ_CLOSED);
            conn.flags.set(Flags::UNREAD);
            self.at_end(key.slot);
        }
    }

    fn on_handshake(&mut self, slot: u32, index: PoolIndex) {
        self.metrics.tls_handshakes += 1;
        if self.connections.get(slot).phase == Phase::Http {
            let deadline = Tick::after(self.now, self.settings.limits.head_seconds);
            self.connections.get_mut(slot).deadline = deadline;
        }
        if self.logs.is_watching() {
            let agreed = self.tls.sessions.get(index).agreed();
            self.log_tls(slot, format_args!("{agreed}"));
        }
    }

    /// Bytes that are no TLS, or not for us. The alert is sent already.
    fn on_fault(&mut self, slot: u32, before: State, error: &rustls::Error) {
        if before == State::Shaking {
            self.metrics.tls_failures += 1;
        }
        if self.logs.is_watching() {
            self.log_tls(slot, format_args!("failed: {error}"));
        }
        self.finish(slot, Disconnect::ProtocolError);
    }

    /// Somebody forgot the "s" of "https": told so in the language it speaks.
    fn refuse_plain(&mut self, slot: u32, index: PoolIndex) {
        self.metrics.tls_failures += 1;
        self.tls.sessions.take(index);
        self.connections.get_mut(slot).tls = None;
        let explain = "this port speaks TLS: the address begins with https:// or wss://";
        self.refuse(slot, &Reply::last(), Refusal::new(400, explain));
    }

    /// Writes to a connection that speaks TLS.
    #[inline(never)]
    pub(super) fn write_sealed(&mut self, slot: u32, index: PoolIndex, chunks: &[Chunk<'_>]) {
        if self.logs.is_watching() {
            self.log_sent(slot, chunks);
        }
        if let [chunk] = chunks {
            return self.write_records(slot, index, chunk.bytes());
        }
        // Small ones share a record, which costs 22 bytes and a stroke of the cipher.
        let gathered = chunks.iter().map(Chunk::bytes).collect::<Vec<_>>().concat();
        self.write_records(slot, index, &gathered);
    }

    fn write_records(&mut self, slot: u32, index: PoolIndex, plain: &[u8]) {
        let key = self.connections.get(slot).key(slot);
        let mut sealed = mem::take(&mut self.tls.sealed);
        for part in plain.chunks(SEAL_BYTES) {
            if self.connections.find(key).is_none() {
                break;
            }
            sealed.clear();
            match self.tls.sessions.get_mut(index).seal(part, &mut sealed) {
                Ok(()) => self.send(slot, &sealed),
                Err(_) => self.cut(slot, Disconnect::Failed),
            }
        }
        self.reuse_sealed(sealed);
    }

    /// Hands records to the kernel, behind those that wait.
    fn send(&mut self, slot: u32, records: &[u8]) {
        let chunks = [Chunk::Own(records)];
        let written = self.connections.get_mut(slot).write(&chunks);
        self.sent(slot, &chunks, written);
    }

    fn reuse_sealed(&mut self, mut sealed: Vec<u8>) {
        sealed.clear();
        sealed.shrink_to(KEPT_BYTES);
        self.tls.sealed = sealed;
    }

    /// Our side ends, in TLS's own words, behind everything that waits.
    pub(super) fn end_tls(&mut self, slot: u32) {
        let Some(index) = self.connections.get(slot).tls else { return };
        let mut word = Vec::new();
        let session = self.tls.sessions.get_mut(index);
        let (was, has_begun) = (session.state(), session.has_begun());
        session.end(&mut word);
        if was == State::Shaking && has_begun {
            self.metrics.tls_failures += 1;
        }
        if !word.is_empty() {
            self.send(slot, &word);
        }
    }

    /// The slot is given up. A peer that can still hear is told that this is the end, not a cut.
    pub(super) fn drop_tls(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        let Some(index) = conn.tls.take() else { return };
        let mut session = self.tls.sessions.take(index);
        if session.state() == State::Shaking && session.has_begun() {
            self.metrics.tls_failures += 1;
        }
        let mut word = Vec::new();
        session.end(&mut word);
        if let (Some(socket), None, false) = (&mut conn.socket, conn.outbox, word.is_empty()) {
            // It goes either way.
            let _ = socket.write(&word);
        }
    }
}

/// Puts what is left of the last read in front of `buffer`, and tells how much that is. `None` if nothing
/// more will come: the peer said so, or begins a message of the handshake that is longer than all this.
fn begin(session: &Session, buffer: &mut [u8]) -> Option<usize> {
    let rest = session.rest();
    if session.state() == State::HalfClosed || rest.len() >= buffer.len() {
        return None;
    }
    buffer[..rest.len()].copy_from_slice(rest);
    Some(rest.len())
}

/// Whether this begins as a request does: no record begins with a letter (RFC 8446 §5.1).
fn is_plain_http(phase: Phase, bytes: &[u8]) -> bool {
    phase == Phase::Http && bytes.first().is_some_and(u8::is_ascii_uppercase)
}
