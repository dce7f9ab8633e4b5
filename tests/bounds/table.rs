//! The table of bounds is whole: every limit there is has its row in README.md with its default, its line in
//! the example of a configuration file, and a test that names it.

use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use encke::engines::memory;
use encke::server::limits::Limits;

/// Tests that set limits by chance, without looking at what each does, and what is not ours.
const OTHERS: [&str; 5] = ["simulation", "oracles", "random", "fuzz", "node_modules"];

/// Fields that come from channel rules, or whose own fields are the numbers.
const NO_NUMBERS: [&str; 3] = ["keep", "keep_by_prefix", "is_listed"];

/// The fields of limits, with their defaults.
fn numbers(limits: &impl Debug) -> Vec<(String, u64)> {
    let text = format!("{limits:?}");
    let fields = text.split([',', '{', '}']).filter_map(|field| field.trim().split_once(": "));
    let numbers = fields.filter(|(name, _)| !NO_NUMBERS.contains(name));
    let number = |value: &str| value.parse().unwrap_or_else(|_| panic!("{value} is no number"));
    numbers.map(|(name, value)| (name.to_owned(), number(value))).collect()
}

/// Each with the table of the configuration file that it stands in.
fn all() -> Vec<(&'static str, String, u64)> {
    let of = |table, fields: Vec<(String, u64)>| {
        fields.into_iter().map(move |(name, value)| (table, name, value))
    };
    let limits = of("limits", numbers(&Limits::default()));
    let all: Vec<_> = limits.chain(of("history", numbers(&memory::Limits::default()))).collect();
    assert!(all.len() > 50, "they are read: {all:?}");
    all
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn is_named(name: &str, text: &str) -> bool {
    let is_part = |char: char| char.is_alphanumeric() || char == '_';
    text.match_indices(name).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part)
    })
}

/// A number as the table writes it.
fn shown(name: &str, value: u64) -> String {
    let (kb, mb) = (1024, 1024 * 1024);
    match value {
        0 => "off".into(),
        _ if name.contains("bytes") && value.is_multiple_of(mb) => format!("{} MB", value / mb),
        _ if name.contains("bytes") => format!("{} KB", value / kb),
        _ if name.ends_with("_ms") => format!("{} s", value / 1_000),
        _ if name.contains("seconds") && value.is_multiple_of(3_600) => {
            format!("{} h", value / 3_600)
        }
        _ if name.contains("seconds") => format!("{value} s"),
        1_000_000.. => format!("{},000,000", value / 1_000_000),
        1_000.. => format!("{},{:03}", value / 1_000, value % 1_000),
        _ => value.to_string(),
    }
}

/// Whether a number stands there, and not as a part of a larger one.
fn is_shown(number: &str, text: &str) -> bool {
    let is_part = |char: char| char.is_ascii_digit() || char == ',';
    text.match_indices(number).any(|(at, _)| {
        let after = &text[at + number.len()..];
        let goes_on = after.strip_prefix(',').unwrap_or(after).starts_with(char::is_numeric);
        !text[..at].ends_with(is_part) && !goes_on
    })
}

#[test]
fn every_limit_has_a_row_with_its_default_in_the_table() {
    let readme = read("README.md");
    let bounds = readme.split("\n## Bounds\n").nth(1).expect("a chapter on bounds");
    let bounds = bounds.split("\n## ").next().expect("its text");
    let rows: Vec<Vec<&str>> = bounds
        .lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    for (table, name, value) in all() {
        let key = format!("`{name}`");
        let is_its = |row: &&Vec<&str>| {
            let is_of_history = row[0].contains("in `history`");
            row.len() == 4 && row[1].contains(&key) && is_of_history == (table == "history")
        };
        let found: Vec<_> = rows.iter().filter(is_its).collect();
        assert!(!found.is_empty(), "no row for {table}.{name}");
        let shown = shown(&name, value);
        let has_it = found.iter().all(|row| is_shown(&shown, row[2]));
        assert!(has_it, "{table}.{name} is {shown} by default: {found:?}");
    }
}

#[test]
fn every_limit_has_a_line_with_its_default_in_the_example() {
    let example = read("src/config/example.toml");
    for (table, name, value) in all() {
        let part = example.split(&format!("\n[{table}]\n")).nth(1).expect("both tables are there");
        let part = part.split("\n[").next().expect("its lines");
        let line = format!("{name} = {value}");
        assert!(part.lines().any(|known| known == line), "no {line} in [{table}]");
    }
}

/// The engine's limits by its own tests, the server's by others.
#[test]
fn every_limit_is_named_by_a_test() {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if OTHERS.contains(&name) {
                continue;
            }
            if path.is_dir() {
                walk(&path, files);
            } else if name.ends_with(".rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join("tests"), &mut files);
    let of_engine = root().join("tests/engine");
    let (engine, server): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|path| path.starts_with(&of_engine));
    let texts = |files: Vec<PathBuf>| files.iter().map(read).collect::<Vec<_>>();
    let (engine, server) = (texts(engine), texts(server));
    for (table, name, _) in all() {
        let texts = if table == "history" { &engine } else { &server };
        let is_tested = texts.iter().any(|text| is_named(&name, text));
        assert!(is_tested, "no test names {table}.{name}");
    }
}
