//! A client that listens: it decodes what it gets on its transport and knows what must come next.
//!
//! Its cursor is its whole state. The next message must be the first one after the cursor on its
//! channels, whatever happened between: a slow read, a break, another connection.

mod heard;

use std::collections::{HashMap, VecDeque};

use encke::hub::message::{MessageId, TenantId};
use serde_json::Value;

use crate::client::{Context, Line, client_text_frame};
use crate::decode::{EventReader, Head, Lines, Part, Reader, deflate};
use crate::rules::TENANTS;
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
                    let has_reason = context.rules.tight.is_full() || context.is_draining;
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
        let is_heard = self.farewell.is_none() && matches!(self.status(), 101 | 200);
        self.asked.front() == Some(&Asked::Subscription) && (self.form.is_poll() || is_heard)
    }
}

pub fn parse_id(text: &str) -> MessageId {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not an id"))
}
