//! Sockets without an operating system, for tests and benches that need very many: a socket is a number,
//! and all its state is in a table of this thread that is allocated beforehand.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};
use std::net::SocketAddr;
use std::num::NonZeroU32;

use encke::server::socket::Socket;

/// As many bytes in a slot as the real one: 4.
pub struct Wire(NonZeroU32);

const _: () = assert!(size_of::<Option<Wire>>() == size_of::<Option<std::net::TcpStream>>());

#[derive(Clone, Copy)]
struct State {
    /// What the server has not read yet.
    input: &'static [u8],
    /// Bytes that the kernel would still take.
    room: usize,
    /// Bytes written by the server, ever.
    written: u64,
    is_open: bool,
    /// The client will send no more.
    has_ended: bool,
    /// Where the client is, if its socket has an address.
    peer: Option<SocketAddr>,
}

const UNUSED: State = State {
    input: b"",
    room: usize::MAX,
    written: 0,
    is_open: false,
    has_ended: false,
    peer: None,
};

thread_local! {
    /// A wire that is listened in on, and what the server wrote to it.
    static OVERHEARD: RefCell<(u32, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    static STATES: RefCell<Vec<State>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for sockets 1 to `count`, all closed.
pub fn lay(count: usize) {
    STATES.with_borrow_mut(|states| *states = vec![UNUSED; count + 1]);
}

/// The server's end of a wire that nobody uses.
pub fn open(number: u32) -> Wire {
    change(number, |state| {
        assert!(!state.is_open, "wire {number} is in use");
        *state = State { is_open: true, peer: state.peer, ..UNUSED };
    });
    Wire(NonZeroU32::new(number).expect("wires are counted from 1"))
}

/// The client sends. What it sent before must have been read.
pub fn send(number: u32, bytes: &'static [u8]) {
    change(number, |state| {
        assert!(state.input.is_empty(), "wire {number} still holds {} bytes", state.input.len());
        state.input = bytes;
    });
}

/// The client goes.
pub fn end(number: u32) {
    change(number, |state| state.has_ended = true);
}

/// How much the kernel takes from now on.
pub fn set_room(number: u32, room: usize) {
    change(number, |state| state.room = room);
}

/// What the server has written so far, in bytes.
pub fn written(number: u32) -> u64 {
    change(number, |state| state.written)
}

/// From where the next connection on a wire comes.
pub fn set_peer(number: u32, peer: SocketAddr) {
    change(number, |state| state.peer = Some(peer));
}

/// What the server has not read yet, in bytes.
pub fn unread(number: u32) -> usize {
    change(number, |state| state.input.len())
}

/// From now on this wire is listened in on, and no other.
pub fn overhear(number: u32) {
    OVERHEARD.set((number, Vec::new()));
}

/// What was written to it since the last look.
pub fn overheard() -> Vec<u8> {
    OVERHEARD.with_borrow_mut(|(_, bytes)| std::mem::take(bytes))
}

/// Whether the server holds its end open.
pub fn is_open(number: u32) -> bool {
    change(number, |state| state.is_open)
}

fn change<T>(number: u32, change: impl FnOnce(&mut State) -> T) -> T {
    STATES.with_borrow_mut(|states| change(&mut states[number as usize]))
}

impl Wire {
    fn change<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        change(self.0.get(), act)
    }
}

impl Socket for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.change(|state| {
            if state.input.is_empty() && !state.has_ended {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = buffer.len().min(state.input.len());
            let (now, later) = state.input.split_at(count);
            buffer[..count].copy_from_slice(now);
            state.input = later;
            Ok(count)
        })
    }

    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        OVERHEARD.with_borrow_mut(|(number, bytes)| {
            if *number == self.0.get() {
                bytes.extend(buffers.iter().flat_map(|buffer| buffer.iter()));
            }
        });
        self.change(|state| {
            let offered: usize = buffers.iter().map(|buffer| buffer.len()).sum();
            let taken = offered.min(state.room);
            if taken == 0 && offered > 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            // Without end, as no test writes this much.
            state.room -= if state.room == usize::MAX { 0 } else { taken };
            state.written += taken as u64;
            Ok(taken)
        })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.change(|state| state.peer)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.change(|state| state.is_open = false);
    }
}
