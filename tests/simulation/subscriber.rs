//! A client that listens: it decodes what it gets on its transport and knows what must come next.
//!
//! Its cursor is its whole state. The next message must be the first one after the cursor on its
//! channels, whatever happened between: a slow read, a break, another connection.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encke::hub::message::{MessageId, TenantId};
use serde_json::Value;

use crate::client::{Context, Line, client_text_frame};
use crate::decode::{EventReader, Frame, Head, Lines, Part, Reader, deflate, json, take_frame};
use crate::rules::{Kept, TENANTS};
use crate::support::websocket::client_frame;

/// How messages come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    RawWebSocket,
    JsonWebSocket,
    Events,
    JsonEvents,
    Stream,
    /// Without chunks.
    OldStream,
    Iframe,
    Poll,
    Jsonp,
}

impl Form {
    pub const ALL: [Form; 9] = [
        Form::RawWebSocket,
        Form::JsonWebSocket,
        Form::Events,
        Form::JsonEvents,
        Form::Stream,
        Form::OldStream,
        Form::Iframe,
        Form::Poll,
        Form::Jsonp,
    ];

    pub fn is_poll(self) -> bool {
        matches!(self, Form::Poll | Form::Jsonp)
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, Form::RawWebSocket | Form::JsonWebSocket)
    }

    fn is_events(self) -> bool {
        matches!(self, Form::Events | Form::JsonEvents)
    }
}

/// What a response on this connection answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Subscription,
    /// A request that was sent behind a poll, or before a stream.
    Other,
}

/// How compression is asked for.
pub const OFFERS: [&str; 7] = [
    "",
    "Sec-WebSocket-Extensions: permessage-deflate\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=11; \
     server_no_context_takeover\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n",
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8, \
     permessage-deflate; server_max_window_bits=14; client_max_window_bits=10\r\n",
];

pub struct Subscriber {
    pub form: Form,
    pub tenant: TenantId,
    pub channels: Vec<String>,
    pub watches: bool,
    /// `None`: from now on, wherever that is.
    pub cursor: Option<MessageId>,
    /// Without a cursor: everything from this place in the feed on must come.
    mark: Option<usize>,
    session: Option<String>,
    callback: &'static str,
    /// The cursor is not one that the server gave.
    is_forged: bool,
    asked_since: Option<MessageId>,
    /// Told to stay away.
    pub is_gone: bool,
    /// What watchers were told last.
    pub counts: HashMap<String, u64>,
    /// The last words of the server on this connection.
    pub farewell: Option<String>,
    asked: VecDeque<Asked>,
    head: Option<Head>,
    reader: Reader,
    events: EventReader,
    lines: Lines,
    frames: Vec<u8>,
    body: Vec<u8>,
    is_preamble_over: bool,
}

impl Subscriber {
    pub fn new(form: Form, tenant: TenantId, channels: Vec<String>) -> Subscriber {
        Subscriber {
            form,
            tenant,
            channels,
            watches: false,
            cursor: None,
            mark: None,
            session: None,
            callback: "f",
            is_forged: false,
            asked_since: None,
            is_gone: false,
            counts: HashMap::new(),
            farewell: None,
            asked: VecDeque::new(),
            head: None,
            reader: Reader::new(),
            events: EventReader::default(),
            lines: Lines::default(),
            frames: Vec::new(),
            body: Vec::new(),
            is_preamble_over: false,
        }
    }

    /// Draws what else a client of this form may want.
    pub fn draw(form: Form, context: &mut Context<'_>) -> Subscriber {
        let random = &mut *context.random;
        let tenant = TenantId(random.below(TENANTS.len()) as u16);
        let mut channels = Vec::new();
        for _ in 0..random.pick(&[1, 1, 2, 4]) {
            let name = random.pick(&context.rules.channels).to_owned();
            if !channels.contains(&name) {
                channels.push(name);
            }
        }
        let mut subscriber = Subscriber::new(form, tenant, channels);
        // Without a key a tenant lets anybody watch; the other one asks for its key.
        subscriber.watches = tenant.0 == 0 && random.one_in(3);
        subscriber.callback = random.pick(&["f", "parent.g", "h"]);
        if form.is_poll() && random.one_in(2) {
            subscriber.session = Some(format!("session-{:016}", random.below(20)));
        }
        if form == Form::RawWebSocket && subscriber.channels.len() > 1 {
            // Raw messages have no id: two that look alike are told apart by what came before.
            subscriber.cursor = Some(context.truth.newest(tenant));
        } else if random.one_in(12) {
            let second = random.pick(&[0, 1, context.truth.newest(tenant).second + 1000]);
            subscriber.cursor = Some(MessageId { second, n: 7 });
            subscriber.is_forged = true;
        }
        subscriber
    }

    /// What a new connection begins with.
    pub fn open(&mut self, line: &mut Line, context: &mut Context<'_>) {
        self.asked.clear();
        self.head = None;
        self.farewell = None;
        self.reader = Reader::new();
        if self.form != Form::OldStream && context.random.one_in(6) {
            self.ask_something_else(line, context);
        }
        self.ask(line, context);
    }

    /// Sends the subscription.
    fn ask(&mut self, line: &mut Line, context: &mut Context<'_>) {
        self.events = EventReader::default();
        self.lines = Lines::default();
        self.frames.clear();
        self.is_preamble_over = false;
        self.asked_since = self.cursor;
        self.mark = None;
        self.farewell = None;
        let mut query = match self.form {
            Form::RawWebSocket => "transport=ws".to_owned(),
            Form::JsonWebSocket => "format=json".to_owned(),
            Form::Events => "transport=sse".to_owned(),
            Form::JsonEvents => "format=json".to_owned(),
            Form::Stream | Form::OldStream => "transport=stream".to_owned(),
            Form::Iframe => format!("transport=iframe&callback={}", self.callback),
            Form::Poll => format!("transport=poll&wait={}", context.random.pick(&[0, 2, 5])),
            Form::Jsonp => format!("transport=poll&callback={}", self.callback),
        };
        if self.watches {
            query.push_str("&presence=1");
        }
        if let Some(session) = &self.session {
            query.push_str(&format!("&session={session}"));
        }
        let mut headers = String::new();
        if self.form.is_websocket() {
            headers.push_str(
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            );
            headers.push_str(context.random.pick(&OFFERS));
        }
        if self.form == Form::JsonEvents {
            headers.push_str("Accept: text/event-stream\r\n");
        }
        match self.cursor {
            Some(id) if self.form.is_events() => {
                headers.push_str(&format!("Last-Event-ID: {id}\r\n"));
            }
            Some(id) if self.form == Form::Poll => {
                headers.push_str(&format!("If-None-Match: \"{id}\"\r\n"));
            }
            Some(id) => query.push_str(&format!("&since={id}")),
            None => {}
        }
        let version = if self.form == Form::OldStream { "1.0" } else { "1.1" };
        let path = format!("{}/channels/{}", self.prefix(), self.channels.join(","));
        let request =
            format!("GET {path}?{query} HTTP/{version}\r\nHost: localhost\r\n{headers}\r\n");
        line.send(request.as_bytes());
        self.asked.push_back(Asked::Subscription);
        if self.form.is_poll() && context.random.one_in(8) {
            self.ask_something_else(line, context);
        }
    }

    fn ask_something_else(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let path = context.random.pick(&["/", "/nothing", "/channels/a?last=3"]);
        line.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes());
        self.asked.push_back(Asked::Other);
    }

    fn prefix(&self) -> String {
        TENANTS[usize::from(self.tenant.0)].prefix()
    }

    /// Decodes what arrived.
    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        self.reader.push(bytes);
        while let Some(part) = self.reader.next(false) {
            match part {
                Part::Head(head, end) => self.on_head(head, end, line, context),
                Part::Data(data) if self.asked.front() == Some(&Asked::Subscription) => {
                    self.on_data(&data, line, context);
                }
                Part::Data(_) => {}
                Part::End => self.on_end(line, context),
            }
        }
    }

    fn on_head(&mut self, head: Head, end: u64, line: &Line, context: &Context<'_>) {
        let asked = self.asked.front().expect("nothing is answered that was not asked");
        if head.status == 100 {
            assert!(line.wire.borrow().has_fin(), "asked whether it has gone, with its line open");
            return assert!(
                self.form.is_poll(),
                "only a poll is asked whether its client has gone"
            );
        }
        if *asked == Asked::Subscription {
            match head.status {
                101 => assert!(self.form.is_websocket()),
                200 if !self.form.is_poll() && self.cursor.is_none() => {}
                200 => {}
                304 => assert_eq!(self.form, Form::Poll),
                204 => {
                    assert!(self.form.is_events(), "only an EventSource is told to stay away");
                    assert!(self.may_be_lost(context), "204 for a channel that nobody deleted");
                    self.is_gone = true;
                }
                410 => assert!(self.may_be_lost(context), "410 for no reason"),
                408 => assert!(line.is_excused(), "408 for a request, {}", line.explain()),
                503 => {
                    let tight = &context.rules.tight;
                    let has_reason = tight.listening || tight.bodies || context.is_draining;
                    assert!(has_reason, "503 for no reason");
                }
                other => panic!("status {other} for a subscription"),
            }
            if self.cursor.is_none() && !self.form.is_poll() {
                self.mark = Some(line.wire.borrow().published_at(end));
            }
        }
        self.body.clear();
        self.head = Some(head);
    }

    fn window_bits(&self) -> Option<u8> {
        self.head.as_ref().and_then(Head::window_bits)
    }

    fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    fn on_data(&mut self, data: &[u8], line: &mut Line, context: &mut Context<'_>) {
        match (self.status(), self.form) {
            (101, _) => {
                self.frames.extend_from_slice(data);
                let window_bits = self.window_bits();
                while let Some(frame) = take_frame(&mut self.frames, window_bits) {
                    self.on_frame(frame, line, context);
                }
            }
            (200, Form::Events | Form::JsonEvents) => {
                self.events.lines.push(data);
                while let Some(event) = self.events.next() {
                    self.on_stream_event(event, context);
                }
            }
            (200, Form::Stream | Form::OldStream | Form::Iframe) => {
                self.lines.push(data);
                while let Some(text) = self.lines.next() {
                    self.on_line(&text, context);
                }
            }
            _ => self.body.extend_from_slice(data),
        }
    }

    fn on_end(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let asked = self.asked.pop_front().expect("nothing ends that has not begun");
        let is_last =
            self.head.as_ref().is_some_and(|head| head.header("Connection") == Some("close"));
        if asked == Asked::Other {
            self.head = None;
            if is_last {
                // Then what was asked after it is not answered.
                line.excuse();
                line.wants_fin = true;
            }
            return;
        }
        let body = String::from_utf8(std::mem::take(&mut self.body)).expect("answers are text");
        match (self.status(), self.form) {
            (200, Form::Poll) => self.on_poll(&body, context),
            (200, Form::Jsonp) => self.on_jsonp(&body, context),
            (304, _) => self.on_entity_tag(context),
            (200, _) => self.farewell = Some("last chunk".to_owned()),
            _ => {}
        }
        if self.form.is_poll() {
            self.farewell = Some(self.status().to_string());
        }
        let goes_on = match self.status() {
            503 => context.random.one_in(2),
            _ => self.form.is_poll(),
        };
        if goes_on && !is_last && !context.is_draining {
            self.ask(line, context);
        } else {
            line.wants_fin = true;
        }
    }

    fn on_poll(&mut self, body: &str, context: &mut Context<'_>) {
        for item in json(body).as_array().expect("an array") {
            self.on_item(item, context);
        }
        self.on_entity_tag(context);
    }

    fn on_entity_tag(&mut self, context: &Context<'_>) {
        let head = self.head.as_ref().expect("a head came first");
        let tag = head.header("ETag").expect("a poll's answer has its cursor");
        let id = tag.trim_matches('"').to_owned();
        self.on_cursor(&id, context);
    }

    fn on_jsonp(&mut self, body: &str, context: &mut Context<'_>) {
        let call = body.strip_prefix("/**/").expect("a comment first");
        let call = call.strip_prefix(self.callback).expect("the callback");
        let call = call.strip_prefix('(').and_then(|call| call.strip_suffix(");")).expect("a call");
        let arguments = json(&format!("[{call}]"));
        for item in arguments[0].as_array().expect("an array") {
            self.on_item(item, context);
        }
        let cursor = arguments[1].as_str().expect("a cursor").to_owned();
        self.on_cursor(&cursor, context);
    }

    fn on_line(&mut self, text: &str, context: &mut Context<'_>) {
        if text.is_empty() {
            return;
        }
        if self.form != Form::Iframe {
            return self.on_item(&json(text), context);
        }
        if !self.is_preamble_over {
            assert!(text.starts_with("<!doctype html>") && text.len() > 1024);
            self.is_preamble_over = true;
            return;
        }
        let script = text.strip_prefix("<script>").and_then(|text| text.strip_suffix("</script>"));
        let call = script.and_then(|script| script.strip_prefix(self.callback));
        let call = call.and_then(|call| call.strip_prefix('(')?.strip_suffix(");"));
        let value = call.unwrap_or_else(|| panic!("not a call of {}: {text}", self.callback));
        assert!(!value.contains('<'), "nothing can end the script");
        self.on_item(&json(value), context);
    }

    fn on_stream_event(&mut self, event: crate::decode::StreamEvent, context: &mut Context<'_>) {
        let Some(data) = event.data else {
            return self.on_cursor(&event.id.expect("an id alone"), context);
        };
        if self.form == Form::JsonEvents {
            let value = json(&data);
            assert_eq!(event.id.as_deref(), value["id"].as_str());
            return self.on_item(&value, context);
        }
        match &event.event[..] {
            "encke:lost" => {
                let id = event.id.expect("a lost cursor is replaced");
                self.on_lost(&id, &json(&data), context);
            }
            "encke:presence" => {
                let count = json(&data)["count"].as_u64().expect("a count");
                self.counts.insert(String::new(), count);
            }
            _ => {
                let id = parse_id(&event.id.expect("a message has an id"));
                self.on_message(Some(id), None, Shown::Events(data), context);
            }
        }
    }

    fn on_frame(&mut self, frame: Frame, line: &mut Line, context: &mut Context<'_>) {
        assert!(self.farewell.is_none(), "nothing comes after a close frame");
        match frame {
            Frame::Text(text) if self.form == Form::JsonWebSocket => {
                self.on_item(&json(&text), context);
            }
            Frame::Text(text) => {
                self.on_message(None, None, Shown::Bytes(text.into_bytes()), context);
            }
            Frame::Binary(data) => self.on_message(None, None, Shown::Bytes(data), context),
            Frame::Ping(data) => line.send(&client_frame(0x8a, [1, 2, 3, 4], &data)),
            Frame::Pong(_) => {}
            Frame::Close(code) => {
                let code = code.expect("the server says why");
                match code {
                    4410 => {
                        assert_eq!(self.form, Form::RawWebSocket);
                        assert!(self.may_be_lost(context), "a cursor lost for no reason");
                        self.cursor = Some(context.truth.newest(self.tenant));
                        self.is_forged = false;
                    }
                    1001 => assert!(context.is_draining),
                    4404 => assert!(self.may_be_lost(context)),
                    1013 => assert!(context.rules.tight.listening || context.rules.tight.bodies),
                    1008 => assert!(self.is_refused_sometimes(context)),
                    other => panic!("close code {other}"),
                }
                self.farewell = Some(code.to_string());
                line.send(&client_frame(0x88, [0; 4], &code.to_be_bytes()));
                line.wants_fin = true;
            }
        }
    }

    /// A JSON object: a message, or a word of the server.
    fn on_item(&mut self, value: &Value, context: &mut Context<'_>) {
        match value["event"].as_str() {
            Some("encke:lost") => {
                let id = value["id"].as_str().expect("a lost cursor is replaced").to_owned();
                self.on_lost(&id, &value["data"], context);
            }
            Some("encke:presence") => {
                assert!(self.watches, "only who asked is told");
                let channel = value["channel"].as_str().expect("of a channel").to_owned();
                assert!(self.channels.contains(&channel));
                let count = value["data"]["count"].as_u64().expect("a count");
                self.counts.insert(channel, count);
            }
            Some("encke:error") => {
                assert!(self.is_refused_sometimes(context), "{value}");
            }
            _ => {
                let id = value["id"].as_str().map(parse_id).expect("an id");
                let channel = value["channel"].as_str().expect("a channel").to_owned();
                let data = match (&value["data"], value["data"]["base64"].as_str()) {
                    (_, Some(base64)) => STANDARD.decode(base64).expect("base64"),
                    (Value::String(text), _) => text.clone().into_bytes(),
                    (other, _) => panic!("data {other}"),
                };
                self.on_message(Some(id), Some(channel), Shown::Bytes(data), context);
            }
        }
    }

    fn on_lost(&mut self, id: &str, data: &Value, context: &Context<'_>) {
        let id = parse_id(id);
        let since = self.asked_since.expect("only a given cursor can be lost");
        assert!(self.may_be_lost(context), "cursor {since} lost for no reason: go on at {id}");
        assert_eq!(data["since"].as_str(), Some(&since.to_string()[..]));
        let channels = data["channels"].as_array().expect("channels");
        assert!(!channels.is_empty());
        for channel in channels {
            let channel = channel.as_str().expect("a name").to_owned();
            assert!(self.channels.contains(&channel), "{channel} is not ours");
        }
        assert!(self.is_forged || id > since, "{id} is not after {since}");
        assert_eq!(self.cursor, self.asked_since, "a loss is the first thing told");
        self.cursor = Some(id);
        self.is_forged = false;
    }

    fn may_be_lost(&self, context: &Context<'_>) -> bool {
        let (truth, rules) = (context.truth, context.rules);
        let has_dropped = match rules.kept {
            Kept::All => false,
            // When a late engine kept it nobody knows.
            Kept::Seconds(_) if rules.is_late => true,
            Kept::Seconds(seconds) => {
                self.asked_since.is_some_and(|since| truth.has_older(self.tenant, since, seconds))
            }
            Kept::Little => true,
        };
        self.is_forged || has_dropped || truth.tenants_with_deletions.contains(&self.tenant)
    }

    /// The shop lets nobody publish, or not so fast; an engine may have room for no more channels.
    fn is_refused_sometimes(&self, context: &Context<'_>) -> bool {
        self.tenant.0 != 0 || context.rules.tight.histories || context.rules.tight.pings
    }

    fn on_message(
        &mut self,
        id: Option<MessageId>,
        channel: Option<String>,
        shown: Shown,
        context: &Context<'_>,
    ) {
        let truth = context.truth;
        assert!(!self.is_forged_beyond(truth.newest(self.tenant)), "a future cursor is lost");
        let next = match self.cursor {
            Some(cursor) => truth.next_after(self.tenant, &self.channels, cursor),
            None => self.next_without_cursor(id, &shown, context),
        };
        let Some(index) = next else { panic!("{id:?} came after everything: {shown:?}") };
        let message = &truth.messages[index];
        let at = self.cursor;
        if let Some(id) = id {
            assert_eq!(id, message.id, "the next message after {at:?} (left: came, right: due)");
        }
        assert!(channel.is_none_or(|channel| *channel == *message.channel));
        assert!(shown.is(message), "after {at:?} came {shown:?}, not {}", message.id);
        self.cursor = Some(message.id);
    }

    /// Whoever begins without a cursor may get what was on its way already.
    fn next_without_cursor(
        &self,
        id: Option<MessageId>,
        shown: &Shown,
        context: &Context<'_>,
    ) -> Option<usize> {
        let truth = context.truth;
        let index = match id {
            Some(id) => truth.find(self.tenant, id)?,
            None => truth.messages.iter().position(|message| {
                message.tenant == self.tenant
                    && self.channels.iter().any(|channel| **channel == *message.channel)
                    && shown.is(message)
            })?,
        };
        assert!(self.channels.iter().any(|name| **name == *truth.messages[index].channel));
        if let Some(mark) = self.mark {
            let first = truth.next_from(self.tenant, &self.channels, mark);
            let missed = first.filter(|&first| first < index);
            assert_eq!(missed, None, "missed since it was let in at {mark}");
        }
        Some(index)
    }

    fn is_forged_beyond(&self, newest: MessageId) -> bool {
        self.is_forged && self.cursor.is_some_and(|cursor| cursor > newest)
    }

    /// The server says: you have seen everything up to here.
    fn on_cursor(&mut self, id: &str, context: &Context<'_>) {
        let id = parse_id(id);
        let truth = context.truth;
        if self.is_forged && self.cursor == Some(id) {
            // The engine has not judged it yet, so the server says nothing new.
            return;
        }
        assert!(!self.is_forged_beyond(truth.newest(self.tenant)), "a future cursor is lost");
        let missed = match self.cursor {
            Some(cursor) => {
                assert!(id >= cursor, "{:?}: from {cursor} back to {id}", self.form);
                truth.next_after(self.tenant, &self.channels, cursor)
            }
            None => self.mark.and_then(|mark| truth.next_from(self.tenant, &self.channels, mark)),
        };
        let missed = missed.map(|index| truth.messages[index].id).filter(|missed| *missed <= id);
        assert_eq!(missed, None, "cursor {id} given, but this never came");
        self.cursor = Some(id);
    }

    /// A client that publishes what it would hear.
    pub fn publish(&mut self, line: &mut Line, context: &mut Context<'_>) {
        if self.status() != 101 || self.farewell.is_some() {
            return;
        }
        let data = context.payload();
        if self.form == Form::JsonWebSocket {
            let Ok(text) = String::from_utf8(data) else { return };
            let mut value = serde_json::json!({ "data": text });
            if context.random.one_in(2) {
                value["channel"] = Value::from(context.random.pick(&context.rules.channels));
            }
            self.say(line, context, value.to_string().as_bytes());
        } else if std::str::from_utf8(&data).is_ok() {
            self.say(line, context, &data);
        } else {
            line.send(&client_frame(0x82, [9, 8, 7, 6], &data));
        }
    }

    /// Sends text, compressed or not.
    fn say(&self, line: &mut Line, context: &mut Context<'_>, text: &[u8]) {
        if self.window_bits().is_none() || context.random.one_in(2) {
            return line.send(&client_text_frame(context.random, text));
        }
        let payload = deflate(text, context.random.pick(&[9, 15]));
        line.send(&client_frame(0xc1, [7, 7, 0, 7], &payload));
    }

    /// What has not come, if anything: asked when everything has been delivered.
    pub fn missing(&self, context: &Context<'_>) -> Option<MessageId> {
        let truth = context.truth;
        let missing = match (self.cursor, self.mark) {
            (Some(cursor), _) => truth.next_after(self.tenant, &self.channels, cursor),
            (None, Some(mark)) => truth.next_from(self.tenant, &self.channels, mark),
            (None, None) => None,
        };
        missing.map(|index| truth.messages[index].id)
    }

    /// The connection is over, and nothing on it was slow or broken: nothing was cut in two, and the
    /// server has said why.
    pub fn check_ended(&self, line: &Line, context: &Context<'_>) {
        // Who says that nothing more will come is not waited for.
        if line.wants_fin || line.wire.borrow().was_full || self.is_held_back(context) {
            return;
        }
        let is_whole = self.reader.is_whole()
            && self.frames.is_empty()
            && self.events.is_whole()
            && self.lines.is_whole();
        assert!(is_whole, "{:?} got half of something, {}", self.form, line.explain());
        if context.is_draining {
            return;
        }
        let is_silent = self.form.is_events() || self.form == Form::OldStream;
        let was_deleted = context.truth.tenants_with_deletions.contains(&self.tenant);
        let is_told = self.farewell.is_some() || is_silent && was_deleted;
        let about = line.explain();
        assert!(is_told, "{:?} after {}: nobody said why, {about}", self.form, self.status());
    }

    /// While a late engine looks for its past, so much may have come that it was too much.
    fn is_held_back(&self, context: &Context<'_>) -> bool {
        context.rules.is_late && context.rules.limits().outbox_bytes_max < 1_000_000
    }

    /// The server stopped, and must have said so; where not all was at rest, whatever else ended it may
    /// have been on its way already.
    pub fn check_farewell(&self, was_at_rest: bool, about: &str) {
        let farewell = self.farewell.as_deref();
        if farewell.is_some() && !was_at_rest {
            return;
        }
        let expect: &[Option<&str>] = match self.form {
            Form::RawWebSocket | Form::JsonWebSocket => &[Some("1001")],
            Form::Stream | Form::Iframe => &[Some("last chunk")],
            Form::Poll => &[Some("304"), Some("503")],
            Form::Jsonp => &[Some("200"), Some("503")],
            Form::Events | Form::JsonEvents | Form::OldStream => &[None],
        };
        assert!(
            expect.contains(&farewell),
            "{:?} heard {farewell:?} at the end, {about}",
            self.form
        );
    }

    pub fn is_watching(&self) -> bool {
        self.watches && self.is_listening() && !self.form.is_poll()
    }

    /// Whether a request waits behind a parked poll.
    pub fn is_pipelining(&self) -> bool {
        self.asked.len() > 1
    }

    /// Whether it listens at the moment, as far as it can know.
    pub fn is_listening(&self) -> bool {
        match self.form.is_poll() {
            true => self.asked.front() == Some(&Asked::Subscription),
            false => self.farewell.is_none() && matches!(self.status(), 101 | 200),
        }
    }
}

/// What a client sees of a message's data.
#[derive(Debug)]
enum Shown {
    Bytes(Vec<u8>),
    /// In an event stream every line end is LF, and what is not text is base64.
    Events(String),
}

impl Shown {
    fn is(&self, message: &encke::hub::message::Message) -> bool {
        match self {
            Shown::Bytes(bytes) => bytes == message.data.as_bytes(),
            Shown::Events(text) => match message.data.as_text() {
                Some(data) => data.replace("\r\n", "\n").replace('\r', "\n") == *text,
                None => {
                    let base64 = json(text)["base64"].as_str().map(str::to_owned);
                    let bytes = base64.and_then(|base64| STANDARD.decode(base64).ok());
                    bytes.as_deref() == Some(message.data.as_bytes())
                }
            },
        }
    }
}

pub fn parse_id(text: &str) -> MessageId {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not an id"))
}
