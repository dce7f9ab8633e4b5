//! The command line: arguments, `ENCKE_…` variables and a file become a `Command`, or one clear line of
//! error.
//!
//! A flag wins over its variable, a variable over the file, the file over the default. Variables keep
//! secrets out of the list of processes.

use std::path::{Path, PathBuf};

use crate::config::options::{CHOICES, Choice};
use crate::config::{Config, file};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve.
    Run(Box<Config>),
    /// Say what is in force, and how many clients this machine can hold.
    Check(Box<Config>),
    /// Print the annotated example of a file.
    ExampleConfig(&'static str),
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

  --http ADDR|unix:PATH         listen for HTTP; repeatable    [127.0.0.1:8080]
  --https ADDR|unix:PATH        the same over TLS; repeatable
  --tls-cert FILE --tls-key FILE  a certificate and its key (PEM); repeatable
  --cometql ADDR|unix:PATH|off  listen for CometQL (MySQL)     [127.0.0.1:3307]
  --cometql-password SECRET     what back ends log in with
  --publish-key SECRET          who shows it may publish; needed to serve others
  --token-secret SECRET         signs tokens (JWT) that channel rules ask for
  --origin ORIGIN|*             let pages of this origin in; repeatable
  --proxy-protocol ADDR         proxies say there first who asks; repeatable
  --trusted-proxy NET|unix      believe its X-Forwarded-For; repeatable
  --echo PATH, --echo-reverse PATH  WebSocket endpoints that send text back
  --deflate on|off              compress for WebSockets that can read that  [on]
  --memory 256M|off             ceiling for all that users make grow      [half]
  --config FILE                 all this and more from TOML; SIGHUP rereads it
  --example-config, --check     print such a file; what is in force, what fits
  --help, --version
Variables do the same: ENCKE_HTTP, ENCKE_PUBLISH_KEY … (lists: with spaces).
Flags win over variables, both over the file. RUST_LOG=encke=debug says more.
examples:
  curl -d 'Hello' http://127.0.0.1:8080/channels/news    publish
  ENCKE_PUBLISH_KEY=… encke --http 0.0.0.0:80            serve the world
";

/// Flags without a value, and those that say where the others are.
const OTHER_FLAGS: [&str; 5] = ["--config", "--check", "--example-config", "--help", "--version"];
/// The variable of `--config`.
const CONFIG_VARIABLE: &str = "ENCKE_CONFIG";

/// What the arguments say.
#[derive(Default)]
struct Given {
    choices: Vec<(&'static Choice, String)>,
    file: Option<PathBuf>,
    is_check: bool,
}

impl Given {
    fn has(&self, choice: &Choice) -> bool {
        self.choices.iter().any(|(given, _)| given.flag == choice.flag)
    }
}

/// Reads arguments (without the program's name), variables, and the file that either names.
pub fn parse(
    arguments: impl IntoIterator<Item = String>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Command, UsageError> {
    let mut given = Given::default();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--version" | "-V" => return Ok(Command::Version),
            "--example-config" => return example(),
            "--check" => given.is_check = true,
            _ => take_flag(&argument, &mut arguments, &mut given)?,
        }
    }
    let file = given.file.take().or_else(|| named_file(variable(CONFIG_VARIABLE)));
    let config = file.map_or_else(|| Ok(Config::empty()), |path| file::read(&path));
    let config = config.and_then(|config| complete(config, &given, variable));
    let config = Box::new(config.map_err(UsageError)?);
    Ok(if given.is_check { Command::Check(config) } else { Command::Run(config) })
}

fn example() -> Result<Command, UsageError> {
    let none = || file::read(Path::new("")).err().unwrap_or_default();
    file::EXAMPLE.map(Command::ExampleConfig).ok_or_else(|| UsageError(none()))
}

fn named_file(path: Option<String>) -> Option<PathBuf> {
    path.filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn take_flag(
    argument: &str,
    arguments: &mut impl Iterator<Item = String>,
    given: &mut Given,
) -> Result<(), UsageError> {
    let (name, inline) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (argument, None),
    };
    if name == "--config" {
        if given.file.is_some() {
            return Err(UsageError(format!("{name} is given twice: there is one file")));
        }
        given.file = Some(PathBuf::from(value(name, inline, arguments)?));
        return Ok(());
    }
    let choice = CHOICES.iter().find(|choice| choice.flag == name).ok_or_else(|| unknown(name))?;
    let value = value(name, inline, arguments)?;
    if !choice.repeats() && given.has(choice) {
        return Err(UsageError(format!("{name} is given twice")));
    }
    given.choices.push((choice, value));
    Ok(())
}

fn value(
    name: &str,
    inline: Option<String>,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<String, UsageError> {
    let value = inline.or_else(|| arguments.next());
    value.ok_or_else(|| UsageError(format!("{name} needs a value")))
}

/// Lays variables over what the file says, and flags over both.
fn complete(
    mut config: Config,
    given: &Given,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Config, String> {
    for choice in &CHOICES {
        let flags = given.choices.iter().filter(|(flag, _)| flag.flag == choice.flag);
        let flags: Vec<&str> = flags.map(|(_, value)| value.as_str()).collect();
        if !flags.is_empty() {
            apply(choice, &mut config, &flags, choice.flag)?;
        } else if let Some(text) = variable(choice.variable) {
            let values = match choice.repeats() {
                true => text.split_whitespace().collect(),
                false => vec![text.as_str()],
            };
            apply(choice, &mut config, &values, choice.variable)?;
        }
    }
    config.complete()
}

fn apply(choice: &Choice, config: &mut Config, values: &[&str], place: &str) -> Result<(), String> {
    if let Some(clear) = choice.clear {
        clear(config);
    }
    config.places.options.insert(choice.key, place.to_owned());
    for value in values {
        (choice.apply)(config, value).map_err(|why| format!("{place}: {why}"))?;
    }
    Ok(())
}

fn unknown(name: &str) -> UsageError {
    let known = CHOICES.iter().map(|choice| choice.flag).chain(OTHER_FLAGS);
    UsageError(match nearest(name, &known.collect::<Vec<_>>()) {
        Some(near) => format!("unknown option {name}; did you mean {near}?"),
        None => format!("unknown option {name}; see encke --help"),
    })
}

/// The known word that was probably meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let edits_max = 3.min(word.len() / 2);
    let near = known.iter().map(|known| (distance(word, known), *known)).min()?;
    (near.0 <= edits_max).then_some(near.1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::options::address;

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
        assert_eq!(config.tenants[0].publish_key, None);
        assert_eq!(config.cometql.flatten().is_some(), crate::config::HAS_COMETQL);
    }

    #[test]
    fn a_flag_wins_over_its_variable() {
        let variables =
            [("ENCKE_PUBLISH_KEY", "variable"), ("ENCKE_HTTP", "127.0.0.1:1 127.0.0.1:2")];
        let config = with_variables(&["--publish-key", "flag"], &variables).unwrap();
        assert_eq!(config.tenants[0].publish_key.as_deref(), Some("flag"));
        assert_eq!(config.http.len(), 2);
        let config = with_variables(&["--http=127.0.0.1:3"], &variables).unwrap();
        assert_eq!(config.http, [address("127.0.0.1:3").unwrap()]);
        assert_eq!(config.tenants[0].publish_key.as_deref(), Some("variable"));
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        let rows: [(&[&str], &str); 11] = [
            (&["--htpt", "x"], "unknown option --htpt; did you mean --http?"),
            (&["--frobnicate"], "unknown option --frobnicate; see encke --help"),
            (&["--http"], "--http needs a value"),
            (&["--http", "example.com:80"], "--http: \"example.com:80\" is not an address"),
            (&["--http", "unix:"], "--http: after unix: comes"),
            (&["--publish-key", "a", "--publish-key", "b"], "--publish-key is given twice"),
            (&["--publish-key", " "], "--publish-key: a secret cannot be empty"),
            (&["--origin", "example.com"], "--origin: \"example.com\" is not an origin"),
            (&["--deflate", "yes"], "--deflate: \"yes\" is neither on nor off"),
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
    fn compression_is_on_where_it_is_built_in_and_can_be_turned_off() {
        let has_deflate = crate::proto::deflate::IS_PRESENT;
        assert_eq!(run(&[]).unwrap().deflate, has_deflate);
        assert!(!with_variables(&[], &[("ENCKE_DEFLATE", "off")]).unwrap().deflate);
        let on = with_variables(&["--deflate", "on"], &[("ENCKE_DEFLATE", "off")]);
        assert_eq!(on.is_ok_and(|config| config.deflate), has_deflate);
    }

    #[test]
    fn switches_are_commands() {
        let parse = |arguments: &[&str]| parse(arguments.iter().map(ToString::to_string), |_| None);
        assert!(matches!(parse(&["--check", "--http", "127.0.0.1:1"]), Ok(Command::Check(_))));
        assert!(matches!(parse(&["--http", "127.0.0.1:1", "--help"]), Ok(Command::Help)));
        assert_eq!(matches!(parse(&["--example-config"]), Ok(Command::ExampleConfig(_))), HAS_FILE);
        assert!(parse(&["--check", "--http", "0.0.0.0:1"]).is_err());
    }

    const HAS_FILE: bool = cfg!(feature = "config");

    #[test]
    fn without_the_feature_a_file_is_refused_in_one_line() {
        let line = run(&["--config", "/nowhere"]).unwrap_err();
        let expect = match HAS_FILE {
            true => "cannot read /nowhere: ",
            false => "this build of encke reads no file (feature config)",
        };
        assert!(line.starts_with(expect), "{line}");
        assert!(with_variables(&[], &[("ENCKE_CONFIG", "/nowhere")]).is_err());
        assert!(with_variables(&[], &[("ENCKE_CONFIG", "")]).is_ok());
        assert!(run(&["--config", "a", "--config", "b"]).unwrap_err().contains("given twice"));
    }

    #[test]
    fn every_option_has_one_name_in_three_forms() {
        for choice in &CHOICES {
            let name = choice.key.replace('_', "-");
            assert_eq!(choice.flag, format!("--{name}"));
            assert_eq!(choice.variable, format!("ENCKE_{}", choice.key.to_uppercase()));
        }
    }

    #[test]
    fn the_help_names_every_option() {
        let choices = CHOICES.iter().map(|choice| choice.flag);
        for flag in choices.chain(OTHER_FLAGS) {
            assert!(HELP.contains(flag), "{flag}");
        }
        assert!(HELP.lines().count() <= 24, "it fits a screen");
        assert!(HELP.lines().all(|line| line.chars().count() <= 80), "its width too");
    }
}
