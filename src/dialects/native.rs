//! The channel URLs, encke's own dialect: curl is enough to use it.
//!
//! | request | asks for |
//! |---|---|
//! | `POST /channels/NAME[,NAME…]` | publishing the body |
//! | `GET` with an upgrade, `Accept: text/event-stream`, `?transport=` | listening |
//! | `GET` otherwise | what is kept |
//! | `GET /channels/NAME/presence` | who is there |
//! | `DELETE /channels/NAME` | forgetting it |
//! | `GET /channels` | the list |
//!
//! NAMEs are split at raw commas before percent-decoding. A cursor comes as `Last-Event-ID`, else
//! `If-None-Match`, else `?since=`, which stays in an EventSource's URL for ever.

mod request;

pub use request::{
    CHANNEL_METHODS, JSON_SUBPROTOCOL, Publish, PublishToUser, READ_METHODS, Refusal, Request,
    Subscribe, USER_BYTES_MAX, USER_METHODS, method_not_allowed, parse, parse_user, token,
};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Announcement, Dialect};
use crate::hub::command::{Lost, NewMessage};
use crate::hub::delivery::Payload;
use crate::hub::message::{Data, Message, MessageId, Personal};
use crate::hub::names::{ChannelName, EventName};
use crate::proto::json;

/// How many subscribers a channel has, for those who asked to be told.
pub const PRESENCE: &str = "encke:presence";
/// A user came, by its first connection to a channel.
pub const JOIN: &str = "encke:join";
/// A user went, with its last connection to a channel.
pub const LEAVE: &str = "encke:leave";

/// What a client sent over its WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// Where to; `None`: to every channel of the connection.
    pub channel: Option<ChannelName>,
    /// As what.
    pub event: EventName,
    /// What.
    pub data: Data,
}

/// Understands a message of a `format=json` client: `{"channel"?, "event"?, "data"}`.
pub fn parse_client_json(text: &str) -> Result<ClientMessage, Refusal> {
    let not_understood = || {
        Refusal::new(400, "a message is a JSON object like {\"channel\":\"a\",\"data\":\"text\"}")
    };
    let members = json::members(text.as_bytes()).map_err(|_| not_understood())?;
    let (mut channel, mut event, mut data) = (None, EventName::default(), None);
    for (name, value) in members {
        match &*name {
            "channel" => {
                let name = json::string_value(value).ok_or_else(not_understood)?;
                channel = Some(ChannelName::new(name.as_bytes())?);
            }
            "event" => {
                event = EventName::new(&json::string_value(value).ok_or_else(not_understood)?)?;
            }
            // A string is published as its text, any other value as its JSON.
            "data" => {
                data = Some(match json::string_value(value) {
                    Some(text) => Data::text(&text),
                    None => Data::new(value),
                });
            }
            _ => {}
        }
    }
    Ok(ClientMessage { channel, event, data: data.ok_or_else(not_understood)? })
}

/// One message for each channel.
pub fn messages(channels: &[ChannelName], event: &EventName, data: &Data) -> Vec<NewMessage> {
    let message = |channel: &ChannelName| NewMessage {
        channel: channel.clone(),
        event: event.clone(),
        data: data.clone(),
        sender: None,
    };
    channels.iter().map(message).collect()
}

/// Bits of the native dialect's variant.
pub mod variant {
    /// Messages come as JSON objects.
    pub const JSON: u16 = 1;
    /// The response has no chunks.
    pub const UNCHUNKED: u16 = 1 << 1;
    /// The client is told how many listen.
    pub const WATCHES: u16 = 1 << 2;
    /// The transport cannot carry bytes that are not UTF-8.
    pub const TEXT_ONLY: u16 = 1 << 3;
    /// The client can tell events from messages, and has a connection to be told on.
    pub const EVENTS: u16 = 1 << 4;
    /// Where the number of an iframe's callback begins.
    pub const CALLBACK_SHIFT: u16 = 8;
}

/// The native dialect.
pub struct Native;

impl Dialect for Native {
    fn encode(&self, message: &Message, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        if !has_id(message) && !has_place_for(&message.event, variant) {
            return;
        }
        let id = has_id(message).then(|| message.id.to_string());
        if variant & variant::JSON != 0 {
            let mut object = Vec::with_capacity(message.bytes() + 64);
            write_object(message, id.as_deref(), &mut object);
            return frame(Payload { id: id.as_deref(), event: None, data: &object, is_text: true });
        }
        frame_plain(id.as_deref(), &message.event, &message.data, variant, frame);
    }

    fn personal(&self, message: &Personal, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        if variant & variant::JSON == 0 {
            return frame_plain(None, &message.event, &message.data, variant, frame);
        }
        let mut object = b"{".to_vec();
        write_event_and_data(&message.event, &message.data, &mut object);
        object.push(b'}');
        frame(Payload { id: None, event: None, data: &object, is_text: true });
    }

    fn announce(&self, event: &Announcement<'_>, variant: u16, frame: &mut dyn FnMut(Payload<'_>)) {
        let id = event.id.map(|id| id.to_string());
        let id = id.as_deref();
        if variant & variant::JSON == 0 {
            let data = event.data.as_bytes();
            return frame(Payload { id, event: Some(event.name), data, is_text: true });
        }
        let mut object = b"{".to_vec();
        write_id(id, &mut object);
        object.extend_from_slice(format!("\"event\":\"{}\",\"data\":", event.name).as_bytes());
        object.extend_from_slice(event.data.as_bytes());
        object.push(b'}');
        frame(Payload { id, event: None, data: &object, is_text: true });
    }
}

fn frame_plain(
    id: Option<&str>,
    event: &EventName,
    data: &Data,
    variant: u16,
    frame: &mut dyn FnMut(Payload<'_>),
) {
    let event = Some(&**event).filter(|event| !event.is_empty());
    let (mut bytes, mut is_text) = (data.as_bytes(), data.as_text().is_some());
    let mut encoded = Vec::new();
    if !is_text && variant & variant::TEXT_ONLY != 0 {
        write_base64(bytes, &mut encoded);
        (bytes, is_text) = (&encoded, true);
    }
    frame(Payload { id, event, data: bytes, is_text });
}

/// Whether a format has room for a word of the moment: counts are for who asked, users who come and go
/// for every format with event names.
fn has_place_for(event: &EventName, variant: u16) -> bool {
    match &**event {
        PRESENCE => variant & variant::WATCHES != 0,
        _ => variant & variant::EVENTS != 0,
    }
}

/// What the server says of the moment has no place in the order.
fn has_id(message: &Message) -> bool {
    message.id != MessageId::default()
}

/// `{"id":"1763690000-1","channel":"a","event":"x","data":…}`; without id or event where there is none.
fn write_object(message: &Message, id: Option<&str>, out: &mut Vec<u8>) {
    out.push(b'{');
    write_id(id, out);
    out.extend_from_slice(b"\"channel\":");
    json::write_string(out, &message.channel);
    out.push(b',');
    write_event_and_data(&message.event, &message.data, out);
    out.push(b'}');
}

fn write_event_and_data(event: &EventName, data: &Data, out: &mut Vec<u8>) {
    if !event.is_empty() {
        out.extend_from_slice(b"\"event\":");
        json::write_string(out, event);
        out.push(b',');
    }
    out.extend_from_slice(b"\"data\":");
    match data.as_text() {
        // Line breaks between its tokens would end a line of a stream; inside strings there are none.
        Some(text) if data.is_json() => {
            out.extend(text.bytes().map(|byte| if b"\r\n".contains(&byte) { b' ' } else { byte }));
        }
        Some(text) => json::write_string(out, text),
        None => write_base64(data.as_bytes(), out),
    }
}

fn write_id(id: Option<&str>, out: &mut Vec<u8>) {
    if let Some(id) = id {
        out.extend_from_slice(b"\"id\":\"");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\",");
    }
}

fn write_base64(data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"base64\":\"");
    out.extend_from_slice(STANDARD.encode(data).as_bytes());
    out.extend_from_slice(b"\"}");
}

/// The data of `encke:lost`.
pub fn lost_data(lost: &Lost, since: MessageId) -> String {
    let mut data = b"{\"channels\":[".to_vec();
    for (index, channel) in lost.channels.iter().enumerate() {
        if index > 0 {
            data.push(b',');
        }
        json::write_string(&mut data, channel);
    }
    data.extend_from_slice(format!("],\"since\":\"{since}\"}}").as_bytes());
    String::from_utf8_lossy(&data).into_owned()
}

/// The data of `encke:join` and `encke:leave`.
pub fn user_data(user: &str) -> String {
    let mut data = b"{\"user\":".to_vec();
    json::write_string(&mut data, user);
    data.push(b'}');
    String::from_utf8_lossy(&data).into_owned()
}

/// The data of `encke:error`, and the body of every refused request.
pub fn error_data(explain: &str) -> String {
    let mut data = b"{\"error\":".to_vec();
    json::write_string(&mut data, explain);
    data.push(b'}');
    String::from_utf8_lossy(&data).into_owned()
}
