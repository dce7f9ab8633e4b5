//! `encke --check`: what is in force, how many clients this machine can hold, and what would stop it
//! first.
//!
//! ```text
//! clients = min(descriptors − 32, (memory − what is kept) ÷ (64 B of ours + 3.85 KB of the kernel),
//!               limits.connections_max)
//! ```
//! The bytes were measured with idle WebSocket and SSE subscribers on loopback (README.md, "Bounds").

mod machine;

use std::fmt::Write;
use std::path::Path;

use crate::config::{Config, DESCRIPTORS_RESERVED, show};
use crate::reactor::sys;
use machine::Machine;

/// What encke itself keeps of an idle subscriber.
const USER_BYTES: u64 = 64;
/// What the kernel keeps of its connection.
const KERNEL_BYTES: u64 = 3_942;
/// The program itself, before anybody comes.
const PROGRAM_BYTES: u64 = 8 * 1024 * 1024;
/// A queue of waiting connections shorter than this refuses some in a rush.
const BACKLOG: u64 = 1_024;

/// Everything that `--check` prints.
pub fn report(config: &Config) -> Result<String, String> {
    let descriptors = sys::raise_descriptor_limit()
        .map_err(|error| format!("cannot read the descriptor limit: {error}"))?;
    let machine = Machine::read(Path::new("/"), descriptors);
    let settings = config.settings(descriptors);
    let mut out = format!("# In force: flags, then ENCKE_ variables, then {}.\n", file(config));
    out += &show::toml(config, &settings.limits);
    out.push('\n');
    out += &capacity(config, &machine);
    Ok(out)
}

fn file(config: &Config) -> String {
    match &config.file {
        Some(path) => format!("{}, then defaults", path.display()),
        None => "defaults (no file)".to_owned(),
    }
}

/// One thing that bounds the number of clients.
struct Stop {
    /// How many it allows.
    clients: u64,
    name: &'static str,
    explain: String,
}

/// How many clients, and why not more: comments of TOML, so that the whole output is a file.
fn capacity(config: &Config, machine: &Machine) -> String {
    let stops = stops(config, machine);
    let mut out = String::new();
    if let Some(first) = stops.iter().min_by_key(|stop| stop.clients) {
        let clients = grouped(first.clients);
        out +=
            &format!("# Room for about {clients} clients; first to stop more: {}.\n", first.name);
    }
    for stop in &stops {
        let (name, clients) = (stop.name, grouped(stop.clients));
        writeln!(out, "#   {name:<24} {clients:>13}   {}", stop.explain)
            .expect("a String takes everything");
    }
    if let Some(somaxconn) = machine.somaxconn
        && somaxconn < BACKLOG
    {
        out += &format!(
            "# Hint: net.core.somaxconn is {somaxconn}: a rush of new clients is refused in part; \
             sysctl -w net.core.somaxconn=4096\n"
        );
    }
    out
}

fn stops(config: &Config, machine: &Machine) -> Vec<Stop> {
    let ceiling = machine
        .nr_open
        .map_or(String::new(), |most| format!("; fs.nr_open allows {}", grouped(most)));
    let limit = grouped(machine.descriptors);
    let mut stops = vec![
        Stop {
            clients: config.limits.connections_max as u64,
            name: "limits.connections_max",
            explain: "as configured".to_owned(),
        },
        Stop {
            clients: machine.descriptors.saturating_sub(DESCRIPTORS_RESERVED).max(1),
            name: "descriptor limit",
            explain: format!("ulimit -Hn {limit} − {DESCRIPTORS_RESERVED}{ceiling}"),
        },
    ];
    let history = config.history.history_bytes_max as u64;
    let memories = [
        ("memory", machine.available_bytes, "available"),
        ("memory of the cgroup", machine.cgroup_bytes, "left under memory.max"),
    ];
    for (name, bytes, words) in memories {
        let Some(bytes) = bytes else { continue };
        let free = bytes.saturating_sub(history + PROGRAM_BYTES);
        stops.push(Stop {
            clients: free / (USER_BYTES + KERNEL_BYTES),
            name,
            explain: format!(
                "{} {words} − {} of history, {USER_BYTES} B + 3.85 KB each",
                megabytes(bytes),
                megabytes(history)
            ),
        });
    }
    stops
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", grouped(bytes / (1024 * 1024)))
}

/// `1,000,000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            descriptors: 20_000,
            available_bytes: Some(8 << 30),
            cgroup_bytes: None,
            nr_open: Some(1_048_576),
            somaxconn: Some(4_096),
        }
    }

    #[test]
    fn the_smallest_stop_is_named() {
        let config = Config::empty();
        let text = capacity(&config, &machine());
        assert!(
            text.starts_with(
                "# Room for about 19,968 clients; first to stop more: descriptor limit."
            ),
            "{text}"
        );
        let rows = text.lines().filter(|line| line.starts_with("#   ")).count();
        assert_eq!(rows, 3, "{text}");
        assert!(text.contains("fs.nr_open allows 1,048,576") && !text.contains("Hint"));
        let small = Machine {
            descriptors: 1_000_000,
            cgroup_bytes: Some(172 << 20),
            somaxconn: Some(128),
            ..machine()
        };
        let text = capacity(&config, &small);
        // 100 MB beside 64 MB of history and the program.
        let clients = (100 << 20) / 4_006;
        let expect =
            format!("{} clients; first to stop more: memory of the cgroup.", grouped(clients));
        assert!(text.contains(&expect), "{text}");
        assert!(text.contains("Hint: net.core.somaxconn is 128"), "{text}");
        let mut config = config;
        config.limits.connections_max = 10;
        assert!(capacity(&config, &small).contains("10 clients; first to stop more: limits."));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
