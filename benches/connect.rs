//! The real program on loopback, beside the bare floor (`support/floor.rs`): what an operation costs the
//! server, as a ratio. Both run at the same time and take turns, cycle by cycle; the figure is processor
//! time of the server alone, so that neither the clients nor other programs count.
//!
//! `connect --drive ADDRESS KIND CLIENTS ROUNDS` lets clients do something to any server, for a profiler.

mod support;

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::crowd::{frame, upgrade};
use support::{Bench, Spread, floor};

const CYCLES: usize = 8;
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
    let (subscribers, cycles) = if bench.is_tiny { (20, 1) } else { (SUBSCRIBERS, CYCLES) };
    let this = env::current_exe().expect("this program has a path");
    let floor = Process::start(Command::new(this).arg("--floor"), Output::Standard);
    let encke = Process::start(
        Command::new(env!("CARGO_BIN_EXE_encke")).args([
            "--http",
            "127.0.0.1:0",
            "--cometql",
            "off",
            "--echo",
            "/echo",
        ]),
        Output::Error,
    );
    for (kind, name) in KINDS.into_iter().filter(|(_, name)| bench.wants(name)) {
        let mut sides =
            [&floor, &encke].map(|process| Side::new(process, Clients::of(kind, subscribers)));
        let (mut ratios, mut costs) = (Vec::new(), [Vec::new(), Vec::new()]);
        for _ in 0..cycles {
            let [floor, encke] = sides.each_mut().map(|side| side.cycle(bench.is_tiny));
            costs[0].push(floor);
            costs[1].push(encke);
            ratios.push(encke / floor);
        }
        if !bench.is_tiny {
            let (ratio, [floor, encke]) = (Spread::of(ratios), costs.map(Spread::of));
            println!(
                "{name:38} {:5.2} × floor ({:.2} to {:.2}); {:.2} µs, floor {:.2} µs",
                ratio.median, ratio.least, ratio.most, encke.median, floor.median
            );
        }
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
        let before = self.process.busy_ns();
        let operations: usize = (0..rounds).map(|_| self.clients.round()).sum();
        // What is left to do, such as noticing who went, belongs to it too.
        std::thread::sleep(Duration::from_millis(5));
        (self.process.busy_ns() - before) as f64 / 1e3 / operations as f64
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

fn read_exact(socket: &mut TcpStream, mut buffer: &mut [u8]) {
    while !buffer.is_empty() {
        let count = read_some(socket, buffer);
        buffer = &mut buffer[count..];
    }
}

/// Never sleeps in the kernel: waking somebody up would be the server's work, which no remote client is.
fn read_some(socket: &mut TcpStream, buffer: &mut [u8]) -> usize {
    loop {
        match socket.read(buffer) {
            Ok(0) => panic!("the server closed a connection"),
            Ok(count) => return count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_micros(200));
            }
            Err(error) => panic!("{error}"),
        }
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

/// A server of its own process; it ends with this value.
struct Process {
    child: Child,
    address: SocketAddr,
}

enum Output {
    Standard,
    Error,
}

impl Process {
    fn start(command: &mut Command, output: Output) -> Process {
        let (piped, null) = (Stdio::piped, Stdio::null);
        let (out, err) = match output {
            Output::Standard => (piped(), null()),
            Output::Error => (null(), piped()),
        };
        let mut child = command.stdout(out).stderr(err).spawn().expect("the server starts");
        let said: Box<dyn Read + Send> = match output {
            Output::Standard => Box::new(child.stdout.take().expect("it is piped")),
            Output::Error => Box::new(child.stderr.take().expect("it is piped")),
        };
        let mut said = BufReader::new(said).lines();
        let address = said.by_ref().map_while(Result::ok).find_map(|line| {
            line.split_once("http://").and_then(|(_, address)| address.parse().ok())
        });
        // Whoever writes to a pipe that nobody reads would stop.
        std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Process { child, address: address.expect("the server tells its address") }
    }

    /// Time on a processor so far.
    fn busy_ns(&self) -> u64 {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(path).expect("the kernel tells");
        text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("its first number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ends either way.
        let _: io::Result<()> = self.child.kill();
        let _ = self.child.wait();
    }
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
