//! The bare floor: what a single-threaded server must do at least, in plain system calls. A connection is
//! one byte in an array by descriptor.
//!
//! | who sends | gets |
//! |---|---|
//! | a WebSocket's GET of a path that begins with `/echo` | each of its frames back, all of one read by one `send` |
//! | any other WebSocket's GET | what is published; each of its frames is a publication |
//! | a GET with `event-stream` in it | what is published, as events |
//! | a GET with `transport=poll` in it | nothing until something is published, and then an answer |
//! | a POST | an answer; its body is a publication |
//! | anything else | an OK of MySQL to each packet, all of one read by one `send` |
//!
//! What is published in one turn of the loop goes to each who listens by one `send` at the turn's end.
//!
//! It knows one channel, frames and bodies of at most 125 bytes, and requests that one read brings whole.
//! It checks nothing, limits nothing, keeps nothing, and what the kernel refuses is lost.

#![allow(unsafe_code, reason = "nothing between this and the kernel is the point")]

mod http;

use std::io;
use std::mem::{take, zeroed};
use std::net::TcpListener;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr::null_mut;

use encke::proto::websocket::apply_mask;

/// MySQL's answer to an INSERT: no row, no id, autocommit, no warning.
pub const OK: [u8; 11] = *b"\x07\0\0\x01\0\0\0\x02\0\0\0";

#[derive(Clone, Copy, PartialEq)]
enum State {
    Closed,
    /// It has asked nothing, or everything is answered.
    New,
    Echo,
    Subscriber,
    EventStream,
    /// A long-poll without its answer.
    Parked,
    BackEnd,
}

/// Tells its port on standard output, then serves for ever.
pub fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let on: libc::c_int = 1;
    // SAFETY: the pointer is to a live integer of the length given.
    unsafe {
        let (pointer, bytes) = ((&raw const on).cast(), size_of_val(&on) as u32);
        let listener = listener.as_raw_fd();
        libc::setsockopt(listener, libc::IPPROTO_TCP, libc::TCP_NODELAY, pointer, bytes);
        // The standard library's backlog of 128 is too short for a storm; encke's is mio's 1024.
        libc::listen(listener, 1024);
    }
    println!("listening on http://{}", listener.local_addr()?);
    let mut floor = Floor {
        // SAFETY: no pointers are involved.
        epoll: check(unsafe { libc::epoll_create1(0) })?,
        states: vec![State::Closed; 1 << 16],
        members: Vec::new(),
        places: vec![0; 1 << 16],
        parked: Vec::new(),
        published: Vec::new(),
        buffer: vec![0; 64 * 1024],
    };
    floor.watch(listener.as_raw_fd())?;
    floor.run(listener.into_raw_fd())
}

struct Floor {
    epoll: i32,
    states: Vec<State>,
    /// Those that listen until they go.
    members: Vec<i32>,
    /// Each member's place in `members`, by descriptor.
    places: Vec<u32>,
    /// Those that listen for one answer.
    parked: Vec<i32>,
    /// This turn's publications, as frames.
    published: Vec<u8>,
    buffer: Vec<u8>,
}

impl Floor {
    fn run(&mut self, listener: i32) -> io::Result<()> {
        // SAFETY: an epoll_event is plain data.
        let mut events: [libc::epoll_event; 1024] = unsafe { zeroed() };
        loop {
            // SAFETY: the pointer is to 1,024 live events.
            let count =
                check(unsafe { libc::epoll_wait(self.epoll, events.as_mut_ptr(), 1024, -1) })?;
            for event in &events[..count as usize] {
                match event.u64 as i32 {
                    descriptor if descriptor == listener => self.accept(listener)?,
                    descriptor => self.read(descriptor),
                }
            }
            if !self.published.is_empty() {
                self.deliver();
            }
        }
    }

    fn watch(&self, descriptor: i32) -> io::Result<()> {
        let events = (libc::EPOLLIN | libc::EPOLLET | libc::EPOLLRDHUP) as u32;
        let mut event = libc::epoll_event { events, u64: descriptor as u64 };
        // SAFETY: the event is live; the kernel copies it.
        let add =
            unsafe { libc::epoll_ctl(self.epoll, libc::EPOLL_CTL_ADD, descriptor, &mut event) };
        check(add).map(|_| ())
    }

    fn accept(&mut self, listener: i32) -> io::Result<()> {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        loop {
            // SAFETY: null pointers say that no address is wanted.
            let descriptor = unsafe { libc::accept4(listener, null_mut(), null_mut(), flags) };
            if descriptor < 0 {
                return Ok(());
            }
            self.states[descriptor as usize] = State::New;
            self.watch(descriptor)?;
        }
    }

    fn read(&mut self, descriptor: i32) {
        // SAFETY: pointer and length are those of one live buffer.
        let count = unsafe {
            libc::recv(descriptor, self.buffer.as_mut_ptr().cast(), self.buffer.len(), 0)
        };
        match (count, self.states[descriptor as usize]) {
            (4.., State::New) if self.buffer.starts_with(b"GET ") => {
                self.get(descriptor, count as usize);
            }
            (4.., State::New) if self.buffer.starts_with(b"POST") => {
                self.post(descriptor, count as usize);
            }
            (4.., State::New | State::BackEnd) => self.say_ok(descriptor, count as usize),
            (1.., State::Echo) => self.echo(descriptor, count as usize),
            (1.., State::Subscriber) => self.publish_frames(count as usize),
            (0, _) => self.close(descriptor),
            _ => {}
        }
    }

    fn get(&mut self, descriptor: i32, count: usize) {
        let head = &self.buffer[..count];
        let (state, answer) = match http::upgrade(head) {
            Some(answer) if head.starts_with(b"GET /echo") => (State::Echo, answer),
            Some(answer) => (State::Subscriber, answer),
            None if http::find(head, b"transport=poll").is_some() => (State::Parked, Vec::new()),
            None if http::find(head, b"event-stream").is_some() => {
                (State::EventStream, http::EVENT_STREAM.to_vec())
            }
            None => return self.close(descriptor),
        };
        self.states[descriptor as usize] = state;
        match state {
            State::Parked => return self.parked.push(descriptor),
            State::Subscriber | State::EventStream => {
                self.places[descriptor as usize] = self.members.len() as u32;
                self.members.push(descriptor);
            }
            _ => {}
        }
        send(descriptor, &answer);
    }

    fn post(&mut self, descriptor: i32, count: usize) {
        let request = &self.buffer[..count];
        let Some(end) = http::find(request, b"\r\n\r\n") else { return self.close(descriptor) };
        let body = &request[end + 4..];
        self.published.extend_from_slice(&[0x81, body.len() as u8]);
        self.published.extend_from_slice(body);
        send(descriptor, http::PUBLISHED);
    }

    /// Frames of at most 125 bytes, whole: unmasked in place, one behind the other.
    fn unmask(&mut self, count: usize) -> usize {
        let (mut from, mut to) = (0, 0);
        while from < count {
            let length = usize::from(self.buffer[from + 1] & 0x7f);
            let mask = [2, 3, 4, 5].map(|at| self.buffer[from + at]);
            apply_mask(&mut self.buffer[from + 6..from + 6 + length], mask, 0);
            self.buffer[to] = self.buffer[from];
            self.buffer[to + 1] = length as u8;
            self.buffer.copy_within(from + 6..from + 6 + length, to + 2);
            from += 6 + length;
            to += 2 + length;
        }
        to
    }

    fn echo(&mut self, descriptor: i32, count: usize) {
        let bytes = self.unmask(count);
        send(descriptor, &self.buffer[..bytes]);
    }

    fn publish_frames(&mut self, count: usize) {
        let bytes = self.unmask(count);
        self.published.extend_from_slice(&self.buffer[..bytes]);
    }

    fn deliver(&mut self) {
        let mut frames = take(&mut self.published);
        let (events, answer) = (http::events(&frames), http::poll(&frames));
        for &member in &self.members {
            let is_stream = self.states[member as usize] == State::EventStream;
            send(member, if is_stream { &events } else { &frames });
        }
        for descriptor in self.parked.drain(..) {
            self.states[descriptor as usize] = State::New;
            send(descriptor, &answer);
        }
        frames.clear();
        self.published = frames;
    }

    /// Packets, whole. An OK is shorter than any statement, so it takes the place of one.
    fn say_ok(&mut self, descriptor: i32, count: usize) {
        self.states[descriptor as usize] = State::BackEnd;
        let (mut from, mut to) = (0, 0);
        while from < count {
            let [low, middle, high] = [0, 1, 2].map(|at| self.buffer[from + at]);
            from += 4 + u32::from_le_bytes([low, middle, high, 0]) as usize;
            self.buffer[to..to + OK.len()].copy_from_slice(&OK);
            to += OK.len();
        }
        send(descriptor, &self.buffer[..to]);
    }

    fn close(&mut self, descriptor: i32) {
        match std::mem::replace(&mut self.states[descriptor as usize], State::Closed) {
            State::Subscriber | State::EventStream => {
                let place = self.places[descriptor as usize];
                self.members.swap_remove(place as usize);
                if let Some(&moved) = self.members.get(place as usize) {
                    self.places[moved as usize] = place;
                }
            }
            State::Parked => self.parked.retain(|&parked| parked != descriptor),
            _ => {}
        }
        // SAFETY: it was open, and nobody else knows it.
        unsafe { libc::close(descriptor) };
    }
}

fn send(descriptor: i32, bytes: &[u8]) {
    // SAFETY: pointer and length are those of one live slice. What the kernel refuses is lost.
    unsafe { libc::send(descriptor, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL) };
}

fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
