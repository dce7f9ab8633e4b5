//! The gates: what the real program may take at most of memory, processor time and a neighbour's patience,
//! on loopback. `cargo bench --bench gates` prints every row with its gate (what must hold) and its goal
//! (what is aimed at), and ends with the gates that are missed; a word picks the rows it occurs in.
//!
//! Ratios withstand noise: encke and what it stands beside, mostly the bare floor (`support/floor.rs`), run
//! at the same time and take turns, cycle by cycle. Each figure is processor time of the server alone, so
//! that neither the clients nor other programs count; the ratio is the median of those of the cycles, between
//! the least and the most. Bytes are the server's anonymous memory as the kernel counts it, the allocator's
//! slack included: of it the slope between few and many clients. Pages of the program's own file are mapped
//! and unmapped whoever comes or goes; they count where a whole server is looked at, before and after a crowd.
//!
//! Timing never decides a test: a gate missed is told, and the exit code is 0 all the same. What no load
//! of the machine changes fails in `tests/counts/run` and `tests/sizes/run`.
//!
//! | file | holds |
//! |---|---|
//! | `memory.rs`, `guests.rs` | bytes of an idle client, a membership, a channel |
//! | `operations.rs`, `clients.rs` | an operation beside the floor |
//! | `scale.rs` | what must not grow with the number of others |
//! | `stall.rs` | how long an echo waits for a great delivery |
//! | `report.rs` | the table |
//!
//! `gates --drive ADDRESS KIND CLIENTS ROUNDS` lets clients do something to any server, for a profiler.

#[path = "gates/clients.rs"]
mod clients;
#[path = "gates/guests.rs"]
mod guests;
#[path = "gates/memory.rs"]
mod memory;
#[path = "gates/operations.rs"]
mod operations;
#[path = "gates/report.rs"]
mod report;
#[path = "gates/scale.rs"]
mod scale;
#[path = "gates/stall.rs"]
mod stall;
mod support;

use std::env;
use std::fs;
use std::path::Path;

use clients::{Clients, Kind};
use report::Report;
use report::Unit::{self, Bytes, Ms, Ratio};
use support::process::Process;
use support::{Bench, floor};

/// A row of the table.
struct Gate {
    name: &'static str,
    unit: Unit,
    /// What must hold.
    gate: f64,
    /// What is aimed at.
    goal: f64,
}

const fn row(name: &'static str, unit: Unit, gate: f64, goal: f64) -> Gate {
    Gate { name, unit, gate, goal }
}

const ROWS: [Gate; 23] = [
    row("idle WebSocket, fresh", Bytes, 128.0, 64.0),
    row("idle WebSocket, used", Bytes, 128.0, 64.0),
    row("idle event stream, fresh", Bytes, 128.0, 64.0),
    row("idle event stream, used", Bytes, 128.0, 64.0),
    row("idle HTTP stream, fresh", Bytes, 128.0, 64.0),
    row("idle HTTP stream, used", Bytes, 128.0, 64.0),
    row("parked long-poll, fresh", Bytes, 128.0, 64.0),
    row("parked long-poll, used", Bytes, 128.0, 64.0),
    row("CometServerApi session, fresh", Bytes, 224.0, 160.0),
    row("CometServerApi session, used", Bytes, 224.0, 160.0),
    row("further membership (10,000 clients × 100)", Bytes, 24.0, 16.0),
    row("idle channel (100,000)", Bytes, 200.0, 120.0),
    row("memory after 18,000 came and went", Ratio, 1.5, 1.1),
    row("delivery, 5,000 WebSockets", Ratio, 1.15, 1.05),
    row("delivery in bursts of 16, 2,000 WebSockets", Ratio, 1.5, 1.1),
    row("delivery, 5,000 event streams", Ratio, 1.15, 1.05),
    row("echo, 100 clients", Ratio, 1.15, 1.0),
    row("echo, 50 clients, 16 in a write", Ratio, 1.5, 1.1),
    row("connect, handshake, subscribe, close", Ratio, 1.25, 1.05),
    row("long-poll release and re-park, 5,000 parked", Ratio, 1.5, 1.15),
    row("delivery, 18,000 subscribers against 100", Ratio, 1.2, 1.05),
    row("publish, 100,000 other channels against none", Ratio, 1.1, 1.02),
    row("echo while 15,000 get a message, 99th percentile", Ms, 5.0, 2.0),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["--floor"] => floor::serve().expect("the floor serves"),
        ["--drive", address, kind, clients, rounds] => drive(address, kind, clients, rounds),
        _ => table(&mut Report::new(Bench::new())),
    }
}

fn table(report: &mut Report) {
    // Each process has its own limit; this one has a client's end of every connection.
    encke::reactor::sys::raise_descriptor_limit().expect("the limit can be read");
    report.head();
    memory::run(report);
    operations::run(report);
    scale::run(report);
    stall::run(report);
    report.end();
}

/// An encke that leaves clients alone while they are measured, and takes what some of them ask and get.
fn encke() -> Process {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gates.toml");
    let limits = "[limits]\nheartbeat_seconds = 3600\nkeep_alive_seconds = 3600\n\
                  channels_per_request_max = 100\nmessage_bytes_max = 200000\n";
    fs::write(&path, limits).expect("the folder can be written to");
    let path = path.to_str().expect("a path of letters");
    Process::encke(
        &["--config", path, "--http", "127.0.0.1:0", "--cometql", "127.0.0.1:0", "--echo", "/echo"],
        &["http://", "listening for CometQL on "],
    )
}

/// Does one kind of thing so often, with so many clients that stay; prints how many operations that was.
fn drive(address: &str, kind: &str, clients: &str, rounds: &str) {
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let address = address.parse().expect("an address");
    let mut clients = Clients::gather(Kind::named(kind), number(clients), address);
    let operations: usize = (0..number(rounds)).map(|_| clients.round()).sum();
    println!("{operations}");
}
