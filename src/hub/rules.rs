//! Channel rules: what an operator decides for channels whose names begin alike.
//!
//! Of several rules that fit a name the one with the longest prefix counts, alone: what it does not set
//! is as if there were no rule.

/// Whom something is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Everybody who is let in at all.
    Anyone,
    /// Who shows a token that covers the channel.
    Token,
    /// Only who has the publish key.
    Nobody,
}

/// What holds for channels with a prefix.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Rule {
    /// What their names begin with; empty: all channels.
    pub prefix: Box<str>,
    /// Who may listen, and read what is kept.
    pub subscribe: Option<Who>,
    /// Who may publish.
    pub publish: Option<Who>,
    /// Who may see who is there.
    pub presence: Option<Who>,
    /// How many messages are kept and shown; 0 keeps 30 seconds for resuming alone.
    pub history: Option<usize>,
    /// Whether subscribers are told of users who join and leave.
    pub events: bool,
    /// Whether data that is JSON is passed on as a JSON value.
    pub json: bool,
}

/// The rule that holds for a channel.
pub fn rule_for<'a>(rules: &'a [Rule], channel: &str) -> Option<&'a Rule> {
    let fitting = rules.iter().filter(|rule| channel.starts_with(&*rule.prefix));
    fitting.max_by_key(|rule| rule.prefix.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_counts_alone() {
        let rule = |prefix: &str, json| Rule { prefix: prefix.into(), json, ..Rule::default() };
        let rules = [rule("", false), rule("news.eu", true), rule("news", false)];
        let found = |name| rule_for(&rules, name).map(|rule| &*rule.prefix);
        assert_eq!(found("news.eu.de"), Some("news.eu"));
        assert_eq!(found("news.us"), Some("news"));
        assert_eq!(found("other"), Some(""));
        assert_eq!(rule_for(&rules[1..], "other"), None);
    }
}
