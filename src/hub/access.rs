//! Who may do what: one table for every dialect.
//!
//! | asks | open (no key) | with the key | key set, not given |
//! |---|---|---|---|
//! | subscribe, read history | yes | yes | yes |
//! | publish, presence | yes | yes | no |
//! | administer (DELETE, list of channels, stats) | yes | yes | no |
//!
//! "Open" is only ever this machine: the server checks that before anybody comes here. Some names are
//! nobody's without the key, whatever the mode; see `guard`.

use std::hint::black_box;

/// What somebody wants to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Listen, or read what is kept.
    Subscribe,
    /// Send a message.
    Publish,
    /// Learn who is there, or how many.
    Presence,
    /// Delete, list, look at the numbers.
    Administer,
}

/// What a request showed of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The tenant has no key: everybody on this machine may do everything.
    Open,
    /// The publish key was given, and is right.
    Key,
    /// No key was given.
    Anonymous,
    /// A key was given, and is wrong.
    WrongKey,
}

/// Why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denied {
    /// With the right key it would be allowed.
    NeedsKey,
    /// Nobody may, on this path.
    Nobody,
}

/// Compares what was given with the tenant's key, if it has one.
pub fn standing(key: Option<&str>, given: Option<&[u8]>) -> Standing {
    match (key, given) {
        (None, _) => Standing::Open,
        (Some(_), None) => Standing::Anonymous,
        (Some(key), Some(given)) if same_secret(key.as_bytes(), given) => Standing::Key,
        _ => Standing::WrongKey,
    }
}

/// The table above, for one channel (`None`: the tenant as a whole).
pub fn may(standing: Standing, action: Action, channel: Option<&str>) -> Result<(), Denied> {
    match (standing, action) {
        (Standing::Key, _) => Ok(()),
        // A wrong key is told so even where none is needed: silence would hide the mistake.
        (Standing::WrongKey, _) => Err(Denied::NeedsKey),
        (Standing::Open, _) | (Standing::Anonymous, Action::Subscribe) => match channel {
            Some(name) => guard(name, action),
            None => Ok(()),
        },
        (Standing::Anonymous, _) => Err(Denied::NeedsKey),
    }
}

/// Names that are nobody's without their own dialect's proof.
const GUARDED: [&str; 5] = ["private_", "webauth_", "private-", "presence-", "#server-to-user-"];
/// Channels whose events only the server makes.
const SERVER_MADE: [&str; 2] = ["track_", "user_status_"];

fn guard(name: &str, action: Action) -> Result<(), Denied> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    match action {
        Action::Administer => Ok(()),
        _ if starts(&GUARDED) => Err(Denied::Nobody),
        Action::Publish if starts(&SERVER_MADE) => Err(Denied::Nobody),
        _ => Ok(()),
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

    #[test]
    fn every_row_of_the_table() {
        use Action::*;
        use Standing::*;
        let rows = [
            (Open, Subscribe, Some("a"), Ok(())),
            (Open, Publish, Some("a"), Ok(())),
            (Open, Administer, None, Ok(())),
            (Open, Subscribe, Some("private_a"), Err(Denied::Nobody)),
            (Open, Publish, Some("webauth_a"), Err(Denied::Nobody)),
            (Open, Subscribe, Some("track_a"), Ok(())),
            (Open, Publish, Some("track_a"), Err(Denied::Nobody)),
            (Open, Publish, Some("user_status_7"), Err(Denied::Nobody)),
            (Key, Publish, Some("private_a"), Ok(())),
            (Key, Administer, None, Ok(())),
            (Anonymous, Subscribe, Some("a"), Ok(())),
            (Anonymous, Subscribe, Some("presence-a"), Err(Denied::Nobody)),
            (Anonymous, Publish, Some("a"), Err(Denied::NeedsKey)),
            (Anonymous, Presence, Some("a"), Err(Denied::NeedsKey)),
            (Anonymous, Administer, None, Err(Denied::NeedsKey)),
            (WrongKey, Subscribe, Some("a"), Err(Denied::NeedsKey)),
        ];
        for (standing, action, channel, expect) in rows {
            assert_eq!(
                may(standing, action, channel),
                expect,
                "{standing:?} {action:?} {channel:?}"
            );
        }
    }

    #[test]
    fn secrets_are_equal_only_when_whole() {
        assert!(same_secret(b"abc", b"abc"));
        for wrong in [&b"abd"[..], b"ab", b"abcd", b""] {
            assert!(!same_secret(b"abc", wrong));
        }
        assert_eq!(standing(None, Some(b"x")), Standing::Open);
        assert_eq!(standing(Some("k"), Some(b"k")), Standing::Key);
        assert_eq!(standing(Some("k"), Some(b"x")), Standing::WrongKey);
        assert_eq!(standing(Some("k"), None), Standing::Anonymous);
    }
}
