//! The `encke` program: reads the command line, runs the server, says how it ended.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use encke::cli::{self, Command, UsageError};
use encke::reactor::heap::Counting;
use encke::run::StartError;
use log::Level;

/// What the ceiling of `--memory` is compared with.
#[global_allocator]
static HEAP: Counting = Counting;

/// What is logged when `RUST_LOG` does not say.
const LOG_DEFAULT: &str = "info,encke::access=off";

/// Exit code of a bad flag, a bad file or a busy port.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    match read_command() {
        Ok(Command::Run(config)) => {
            start_log();
            let again = || match read_command() {
                Ok(Command::Run(config)) => Ok(*config),
                Ok(_) => Err("the command is another one now".to_owned()),
                Err(UsageError(line)) => Err(line),
            };
            match encke::run::run(&config, Box::new(again)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(StartError(line)) => fail(&line),
            }
        }
        Ok(Command::Check(config)) => match encke::check::report(&config) {
            Ok(report) => say(&report),
            Err(line) => fail(&line),
        },
        Ok(Command::ExampleConfig(example)) => say(example),
        Ok(Command::Help) => say(cli::HELP),
        Ok(Command::Version) => say(concat!("encke ", env!("CARGO_PKG_VERSION"), "\n")),
        Err(UsageError(line)) => fail(&line),
    }
}

fn read_command() -> Result<Command, UsageError> {
    cli::parse(std::env::args().skip(1), |name| std::env::var(name).ok())
}

fn say(text: &str) -> ExitCode {
    // Whoever closes the pipe has read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(line: &str) -> ExitCode {
    eprintln!("encke: {line}");
    ExitCode::from(USAGE)
}

fn start_log() {
    let environment = env_logger::Env::default().default_filter_or(LOG_DEFAULT);
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let in_colour = std::io::stderr().is_terminal() && !wants_none;
    env_logger::Builder::from_env(environment)
        .format(move |out, record| write_log_line(out, record, in_colour))
        .init();
}

/// `info  encke: text`: no clock, which every place that keeps logs adds by itself.
fn write_log_line(
    out: &mut impl Write,
    record: &log::Record<'_>,
    in_colour: bool,
) -> std::io::Result<()> {
    let (level, colour) = match record.level() {
        Level::Error => ("error", "31"),
        Level::Warn => ("warn", "33"),
        Level::Info => ("info", "32"),
        Level::Debug => ("debug", "36"),
        Level::Trace => ("trace", "90"),
    };
    let (target, text) = (record.target(), record.args());
    match in_colour {
        true => writeln!(out, "\x1b[{colour}m{level:5}\x1b[0m {target}: {text}"),
        false => writeln!(out, "{level:5} {target}: {text}"),
    }
}
