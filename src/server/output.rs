//! Bytes out: gathered while one connection is looked after, written once, and what the kernel refuses
//! waits in an outbox.

use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use super::conn::{Conn, Flags, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::lobby::LOBBY;
use super::outbox::{Outbox, Piece, SLICES_MAX};
use super::socket::Socket;
use super::{Listener, Server, tls};
use crate::proto::http1;

/// Gathered bytes that are written even though more may follow.
const CORK_BYTES: usize = 64 * 1024;

/// Outboxes that are compared to find one of the largest.
const COMPARED: usize = 64;

/// A part of what is written: bytes of our own, or bytes shared with others.
#[derive(Clone, Copy)]
pub(crate) enum Chunk<'a> {
    Own(&'a [u8]),
    Shared(&'a Piece),
}

impl Chunk<'_> {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Chunk::Own(bytes) => bytes,
            Chunk::Shared(piece) => piece.bytes(),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Chunk::Own(bytes) => bytes.len(),
            Chunk::Shared(piece) => piece.range.len(),
        }
    }

    /// What is left after the first `written` bytes, in a form that can wait.
    pub fn rest(&self, written: usize) -> Piece {
        match self {
            Chunk::Own(bytes) => Piece::whole(Rc::from(&bytes[written..])),
            Chunk::Shared(piece) => Piece {
                buffer: piece.buffer.clone(),
                range: piece.range.start + written..piece.range.end,
            },
        }
    }
}

impl<S: Socket> Server<S> {
    /// Where to append bytes for a connection. They are written by `uncork`, at the latest when somebody
    /// else's turn comes. This never writes to the connection itself, so it cannot end it.
    #[inline]
    pub(super) fn out(&mut self, slot: u32) -> &mut Vec<u8> {
        if self.out_slot != Some(slot) {
            self.uncork();
            self.out_slot = Some(slot);
        }
        &mut self.out
    }

    /// Between two units of work: writes what was gathered if it is much. That may end the connection.
    pub(super) fn uncork_if_much(&mut self) {
        if self.out.len() >= CORK_BYTES {
            self.uncork();
        }
    }

    /// Writes what was gathered.
    #[inline(always)]
    pub(super) fn uncork(&mut self) {
        if let Some(slot) = self.out_slot.take() {
            self.write_out(slot);
        }
    }

    #[inline(never)]
    fn write_out(&mut self, slot: u32) {
        if self.out.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.out);
        if self.connections.is_used(slot) {
            self.write(slot, &[Chunk::Own(&bytes)]);
        }
        self.reuse_out(bytes);
    }

    /// Takes the gathering buffer back after it was written.
    pub(super) fn reuse_out(&mut self, mut bytes: Vec<u8>) {
        // Writing may have ended the connection with words of its own, gathered in a new buffer.
        if self.out.is_empty() {
            bytes.clear();
            bytes.shrink_to(2 * CORK_BYTES);
            self.out = bytes;
        }
    }

    /// Writes to a connection, after whatever waits for it already.
    #[inline(always)]
    pub(super) fn write(&mut self, slot: u32, chunks: &[Chunk<'_>]) {
        let conn = self.connections.get_mut(slot);
        if let Some(index) = conn.tls {
            return self.write_sealed(slot, index, chunks);
        }
        let written = conn.write(chunks);
        self.wrote(slot, chunks, written);
    }

    /// What follows from `Conn::write`.
    #[inline(always)]
    pub(super) fn wrote(&mut self, slot: u32, chunks: &[Chunk<'_>], written: io::Result<usize>) {
        if self.logs.is_watching() {
            self.log_sent(slot, chunks);
        }
        self.sent(slot, chunks, written);
    }

    /// The same, for bytes that are nothing to be read about.
    #[inline(always)]
    pub(super) fn sent(&mut self, slot: u32, chunks: &[Chunk<'_>], written: io::Result<usize>) {
        let Ok(written) = written else {
            let why = self.connections.get(slot).why_unwritable();
            return self.cut(slot, why);
        };
        self.metrics.bytes_out += written as u64;
        let total: usize = chunks.iter().map(Chunk::len).sum();
        if written < total {
            self.keep_for_later(slot, chunks, written);
        }
    }

    #[cold]
    fn keep_for_later(&mut self, slot: u32, chunks: &[Chunk<'_>], mut written: usize) {
        let conn = self.connections.get_mut(slot);
        let index = *conn.outbox.get_or_insert_with(|| self.outboxes.put(Outbox::of(slot)));
        let outbox = self.outboxes.get_mut(index);
        let queued_before = outbox.bytes();
        for chunk in chunks {
            let skipped = written.min(chunk.len());
            written -= skipped;
            outbox.push(chunk.rest(skipped));
        }
        self.metrics.queued_bytes += (outbox.bytes() - queued_before) as u64;
        if self.is_no_room_to_keep(chunks) {
            self.metrics.shed.readers += 1;
            return self.cut(slot, Disconnect::Slow);
        }
        // More than the kernel takes at once is no refusal: it may have room for the rest right now.
        if chunks.len() > SLICES_MAX {
            self.flush_outbox(slot);
        }
    }

    /// Bytes that wait for a connection, beyond those it asked for itself.
    #[inline(always)]
    pub(super) fn waiting_bytes(&self, slot: u32) -> usize {
        self.connections.get(slot).outbox.map_or(0, |index| {
            let outbox = self.outboxes.get(index);
            outbox.bytes().saturating_sub(outbox.exempt)
        })
    }

    /// When more waits for all clients together than may, those for whom most waits go, until it is less.
    /// The sum is known at every write; it is compared once a turn, which adds at most what a turn
    /// delivers.
    #[inline]
    pub(super) fn cut_those_behind_most(&mut self) {
        if self.has_too_much_waiting() {
            self.cut_slowest(0, |server| !server.has_too_much_waiting());
        }
    }

    fn has_too_much_waiting(&self) -> bool {
        self.metrics.queued_bytes > self.settings.limits.outboxes_bytes_max as u64
    }

    /// Cuts those for whom most waits, until that is enough, or nobody has more than `trifle` bytes waiting;
    /// returns how many. Who is next is the largest of a few, taken from another place each time: that needs
    /// no order to be kept while bytes come and go, and is hardly ever far from the largest of all.
    #[cold]
    pub(super) fn cut_slowest(
        &mut self,
        trifle: usize,
        is_enough: impl Fn(&Server<S>) -> bool,
    ) -> u64 {
        let (mut count, mut in_vain) = (0, 0);
        while !is_enough(self) {
            let few = self.outboxes.some(self.next_behind, COMPARED);
            let most = few.map(|outbox| (outbox.bytes(), outbox.slot)).max();
            let Some((bytes, slot)) = most else { break };
            self.next_behind = self.next_behind.wrapping_add(1);
            if bytes > trifle {
                self.cut(slot, Disconnect::Slow);
                (count, in_vain) = (count + 1, 0);
            } else if in_vain < self.outboxes.places() {
                in_vain += 1;
            } else {
                // Once all around.
                break;
            }
        }
        count
    }

    /// There may be room again.
    pub(super) fn flush_outbox(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        let (Some(index), Some(socket)) = (conn.outbox, &mut conn.socket) else { return };
        let outbox = self.outboxes.get_mut(index);
        let queued_before = outbox.bytes();
        let result = outbox.flush(socket);
        // What went out before an error went out.
        self.metrics.queued_bytes -= (queued_before - outbox.bytes()) as u64;
        let Ok(written) = result else {
            return self.cut(slot, Disconnect::Failed);
        };
        self.metrics.bytes_out += written as u64;
        if written > 0 {
            conn.flags.clear(Flags::STALLED);
        }
        if outbox.is_empty() {
            self.outboxes.take(index);
            conn.outbox = None;
            self.on_drained(slot);
        }
    }

    fn on_drained(&mut self, slot: u32) {
        if self.connections.get(slot).flags.has(Flags::LAST_WORDS) {
            self.stop_writing(slot);
        }
        if self.connections.is_used(slot) {
            self.queue(slot);
        }
    }

    /// Our last word to this connection is written or waits: nothing more is said, nothing more heard.
    /// The socket is closed when the peer closes, so that no unread byte turns our answer into a reset
    /// (RFC 9112 §9.6).
    pub(super) fn finish(&mut self, slot: u32, why: Disconnect) {
        self.uncork();
        if !self.connections.is_used(slot) || self.connections.get(slot).phase == Phase::Closing {
            return;
        }
        let key = self.connections.get(slot).key(slot);
        self.end_tls(slot);
        if self.connections.find(key).is_none() {
            return;
        }
        self.count_end(slot, why);
        self.log_end(slot, why);
        self.release(slot);
        self.set_phase(slot, Phase::Closing);
        let deadline = Tick::after(self.now, self.settings.limits.closing_seconds);
        let conn = self.connections.get_mut(slot);
        conn.deadline = deadline;
        conn.flags.set(Flags::LAST_WORDS);
        conn.flags.set(Flags::UNREAD);
        if conn.outbox.is_none() {
            self.on_drained(slot);
        }
    }

    fn stop_writing(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        conn.flags.clear(Flags::LAST_WORDS);
        if let Some(socket) = &mut conn.socket
            && socket.shutdown_write().is_err()
        {
            self.cut_quietly(slot);
        }
    }

    /// Ends a connection now, without a word.
    #[inline(never)]
    pub(super) fn cut(&mut self, slot: u32, why: Disconnect) {
        if self.connections.get(slot).phase != Phase::Closing {
            self.count_end(slot, why);
            self.log_end(slot, why);
        }
        self.cut_quietly(slot);
    }

    fn cut_quietly(&mut self, slot: u32) {
        if self.out_slot == Some(slot) {
            self.out.clear();
            self.out_slot = None;
        }
        self.release(slot);
        self.drop_tls(slot);
        if let Some(index) = self.connections.get_mut(slot).outbox.take() {
            self.metrics.queued_bytes -= self.outboxes.take(index).bytes() as u64;
        }
        self.set_phase(slot, Phase::Closing);
        self.addresses.leave(slot);
        self.logs.forget(slot);
        self.clients.forget(slot);
        let conn = self.connections.remove(slot);
        self.metrics.leave(conn.phase, conn.format);
        self.lobby -= usize::from(conn.format == LOBBY);
    }

    /// Answers a connection that there is no slot for, as well as one write can. `is_full`: as there is none
    /// for anybody.
    pub(super) fn turn_away(&mut self, mut socket: S, listener: Listener, is_full: bool) {
        let mut words = Vec::new();
        match listener {
            Listener::Http if is_full => words = self.tell_at_the_door(&mut socket),
            Listener::Http => {
                http1::write_status(&mut words, 503);
                http1::write_header(&mut words, "Date", &self.date());
                words.extend_from_slice(
                    b"Retry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                );
            }
            Listener::Https => words.extend_from_slice(tls::NO_ROOM),
            // ERR 1040 in place of the greeting; without a SQLSTATE, as no version is agreed on yet.
            Listener::CometQl => {
                words.extend_from_slice(b"\x17\0\0\0\xff\x10\x04Too many connections");
            }
        }
        // It goes either way.
        let _ = socket.write(&words);
        let _ = socket.shutdown_write();
    }
}

impl<S: Socket> Conn<S> {
    /// Writes what the kernel takes at once: nothing if bytes wait already, or there is no socket.
    #[inline(always)]
    pub(super) fn write(&mut self, chunks: &[Chunk<'_>]) -> io::Result<usize> {
        let (Some(socket), None) = (&mut self.socket, self.outbox) else { return Ok(0) };
        let result = match chunks {
            [chunk] => socket.write(chunk.bytes()),
            _ => write_several(socket, chunks),
        };
        if result.is_ok() { result } else { self.write_again(result, chunks) }
    }

    /// The kernel had no room, or there was a signal, or it is over.
    #[cold]
    fn write_again(
        &mut self,
        mut result: io::Result<usize>,
        chunks: &[Chunk<'_>],
    ) -> io::Result<usize> {
        let Some(socket) = &mut self.socket else { return result };
        loop {
            match result {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return result,
            }
            result = write_several(socket, chunks);
        }
    }
}

#[inline(never)]
fn write_several(socket: &mut impl Socket, chunks: &[Chunk<'_>]) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        *slice = IoSlice::new(chunk.bytes());
    }
    socket.write_vectored(&slices[..chunks.len().min(SLICES_MAX)])
}
