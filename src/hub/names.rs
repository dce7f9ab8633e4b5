//! The names people choose, checked where they enter: of channels and of events.
//!
//! Inside the hub every channel is a `ChannelId`, a number that lives as long as somebody listens.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::rc::Rc;

/// Longest channel name, in bytes.
pub const CHANNEL_NAME_BYTES_MAX: usize = 200;
/// Longest event name, in bytes.
pub const EVENT_NAME_BYTES_MAX: usize = 128;
/// Event names beginning so are made by the server alone.
pub const RESERVED_EVENT_PREFIX: &str = "encke:";

/// Why a name was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameError {
    /// No bytes at all, where a channel needs at least one.
    Empty,
    /// Above `CHANNEL_NAME_BYTES_MAX` or `EVENT_NAME_BYTES_MAX`.
    TooLong,
    /// A byte outside the allowed set.
    BadCharacter,
    /// An event name that only the server may use.
    Reserved,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NameError::Empty => "a channel name is missing",
            NameError::TooLong => "a name is too long (channel 200 bytes, event 128)",
            NameError::BadCharacter => {
                "a channel name may hold A-Z a-z 0-9 _ . : @ # $ = -, an event name no control characters"
            }
            NameError::Reserved => "event names beginning encke: are the server's own",
        })
    }
}

/// A channel's name: 1–200 bytes of `A-Z a-z 0-9 _ . : @ # $ = -`, shared by all who hold it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ChannelName(Rc<str>);

impl ChannelName {
    /// Checks a decoded name.
    pub fn new(name: &[u8]) -> Result<ChannelName, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > CHANNEL_NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if !name.iter().all(|&byte| is_channel_byte(byte)) {
            return Err(NameError::BadCharacter);
        }
        // Every allowed byte is ASCII, so this cannot fail; if it did, it would be a bad character.
        let name = std::str::from_utf8(name).map_err(|_| NameError::BadCharacter)?;
        Ok(ChannelName(name.into()))
    }
}

fn is_channel_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'.' | b':' | b'@' | b'#' | b'$' | b'=' | b'-')
}

impl Deref for ChannelName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An event name: 0–128 bytes of UTF-8 without control characters. Most messages have the empty one.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct EventName(Box<str>);

impl EventName {
    /// Checks a name that came from outside; those of the server are refused.
    pub fn new(name: &str) -> Result<EventName, NameError> {
        if name.starts_with(RESERVED_EVENT_PREFIX) {
            return Err(NameError::Reserved);
        }
        if name.len() > EVENT_NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(NameError::BadCharacter);
        }
        Ok(EventName(name.into()))
    }

    /// One of the server's own, such as `encke:lost`.
    pub fn of_server(name: &'static str) -> EventName {
        debug_assert!(name.starts_with(RESERVED_EVENT_PREFIX));
        EventName(name.into())
    }
}

impl Deref for EventName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
