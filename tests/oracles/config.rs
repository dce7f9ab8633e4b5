//! A configuration file: taken, or refused in one line that says where.

use std::fs;
use std::path::Path;

use encke::cli::{Command, UsageError, parse};

/// `file` is written to.
pub fn check(input: &[u8], file: &Path) {
    fs::write(file, input).expect("room for a file");
    let name = file.to_str().expect("a plain name").to_owned();
    match parse(["--config".to_owned(), name.clone()], |_| None) {
        Ok(Command::Run(config)) => {
            assert!(!config.tenants.is_empty());
            assert!(!config.http.is_empty() || !config.https.is_empty());
            let settings = config.settings(1_000, None);
            assert!(settings.limits.connections_max > 0);
        }
        Ok(other) => panic!("no wish to run: {other:?}"),
        Err(UsageError(line)) => check_line(&line, &name, input),
    }
}

fn check_line(line: &str, name: &str, input: &[u8]) {
    let shown = || format!("{line:?} of {}", input.escape_ascii());
    assert!(!line.contains(char::is_control), "one line: {}", shown());
    if std::str::from_utf8(input).is_err() {
        return assert!(line.starts_with(&format!("cannot read {name}: ")), "{}", shown());
    }
    let place = line.strip_prefix(&format!("{name}:"));
    let number = place.and_then(|place| place.split(':').next()?.parse::<usize>().ok());
    let lines = 1 + input.iter().filter(|&&byte| byte == b'\n').count();
    assert!(number.is_some_and(|number| (1..=lines).contains(&number)), "where? {}", shown());
}
