//! The address of a connection, which is all that a CometServerApi client says of itself.
//!
//! ```text
//! /ws/sesion=KEY&myid=7&devid=1&v=4.08&uuid=UUID&api=js
//!            ↑   └────── four by place ────────┘ └ all further ones by name
//!            behind the first =
//! ```
//! None of it is a query string, and nothing is percent-encoded. The first four fields are known by
//! their places, and what stands before their `=` is not looked at, except for `v`: so it is with
//! CppComet, whose refusals say which place was empty. A key that is wrong is no reason to refuse: who
//! shows it is merely nobody.
//!
//! Clients of our own say `api=encke`, percent-encode the key, and may add fields, percent-encoded too:
//! `pipes` (names, by commas), `since` and `msg` (cursors of the channels and of the personal
//! messages), `transport`, `session` and `n` (the number of a command that comes by POST). An
//! unreadable one is refused with a code that ends the client's attempts, since the next attempt would
//! be the same.

use std::borrow::Cow;
use std::fmt;

use super::variant;
use crate::hub::delivery::Transport;
use crate::hub::message::MessageId;
use crate::hub::names::ChannelName;
use crate::proto::url;

/// Longest key, in bytes: a token needs the room.
pub const KEY_BYTES_MAX: usize = 600;
/// Largest id of a user.
pub const USER_MAX: u32 = 1 << 31;
/// Most characters of a client's own id; what follows them is dropped.
pub const UUID_CHARACTERS_MAX: usize = 32;

const PREFIXES: [&[u8]; 4] = [b"/ws/", b"//ws/", b"/comet-server/ws/", b"//comet-server/ws/"];

/// Who connects, as it says itself. Nothing of it is proven yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// A hash or a token. `None` if there is none, or `has_bad_key`.
    pub key: Option<Box<str>>,
    /// A key was given that cannot be one: over `KEY_BYTES_MAX`, or not UTF-8.
    pub has_bad_key: bool,
    /// Who it wants to be, at most `USER_MAX`; 0: nobody.
    pub user: u32,
    /// Which tenant it wants to reach; 0: none was named.
    pub dev_id: u32,
    /// Version of the client, major and minor.
    pub version: (u16, u16),
    /// The browser profile's own id.
    pub uuid: Option<Uuid>,
    /// Whose client it is.
    pub api: Api,
    /// The name of its session, 16 to 64 of `A-Z a-z 0-9 _ -`; only with `Api::Encke`.
    pub session: Option<Box<str>>,
    /// Channels to begin with, each once.
    pub channels: Vec<ChannelName>,
    /// What it has seen of its channels.
    pub since: Option<MessageId>,
    /// What it has seen of its personal messages.
    pub personal_since: Option<MessageId>,
    /// Whether it polls.
    pub transport_poll: bool,
    /// The number of the command that comes with this request. Clients count from the time in
    /// milliseconds.
    pub command_number: Option<u64>,
}

/// Whose client it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Api {
    /// CometServerApi.js, or whatever else speaks as it does.
    Official,
    /// Our own, which is shown ids.
    Encke,
}

impl Hello {
    /// The variant of this client's format.
    pub fn variant(&self) -> u16 {
        let legacy = if self.version.0 < 4 { variant::LEGACY } else { 0 };
        let ids = if self.api == Api::Encke { variant::IDS } else { 0 };
        variant::JSON | legacy | ids
    }
}

/// Why a connection is not kept. It is told in one frame, and then the socket drops.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// Above 400, which ends the client's attempts.
    pub code: u16,
    /// What it is told.
    pub text: &'static str,
}

impl Rejection {
    /// There is no `=`.
    pub const NO_SESSION: Rejection =
        Rejection { code: 401, text: "Error code 401(Invalid request, session ID not found)" };
    /// There is no first field.
    pub const NO_USER: Rejection = Rejection {
        code: 401,
        text: "Error code 401(Invalid request, the user ID can not be found)",
    };
    /// There is no second field.
    pub const NO_DEV_ID: Rejection =
        Rejection { code: 406, text: "Error code 406(Invalid request, no public key found [1])" };
    /// The third field is not `v=` and two numbers, or is the last.
    pub const NO_VERSION: Rejection = Rejection {
        code: 418,
        text: "Error code 418(Invalid request Not assigned client api version)\n",
    };
    /// The page is of an origin that is not let in. Found by the server, not here.
    pub const ORIGIN: Rejection = Rejection {
        code: 423,
        text: "Error code 423(Access denied, Request from unauthorized domain.)",
    };

    const fn field(text: &'static str) -> Rejection {
        Rejection { code: 422, text }
    }
}

/// Whether a raw path, behind a tenant's own prefix, is a CometServerApi connection.
pub fn is_path(path: &[u8]) -> bool {
    fields_text(path).is_some()
}

/// Understands such a path. `names_max` is how many channels a connection may have.
pub fn parse(path: &[u8], names_max: usize) -> Result<Hello, Rejection> {
    let text = fields_text(path).ok_or(Rejection::NO_SESSION)?;
    let equals = text.iter().position(|&byte| byte == b'=').ok_or(Rejection::NO_SESSION)?;
    let mut fields = text[equals + 1..].split(|&byte| byte == b'&');
    let raw_key = fields.next().unwrap_or_default();
    let user = value(fields.next().ok_or(Rejection::NO_USER)?);
    let dev_id = value(fields.next().ok_or(Rejection::NO_DEV_ID)?);
    let version = fields.next().and_then(version).ok_or(Rejection::NO_VERSION)?;
    // The peer wants the `&` behind the version, so there is a fourth field, if only an empty one.
    let uuid = value(fields.next().ok_or(Rejection::NO_VERSION)?);
    let is_ours = fields.clone().any(|field| field == b"api=encke");
    let api = if is_ours { Api::Encke } else { Api::Official };
    let (key, has_bad_key) = key(raw_key, api);
    let mut hello = Hello {
        key,
        has_bad_key,
        user: number(user).filter(|&user| user <= USER_MAX).unwrap_or(0),
        dev_id: number(dev_id).unwrap_or(0),
        version,
        uuid: Uuid::new(uuid),
        api,
        session: None,
        channels: Vec::new(),
        since: None,
        personal_since: None,
        transport_poll: false,
        command_number: None,
    };
    for field in fields {
        set(&mut hello, field, names_max)?;
    }
    Ok(hello)
}

fn fields_text(path: &[u8]) -> Option<&[u8]> {
    PREFIXES.into_iter().find_map(|prefix| path.strip_prefix(prefix))
}

/// What is behind a field's `=`.
fn value(field: &[u8]) -> &[u8] {
    let equals = field.iter().position(|&byte| byte == b'=');
    equals.map_or(&[], |at| &field[at + 1..])
}

/// The client writes the text of a value that is not set.
fn is_unset(value: &[u8]) -> bool {
    matches!(value, b"" | b"undefined" | b"null")
}

fn key(raw: &[u8], api: Api) -> (Option<Box<str>>, bool) {
    let decoded = match api {
        Api::Official => Ok(Cow::Borrowed(raw)),
        Api::Encke => url::percent_decode(raw),
    };
    let Ok(decoded) = decoded else { return (None, true) };
    if is_unset(&decoded) {
        return (None, false);
    }
    let text = std::str::from_utf8(&decoded).ok().filter(|text| text.len() <= KEY_BYTES_MAX);
    (text.map(Into::into), text.is_none())
}

/// Digits alone: `str::parse` would also take a sign.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn version(field: &[u8]) -> Option<(u16, u16)> {
    let version = field.strip_prefix(b"v=")?;
    let point = version.iter().position(|&byte| byte == b'.')?;
    Some((number(&version[..point])?, number(&version[point + 1..])?))
}

fn set(hello: &mut Hello, field: &[u8], names_max: usize) -> Result<(), Rejection> {
    let name = field.split(|&byte| byte == b'=').next().unwrap_or_default();
    let decoded = || {
        let not_text = Rejection::field("a field is percent-encoded UTF-8");
        let bytes = url::percent_decode(value(field)).map_err(|_| not_text)?.into_owned();
        String::from_utf8(bytes).map_err(|_| not_text)
    };
    match name {
        b"session" if hello.api == Api::Encke => hello.session = session(decoded()?)?,
        b"pipes" => hello.channels = channels(&decoded()?, names_max)?,
        b"since" => hello.since = cursor(&decoded()?)?,
        b"msg" => hello.personal_since = cursor(&decoded()?)?,
        b"transport" => hello.transport_poll = is_poll(&decoded()?)?,
        b"n" => {
            let bad_number = Rejection::field("n is the number of a command");
            hello.command_number = Some(number(value(field)).ok_or(bad_number)?);
        }
        _ => {}
    }
    Ok(())
}

fn session(name: String) -> Result<Option<Box<str>>, Rejection> {
    match name.len() {
        0 => Ok(None),
        16..=64 if name.bytes().all(is_name_byte) => Ok(Some(name.into())),
        _ => Err(Rejection::field("a session is 16 to 64 random characters of A-Z a-z 0-9 - _")),
    }
}

fn channels(list: &str, names_max: usize) -> Result<Vec<ChannelName>, Rejection> {
    let mut channels: Vec<ChannelName> = Vec::new();
    for name in list.split(',').filter(|name| !name.is_empty()) {
        let is_good = (2..=super::NAME_BYTES_MAX).contains(&name.len());
        let name = Some(name).filter(|name| is_good && name.bytes().all(is_name_byte));
        let name = name.and_then(|name| ChannelName::new(name.as_bytes()).ok());
        let name = name.ok_or(Rejection::field("pipes are names of 2 to 64 of A-Z a-z 0-9 - _"))?;
        if channels.contains(&name) {
            continue;
        }
        if channels.len() >= names_max {
            return Err(Rejection::field("pipes are more than a client may have"));
        }
        channels.push(name);
    }
    Ok(channels)
}

/// An empty one is that of a client which has seen nothing yet.
fn cursor(text: &str) -> Result<Option<MessageId>, Rejection> {
    if text.is_empty() {
        return Ok(None);
    }
    let bad_cursor = Rejection::field("a cursor is the id of a message, like 1763690000-1");
    text.parse().map(Some).map_err(|_| bad_cursor)
}

/// Other transports than polling show themselves by the request's headers.
fn is_poll(name: &str) -> Result<bool, Rejection> {
    let transport = Transport::ALL.into_iter().find(|transport| transport.name() == name);
    match transport {
        Some(Transport::LongPoll) => Ok(true),
        Some(Transport::WebSocket | Transport::EventStream) => Ok(false),
        _ => Err(Rejection::field("transport is one of ws, sse, poll")),
    }
}

/// Whether a byte may stand in a channel's name, here and in commands.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The id that a browser profile chose for itself: 1 to 32 of `A-Z a-z 0-9 _ -`. At six bits a
/// character they take 24 bytes of an idle connection, not 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uuid {
    /// Character `i` in the bits from `6 * i`, the low ones first; unused bits are 0.
    bits: [u8; UUID_CHARACTERS_MAX * 6 / 8],
    /// Characters.
    len: u8,
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

impl Uuid {
    /// `None` if there is no character, or one that is not of the alphabet, in what is looked at.
    pub fn new(text: &[u8]) -> Option<Uuid> {
        let text = &text[..text.len().min(UUID_CHARACTERS_MAX)];
        let mut uuid = Uuid { bits: [0; UUID_CHARACTERS_MAX * 6 / 8], len: text.len() as u8 };
        for (place, byte) in text.iter().enumerate() {
            let index = ALPHABET.iter().position(|known| known == byte)?;
            let (at, shift) = (place * 6 / 8, place * 6 % 8);
            let [low, high] = ((index as u16) << shift).to_le_bytes();
            uuid.bits[at] |= low;
            if high != 0 {
                uuid.bits[at + 1] |= high;
            }
        }
        (uuid.len > 0).then_some(uuid)
    }

    fn character(&self, place: usize) -> char {
        let (at, shift) = (place * 6 / 8, place * 6 % 8);
        let high = self.bits.get(at + 1).copied().unwrap_or(0);
        let bits = u16::from_le_bytes([self.bits[at], high]) >> shift;
        char::from(ALPHABET[usize::from(bits & 63)])
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..usize::from(self.len)).try_for_each(|place| write!(f, "{}", self.character(place)))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
