//! Clients of one server, and what they do to it again and again.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use crate::support::crowd::{frame, get, upgrade};
use crate::support::dial::dial;
use crate::support::process::{Process, read_exact, read_some, read_until};

/// Clients that connect and go together.
pub const WAVE: usize = 64;
/// What is echoed or delivered: as clients send it 6 bytes longer, and 2 as they get it.
pub const PAYLOAD: [u8; 120] = [b'x'; 120];
/// A frame of it as a client gets it.
pub const FRAME_BYTES: usize = PAYLOAD.len() + 2;
/// What a long-poll sends.
const POLL: &str = "/channels/bench?transport=poll&wait=300";

/// What clients do to a server, so many times.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// They connect, shake hands, subscribe and close.
    Connect,
    /// Each sends so many frames by one write, and gets them back.
    Echo(usize),
    /// One publishes so many messages by one write, and all get them.
    Deliver(usize),
    /// All get one message as an event.
    Events,
    /// One message answers all their requests, and all ask again.
    Poll,
    /// Each publishes to a channel where it is alone, and gets it.
    Alone,
}

impl Kind {
    /// By the word of a command line.
    pub fn named(word: &str) -> Kind {
        match word {
            "connect" => Kind::Connect,
            "echo" => Kind::Echo(1),
            "echoes" => Kind::Echo(16),
            "deliver" => Kind::Deliver(1),
            "burst" => Kind::Deliver(16),
            "events" => Kind::Events,
            "poll" => Kind::Poll,
            "alone" => Kind::Alone,
            _ => panic!("connect, echo, echoes, deliver, burst, events, poll or alone"),
        }
    }

    fn request(self, number: usize) -> &'static [u8] {
        match self {
            Kind::Echo(_) => upgrade("/echo"),
            Kind::Connect | Kind::Deliver(_) => upgrade("/channels/bench"),
            Kind::Events => get("/channels/bench", "Accept: text/event-stream\r\n"),
            Kind::Poll => get(POLL, ""),
            Kind::Alone => upgrade(&format!("/channels/alone-{number}")),
        }
    }

    /// Frames in one write.
    fn depth(self) -> usize {
        match self {
            Kind::Echo(depth) | Kind::Deliver(depth) => depth,
            _ => 1,
        }
    }
}

/// Connections to one server that all do the same.
pub struct Clients {
    pub kind: Kind,
    pub sockets: Vec<TcpStream>,
    address: SocketAddr,
    request: &'static [u8],
    /// What who publishes sends.
    message: Vec<u8>,
    /// Who publishes, if those who listen cannot.
    publisher: Option<TcpStream>,
}

impl Clients {
    /// Connects those that stay.
    pub fn gather(kind: Kind, count: usize, address: SocketAddr) -> Clients {
        let mut sockets = Vec::new();
        while sockets.len() < count {
            let wave = WAVE.min(count - sockets.len());
            let number = sockets.len();
            sockets.extend(connect(kind, wave, address, |index| kind.request(number + index)));
        }
        let (message, publisher) = match kind {
            Kind::Events | Kind::Poll => (post(), Some(dial(address))),
            _ => (frame(0x81, &PAYLOAD).repeat(kind.depth()), None),
        };
        Clients { kind, sockets, address, request: kind.request(0), message, publisher }
    }

    /// Does it once; returns how many operations that were. The server must be at rest.
    pub fn round(&mut self) -> usize {
        match self.kind {
            Kind::Connect => {
                return connect(self.kind, WAVE, self.address, |_| self.request).len();
            }
            Kind::Echo(_) | Kind::Alone => {
                self.sockets.iter_mut().for_each(|socket| write(socket, &self.message));
            }
            Kind::Deliver(_) => write(&mut self.sockets[0], &self.message),
            Kind::Events | Kind::Poll => {
                write(self.publisher.as_mut().expect("it is there"), &self.message);
            }
        }
        let depth = self.kind.depth();
        let mut buffer = [0; 16 * FRAME_BYTES];
        for socket in &mut self.sockets {
            match self.kind {
                Kind::Events => drop(read_until(socket, b"x\n\n", &mut buffer)),
                Kind::Poll => drop(read_until(socket, b"\"}]", &mut buffer)),
                _ => read_exact(socket, &mut buffer[..depth * FRAME_BYTES]),
            }
        }
        if let Some(publisher) = &mut self.publisher {
            read_until(publisher, b"}\n", &mut buffer);
        }
        if self.kind == Kind::Poll {
            self.sockets.iter_mut().for_each(|socket| write(socket, self.request));
        }
        self.sockets.len() * depth
    }
}

/// A server and its clients.
pub struct Side<'a> {
    pub process: &'a Process,
    pub clients: Clients,
    /// Rounds of a cycle.
    rounds: usize,
}

impl Side<'_> {
    pub fn new(process: &Process, kind: Kind, count: usize, rounds: usize) -> Side<'_> {
        let clients = Clients::gather(kind, count, process.address);
        process.settle();
        Side { process, clients, rounds }
    }

    /// Microseconds of the server for one operation.
    pub fn cycle(&mut self) -> f64 {
        self.process.cost_us(|| {
            let round = |_| {
                let operations = self.clients.round();
                if self.clients.kind == Kind::Poll {
                    // A publication that overtakes a request never comes to it.
                    self.process.settle();
                }
                operations
            };
            (0..self.rounds).map(round).sum()
        })
    }
}

/// Connects some at once, and reads their answers if they get one.
pub fn connect(
    kind: Kind,
    count: usize,
    address: SocketAddr,
    request: impl Fn(usize) -> &'static [u8],
) -> Vec<TcpStream> {
    let open = |index| {
        let mut socket = dial(address);
        write(&mut socket, request(index));
        socket
    };
    let mut sockets: Vec<TcpStream> = (0..count).map(open).collect();
    if kind == Kind::Poll {
        // Nothing says that they have been taken in, and too many at the door are turned away.
        sleep(Duration::from_millis(3));
    } else {
        let status = if kind == Kind::Events { "200" } else { "101" };
        sockets.iter_mut().for_each(|socket| read_head(socket, status));
    }
    sockets
}

pub fn write(socket: &mut TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).expect("the kernel has room");
}

/// The head of an answer. What comes behind it by itself is dropped, or comes before the first message.
pub fn read_head(socket: &mut TcpStream, status: &str) {
    let mut head = Vec::new();
    while !head.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let mut bytes = [0; 512];
        let count = read_some(socket, &mut bytes);
        head.extend_from_slice(&bytes[..count]);
    }
    let text = String::from_utf8_lossy(&head);
    assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
}

fn post() -> Vec<u8> {
    let head = "POST /channels/bench HTTP/1.1\r\nHost: localhost\r\n";
    [format!("{head}Content-Length: {}\r\n\r\n", PAYLOAD.len()).as_bytes(), &PAYLOAD].concat()
}
