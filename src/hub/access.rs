//! Who may do what: one table for every dialect.
//!
//! | asks | no key configured | key given | neither | with a token |
//! |---|---|---|---|---|
//! | subscribe, read what is kept | yes | yes | yes | yes |
//! | publish, presence | yes | yes | no | no |
//! | administer (DELETE, list, users, numbers) | yes | yes | no | no |
//!
//! "No key configured" is only ever this machine: the server checks that before anybody comes here.
//! Channel rules replace the first two rows for the channels they name: anyone, token (whose patterns
//! cover the channel), or nobody but the key. Some names are nobody's unless a rule says otherwise, and
//! what only the server says cannot be published without the key at all.

use std::hint::black_box;
use std::rc::Rc;

use super::rules::{Rule, Who, rule_for};

/// What somebody wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Listen, or read what is kept.
    Subscribe,
    /// Send a message.
    Publish,
    /// Learn who is there, or how many.
    Presence,
    /// Delete, list, reach users, look at the numbers.
    Administer,
}

/// What a request showed of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing was shown, and the tenant has no key: everybody on this machine may do everything.
    Open,
    /// The publish key was given, and is right.
    Key,
    /// A good token was given.
    Token(Rc<Claims>),
    /// Nothing was shown.
    Anonymous,
    /// Something was given that is neither the key nor a good token.
    Wrong,
}

/// What a good token says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claims {
    /// Who it is.
    pub user: Option<Box<str>>,
    /// Until when, in Unix seconds.
    pub expires: Option<u64>,
    /// Where it may listen.
    pub channels: Vec<Pattern>,
    /// Where it may publish.
    pub publish: Vec<Pattern>,
}

/// A channel's name, or a prefix with a `*` behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(pub Box<str>);

impl Pattern {
    /// Whether a channel fits.
    pub fn covers(&self, channel: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => channel.starts_with(prefix),
            None => *self.0 == *channel,
        }
    }
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// With the publish key it would be allowed.
    NeedsKey,
    /// With a token for this channel it would be allowed.
    NeedsToken,
    /// What was shown is no good.
    Wrong,
    /// What was shown is good, but not for this; or nobody may, on this path.
    Forbidden,
}

/// The table above, for one channel (`None`: the tenant as a whole).
pub fn may(
    standing: &Standing,
    rules: &[Rule],
    action: Action,
    channel: Option<&str>,
) -> Result<(), Denied> {
    match standing {
        Standing::Key => return Ok(()),
        // Told so even where nothing is needed: silence would hide the mistake.
        Standing::Wrong => return Err(Denied::Wrong),
        _ => {}
    }
    let is_open = *standing == Standing::Open;
    let Some(channel) = channel else {
        return if is_open { Ok(()) } else { Err(Denied::NeedsKey) };
    };
    match whose(is_open, rules, action, channel)? {
        Who::Anyone => Ok(()),
        Who::Nobody => Err(Denied::NeedsKey),
        Who::Token => match standing {
            Standing::Token(claims) if claims.cover(action, channel) => Ok(()),
            Standing::Token(_) => Err(Denied::Forbidden),
            _ => Err(Denied::NeedsToken),
        },
    }
}

/// What a client of CometServerApi may do on a channel: a rule decides, and it can show no token that one
/// asks for; without a rule the beginning of the channel's name does.
///
/// | name | listen, read | publish | count, list |
/// |---|---|---|---|
/// | `web_…` | anyone | anyone | anyone |
/// | `webauth_…` | anyone | users | no |
/// | `track_…` | anyone | no | anyone |
/// | `private_…` | users | no | no |
/// | `private-…`, `presence-…`, `#server-to-user-…` | no | no | no |
/// | any other | anyone | no | no |
pub fn session_may(
    is_user: bool,
    rules: &[Rule],
    action: Action,
    channel: &str,
) -> Result<(), Denied> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| channel.starts_with(prefix));
    if action == Action::Publish && starts(&SERVER_MADE) {
        return Err(Denied::Forbidden);
    }
    match set_by_rule(rules, action, channel) {
        Some(Who::Anyone) => return Ok(()),
        Some(Who::Token) => return Err(Denied::NeedsToken),
        Some(Who::Nobody) => return Err(Denied::NeedsKey),
        None => {}
    }
    let is_allowed = match action {
        Action::Subscribe if starts(&["private_"]) => is_user,
        Action::Subscribe => starts(&["webauth_"]) || !starts(&GUARDED),
        Action::Publish => starts(&["web_"]) || (is_user && starts(&["webauth_"])),
        Action::Presence => starts(&["web_", "track_"]),
        Action::Administer => false,
    };
    if is_allowed { Ok(()) } else { Err(Denied::Forbidden) }
}

/// Names that are nobody's without their own dialect's proof, or a rule.
const GUARDED: [&str; 5] = ["private_", "webauth_", "private-", "presence-", "#server-to-user-"];
/// Channels whose events only the server makes.
const SERVER_MADE: [&str; 2] = ["track_", "user_status_"];

fn whose(is_open: bool, rules: &[Rule], action: Action, channel: &str) -> Result<Who, Denied> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| channel.starts_with(prefix));
    if action == Action::Publish && starts(&SERVER_MADE) {
        return Err(Denied::Forbidden);
    }
    match (set_by_rule(rules, action, channel), action) {
        (Some(who), _) => Ok(who),
        (None, Action::Subscribe | Action::Publish | Action::Presence) if starts(&GUARDED) => {
            Err(Denied::Forbidden)
        }
        (None, Action::Subscribe) => Ok(Who::Anyone),
        (None, _) if is_open => Ok(Who::Anyone),
        (None, _) => Ok(Who::Nobody),
    }
}

fn set_by_rule(rules: &[Rule], action: Action, channel: &str) -> Option<Who> {
    let rule = rule_for(rules, channel)?;
    match action {
        Action::Subscribe => rule.subscribe,
        Action::Publish => rule.publish,
        Action::Presence => rule.presence,
        Action::Administer => None,
    }
}

impl Claims {
    fn cover(&self, action: Action, channel: &str) -> bool {
        let patterns = if action == Action::Publish { &self.publish } else { &self.channels };
        patterns.iter().any(|pattern| pattern.covers(channel))
    }

    /// Whether its time is over.
    pub fn is_over(&self, unix_second: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= unix_second)
    }
}

/// Compares secrets in a time that tells nothing but their lengths.
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    one.len() == other.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action::*;
    use Denied::*;

    fn token(channels: &[&str], publish: &[&str]) -> Standing {
        let patterns = |list: &[&str]| list.iter().map(|&text| Pattern(text.into())).collect();
        let claims = Claims {
            channels: patterns(channels),
            publish: patterns(publish),
            ..Claims::default()
        };
        Standing::Token(Rc::new(claims))
    }

    #[test]
    fn every_row_of_the_table_without_rules() {
        let token = token(&["*"], &["*"]);
        let rows = [
            (&Standing::Open, Subscribe, Some("a"), Ok(())),
            (&Standing::Open, Publish, Some("a"), Ok(())),
            (&Standing::Open, Presence, Some("a"), Ok(())),
            (&Standing::Open, Administer, None, Ok(())),
            (&Standing::Open, Administer, Some("a"), Ok(())),
            (&Standing::Open, Subscribe, Some("private_a"), Err(Forbidden)),
            (&Standing::Open, Publish, Some("webauth_a"), Err(Forbidden)),
            (&Standing::Open, Subscribe, Some("track_a"), Ok(())),
            (&Standing::Open, Publish, Some("track_a"), Err(Forbidden)),
            (&Standing::Open, Publish, Some("user_status_7"), Err(Forbidden)),
            (&Standing::Open, Administer, Some("private_a"), Ok(())),
            (&Standing::Key, Publish, Some("private_a"), Ok(())),
            (&Standing::Key, Publish, Some("track_a"), Ok(())),
            (&Standing::Key, Administer, None, Ok(())),
            (&Standing::Anonymous, Subscribe, Some("a"), Ok(())),
            (&Standing::Anonymous, Subscribe, Some("presence-a"), Err(Forbidden)),
            (&Standing::Anonymous, Publish, Some("a"), Err(NeedsKey)),
            (&Standing::Anonymous, Presence, Some("a"), Err(NeedsKey)),
            (&Standing::Anonymous, Administer, Some("a"), Err(NeedsKey)),
            (&Standing::Anonymous, Administer, None, Err(NeedsKey)),
            (&token, Subscribe, Some("a"), Ok(())),
            (&token, Publish, Some("a"), Err(NeedsKey)),
            (&token, Administer, None, Err(NeedsKey)),
            (&token, Subscribe, Some("#server-to-user-7"), Err(Forbidden)),
            (&Standing::Wrong, Subscribe, Some("a"), Err(Wrong)),
            (&Standing::Wrong, Administer, None, Err(Wrong)),
        ];
        for (standing, action, channel, expect) in rows {
            let verdict = may(standing, &[], action, channel);
            assert_eq!(verdict, expect, "{standing:?} {action:?} {channel:?}");
        }
    }

    #[test]
    fn rules_replace_the_rows() {
        let rule = |prefix: &str, who| Rule {
            prefix: prefix.into(),
            subscribe: Some(who),
            publish: Some(who),
            presence: Some(who),
            ..Rule::default()
        };
        let rules =
            [rule("free", Who::Anyone), rule("room", Who::Token), rule("closed", Who::Nobody)];
        let mine = token(&["room*"], &["room.a"]);
        let rows = [
            (&Standing::Anonymous, Publish, "free", Ok(())),
            (&Standing::Anonymous, Presence, "free", Ok(())),
            (&Standing::Anonymous, Subscribe, "room.a", Err(NeedsToken)),
            (&Standing::Open, Subscribe, "room.a", Err(NeedsToken)),
            (&mine, Subscribe, "room.a", Ok(())),
            (&mine, Presence, "room.b", Ok(())),
            (&mine, Publish, "room.a", Ok(())),
            (&mine, Publish, "room.b", Err(Forbidden)),
            (&mine, Subscribe, "closed", Err(NeedsKey)),
            (&Standing::Open, Publish, "closed", Err(NeedsKey)),
            (&Standing::Key, Publish, "closed", Ok(())),
            (&Standing::Wrong, Subscribe, "free", Err(Wrong)),
        ];
        for (standing, action, channel, expect) in rows {
            let verdict = may(standing, &rules, action, Some(channel));
            assert_eq!(verdict, expect, "{standing:?} {action:?} {channel}");
        }
        let private = [rule("private_", Who::Token), rule("track_", Who::Anyone)];
        assert_eq!(
            may(&token(&["private_7"], &[]), &private, Subscribe, Some("private_7")),
            Ok(())
        );
        let track = may(&Standing::Anonymous, &private, Publish, Some("track_a"));
        assert_eq!(track, Err(Forbidden), "no rule lets a browser say what only the server says");
    }

    #[test]
    fn names_decide_what_a_session_may() {
        let rows = [
            ("web_a", [true, true, true], [true, true, true]),
            ("webauth_a", [true, false, false], [true, true, false]),
            ("track_a", [true, false, true], [true, false, true]),
            ("private_a", [false, false, false], [true, false, false]),
            ("private-a", [false, false, false], [false, false, false]),
            ("presence-a", [false, false, false], [false, false, false]),
            ("user_status_7", [true, false, false], [true, false, false]),
            ("chat", [true, false, false], [true, false, false]),
        ];
        for (channel, anonymous, user) in rows {
            for (is_user, expect) in [(false, anonymous), (true, user)] {
                let may = |action| session_may(is_user, &[], action, channel).is_ok();
                assert_eq!([Subscribe, Publish, Presence].map(may), expect, "{channel} {is_user}");
                assert!(!may(Administer));
            }
        }
        let rule = |prefix: &str, who| Rule {
            prefix: prefix.into(),
            subscribe: Some(who),
            publish: Some(who),
            presence: Some(who),
            ..Rule::default()
        };
        let rules = [rule("", Who::Anyone), rule("web_", Who::Token), rule("track_", Who::Anyone)];
        let may = |action, channel| session_may(true, &rules, action, channel);
        assert_eq!(may(Publish, "chat"), Ok(()), "a rule opens");
        assert_eq!(may(Subscribe, "web_a"), Err(NeedsToken), "a rule closes");
        assert_eq!(may(Publish, "track_a"), Err(Forbidden), "what the server says stays its own");
    }

    #[test]
    fn secrets_are_equal_only_when_whole() {
        assert!(same_secret(b"abc", b"abc"));
        for wrong in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!same_secret(b"abc", wrong));
        }
    }
}
