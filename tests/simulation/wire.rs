//! A TCP connection as the kernel shows it: two byte queues with room for so much, and an edge-triggered
//! selector that tells of a change once.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use encke::server::Readiness;
use encke::server::socket::Socket;

use crate::truth::Truth;

/// Both ends of one connection, and what the selector has to say of the server's.
pub struct Wire {
    /// Arrived, and not read by the server.
    to_server: VecDeque<u8>,
    pub to_server_max: usize,
    /// Written by the server, and not read by the client.
    to_client: VecDeque<u8>,
    pub to_client_max: usize,
    client_fin: bool,
    server_fin: bool,
    /// The client sent RST, or the server closed with bytes unread.
    pub is_reset: bool,
    /// The server gave its socket up.
    pub is_closed: bool,
    was_refused: bool,
    event: Readiness,
    /// After how many bytes from the server how much of the feed had been published.
    marks: VecDeque<(u64, usize)>,
    written: u64,
    truth: Rc<RefCell<Truth>>,
}

impl Wire {
    pub fn new(truth: Rc<RefCell<Truth>>, to_server_max: usize, to_client_max: usize) -> Wire {
        Wire {
            to_server: VecDeque::new(),
            to_server_max,
            to_client: VecDeque::new(),
            to_client_max,
            client_fin: false,
            server_fin: false,
            is_reset: false,
            is_closed: false,
            was_refused: false,
            // What registering a new socket reports.
            event: Readiness { readable: false, writable: true, read_closed: false },
            marks: VecDeque::new(),
            written: 0,
            truth,
        }
    }

    /// The network has become a fast one.
    pub fn widen(&mut self) {
        self.to_client_max = self.to_client_max.max(50_000);
        self.to_server_max = self.to_server_max.max(50_000);
        self.take(0, &mut Vec::new());
    }

    /// The client's bytes arrive, as many as there is room for.
    pub fn arrive(&mut self, from: &mut VecDeque<u8>, most: usize) -> usize {
        let room = self.to_server_max.saturating_sub(self.to_server.len());
        let count = from.len().min(most).min(room);
        if count > 0 && !self.is_over() {
            move_bytes(from, count, |bytes| self.to_server.extend(bytes));
            self.event.readable = true;
        }
        count
    }

    /// The client will send no more.
    pub fn send_fin(&mut self) {
        if !self.client_fin && !self.is_over() {
            self.client_fin = true;
            self.event.readable = true;
            self.event.read_closed = true;
        }
    }

    pub fn has_fin(&self) -> bool {
        self.client_fin
    }

    /// The client is gone without a word.
    pub fn reset(&mut self, keeps_arrived: bool) {
        if !keeps_arrived {
            self.to_server.clear();
        }
        self.is_reset = true;
        self.to_client.clear();
        self.event = Readiness { readable: true, writable: true, read_closed: true };
    }

    /// The client reads.
    pub fn take(&mut self, most: usize, into: &mut Vec<u8>) -> usize {
        let count = most.min(self.to_client.len());
        move_bytes(&mut self.to_client, count, |bytes| into.extend_from_slice(bytes));
        // The kernel tells of room only to a writer that it refused, and not for every byte.
        if self.was_refused && self.to_client.len() <= self.to_client_max / 2 && !self.is_over() {
            self.was_refused = false;
            self.event.writable = true;
        }
        count
    }

    /// How much of the feed had been published when the server wrote the byte before this offset.
    pub fn published_at(&self, offset: u64) -> usize {
        let mark = self.marks.iter().find(|(end, _)| *end >= offset);
        mark.expect("what was received was written").1
    }

    /// Nothing more will come to the client.
    pub fn is_at_end(&self) -> bool {
        self.to_client.is_empty() && (self.server_fin || self.is_over())
    }

    pub fn is_over(&self) -> bool {
        self.is_reset || self.is_closed
    }

    /// What the selector tells, once. `is_full`: a real one also tells what else is true at the moment.
    pub fn take_event(&mut self, is_full: bool) -> Option<Readiness> {
        let mut event = std::mem::take(&mut self.event);
        if event == Readiness::default() || self.is_closed {
            return None;
        }
        if is_full {
            event.readable |= !self.to_server.is_empty() || self.client_fin;
            event.writable |= self.to_client.len() <= self.to_client_max / 2;
            event.read_closed |= self.client_fin;
        }
        Some(event)
    }

    pub fn has_event(&self) -> bool {
        self.event != Readiness::default() && !self.is_closed
    }
}

fn move_bytes(from: &mut VecDeque<u8>, count: usize, mut into: impl FnMut(&[u8])) {
    let (front, back) = from.as_slices();
    let in_front = count.min(front.len());
    into(&front[..in_front]);
    into(&back[..count - in_front]);
    from.drain(..count);
}

/// The server's end.
pub struct FakeSocket(pub Rc<RefCell<Wire>>);

impl Socket for FakeSocket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        let count = buffer.len().min(wire.to_server.len());
        if count > 0 {
            let mut at = 0;
            move_bytes(&mut wire.to_server, count, |bytes| {
                buffer[at..at + bytes.len()].copy_from_slice(bytes);
                at += bytes.len();
            });
            return Ok(count);
        }
        match (wire.is_reset, wire.client_fin) {
            (true, _) => Err(ErrorKind::ConnectionReset.into()),
            (false, true) => Ok(0),
            (false, false) => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        assert!(!wire.server_fin, "nothing is written after the end");
        if wire.is_reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut room = wire.to_client_max.saturating_sub(wire.to_client.len());
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let count = room.min(total);
        wire.was_refused |= count < total;
        if count == 0 && total > 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        for buffer in buffers {
            let part = room.min(buffer.len());
            wire.to_client.extend(&buffer[..part]);
            room -= part;
        }
        wire.written += count as u64;
        let mark = (wire.written, wire.truth.borrow().messages.len());
        wire.marks.push_back(mark);
        Ok(count)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut wire = self.0.borrow_mut();
        if wire.is_reset {
            return Err(ErrorKind::NotConnected.into());
        }
        wire.server_fin = true;
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        None
    }
}

impl Drop for FakeSocket {
    fn drop(&mut self) {
        let mut wire = self.0.borrow_mut();
        wire.is_closed = true;
        if !wire.to_server.is_empty() {
            // RFC 1122 §4.2.2.13: closing with bytes unread is a reset, and what is in flight is lost.
            wire.to_client.clear();
            wire.is_reset = true;
        }
    }
}
