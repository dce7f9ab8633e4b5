//! What a client is told: JSON objects, each on one line, appended to a buffer.
//!
//! ```text
//! {"data":…,"event":"x","pipe":"web_a","user_id":7,"message_send_time":1763690000,"id":"1763…-1"}
//!         └ string or value     └ msg: personal; sys, _answer…: the server's       └ with IDS only
//! ```
//! Data is written so that the client's own clean-up does not change it:
//! - No frame holds an apostrophe (`\u0027` stands for it) or a line break, as the client edits
//!   backslash-apostrophes of the whole frame and cuts it at newlines before it parses.
//! - From version 4 on an object or an array is a value inside the frame. Anything else is a string:
//!   the client parses it if it is JSON, and else strips it of backslashes.
//! - Before version 4 everything is a string, and `event_name` and `api_data` are there, too.
//! - JSON inside a string has its apostrophes escaped once more, as the client edits the string again.
//!
//! Bytes that are not UTF-8 come as `{"base64":"…"}`. What many clients share is written by functions;
//! what one client is told, by [`Answers`], which knows the time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::command::{Ask, Complaint, Publish};
use super::connect::{Rejection, Uuid};
use super::{shown_id, variant};
use crate::hub::message::{Data, Message, MessageId, Personal};
use crate::hub::names::ChannelName;
use crate::proto::json;

/// A cursor was lost: messages are missing.
pub const LOST: &str = "encke:lost";
/// What the server calls itself in its first frame.
pub const BANNER: &str = concat!("encke ", env!("CARGO_PKG_VERSION"));

/// The channel name under which the client keeps its personal messages.
const PERSONAL: &str = "msg";
/// That of the server's own words.
const SYSTEM: &str = "sys";

/// Appends a message of a channel.
pub fn message(message: &Message, variant: u16, out: &mut Vec<u8>) {
    let data = Content::Published(&message.data);
    let mut frame = Frame::new(out, variant).about(data, &message.event, &message.channel);
    if let Some(user) = message.sender.and_then(|sender| sender.user) {
        frame.number("user_id", user.into());
    }
    frame.kept(message.id);
    frame.end();
}

/// Appends a message that a channel kept, for who asked for them.
///
/// Our own client serves many tabs, and is told by the marker which of them asked. Others drop
/// whatever brings a marker that they do not know.
pub fn history_message(message: &Message, marker: &str, variant: u16, out: &mut Vec<u8>) {
    let data = Content::Published(&message.data);
    let mut frame = Frame::new(out, variant).about(data, &message.event, &message.channel);
    frame.raw("fromQueue", "true");
    frame.raw("history", "true");
    let user = message.sender.and_then(|sender| sender.user).unwrap_or(0);
    frame.number("user_id", user.into());
    if variant & variant::IDS != 0 && !marker.is_empty() {
        frame.text("marker", marker);
    }
    frame.kept(message.id);
    frame.end();
}

/// Appends a message for a user.
pub fn personal(message: &Personal, variant: u16, out: &mut Vec<u8>) {
    let data = Content::Published(&message.data);
    let mut frame = Frame::new(out, variant).about(data, &message.event, PERSONAL);
    frame.id(Some(message.id));
    frame.end();
}

/// Appends a message for a user who was away when it came.
pub fn queued_personal(message: &Personal, variant: u16, out: &mut Vec<u8>) {
    let data = Content::Published(&message.data);
    let mut frame = Frame::new(out, variant).about(data, &message.event, PERSONAL);
    frame.raw("fromQueue", "true");
    frame.kept(message.id);
    frame.end();
}

/// Appends the word of a lost cursor: `data` is JSON and says of which channels, `id` is the one to go
/// on from.
pub fn lost(id: Option<MessageId>, data: &str, variant: u16, out: &mut Vec<u8>) {
    let mut frame = Frame::new(out, variant).about(Content::Made(data), LOST, SYSTEM);
    frame.id(id);
    frame.end();
}

/// Appends the one frame of a connection that is not kept. Nobody knows its version, so the old form
/// is used; the `error` outside the data is what ends the client's attempts.
pub fn rejection(rejection: &Rejection, unix_second: u64, out: &mut Vec<u8>) {
    let mut data = br#"{"error":"#.to_vec();
    json::write_string(&mut data, rejection.text);
    let code = rejection.code;
    let info = r#""info":"Closed due to error. See last message.""#;
    data.extend_from_slice(format!(r#","error_code":{code},{info}}}"#).as_bytes());
    let data = String::from_utf8_lossy(&data);
    let variant = variant::JSON | variant::LEGACY;
    let mut frame = Frame::new(out, variant).about(Content::Made(&data), "error", SYSTEM);
    frame.number("error", code.into());
    frame.number("message_send_time", unix_second);
    frame.end();
}

/// The data that tells the other members of a `track_…` channel who came or went, JSON; a list of
/// members is made of the same.
pub fn member_data(member: &Member) -> String {
    let uuid = member.uuid.map(|uuid| uuid.to_string()).unwrap_or_default();
    format!(r#"{{"user_id":{},"uuid":"{uuid}"}}"#, member.user)
}

/// A connection, as others see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member {
    /// Whose; 0: nobody's.
    pub user: u32,
    /// Its browser profile.
    pub uuid: Option<Uuid>,
}

/// What the first frame of a connection says.
#[derive(Clone, Copy, Debug)]
pub struct ServerInfo<'a> {
    /// Whether it is who it says it is.
    pub authorized: bool,
    /// The stored hash of that user; empty if it is nobody.
    pub hash: &'a str,
    /// Where it stands in its channels. Shown with IDS.
    pub since: Option<MessageId>,
    /// Where it stands in its personal messages. Shown with IDS.
    pub personal_since: Option<MessageId>,
}

/// Writes what one client alone is told.
#[derive(Clone, Copy, Debug)]
pub struct Answers {
    /// The client's.
    pub variant: u16,
    /// Now.
    pub unix_second: u64,
}

impl Answers {
    /// The first frame. `authorized` is a string: version 3 knows no other truth.
    pub fn server_info(self, info: &ServerInfo<'_>, out: &mut Vec<u8>) {
        let mut frame =
            Frame::new(out, self.variant).about(Content::Text(info.hash), "serverInfo", SYSTEM);
        frame.text("authorized", if info.authorized { "true" } else { "false" });
        frame.text("server", BANNER);
        if self.variant & variant::IDS != 0 {
            let cursors = [("id", info.since), ("msg", info.personal_since)];
            for (name, id) in cursors.into_iter().filter_map(|(name, id)| Some((name, id?))) {
                frame.text(name, &id.to_string());
            }
        }
        self.end(frame);
    }

    /// Why a command was not done.
    pub fn error(self, complaint: Complaint, out: &mut Vec<u8>) {
        let data = Content::Made(complaint.data());
        self.end(Frame::new(out, self.variant).about(data, "error", SYSTEM));
    }

    /// Which channels it has now, and from where on. With IDS only: others are told nothing.
    pub fn subscribed(self, channels: &[ChannelName], id: Option<MessageId>, out: &mut Vec<u8>) {
        if self.variant & variant::IDS == 0 {
            return;
        }
        let mut data = b"[".to_vec();
        for (index, channel) in channels.iter().enumerate() {
            data.extend_from_slice(if index > 0 { b"," } else { b"" });
            json::write_string(&mut data, channel);
        }
        data.push(b']');
        let data = String::from_utf8_lossy(&data);
        let data = Content::Made(&data);
        let mut frame = Frame::new(out, self.variant).about(data, "answer", "_answer_subscription");
        frame.id(id);
        self.end(frame);
    }

    /// How many connections a message of the client's was written to.
    pub fn published(self, publish: &Publish, connections: usize, out: &mut Vec<u8>) {
        let mut data = br#"{"message":"#.to_vec();
        json::write_string(&mut data, &String::from_utf8_lossy(publish.data.as_bytes()));
        data.extend_from_slice(format!(r#","number_messages":{connections}}}"#).as_bytes());
        let data = String::from_utf8_lossy(&data);
        let pipe = format!("_answer_to_{}", publish.channel);
        self.end(Frame::new(out, self.variant).about(Content::Made(&data), "answer", &pipe));
    }

    /// How many connections listen to a channel.
    pub fn count(self, asked: &Ask, connections: usize, out: &mut Vec<u8>) {
        let data = format!(r#"{{"user_in_pipe":{connections}}}"#);
        let data = Content::Made(&data);
        let mut frame =
            Frame::new(out, self.variant).about(data, "user_in_pipe", "_answer_pipe_count");
        frame.marker(&asked.marker);
        self.end(frame);
    }

    /// Who listens to a channel, one entry for each connection, the newest first.
    pub fn members(
        self,
        asked: &Ask,
        members: impl IntoIterator<Item = Member>,
        out: &mut Vec<u8>,
    ) {
        let entries: Vec<String> = members.into_iter().map(|one| member_data(&one)).collect();
        let data = format!("[{}]", entries.join(","));
        // Version 3 waits for the answer under the name it asked for.
        let is_legacy = self.variant & variant::LEGACY != 0;
        let pipe = if is_legacy { &*asked.channel } else { "_answer" };
        let mut frame = Frame::new(out, self.variant).about(Content::Made(&data), "answer", pipe);
        frame.text("_info", "answer for track_pipe_users");
        frame.marker(&asked.marker);
        self.end(frame);
    }

    /// What is stored about a user; empty if nothing is.
    pub fn user_data(self, user: u32, stored: &str, marker: &str, out: &mut Vec<u8>) {
        let mut data = br#"{"user_data":"#.to_vec();
        json::write_string(&mut data, stored);
        data.extend_from_slice(format!(r#","user_id":{user}}}"#).as_bytes());
        let data = String::from_utf8_lossy(&data);
        let mut frame =
            Frame::new(out, self.variant).about(Content::Made(&data), "answer", "_answer");
        frame.marker(marker);
        self.end(frame);
    }

    /// How long ago a user was last there. `last_online` is that moment; 0 for who is there now and
    /// -1 for who never was, which clients know by the huge results.
    pub fn user_status(self, user: u32, last_online: i64, out: &mut Vec<u8>) {
        let seconds = i128::from(self.unix_second) - i128::from(last_online);
        let data = format!(r#"{{"data":{seconds},"last_online_time":{seconds}}}"#);
        let event = format!("user_status_{user}");
        let data = Content::Made(&data);
        self.end(Frame::new(out, self.variant).about(data, &event, "_answer_user_status"));
    }

    fn end(self, mut frame: Frame<'_>) {
        frame.number("message_send_time", self.unix_second);
        frame.end();
    }
}

/// What a frame's `data` is.
enum Content<'a> {
    /// Somebody's: JSON, text or bytes, as it may be.
    Published(&'a Data),
    /// Text, whatever it looks like.
    Text(&'a str),
    /// JSON of our own.
    Made(&'a str),
}

/// An object that is being written.
struct Frame<'a> {
    out: &'a mut Vec<u8>,
    variant: u16,
}

impl<'a> Frame<'a> {
    fn new(out: &'a mut Vec<u8>, variant: u16) -> Frame<'a> {
        out.push(b'{');
        Frame { out, variant }
    }

    /// What every frame has; comes first.
    fn about(mut self, data: Content<'_>, event: &str, pipe: &str) -> Frame<'a> {
        let is_legacy = self.variant & variant::LEGACY != 0;
        self.out.extend_from_slice(b"\"data\":");
        match data {
            Content::Published(data) => write_published(data, is_legacy, self.out),
            Content::Text(text) => write_text(text, self.out),
            Content::Made(text) => write_json(text, is_legacy, self.out),
        }
        self.text("event", event);
        self.text("pipe", pipe);
        if is_legacy {
            self.text("event_name", event);
            self.text("api_data", "for major_version < 4");
        }
        self
    }

    fn raw(&mut self, name: &'static str, value: &str) {
        self.out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
    }

    fn number(&mut self, name: &'static str, value: u64) {
        self.raw(name, &value.to_string());
    }

    fn text(&mut self, name: &'static str, value: &str) {
        self.raw(name, "");
        write_text(value, self.out);
    }

    /// Clients do not ask for what has none, and the others must not get one.
    fn marker(&mut self, marker: &str) {
        if !marker.is_empty() {
            self.text("marker", marker);
        }
    }

    /// When a message was published, and its id. A word of the moment has neither.
    fn kept(&mut self, id: MessageId) {
        if id != MessageId::default() {
            self.number("message_send_time", id.second);
        }
        self.id(Some(id));
    }

    fn id(&mut self, id: Option<MessageId>) {
        if let Some(id) = shown_id(id, self.variant) {
            self.text("id", &id.to_string());
        }
    }

    fn end(self) {
        self.out.push(b'}');
    }
}

fn write_published(data: &Data, is_legacy: bool, out: &mut Vec<u8>) {
    let Some(text) = data.as_text() else {
        let encoded = format!(r#"{{"base64":"{}"}}"#, STANDARD.encode(data.as_bytes()));
        return write_json(&encoded, is_legacy, out);
    };
    if !data.is_json() && json::validate(text.as_bytes()).is_err() {
        return write_text(text, out);
    }
    let is_composed = text.trim_ascii_start().starts_with(['{', '[']);
    write_json(text, is_legacy || !is_composed, out);
}

/// Appends JSON, as a value or as a string that holds it.
fn write_json(text: &str, as_string: bool, out: &mut Vec<u8>) {
    let start = out.len();
    if !as_string {
        out.extend_from_slice(text.as_bytes());
        return make_safe(out, start);
    }
    let mut inner = text.as_bytes().to_vec();
    make_safe(&mut inner, 0);
    json::write_string(out, &String::from_utf8_lossy(&inner));
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    json::write_string(out, text);
    make_safe(out, start);
}

/// Rids the JSON from `start` on of apostrophes, which only stand inside its strings and are nowhere
/// part of an escape, and of line breaks, which only stand between its tokens.
fn make_safe(out: &mut Vec<u8>, start: usize) {
    let Some(first) = out[start..].iter().position(|byte| b"'\r\n".contains(byte)) else { return };
    let unsafe_part = out.split_off(start + first);
    for byte in unsafe_part {
        match byte {
            b'\'' => out.extend_from_slice(b"\\u0027"),
            b'\r' | b'\n' => out.push(b' '),
            _ => out.push(byte),
        }
    }
}
