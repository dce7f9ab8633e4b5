//! The real program on loopback, beside the bare floor (`support/floor.rs`): what an operation costs the
//! server, as a ratio. Both run at the same time and take turns, cycle by cycle; the figure is processor
//! time of the server alone, so that neither the clients nor other programs count.
//!
//! `connect --drive ADDRESS KIND CLIENTS ROUNDS` lets clients do something to any server, for a profiler.

mod support;

use std::env;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use support::crowd::{frame, upgrade};
use support::process::{Process, read_exact, read_some};
use support::{Bench, floor};

const SUBSCRIBERS: usize = 5_000;
/// Clients that connect and go together.
const WAVE: usize = 64;
const ECHOES: usize = 100;
/// What is echoed or delivered: as clients send it 6 bytes longer, and 2 as they get it.
const PAYLOAD: [u8; 120] = [b'x'; 120];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["--floor"] => floor::serve().expect("the floor serves"),
        ["--drive", address, kind, clients, rounds] => drive(address, kind, clients, rounds),
        _ => compare(&Bench::new()),
    }
}

/// What clients do to a server, so many times.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Connect,
    Echo,
    Deliver,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Connect, "connect, handshake, subscribe, close"),
    (Kind::Echo, "echo"),
    (Kind::Deliver, "delivery"),
];

fn compare(bench: &Bench) {
    // Both ends of every connection to the two servers; each process has its own limit.
    encke::reactor::sys::raise_descriptor_limit().expect("the limit can be read");
    let subscribers = if bench.is_tiny { 20 } else { SUBSCRIBERS };
    let floor = Process::floor();
    let encke = Process::encke(
        &["--http", "127.0.0.1:0", "--cometql", "off", "--echo", "/echo"],
        "http://",
    );
    for (kind, name) in KINDS.into_iter().filter(|(_, name)| bench.wants(name)) {
        let mut sides =
            [&floor, &encke].map(|process| Side::new(process, Clients::of(kind, subscribers)));
        bench.beside_floor(name, |side| sides[side].cycle(bench.is_tiny));
    }
}

/// A server and its clients.
struct Side<'a> {
    process: &'a Process,
    clients: Clients,
}

impl Side<'_> {
    fn new(process: &Process, mut clients: Clients) -> Side<'_> {
        clients.gather(process.address);
        Side { process, clients }
    }

    /// Microseconds of the server for one operation.
    fn cycle(&mut self, is_tiny: bool) -> f64 {
        let rounds = match self.clients.kind {
            _ if is_tiny => 1,
            Kind::Connect => 40,
            Kind::Echo => 100,
            Kind::Deliver => 10,
        };
        self.process.cost_us(|| (0..rounds).map(|_| self.clients.round()).sum())
    }
}

/// Connections to one server.
struct Clients {
    kind: Kind,
    count: usize,
    address: SocketAddr,
    sockets: Vec<TcpStream>,
    request: &'static [u8],
    message: Vec<u8>,
}

impl Clients {
    fn of(kind: Kind, subscribers: usize) -> Clients {
        let (count, target) = match kind {
            Kind::Connect => (0, "/channels/bench"),
            Kind::Echo => (ECHOES.min(subscribers), "/echo"),
            Kind::Deliver => (subscribers, "/channels/bench"),
        };
        let (request, message) = (upgrade(target), frame(0x81, &PAYLOAD));
        let address = SocketAddr::from(([0; 4], 0));
        Clients { kind, count, address, sockets: Vec::new(), request, message }
    }

    /// Connects those that stay.
    fn gather(&mut self, address: SocketAddr) {
        self.address = address;
        while self.sockets.len() < self.count {
            let wave = WAVE.min(self.count - self.sockets.len());
            let sockets = self.connect(wave);
            self.sockets.extend(sockets);
        }
    }

    fn connect(&self, count: usize) -> Vec<TcpStream> {
        let open = |_| {
            let mut socket = TcpStream::connect(self.address).expect("the server accepts");
            socket.set_nodelay(true).expect("it is TCP");
            socket.write_all(self.request).expect("the kernel has room");
            socket.set_nonblocking(true).expect("it is a socket");
            socket
        };
        let mut sockets: Vec<TcpStream> = (0..count).map(open).collect();
        sockets.iter_mut().for_each(read_head);
        sockets
    }

    /// Does it once; returns how many operations that were.
    fn round(&mut self) -> usize {
        match self.kind {
            Kind::Connect => return self.connect(WAVE).len(),
            Kind::Echo => {
                for socket in &mut self.sockets {
                    socket.write_all(&self.message).expect("the kernel has room");
                }
            }
            Kind::Deliver => {
                self.sockets[0].write_all(&self.message).expect("the kernel has room");
            }
        }
        let mut answer = [0; PAYLOAD.len() + 2];
        for socket in &mut self.sockets {
            read_exact(socket, &mut answer);
            assert_eq!(answer[..2], [0x81, PAYLOAD.len() as u8]);
        }
        self.sockets.len()
    }
}

/// The answer to an upgrade, behind which nothing comes by itself.
fn read_head(socket: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut bytes = [0; 512];
        let count = read_some(socket, &mut bytes);
        head.extend_from_slice(&bytes[..count]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
}

/// Does one kind of thing so often, with so many clients that stay; prints how many operations that was.
fn drive(address: &str, kind: &str, clients: &str, rounds: &str) {
    let kind = match kind {
        "connect" => Kind::Connect,
        "echo" => Kind::Echo,
        "deliver" => Kind::Deliver,
        _ => panic!("connect, echo or deliver"),
    };
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let mut clients = Clients { count: number(clients), ..Clients::of(kind, 0) };
    clients.gather(address.parse().expect("an address"));
    let operations: usize = (0..number(rounds)).map(|_| clients.round()).sum();
    println!("{operations}");
}
