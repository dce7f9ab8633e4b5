//! The command line: arguments and `ENCKE_…` variables become a `Command`, or one clear line of error.
//!
//! A flag wins over its variable. Variables keep secrets out of the list of processes.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::{Config, HttpOrigin};
use crate::reactor::listener::Address;
use crate::server::settings::Echo;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(Box<Config>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// One line for a person, without the program's name.
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

/// What `--help` prints.
pub const HELP: &str = "\
encke: pushes messages to browsers, the moment any back end has one

usage: encke [OPTION…]

  --http ADDR|unix:PATH      listen for HTTP here; repeatable     [127.0.0.1:8080]
  --cometql ADDR|unix:PATH|off
                             listen for CometQL (MySQL protocol)  [127.0.0.1:3307]
  --cometql-password SECRET  what back ends log in with
  --publish-key SECRET       who shows it may publish; needed to listen beyond this machine
  --origin ORIGIN|*          let pages of this origin use the server; repeatable
  --echo PATH                a WebSocket endpoint that sends back what it gets
  --echo-reverse PATH        the same, text in reverse order
  --help, --version

Every option has a variable: ENCKE_HTTP, ENCKE_PUBLISH_KEY … (lists: separated by spaces).
RUST_LOG sets what is logged to stderr, e.g. RUST_LOG=encke=debug.

examples:
  encke                                                  try it: http://127.0.0.1:8080/
  curl -d 'Hello' http://127.0.0.1:8080/channels/news    publish
  ENCKE_PUBLISH_KEY=… encke --http 0.0.0.0:80            serve the world
";

/// A flag with a value, its variable, and what it does to the configuration.
struct Flag {
    name: &'static str,
    variable: &'static str,
    apply: fn(&mut Config, &str) -> Result<(), String>,
    /// May be given several times; its variable is a list.
    repeats: bool,
}

const FLAGS: [Flag; 7] = [
    Flag { name: "--http", variable: "ENCKE_HTTP", apply: add_http, repeats: true },
    Flag { name: "--cometql", variable: "ENCKE_COMETQL", apply: set_cometql, repeats: false },
    Flag {
        name: "--cometql-password",
        variable: "ENCKE_COMETQL_PASSWORD",
        apply: |config, value| secret(value).map(|value| config.cometql_password = Some(value)),
        repeats: false,
    },
    Flag {
        name: "--publish-key",
        variable: "ENCKE_PUBLISH_KEY",
        apply: |config, value| secret(value).map(|value| config.publish_key = Some(value)),
        repeats: false,
    },
    Flag { name: "--origin", variable: "ENCKE_ORIGIN", apply: add_origin, repeats: true },
    Flag {
        name: "--echo",
        variable: "ENCKE_ECHO",
        apply: |config, value| add_echo(config, value, false),
        repeats: true,
    },
    Flag {
        name: "--echo-reverse",
        variable: "ENCKE_ECHO_REVERSE",
        apply: |config, value| add_echo(config, value, true),
        repeats: true,
    },
];

/// Reads arguments (without the program's name) and variables.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Command, UsageError> {
    let mut config = Config::empty();
    let mut given = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            _ => {}
        }
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let flag = FLAGS.iter().find(|flag| flag.name == name).ok_or_else(|| unknown(name))?;
        let value = inline.or_else(|| arguments.next());
        let value = value.ok_or_else(|| UsageError(format!("{name} needs a value")))?;
        if !flag.repeats && given.contains(&flag.name) {
            return Err(UsageError(format!("{name} is given twice")));
        }
        given.push(flag.name);
        apply(flag, &mut config, &value, name)?;
    }
    for flag in FLAGS.iter().filter(|flag| !given.contains(&flag.name)) {
        let Some(value) = variable(flag.variable) else { continue };
        let values = if flag.repeats { value.split_whitespace().collect() } else { vec![&*value] };
        for value in values {
            apply(flag, &mut config, value, flag.variable)?;
        }
    }
    config.complete().map(|config| Command::Run(Box::new(config))).map_err(UsageError)
}

fn apply(flag: &Flag, config: &mut Config, value: &str, name: &str) -> Result<(), UsageError> {
    (flag.apply)(config, value).map_err(|why| UsageError(format!("{name}: {why}")))
}

fn unknown(name: &str) -> UsageError {
    let near = FLAGS.iter().map(|flag| flag.name).min_by_key(|known| distance(name, known));
    match near {
        Some(near) if distance(name, near) <= 3 => {
            UsageError(format!("unknown option {name}; did you mean {near}?"))
        }
        _ => UsageError(format!("unknown option {name}; see encke --help")),
    }
}

/// Edits that make one word of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for at in 0..other.len() {
            let changed = diagonal + usize::from(letter != other[at]);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

fn add_http(config: &mut Config, value: &str) -> Result<(), String> {
    config.http.push(address(value)?);
    Ok(())
}

fn set_cometql(config: &mut Config, value: &str) -> Result<(), String> {
    config.cometql = Some(match value {
        "off" => None,
        _ => Some(address(value)?),
    });
    Ok(())
}

fn address(value: &str) -> Result<Address, String> {
    if let Some(path) = value.strip_prefix("unix:") {
        return match path {
            "" => Err("after unix: comes the path of a socket".to_owned()),
            _ => Ok(Address::Unix(PathBuf::from(path))),
        };
    }
    // "localhost" is what people write; other names would need a resolver.
    let numeric = value.replacen("localhost:", "127.0.0.1:", 1);
    let address: Result<SocketAddr, _> = numeric.parse();
    address.map(Address::Tcp).map_err(|_| {
        format!("{value:?} is not an address like 127.0.0.1:8080, [::1]:8080 or unix:PATH")
    })
}

fn secret(value: &str) -> Result<Box<str>, String> {
    match value.trim() {
        "" => Err("a secret cannot be empty".to_owned()),
        trimmed => Ok(trimmed.into()),
    }
}

fn add_origin(config: &mut Config, value: &str) -> Result<(), String> {
    config.origins.push(HttpOrigin::parse(value)?);
    Ok(())
}

fn add_echo(config: &mut Config, path: &str, is_reversed: bool) -> Result<(), String> {
    if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
        return Err(format!("{path:?} is not a path like /echo"));
    }
    config.echoes.push(Echo { path: path.into(), is_reversed });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<Config, String> {
        with_variables(arguments, &[])
    }

    fn with_variables(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Config, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        match parse(arguments.iter().map(ToString::to_string), lookup) {
            Ok(Command::Run(config)) => Ok(*config),
            Ok(other) => panic!("{other:?}"),
            Err(UsageError(line)) => Err(line),
        }
    }

    #[test]
    fn nothing_given_means_this_machine_only() {
        let config = run(&[]).unwrap();
        assert_eq!(config.http, [address("127.0.0.1:8080").unwrap()]);
        assert_eq!(config.publish_key, None);
        assert_eq!(config.cometql.flatten().is_some(), crate::config::HAS_COMETQL);
    }

    #[test]
    fn a_flag_wins_over_its_variable() {
        let variables =
            [("ENCKE_PUBLISH_KEY", "variable"), ("ENCKE_HTTP", "127.0.0.1:1 127.0.0.1:2")];
        let config = with_variables(&["--publish-key", "flag"], &variables).unwrap();
        assert_eq!(config.publish_key.as_deref(), Some("flag"));
        assert_eq!(config.http.len(), 2);
        let config = with_variables(&["--http=127.0.0.1:3"], &variables).unwrap();
        assert_eq!(config.http, [address("127.0.0.1:3").unwrap()]);
        assert_eq!(config.publish_key.as_deref(), Some("variable"));
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        let rows: [(&[&str], &str); 10] = [
            (&["--htpt", "x"], "unknown option --htpt; did you mean --http?"),
            (&["--frobnicate"], "unknown option --frobnicate; see encke --help"),
            (&["--http"], "--http needs a value"),
            (&["--http", "example.com:80"], "--http: \"example.com:80\" is not an address"),
            (&["--http", "unix:"], "--http: after unix: comes"),
            (&["--publish-key", "a", "--publish-key", "b"], "--publish-key is given twice"),
            (&["--publish-key", " "], "--publish-key: a secret cannot be empty"),
            (&["--origin", "example.com"], "--origin: \"example.com\" is not an origin"),
            (&["--echo", "echo"], "--echo: \"echo\" is not a path"),
            (&["--http", "0.0.0.0:80"], "--http 0.0.0.0:80 is reachable from other machines"),
        ];
        for (arguments, expect) in rows {
            let line = run(arguments).unwrap_err();
            assert!(line.starts_with(expect), "{arguments:?}: {line}");
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn the_help_names_every_option() {
        for flag in FLAGS {
            assert!(HELP.contains(flag.name), "{}", flag.name);
        }
        assert!(HELP.lines().count() <= 24, "it fits a screen");
    }
}
