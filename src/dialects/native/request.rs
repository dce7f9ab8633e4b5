//! Requests to the channel URLs, understood: a path, a method and some headers become a `Request`.
//!
//! A cursor comes as `Last-Event-ID`, else `If-None-Match`, else `?since=`, which stays in an
//! EventSource's URL for ever.

use std::borrow::Cow;

use crate::hub::command::Start;
use crate::hub::delivery::Transport;
use crate::hub::message::MessageId;
use crate::hub::names::{ChannelName, EventName, NameError};
use crate::proto::http1::{Head, Method};
use crate::proto::{url, ws_handshake};

/// What somebody asks of the channel URLs.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// Publish the body that follows.
    Publish(Publish),
    /// Listen.
    Subscribe(Subscribe),
    /// Show what is kept.
    History {
        /// Of which channels.
        channels: Vec<ChannelName>,
        /// From where.
        start: Start,
    },
    /// Show who is there.
    Presence(ChannelName),
    /// Forget it.
    Delete(ChannelName),
    /// Show all channels.
    List,
    /// Publish the body that follows to every device of a user.
    PublishToUser(PublishToUser),
}

/// A publish to one user, before its body is there.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct PublishToUser {
    /// Who.
    pub user: Box<str>,
    /// As what.
    pub event: EventName,
}

/// A publish, before its body is there.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Publish {
    /// Where to, each once.
    pub channels: Vec<ChannelName>,
    /// As what.
    pub event: EventName,
    /// For a client that may ask twice.
    pub idempotency_key: Option<Box<str>>,
}

/// A wish to listen.
#[derive(Debug, PartialEq, Eq, Clone)]
pub struct Subscribe {
    /// Where, each once.
    pub channels: Vec<ChannelName>,
    /// How the messages come.
    pub transport: Transport,
    /// Whether they come as JSON objects, where there is a choice.
    pub as_json: bool,
    /// Whether it wants to know how many listen.
    pub watches: bool,
    /// From where; `None`: from now.
    pub start: Option<Start>,
    /// How long a poll may be parked.
    pub wait_seconds: Option<u16>,
    /// The function that a JSONP answer or an iframe calls.
    pub callback: Option<Box<str>>,
    /// The name of a poll's session.
    pub session: Option<Box<str>>,
    /// The WebSocket subprotocol to agree to.
    pub subprotocol: Option<&'static str>,
}

/// Why a request cannot be understood: an HTTP status and what to tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// One sentence for a person.
    pub explain: Cow<'static, str>,
    /// The value of an `Allow` header.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A status and a sentence.
    pub fn new(status: u16, explain: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { status, explain: explain.into(), allow: None }
    }
}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Refusal {
        Refusal::new(400, error.to_string())
    }
}

impl From<url::Error> for Refusal {
    fn from(_: url::Error) -> Refusal {
        Refusal::new(400, "a percent sign must be followed by two hexadecimal digits")
    }
}

/// The subprotocol that means `?format=json`.
pub const JSON_SUBPROTOCOL: &str = "encke.json";
/// What may be asked of `/channels/NAME`.
pub const CHANNEL_METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";
/// What may be asked of `/users/ID`.
pub const USER_METHODS: &str = "POST, OPTIONS";
/// What may be asked of everything that is only read.
pub const READ_METHODS: &str = "GET, HEAD, OPTIONS";

/// Longest user id, in bytes.
pub const USER_BYTES_MAX: usize = 128;

const CALLBACK_BYTES_MAX: usize = 64;
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;

/// Understands a request whose path is below `/channels`; `path` is what follows that, raw.
pub fn parse(head: &Head<'_>, path: &[u8], channels_max: usize) -> Result<Request, Refusal> {
    let mut segments = path.split(|&byte| byte == b'/').skip(1);
    let names = segments.next().filter(|names| !names.is_empty());
    let (Some(names), below) = (names, segments.next()) else {
        return only_read(head, Request::List);
    };
    let channels = parse_names(names, channels_max)?;
    match (below, segments.next()) {
        (None, _) => parse_channel_request(head, channels),
        (Some(b"presence"), None) => only_read(
            head,
            Request::Presence(single(channels, "presence is asked of one channel")?),
        ),
        _ => Err(Refusal::new(404, "there is nothing here; channels are at /channels/NAME")),
    }
}

/// Understands a request whose path is below `/users`; `path` is what follows that, raw.
pub fn parse_user(head: &Head<'_>, path: &[u8]) -> Result<Request, Refusal> {
    let user = path.strip_prefix(b"/").filter(|user| !user.is_empty() && !user.contains(&b'/'));
    let user = user.ok_or(Refusal::new(404, "a user is at /users/ID"))?;
    if head.method != Method::Post {
        return Err(method_not_allowed(USER_METHODS));
    }
    let user = text(url::percent_decode(user)?)?;
    if user.len() > USER_BYTES_MAX {
        return Err(Refusal::new(400, "a user id has at most 128 bytes"));
    }
    let event = EventName::new(&Query::parse(head)?.event)?;
    Ok(Request::PublishToUser(PublishToUser { user: user.into(), event }))
}

/// The token in a request's query, if there is one.
pub fn token<'a>(head: &Head<'a>) -> Result<Option<Cow<'a, [u8]>>, Refusal> {
    for pair in url::query_pairs(head.query) {
        let (name, value) = pair?;
        if &*name == b"token" {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

fn only_read(head: &Head<'_>, request: Request) -> Result<Request, Refusal> {
    match head.method {
        Method::Get | Method::Head => Ok(request),
        _ => Err(method_not_allowed(READ_METHODS)),
    }
}

/// 405 with what is allowed.
pub fn method_not_allowed(allow: &'static str) -> Refusal {
    let explain = format!("this method is not for this address; allowed: {allow}");
    Refusal { status: 405, explain: explain.into(), allow: Some(allow) }
}

fn parse_names(raw: &[u8], channels_max: usize) -> Result<Vec<ChannelName>, Refusal> {
    // Nearly always one.
    let mut channels = Vec::with_capacity(1);
    for name in raw.split(|&byte| byte == b',') {
        let name = ChannelName::new(&url::percent_decode(name)?)?;
        if !channels.contains(&name) {
            channels.push(name);
        }
        if channels.len() > channels_max {
            return Err(Refusal::new(400, format!("at most {channels_max} channels a request")));
        }
    }
    Ok(channels)
}

fn single(mut channels: Vec<ChannelName>, explain: &'static str) -> Result<ChannelName, Refusal> {
    match (channels.pop(), channels.is_empty()) {
        (Some(channel), true) => Ok(channel),
        _ => Err(Refusal::new(400, explain)),
    }
}

fn parse_channel_request(head: &Head<'_>, channels: Vec<ChannelName>) -> Result<Request, Refusal> {
    let query = Query::parse(head)?;
    match head.method {
        Method::Post => Ok(Request::Publish(Publish {
            channels,
            event: EventName::new(&query.event)?,
            idempotency_key: idempotency_key(head)?,
        })),
        Method::Delete => Ok(Request::Delete(single(channels, "DELETE takes one channel")?)),
        Method::Get | Method::Head => {
            let transport = match &query.transport {
                Some(name) => Some(transport(name)?),
                None => asked_for(head),
            };
            match transport {
                Some(transport) => subscribe(head, channels, transport, query),
                None => history(head, channels, &query),
            }
        }
        _ => Err(method_not_allowed(CHANNEL_METHODS)),
    }
}

fn idempotency_key(head: &Head<'_>) -> Result<Option<Box<str>>, Refusal> {
    let Some(key) = head.header("Idempotency-Key") else { return Ok(None) };
    match std::str::from_utf8(key) {
        Ok(key) if (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) => Ok(Some(key.into())),
        _ => Err(Refusal::new(400, "an Idempotency-Key has 1 to 128 bytes of text")),
    }
}

/// The transport that the headers ask for; `None`: an ordinary GET.
fn asked_for(head: &Head<'_>) -> Option<Transport> {
    if ws_handshake::is_upgrade(head) {
        Some(Transport::WebSocket)
    } else if head.accepts("text/event-stream") {
        Some(Transport::EventStream)
    } else {
        preferred_wait(head).map(|_| Transport::LongPoll)
    }
}

fn transport(name: &str) -> Result<Transport, Refusal> {
    let transport = Transport::ALL.into_iter().find(|transport| transport.name() == name);
    transport.ok_or(Refusal::new(400, "transport is one of ws, sse, stream, poll, iframe"))
}

/// RFC 7240 §4.3.
fn preferred_wait(head: &Head<'_>) -> Option<u16> {
    let preferences =
        head.headers_named("Prefer").flat_map(|value| value.split(|byte| b",;".contains(byte)));
    let mut waits = preferences.filter_map(|preference| {
        let preference = std::str::from_utf8(preference).ok()?.trim();
        preference.strip_prefix("wait=")?.trim_matches('"').parse().ok()
    });
    waits.next()
}

fn subscribe(
    head: &Head<'_>,
    channels: Vec<ChannelName>,
    transport: Transport,
    query: Query<'_>,
) -> Result<Request, Refusal> {
    // In these very letters: a client that is answered another name than its own closes (RFC 6455 §4.1).
    let is_json = |name: &[u8]| name == JSON_SUBPROTOCOL.as_bytes();
    let offers_json =
        transport == Transport::WebSocket && head.list("Sec-WebSocket-Protocol").any(is_json);
    let callback = callback(transport, query.callback.as_deref())?;
    Ok(Request::Subscribe(Subscribe {
        start: start(head, &query)?,
        as_json: query.as_json || offers_json,
        wait_seconds: query.wait_seconds.or_else(|| preferred_wait(head)),
        watches: query.watches,
        session: query.session.map(Into::into),
        subprotocol: offers_json.then_some(JSON_SUBPROTOCOL),
        callback,
        channels,
        transport,
    }))
}

fn callback(transport: Transport, given: Option<&str>) -> Result<Option<Box<str>>, Refusal> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_.$".contains(&byte);
    match given {
        None if transport == Transport::Iframe => {
            Err(Refusal::new(400, "an iframe stream needs ?callback=, the function it calls"))
        }
        Some(name) if matches!(transport, Transport::Iframe | Transport::LongPoll) => {
            if name.is_empty() || name.len() > CALLBACK_BYTES_MAX || !name.bytes().all(is_name_byte)
            {
                return Err(Refusal::new(400, "a callback is 1 to 64 of A-Z a-z 0-9 _ . $"));
            }
            Ok(Some(name.into()))
        }
        _ => Ok(None),
    }
}

fn history(
    head: &Head<'_>,
    channels: Vec<ChannelName>,
    query: &Query<'_>,
) -> Result<Request, Refusal> {
    let start = start(head, query)?.unwrap_or(Start::Last(u32::MAX));
    Ok(Request::History { channels, start })
}

fn start(head: &Head<'_>, query: &Query<'_>) -> Result<Option<Start>, Refusal> {
    // An EventSource that has no id yet sends none; an empty one means the same.
    let header = |name| head.header(name).filter(|value| !value.is_empty());
    let known = || head.list("If-None-Match").map(entity_tag).find(|tag| is_cursor(tag));
    let cursor = match header("Last-Event-ID").or_else(known) {
        Some(bytes) => Some(String::from_utf8_lossy(bytes)),
        None => query.since.clone().filter(|since| !since.is_empty()),
    };
    match cursor {
        Some(cursor) => match cursor.parse() {
            Ok(id) => Ok(Some(Start::After(id))),
            Err(_) => Err(Refusal::new(400, "a cursor is the id of a message, like 1763690000-1")),
        },
        None => Ok(query.last.map(Start::Last)),
    }
}

/// RFC 9110 §13.1.2: a tag that is none of ours is known to be something else, which is no mistake.
fn is_cursor(tag: &[u8]) -> bool {
    std::str::from_utf8(tag).is_ok_and(|tag| tag.parse::<MessageId>().is_ok())
}

/// RFC 9110 §8.8.3: the opaque tag inside `"…"` or `W/"…"`; a bare one is understood too.
fn entity_tag(value: &[u8]) -> &[u8] {
    let value = value.strip_prefix(b"W/").unwrap_or(value);
    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value)
}

/// The parameters of a channel URL. Unknown ones are left alone: an EventSource polyfill adds its own.
#[derive(Default)]
struct Query<'a> {
    event: Cow<'a, str>,
    transport: Option<Cow<'a, str>>,
    since: Option<Cow<'a, str>>,
    last: Option<u32>,
    wait_seconds: Option<u16>,
    as_json: bool,
    watches: bool,
    callback: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    fn parse(head: &Head<'a>) -> Result<Query<'a>, Refusal> {
        let mut query = Query::default();
        for pair in url::query_pairs(head.query) {
            let (name, value) = pair?;
            query.set(&name, text(value)?)?;
        }
        Ok(query)
    }

    fn set(&mut self, name: &[u8], value: Cow<'a, str>) -> Result<(), Refusal> {
        match name {
            b"event" => self.event = value,
            b"transport" => self.transport = Some(value),
            b"since" => self.since = Some(value),
            b"last" => self.last = Some(number(&value, "last is a number of messages")?),
            b"wait" => self.wait_seconds = Some(number(&value, "wait is a number of seconds")?),
            b"format" => {
                self.as_json = match &*value {
                    "json" => true,
                    "" | "raw" => false,
                    _ => return Err(Refusal::new(400, "format is json or raw")),
                }
            }
            b"presence" => self.watches = &*value == "1",
            b"callback" => self.callback = Some(value),
            b"session" => self.session = Some(session(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn text(value: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Refusal> {
    let text = match value {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    };
    text.ok_or(Refusal::new(400, "the query is not UTF-8"))
}

fn number<T: std::str::FromStr>(value: &str, explain: &'static str) -> Result<T, Refusal> {
    value.parse().map_err(|_| Refusal::new(400, explain))
}

fn session(value: Cow<'_, str>) -> Result<Cow<'_, str>, Refusal> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if (16..=64).contains(&value.len()) && value.bytes().all(is_good) {
        return Ok(value);
    }
    Err(Refusal::new(400, "a session is 16 to 64 random characters of A-Z a-z 0-9 - _"))
}
