//! `encke --check`: what is in force, how many clients this machine can hold, and what would stop it
//! first.
//!
//! The least of these counts, each a row:
//!
//! | row | clients |
//! |---|---|
//! | limits.connections_max | as configured |
//! | descriptor limit | hard limit − 32 for ourselves |
//! | open files of all | fs.file-max − what is open |
//! | epoll registrations | fs.epoll.max_user_watches, a number that the kernel makes of the memory |
//! | tracked connections | what nf_conntrack's table has left, where it is loaded |
//! | memory ceiling | 7/8 of `--memory` ÷ our own bytes of a client |
//! | memory, and that of a cgroup | (what is free − history − the program) ÷ bytes of a client |
//!
//! | file | holds |
//! |---|---|
//! | `stops.rs` | the rows, and how each can be raised |
//! | `hints.rs` | what stops nobody, but will hurt |

mod hints;
mod stops;

use std::fmt::Write;
use std::path::Path;

use crate::config::{Config, show};
use crate::reactor::machine::Machine;
use crate::reactor::sys;

/// Columns of words; commands are never broken.
const COLUMNS: usize = 96;

/// Everything that `--check` prints.
pub fn report(config: &Config) -> Result<String, String> {
    let descriptors = sys::raise_descriptor_limit()
        .map_err(|error| format!("cannot read the descriptor limit: {error}"))?;
    let machine = Machine::read(Path::new("/"), descriptors);
    let settings = config.settings(descriptors, machine.memory_bytes);
    let mut out = format!("# In force: flags, then ENCKE_ variables, then {}.\n", file(config));
    out += &show::toml(config, &settings);
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

/// What to do about something: words, and exact commands or settings.
struct Advice {
    words: String,
    commands: Vec<String>,
}

/// How many clients, and why not more: comments of TOML, so that the whole output is a file.
fn capacity(config: &Config, machine: &Machine) -> String {
    let stops = stops::all(config, machine);
    let [first, next, ..] = stops.as_slice() else { return String::new() };
    let room = grouped(first.clients);
    let mut out =
        format!("# Room for about {room} idle clients; first to stop more: {}.\n", first.name());
    for (index, stop) in stops.iter().enumerate() {
        let mark = if index == 0 { '>' } else { ' ' };
        let (name, clients) = (stop.name(), grouped(stop.clients));
        writeln!(out, "# {mark} {name:<24} {clients:>13}   {}", stop.why)
            .expect("a String takes everything");
    }
    put(&mut out, &first.raise(config, machine, next));
    for hint in hints::all(config, machine, first.clients) {
        put(&mut out, &hint);
    }
    out
}

/// Adds it as comments, a blank one in front.
fn put(out: &mut String, advice: &Advice) {
    out.push_str("#\n");
    let mut line = "#".to_owned();
    for word in advice.words.split(' ') {
        if line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(&line);
            out.push('\n');
            "#  ".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
    for command in &advice.commands {
        writeln!(out, "#     {command}").expect("a String takes everything");
    }
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
mod tests;
