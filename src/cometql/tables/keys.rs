//! What keys may look like: names of pipes and of events, and numbers of users.

use crate::cometql::Error;
use crate::hub::names::{ChannelName, EventName};

const NAME_BYTES_MIN: usize = 3;
const NAME_BYTES_MAX: usize = 64;
const EVENT_BYTES_MAX: usize = 64;
/// The greatest number of a user.
pub const USER_MAX: u32 = 1 << 31;

/// A pipe.
pub fn pipe(name: &str) -> Result<ChannelName, Error> {
    if name.len() < NAME_BYTES_MIN {
        return Err(Error::NameTooShort);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(Error::NameTooLong);
    }
    check_characters(name)?;
    // Narrower than the hub's own rule, so this cannot fail.
    ChannelName::new(name.as_bytes()).map_err(|_| Error::BadCharacter)
}

/// Those of these names that are names of pipes.
pub fn pipes(names: Vec<String>) -> Vec<ChannelName> {
    names.iter().filter_map(|name| pipe(name).ok()).collect()
}

/// An event.
pub fn event(name: &str) -> Result<EventName, Error> {
    if name.len() > EVENT_BYTES_MAX {
        return Err(Error::EventTooLong);
    }
    check_characters(name)?;
    EventName::new(name).map_err(|_| Error::BadCharacter)
}

fn check_characters(name: &str) -> Result<(), Error> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.bytes().all(is_allowed) { Ok(()) } else { Err(Error::BadCharacter) }
}

/// A user's number, not below `least`.
pub fn user(text: &str, least: u32) -> Result<u32, Error> {
    // `parse` alone would also take a leading `+`.
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number =
        text.parse().ok().filter(|number| is_digits && (least..=USER_MAX).contains(number));
    number.ok_or(Error::BadId { least })
}

/// Those of these texts that are users, each once, as the engine calls them.
pub fn users(texts: Vec<String>) -> Vec<Box<str>> {
    let mut seen = std::collections::HashSet::new();
    let numbers = texts.iter().filter_map(|text| user(text, 0).ok());
    numbers.filter(|number| seen.insert(*number)).map(name_of).collect()
}

/// How the engine calls a user.
pub fn name_of(user: u32) -> Box<str> {
    user.to_string().into()
}
