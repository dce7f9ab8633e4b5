//! What a subscriber hears, and whether it is what must come next.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encke::hub::message::MessageId;
use serde_json::Value;

use super::{Asked, Form, Subscriber, parse_id};
use crate::client::{Context, Line};
use crate::decode::{Frame, StreamEvent, json, take_frame};
use crate::rules::Kept;
use crate::support::websocket::client_frame;

impl Subscriber {
    pub(super) fn on_data(&mut self, data: &[u8], line: &mut Line, context: &mut Context<'_>) {
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

    pub(super) fn on_end(&mut self, line: &mut Line, context: &mut Context<'_>) {
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

    fn on_stream_event(&mut self, event: StreamEvent, context: &mut Context<'_>) {
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
                    1013 => assert!(context.rules.tight.is_full()),
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
                let is_short = context.rules.tight.memory;
                assert!(is_short || self.is_refused_sometimes(context), "{value}");
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

    pub(super) fn may_be_lost(&self, context: &Context<'_>) -> bool {
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
        let may_be_forgotten = |since| truth.may_be_forgotten(self.tenant, since);
        let was_forgotten = self.asked_since.is_some_and(may_be_forgotten);
        self.is_forged
            || has_dropped
            || was_forgotten
            || truth.tenants_with_deletions.contains(&self.tenant)
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
