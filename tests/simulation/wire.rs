//! A TCP connection as the kernel shows it: two byte queues with room for so much, and an edge-triggered
//! selector that tells of a change once. In bad weather calls move a byte at a time, are for nothing, or
//! find that it broke a moment ago.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::rc::Rc;

use encke::server::Readiness;
use encke::server::socket::Socket;

use crate::support::random::Random;
use crate::truth::Truth;

/// What the network does that nobody at its ends wants.
pub struct Weather {
    pub random: Random,
    /// Most bytes that one call moves.
    pub at_once_max: usize,
    /// One call in so many is for nothing, and one look at the selector.
    pub odd_one_in: Option<usize>,
    /// At this call from now it breaks, in the midst of whatever the server does.
    pub breaks_at: Option<usize>,
}

impl Weather {
    pub fn fair() -> Weather {
        let random = Random::new(0);
        Weather { random, at_once_max: usize::MAX, odd_one_in: None, breaks_at: None }
    }

    /// Every second network is a good one.
    pub fn draw(random: &mut Random) -> Weather {
        let is_bad = random.one_in(2);
        Weather {
            random: Random::new(random.next()),
            at_once_max: if is_bad { random.pick(&[1, 5, 1_000, usize::MAX]) } else { usize::MAX },
            odd_one_in: if is_bad { random.pick(&[None, Some(3), Some(20)]) } else { None },
            breaks_at: random.one_in(12).then(|| 1 + random.below(40)),
        }
    }

    fn is_odd(&mut self) -> bool {
        self.odd_one_in.is_some_and(|often| self.random.one_in(often))
    }
}

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
    weather: Weather,
    /// It broke by itself.
    pub is_broken: bool,
    /// There was a time when more waited than the network took.
    pub was_full: bool,
    pub peer: Option<SocketAddr>,
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
            weather: Weather::fair(),
            is_broken: false,
            was_full: false,
            peer: None,
        }
    }

    pub fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// The network has become a fast and a good one.
    pub fn widen(&mut self) {
        self.weather = Weather::fair();
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
        if self.weather.is_odd() {
            // Nobody knows why.
            event.readable |= self.weather.random.one_in(2);
            event.writable |= self.weather.random.one_in(2);
        }
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

    /// What may explain a failure.
    pub fn explain(&self) -> String {
        let Wire { client_fin, server_fin, is_reset, is_closed, was_full, written, .. } = self;
        format!(
            "client fin {client_fin}, server fin {server_fin}, reset {is_reset}, closed {is_closed}, \
             full {was_full}, {written} bytes written, {} not read by the server, {} by the client",
            self.to_server.len(),
            self.to_client.len()
        )
    }

    /// The server has read everything, and nobody has ended it.
    pub fn is_settled(&self) -> bool {
        let is_ended = self.is_over() || self.client_fin || self.server_fin;
        self.to_server.is_empty() && !is_ended && self.weather.breaks_at.is_none()
    }

    /// Neither end has anything to hear of the other.
    pub fn is_prompt(&self) -> bool {
        self.to_client.is_empty() && !self.has_event()
    }

    /// Once in a while a call is for nothing. Then the selector tells again.
    fn meets_weather(&mut self, is_read: bool) -> io::Result<()> {
        if let Some(calls) = &mut self.weather.breaks_at {
            *calls -= 1;
            if *calls == 0 {
                self.weather.breaks_at = None;
                let keeps_arrived = self.weather.random.one_in(2);
                self.reset(keeps_arrived);
                self.is_broken = true;
            }
        }
        if !self.weather.is_odd() || self.is_over() {
            return Ok(());
        }
        if self.weather.random.one_in(2) {
            return Err(ErrorKind::Interrupted.into());
        }
        match is_read {
            true => self.event.readable = true,
            false => {
                self.was_full = true;
                self.event.writable = true;
            }
        }
        Err(ErrorKind::WouldBlock.into())
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
        wire.meets_weather(true)?;
        let there = buffer.len().min(wire.to_server.len());
        let count = there.min(wire.weather.at_once_max);
        if count > 0 {
            // The rest comes a moment later, as far as anybody can tell.
            wire.event.readable |= count < there;
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
        wire.meets_weather(false)?;
        if wire.is_reset {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut room = wire.to_client_max.saturating_sub(wire.to_client.len());
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        wire.was_full |= room.min(wire.weather.at_once_max) < total;
        wire.was_refused |= room < total;
        // There is room for the rest at once.
        wire.event.writable |= wire.weather.at_once_max < room.min(total);
        room = room.min(wire.weather.at_once_max);
        let count = room.min(total);
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
        self.0.borrow().peer
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
