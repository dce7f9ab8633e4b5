//! The `encke` program: reads the command line, runs the server, says how it ended.

use std::process::ExitCode;

use encke::cli::{self, Command, UsageError};
use encke::run::StartError;

/// What is logged when `RUST_LOG` does not say.
const LOG_DEFAULT: &str = "info,encke::access=off";

/// Exit code of a bad flag, a bad file or a busy port.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let variable = |name: &str| std::env::var(name).ok();
    match cli::parse(std::env::args().skip(1), variable) {
        Ok(Command::Run(config)) => {
            let environment = env_logger::Env::default().default_filter_or(LOG_DEFAULT);
            env_logger::Builder::from_env(environment).format(write_log_line).init();
            match encke::run::run(&config) {
                Ok(()) => ExitCode::SUCCESS,
                Err(StartError(line)) => fail(&line),
            }
        }
        Ok(Command::Help) => {
            print!("{}", cli::HELP);
            ExitCode::SUCCESS
        }
        Ok(Command::Version) => {
            println!("encke {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Err(UsageError(line)) => fail(&line),
    }
}

fn fail(line: &str) -> ExitCode {
    eprintln!("encke: {line}");
    ExitCode::from(USAGE)
}

/// `info  encke: text`: no clock, which every place that keeps logs adds by itself.
fn write_log_line(
    out: &mut env_logger::fmt::Formatter,
    record: &log::Record<'_>,
) -> std::io::Result<()> {
    use std::io::Write;
    let level = record.level().as_str().to_ascii_lowercase();
    writeln!(out, "{level:5} {}: {}", record.target(), record.args())
}
