//! Flags as they were written: names known or refused, values bounded.

use encke::cli::nearest;

/// Every flag, and whether a value follows.
const FLAGS: [(&str, bool); 22] = [
    ("--connections", true),
    ("--rate", true),
    ("--duration", true),
    ("--warmup", true),
    ("--depth", true),
    ("--size", true),
    ("--preset", true),
    ("--transport", true),
    ("--subscribe", true),
    ("--ready", true),
    ("--publish", true),
    ("--header", true),
    ("--channel", true),
    ("--workers", true),
    ("--sources", true),
    ("--pid", true),
    ("--steps", true),
    ("--hold", true),
    ("--svg", true),
    ("--json", false),
    ("--quiet", false),
    ("--i-own-this-server", false),
];

/// The one that may be given again.
const REPEATS: &str = "--header";

/// What the arguments say.
#[derive(Default)]
pub struct Flags {
    /// What is no flag, in order.
    pub words: Vec<String>,
    values: Vec<(&'static str, String)>,
}

/// Sorts arguments into words and flags.
pub fn read(arguments: &[String]) -> Result<Flags, String> {
    let mut flags = Flags::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with('-') {
            flags.words.push(argument.clone());
            continue;
        }
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let name = if name == "-n" { "--connections" } else { name };
        let (name, has_value) = *FLAGS.iter().find(|(flag, _)| *flag == name).ok_or_else(|| {
            unknown("option", name, &FLAGS.iter().map(|(flag, _)| *flag).collect::<Vec<_>>())
        })?;
        let value = match (has_value, inline) {
            (true, inline) => inline
                .or_else(|| arguments.next().cloned())
                .ok_or_else(|| format!("{name} needs a value"))?,
            (false, None) => String::new(),
            (false, Some(_)) => return Err(format!("{name} takes no value")),
        };
        if name != REPEATS && flags.has(name) {
            return Err(format!("{name} is given twice"));
        }
        flags.values.push((name, value));
    }
    Ok(flags)
}

/// What to say about a word that we do not know.
pub fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match nearest(word, known) {
        Some(near) => format!("unknown {what} {word}; did you mean {near}?"),
        None => format!("unknown {what} {word}; see encke-bench --help"),
    }
}

impl Flags {
    pub fn has(&self, flag: &str) -> bool {
        self.text(flag).is_some()
    }

    pub fn text(&self, flag: &str) -> Option<&str> {
        self.values.iter().find(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    pub fn texts(&self, flag: &str) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    /// A whole number between two others.
    pub fn count(
        &self,
        flag: &str,
        default: usize,
        least: usize,
        most: usize,
    ) -> Result<usize, String> {
        let Some(text) = self.text(flag) else { return Ok(default) };
        let count = text.parse().ok().filter(|count| (least..=most).contains(count));
        count.ok_or_else(|| format!("{flag}: {text:?} is not a whole number, {least} to {most}"))
    }

    /// A number between two others, with a fraction if wanted.
    pub fn seconds(
        &self,
        flag: &str,
        default: Option<f64>,
        least: f64,
        most: f64,
    ) -> Result<Option<f64>, String> {
        let Some(text) = self.text(flag) else { return Ok(default) };
        let number = text.parse().ok().filter(|number: &f64| (least..=most).contains(number));
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{flag}: {text:?} is not a number, {least} to {most}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::help::HELP;
    use super::*;

    #[test]
    fn the_help_names_every_flag_and_fits_a_screen() {
        for (flag, _) in FLAGS {
            assert!(HELP.contains(flag), "{flag}");
        }
        assert!(HELP.lines().count() <= 40);
        assert!(HELP.lines().all(|line| line.chars().count() <= 86), "its width too");
    }
}
