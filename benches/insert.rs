//! How many INSERTs a back end gets through CometQL: the real program on loopback, beside the bare floor
//! (`support/floor.rs`), which finds where each packet ends and says OK. Both run at the same time and
//! take turns, cycle by cycle; the figures are processor time of the server alone, so that neither the
//! clients nor other programs count. Nobody listens to the channel: what a delivery costs is told by
//! `connect` and `fan_out`.
//!
//! `insert --drive ADDRESS KIND ROUNDS` lets back ends do it to an encke without a password, for a
//! profiler.

mod support;

use std::env;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use support::Bench;
use support::back_end::{self, packet, read_packet};
use support::floor::{self, OK};
use support::process::{Process, read_exact};

const VALUES: [&str; 3] = ["SimplePhpChat", "", "It's one line of a chat, and no more"];
const CLIENTS: usize = 10;
/// Statements that a client sends by one write.
const PIPELINED: usize = 16;
const ROWS: usize = 100;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["--floor"] => floor::serve().expect("the floor serves"),
        ["--drive", address, kind, rounds] => drive(address, kind, rounds),
        _ => compare(&Bench::new()),
    }
}

/// What back ends send, and wait for the answer to, before they send more.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    One,
    Many,
    Prepared,
    Rows,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::One, "INSERT"),
    (Kind::Many, "INSERT, 10 clients, 16 in a write"),
    (Kind::Prepared, "INSERT, prepared"),
    (Kind::Rows, "INSERT of 100 rows"),
];

fn compare(bench: &Bench) {
    let floor = Process::floor();
    let encke = Process::encke(
        &["--http", "127.0.0.1:0", "--cometql", "127.0.0.1:0"],
        &["listening for CometQL on "],
    );
    for (kind, name) in KINDS.into_iter().filter(|(_, name)| bench.wants(name)) {
        let mut sides = [(&floor, connect as Open), (&encke, log_in)]
            .map(|(process, open)| (process, BackEnds::open(kind, process.address, open)));
        bench.beside_floor(name, |side| {
            let (process, back_ends) = &mut sides[side];
            let rounds = if bench.is_tiny { 1 } else { back_ends.rounds() };
            process.cost_us(|| (0..rounds).map(|_| back_ends.round()).sum())
        });
    }
}

type Open = fn(SocketAddr, Kind) -> TcpStream;

/// Connections to one server that all send the same.
struct BackEnds {
    kind: Kind,
    sockets: Vec<TcpStream>,
    message: Vec<u8>,
    /// In a message.
    statements: usize,
}

impl BackEnds {
    fn open(kind: Kind, address: SocketAddr, open: Open) -> BackEnds {
        let (clients, statements) = if kind == Kind::Many { (CLIENTS, PIPELINED) } else { (1, 1) };
        let statement = match kind {
            Kind::One | Kind::Many => insert(1),
            Kind::Rows => insert(ROWS),
            Kind::Prepared => execute(),
        };
        let socket = |_| {
            let socket = open(address, kind);
            socket.set_nonblocking(true).expect("it is a socket");
            socket
        };
        let sockets = (0..clients).map(socket).collect();
        BackEnds { kind, sockets, message: statement.repeat(statements), statements }
    }

    /// How many make a cycle of some tenths of a second.
    fn rounds(&self) -> usize {
        match self.kind {
            Kind::One | Kind::Prepared => 500,
            Kind::Many => 200,
            Kind::Rows => 300,
        }
    }

    /// Does it once; returns how many statements that were.
    fn round(&mut self) -> usize {
        for socket in &mut self.sockets {
            socket.write_all(&self.message).expect("the kernel has room");
        }
        let mut answer = [0; OK.len()];
        for socket in &mut self.sockets {
            for _ in 0..self.statements {
                read_exact(socket, &mut answer);
                assert_eq!(answer, OK);
            }
        }
        self.sockets.len() * self.statements
    }
}

/// COM_QUERY.
fn insert(rows: usize) -> Vec<u8> {
    let row = VALUES.map(|value| format!("'{}'", value.replace('\'', r"\'"))).join(", ");
    let rows = vec![format!("({row})"); rows].join(", ");
    let sql = format!("\x03INSERT INTO pipes_messages (name, event, message) VALUES {rows}");
    packet(0, sql.as_bytes())
}

/// COM_STMT_EXECUTE of a connection's first statement, with types: three strings.
fn execute() -> Vec<u8> {
    let mut payload = b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\xfd\0\xfd\0\xfd\0".to_vec();
    for value in VALUES {
        payload.push(value.len() as u8);
        payload.extend_from_slice(value.as_bytes());
    }
    packet(0, &payload)
}

/// The floor wants to know nothing beforehand.
fn connect(address: SocketAddr, _: Kind) -> TcpStream {
    let socket = TcpStream::connect(address).expect("the server accepts");
    socket.set_nodelay(true).expect("it is TCP");
    socket
}

/// With a statement prepared if it will be executed.
fn log_in(address: SocketAddr, kind: Kind) -> TcpStream {
    let mut socket = back_end::log_in(address);
    if kind == Kind::Prepared {
        let sql = b"\x16INSERT INTO pipes_messages (name, event, message) VALUES (?, ?, ?)";
        socket.write_all(&packet(0, sql)).expect("the kernel has room");
        assert_eq!(read_packet(&mut socket)[..5], *b"\0\x01\0\0\0", "statement 1");
        // Three definitions and their end.
        (0..4).for_each(|_| drop(read_packet(&mut socket)));
    }
    socket
}

/// Does one kind of thing so often; prints how many statements that was.
fn drive(address: &str, kind: &str, rounds: &str) {
    let kind = match kind {
        "one" => Kind::One,
        "many" => Kind::Many,
        "prepared" => Kind::Prepared,
        "rows" => Kind::Rows,
        _ => panic!("one, many, prepared or rows"),
    };
    let mut back_ends = BackEnds::open(kind, address.parse().expect("an address"), log_in);
    let rounds: usize = rounds.parse().expect("a number");
    println!("{}", (0..rounds).map(|_| back_ends.round()).sum::<usize>());
}
