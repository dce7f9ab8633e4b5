//! A mistake somewhere in a file is told with its line.

use std::fs;

use encke::cli::{Command, UsageError, parse};

use crate::support::random::{Random, rounds};

const LINES: [&str; 6] = ["", "# a comment", "", "\t", "deflate = false", "retry_ms = 1"];
const MISTAKES: [(&str, &str); 6] = [
    ("frobnicate = 1", "frobnicate"),
    ("http = 7", "http"),
    ("publish_key = \"\"", "publish_key"),
    ("dev_id = -1", "dev_id"),
    ("origin = \"nowhere\"", "origin"),
    ("echo = [\"/a\", \"b\"]", "echo"),
];

#[test]
fn a_mistake_is_told_with_its_line() {
    let folder = std::env::temp_dir().join(format!("encke-random-lines-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let name = folder.join("encke.toml").to_str().expect("a plain name").to_owned();
    for seed in 0..rounds(500) {
        let mut random = Random::new(seed);
        let mut lines: Vec<_> = (0..random.below(8)).map(|_| random.pick(&LINES[..4])).collect();
        let (mistake, word) = random.pick(&MISTAKES);
        let at = random.below(lines.len() + 1);
        lines.insert(at, mistake);
        if random.one_in(2) {
            lines.insert(random.below(at + 1), LINES[4]);
        }
        let number = 1 + lines.iter().position(|line| *line == mistake).expect("it is there");
        if random.one_in(2) {
            lines.extend(["[limits]", LINES[5]]);
        }
        fs::write(&name, lines.join(random.pick(&["\n", "\r\n"]))).expect("room for a file");
        let arguments = ["--config".to_owned(), name.clone()];
        match parse(arguments, |_| None) {
            Err(UsageError(line)) => {
                let place = format!("{name}:{number}: ");
                assert!(line.starts_with(&place) && line.contains(word), "seed {seed}: {line}");
            }
            Ok(Command::Run(_)) => panic!("seed {seed}: taken, with {mistake}"),
            Ok(other) => panic!("seed {seed}: {other:?}"),
        }
    }
    fs::remove_dir_all(&folder).expect("it was ours");
}
