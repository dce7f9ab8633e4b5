//! `encke-bench`: loads a WebSocket, SSE, HTTP stream or long-poll server of any make, and says what it cost.
//!
//! The parent reads the command line, starts worker processes (itself again), tells them when to begin,
//! watches the server's memory and processor time meanwhile, and adds up what the workers measured. A
//! worker is one thread with one event loop; more workers are more descriptors and more processors.
//!
//! | file | holds |
//! |---|---|
//! | `args.rs`, `flags.rs`, `help.rs`, `preset.rs`, `target.rs` | the command line: what to do, to whom, in which words |
//! | `crew.rs`, `run.rs` | the parent: workers, phases, samples |
//! | `procfs.rs` | what the kernel tells of a process |
//! | `worker.rs` | the worker's loop, and the parent's orders |
//! | `net.rs`, `dial.rs`, `client.rs`, `request.rs`, `wire.rs` | connections, where from, what is said, bytes |
//! | `load.rs`, `fanout.rs`, `echo.rs`, `churn.rs` | when to send what, and what to make of the answers |
//! | `report.rs`, `svg.rs` | table, JSON and picture |
//!
//! **Clock.** All processes count nanoseconds since the parent began. A message carries the time at which it
//! *should* have been sent; its latency runs from there, so that a slow server cannot slow the
//! measuring down with it (coordinated omission).

#![deny(unsafe_code)]

mod args;
mod churn;
mod client;
mod clock;
mod crew;
mod dial;
mod echo;
mod fanout;
mod flags;
mod help;
mod load;
mod net;
mod preset;
mod procfs;
mod report;
mod request;
mod run;
mod svg;
mod target;
mod wire;
mod worker;

use std::io::Write;
use std::process::ExitCode;

use args::Given;

/// Exit code of a bad flag, a server that is not there, or a limit of this machine.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match args::parse(&arguments) {
        Ok(Given::Help) => say(help::HELP),
        Ok(Given::Version) => say(concat!("encke-bench ", env!("CARGO_PKG_VERSION"), "\n")),
        Ok(Given::Plan(plan)) => match worker::Place::from_environment() {
            Some(place) => worker::run(&plan, place),
            None => run::run(&plan, &arguments).and_then(|text| say(&text)),
        },
        Err(line) => Err(line),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("encke-bench: {line}");
            ExitCode::from(USAGE)
        }
    }
}

fn say(text: &str) -> Result<(), String> {
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}
