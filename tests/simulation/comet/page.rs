//! A page with CometServerApi.js, official or ours: what it asks, and a check of all that it is told.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};
use std::rc::Rc;

use encke::hub::clock::Now;
use encke::hub::message::{Message, MessageId};
use serde_json::Value;

use super::ledger::{Ledger, number_of, text_of};
use crate::client::{Line, client_text_frame};
use crate::decode::{EventReader, Frame, Part, Reader, json, take_frame};
use crate::support::random::Random;
use crate::support::websocket::client_frame;
use crate::truth::Truth;
use crate::wire::Wire;

pub const PIPES: [&str; 6] = ["web_a", "web_b", "track_t", "private_p", "plain", "user_status_1"];
/// Seconds for which a message that went out can surely be had again.
const HAD_SECONDS: u64 = 28;
/// Seconds for which a message surely waits for who is away.
const WAITING_SECONDS: u64 = 235;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Via {
    WebSocket,
    Stream,
    Poll,
}

/// What a page is given when it acts.
pub struct Context<'a> {
    pub random: &'a mut Random,
    pub truth: &'a Truth,
    pub ledger: &'a mut Ledger,
    pub now: Now,
    pub is_late: bool,
    pub newest_line: u64,
    pub last_kick_ms: u64,
    /// Nothing is dropped from any history.
    pub is_roomy: bool,
}

pub struct Page {
    pub number: usize,
    pub user: u32,
    pub is_ours: bool,
    version: &'static str,
    uuid: String,
    /// What it listens to, or wants to.
    pub pipes: Vec<&'static str>,
    since: Option<MessageId>,
    msg: Option<MessageId>,
    /// Numbers of the personal messages that it received.
    pub received: HashSet<u64>,
    /// Personal messages that it may never get, because it was away for too long.
    excused: HashSet<u64>,
    pub opens: usize,
    /// The first cursor of its personal messages, and the connection that brought it. What came before
    /// may have gone to a connection that ended before it could tell.
    first_msg: Option<(MessageId, usize)>,
    pub talk: Option<Talk>,
}

/// One connection of a page.
pub struct Talk {
    pub line: u64,
    pub via: Via,
    wire: Rc<RefCell<Wire>>,
    reader: Reader,
    received: u64,
    frames: Vec<u8>,
    events: EventReader,
    body: Vec<u8>,
    status: u16,
    is_parked: bool,
    pub authorized: Option<bool>,
    had_msg: bool,
    had_since: bool,
    is_introduced: bool,
    /// Lists that were not answered yet.
    asked: VecDeque<Vec<&'static str>>,
    questions: usize,
    /// With the place in the feed from which on each is owed.
    channels: Vec<(&'static str, usize)>,
    /// The last message of a numbered feed.
    last: Option<usize>,
    seen_words: Vec<String>,
    /// From this place on everything must have come; set when all is at rest.
    settled: Option<usize>,
}

impl Page {
    pub fn draw(number: usize, random: &mut Random) -> Page {
        let user = random.below(4) as u32;
        // User 1 has one page, of ours; user 3 one that is not.
        let (user, is_ours) = match number {
            0 => (1, true),
            1 => (3, false),
            _ => (if user % 2 == 1 { 2 } else { user }, !random.one_in(3)),
        };
        let version = match is_ours {
            true => "5.0",
            false => random.pick(&["3.25", "4.08"]),
        };
        Page {
            number,
            user,
            is_ours,
            version,
            uuid: format!("page{number}"),
            pipes: draw_pipes(random),
            since: None,
            msg: None,
            received: HashSet::new(),
            excused: HashSet::new(),
            opens: 0,
            first_msg: None,
            talk: None,
        }
    }

    /// Whether nobody else is its user, and it has a memory.
    pub fn is_alone(&self) -> bool {
        self.user == 1
    }

    pub fn is_up(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.is_introduced)
    }

    fn address(&self) -> String {
        let (user, key) = match self.user {
            0 => ("undefined".to_owned(), "undefined".to_owned()),
            user => (user.to_string(), format!("key{user}")),
        };
        let api = if self.is_ours { "encke" } else { "js" };
        let Page { version, uuid, number, .. } = self;
        let mut address =
            format!("/ws/sesion={key}&myid={user}&devid=1&v={version}&uuid={uuid}&api={api}");
        if self.is_ours {
            address.push_str(&format!("&session=session-of-page-{number:04}"));
        }
        address
    }

    fn target(&self, via: Via) -> String {
        let text = |id: Option<MessageId>| id.map_or(String::new(), |id| id.to_string());
        let mut target = self.address();
        if self.is_ours {
            let (since, msg) = (text(self.since), text(self.msg));
            target.push_str(&format!("&pipes={}&since={since}&msg={msg}", self.pipes.join(",")));
        }
        if via == Via::Poll {
            target.push_str("&transport=poll");
        }
        target
    }

    /// Connects; what an older connection still says comes too late.
    pub fn open(&mut self, id: u64, line: &mut Line, via: Via, context: &mut Context<'_>) {
        self.opens += 1;
        if !self.is_ours {
            self.uuid = format!("page{}line{id}", self.number);
        }
        self.talk = Some(Talk::new(id, via, line.wire.clone()));
        self.ask(line);
        if !self.is_ours {
            self.say_pipes(line, context.random);
        }
    }

    /// Sends the request, which for a poll is every request.
    fn ask(&mut self, line: &mut Line) {
        let Some(via) = self.talk.as_ref().map(|talk| talk.via) else { return };
        let target = self.target(via);
        let Some(talk) = &mut self.talk else { return };
        talk.had_msg = self.msg.is_some();
        talk.had_since = self.since.is_some();
        // A poll that goes on is not told who it is.
        talk.authorized = None;
        talk.is_parked = true;
        if self.since.is_some() {
            talk.channels = self.pipes.iter().map(|&pipe| (pipe, 0)).collect();
        }
        talk.is_introduced = talk.via == Via::Poll && self.since.is_some();
        let headers = match talk.via {
            Via::WebSocket => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
            Via::Stream => "Accept: text/event-stream\r\n",
            Via::Poll => "",
        };
        let agent = self.number % 3;
        line.send(
            format!(
                "GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a{agent}\r\n{headers}\r\n"
            )
            .as_bytes(),
        );
    }

    /// The next poll, if the last one is answered.
    pub fn poll_again(&mut self, line: &mut Line) -> bool {
        let is_answered = |talk: &Talk| talk.via == Via::Poll && !talk.is_parked;
        let is_due = self.talk.as_ref().is_some_and(is_answered) && !line.wants_fin;
        if is_due {
            self.ask(line);
        }
        is_due
    }

    /// Listens to something else; true if that needs a new connection.
    pub fn resubscribe(&mut self, line: &mut Line, context: &mut Context<'_>) -> bool {
        self.pipes = draw_pipes(context.random);
        let Some(talk) = &self.talk else { return false };
        if talk.via != Via::WebSocket {
            return true;
        }
        self.say_pipes(line, context.random);
        false
    }

    fn say_pipes(&mut self, line: &mut Line, random: &mut Random) {
        let Some(talk) = &mut self.talk else { return };
        let text = format!("subscription\n{}", self.pipes.join("\n"));
        line.send(&client_text_frame(random, text.as_bytes()));
        talk.settled = None;
        talk.seen_words.clear();
        talk.asked.push_back(self.pipes.clone());
        if !self.is_ours {
            // Nothing tells when it holds.
            talk.channels.extend(self.pipes.iter().map(|&pipe| (pipe, usize::MAX)));
        }
    }

    /// The text of a publish.
    pub fn publication(&self, context: &mut Context<'_>) -> (u64, String) {
        let number = context.ledger.number();
        let pipe = context.random.pick(&["web_a", "web_b", "@web_b"]);
        let filler = "x".repeat(context.random.pick(&[0, 10, 400]));
        (number, format!("web_pipe2\n{pipe}\ne\n*\nm{number} {filler}"))
    }

    /// Asks something, over a WebSocket.
    pub fn question(&mut self, line: &mut Line, context: &mut Context<'_>) {
        let Some(talk) = &mut self.talk else { return };
        let text = context.random.pick(&[
            "pipe_count\nweb_a\n1234567890\n",
            "pipe_count\ntrack_t\n1234567890\n",
            "track_pipe_users\ntrack_t\n1234567890",
            "user_status\n1",
        ]);
        line.send(&client_text_frame(context.random, text.as_bytes()));
        talk.questions += 1;
    }

    /// The request that posts a command with a number.
    pub fn post(&self, number: u64, text: &str) -> String {
        let length = text.len();
        let address = self.address();
        format!(
            "POST {address}&n={number} HTTP/1.1\r\nHost: localhost\r\n\
             Content-Length: {length}\r\n\r\n{text}"
        )
    }

    pub fn receive(&mut self, bytes: &[u8], line: &mut Line, context: &mut Context<'_>) {
        let Some(talk) = &mut self.talk else { return };
        talk.received += bytes.len() as u64;
        talk.reader.push(bytes);
        while let Some(talk) = &mut self.talk
            && let Some(part) = talk.reader.next(false)
        {
            match part {
                Part::Head(head, _) => {
                    talk.status = head.status;
                    talk.body.clear();
                    let good: &[u16] = match talk.via {
                        Via::WebSocket => &[101],
                        Via::Stream => &[200],
                        Via::Poll => &[200, 304],
                    };
                    if !good.contains(&head.status) {
                        // It took too long to ask, its user was sent away, or the server stops.
                        let is_known = matches!(head.status, 408 | 503);
                        assert!(is_known, "{:?}: {head:?}", talk.via);
                        line.wants_fin = true;
                        return;
                    }
                    self.excuse(context);
                }
                Part::Data(data) => match talk.via {
                    Via::WebSocket if talk.status != 101 => {}
                    Via::WebSocket => talk.frames.extend_from_slice(&data),
                    Via::Stream if talk.status != 200 => {}
                    Via::Stream => talk.events.lines.push(&data),
                    Via::Poll => talk.body.extend_from_slice(&data),
                },
                Part::End => self.poll_ended(context),
            }
        }
        self.take_frames(line, context);
        self.take_events(context);
    }

    fn poll_ended(&mut self, context: &mut Context<'_>) {
        let Some(talk) = &mut self.talk else { return };
        talk.is_parked = false;
        if talk.status != 200 {
            return;
        }
        let body = String::from_utf8(std::mem::take(&mut talk.body)).expect("text");
        let Value::Array(list) = json(&body) else {
            panic!("a poll is answered by a list: {body}")
        };
        assert!(!list.is_empty(), "a poll is answered by something");
        for frame in list {
            self.take(&frame, 0, context);
        }
    }

    fn take_frames(&mut self, line: &mut Line, context: &mut Context<'_>) {
        while let Some(talk) = &mut self.talk
            && talk.via == Via::WebSocket
            && let Some(frame) = take_frame(&mut talk.frames, false)
        {
            let offset = talk.received - talk.frames.len() as u64;
            match frame {
                Frame::Text(text) => {
                    assert!(!text.contains(['\n', '\'']), "no script reads this: {text}");
                    self.take(&json(&text), offset, context);
                }
                Frame::Ping(data) => line.send(&client_frame(0x8a, [0; 4], &data)),
                other => panic!("{other:?} for a page"),
            }
        }
    }

    fn take_events(&mut self, context: &mut Context<'_>) {
        while let Some(talk) = &mut self.talk
            && talk.via == Via::Stream
            && let Some(event) = talk.events.next()
        {
            let Some(data) = event.data else { continue };
            let frame = json(&data);
            self.take(&frame, 0, context);
            if let Some(id) = event.id {
                // The stream's own cursor is the same one.
                assert_eq!(Some(parse(&id)), self.since, "{frame}");
            }
        }
    }

    fn take(&mut self, frame: &Value, offset: u64, context: &mut Context<'_>) {
        let pipe = frame["pipe"].as_str().expect("every frame has a pipe");
        let event = frame["event"].as_str().expect("and an event");
        let Some(talk) = &mut self.talk else { return };
        match (pipe, event) {
            ("sys", "serverInfo") => self.introduced(frame),
            ("sys", "encke:lost") => self.lost(frame, context),
            ("msg", _) => self.personal(frame, context),
            ("_answer_subscription", _) => self.subscribed(frame, offset, context),
            (_, "answer" | "user_in_pipe") if pipe.starts_with("_answer") => talk.answered(),
            ("_answer_user_status", _) => talk.answered(),
            ("track_t", "answer") if frame["marker"].is_string() => talk.answered(),
            ("sys", _) => panic!("{frame}"),
            (pipe, "online" | "offline") => self.word(pipe, event, context),
            (pipe, _) => self.message(pipe, frame, context),
        }
    }

    fn introduced(&mut self, frame: &Value) {
        let Some(talk) = &mut self.talk else { return };
        // A poll that goes on is told only if it may have to begin anew.
        let is_poll = talk.via == Via::Poll && self.user > 0 && talk.authorized.is_none();
        assert!(!talk.is_introduced || is_poll, "once: {frame}");
        talk.is_introduced = true;
        let is_authorized = frame["authorized"] == "true";
        assert!(self.user > 0 || !is_authorized);
        talk.authorized = Some(is_authorized);
        if !self.is_ours {
            assert!(frame.get("id").is_none() && frame.get("msg").is_none(), "{frame}");
            return;
        }
        let (id, msg) = (id_of(frame, "id"), id_of(frame, "msg"));
        match self.since {
            Some(since) => assert_eq!(since, id, "a cursor comes back"),
            None => {
                talk.channels = self.pipes.iter().map(|&pipe| (pipe, 0)).collect();
                self.since = Some(id);
            }
        }
        assert!(self.msg.is_none_or(|known| known == msg), "a cursor comes back: {frame}");
        self.msg = Some(msg);
        self.first_msg.get_or_insert((msg, self.opens));
    }

    fn lost(&mut self, frame: &Value, context: &Context<'_>) {
        assert!(self.is_ours && !context.is_roomy, "nothing was dropped: {frame}");
        self.since = Some(id_of(frame, "id"));
    }

    fn subscribed(&mut self, frame: &Value, offset: u64, context: &Context<'_>) {
        let upto = id_of(frame, "id");
        let Some(talk) = &self.talk else { return };
        let since = self.since.expect("it is introduced first");
        assert!(upto >= since, "a cursor does not go back: {frame} after {since}");
        let place = talk.wire.borrow().published_at(offset);
        let list = frame["data"].as_array().expect("a list");
        let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        let asked = talk.asked.front().expect("an answer to something");
        let mut expected: Vec<&'static str> = asked.clone();
        if talk.authorized != Some(true) {
            expected.retain(|pipe| *pipe != "private_p");
        }
        let kept = |pipe: &str| talk.channels.iter().find(|known| known.0 == pipe);
        let owed: Vec<(&'static str, usize)> =
            expected.iter().filter_map(|pipe| kept(pipe).copied()).collect();
        let missing = self.missing(&owed, since, Some(upto), context);
        assert_eq!(missing, None, "what came before {frame}");
        let channels: Vec<(&'static str, usize)> = expected
            .iter()
            .map(|pipe| (*pipe, kept(pipe).map_or(place, |known| known.1)))
            .collect();
        assert_eq!(sorted(&list), sorted(&expected), "what was asked for");
        self.since = Some(upto);
        let Some(talk) = &mut self.talk else { return };
        talk.channels = channels;
        talk.seen_words.clear();
        talk.asked.pop_front();
    }

    /// The first message on these channels that it should have had after a cursor, up to another.
    fn missing(
        &self,
        channels: &[(&'static str, usize)],
        after: MessageId,
        upto: Option<MessageId>,
        context: &Context<'_>,
    ) -> Option<String> {
        let messages = &context.truth.messages;
        let from = messages.partition_point(|message| message.id <= after);
        let is_private_sure = self.talk.as_ref().is_some_and(|talk| talk.authorized == Some(true));
        for (place, message) in messages.iter().enumerate().skip(from) {
            if upto.is_some_and(|upto| message.id > upto) {
                return None;
            }
            let is_owed =
                channels.iter().any(|&(pipe, owed)| *message.channel == *pipe && owed <= place);
            let is_sure = is_private_sure || &*message.channel != "private_p";
            if is_owed && is_sure && !self.is_own(message, context) {
                return Some(format!("{} {} {}", message.id, &*message.channel, text_of(message)));
            }
        }
        None
    }

    fn is_own(&self, message: &Message, context: &Context<'_>) -> bool {
        let text = text_of(message);
        if &*message.channel == "track_t" {
            return text.contains(&format!("\"uuid\":\"{}\"", self.uuid));
        }
        let author = number_of(&text).and_then(|number| context.ledger.authors.get(&number));
        let line = self.talk.as_ref().map(|talk| talk.line);
        // A session is the same on whatever connection it speaks.
        author.is_some_and(|author| {
            author.page == self.number && (self.is_ours || Some(author.line) == line)
        })
    }

    fn message(&mut self, pipe: &str, frame: &Value, context: &Context<'_>) {
        let Some(talk) = &self.talk else { return };
        assert!(talk.is_introduced, "who it is comes first: {frame}");
        let is_listening = talk.channels.iter().any(|known| known.0 == pipe);
        assert!(is_listening, "not what it listens to: {frame}");
        if pipe == "private_p" && talk.authorized.is_some() {
            assert_eq!(talk.authorized, Some(true), "not for nobody: {frame}");
        }
        if !self.is_ours {
            return self.unnumbered(pipe, frame, context);
        }
        let id = id_of(frame, "id");
        let since = self.since.expect("introduced");
        assert!(id > since, "again: {frame} after {since}");
        let place = context.truth.messages.partition_point(|message| message.id < id);
        let message = &context.truth.messages[place];
        assert_eq!((message.id, &*message.channel), (id, pipe), "it was published");
        // Late, what a session said last may be published when it has ended and begun anew.
        let is_anew = context.is_late && !talk.had_since;
        assert!(is_anew || !self.is_own(message, context), "its own: {frame}");
        let channels = talk.channels.clone();
        let missing = self.missing(&channels, since, Some(id.before()), context);
        assert_eq!(missing, None, "before {frame}, after {since}");
        self.since = Some(id);
    }

    /// For who has no ids: in order, not twice, not its own.
    fn unnumbered(&mut self, pipe: &str, frame: &Value, context: &Context<'_>) {
        assert!(frame.get("id").is_none(), "{frame}");
        let Some(talk) = &mut self.talk else { return };
        if pipe == "track_t" {
            let is_own = frame["data"].to_string().contains(&format!("{}\\", self.uuid))
                || frame["data"]["uuid"] == *self.uuid;
            assert!(!is_own, "its own: {frame}");
            return;
        }
        let text = frame["data"].as_str().expect("text");
        let number = number_of(text).expect("a number");
        let place = context.ledger.places[&number];
        assert!(talk.last.is_none_or(|last| last < place), "in order, and once: {frame}");
        talk.last = Some(place);
        if let Some(settled) = talk.settled.filter(|settled| *settled <= place) {
            let numbered = |message: &Message| &*message.channel != "track_t";
            let between = &context.truth.messages[settled..place];
            let pipes = &self.pipes;
            let is_private_sure = talk.authorized == Some(true);
            let missed: Vec<String> = between
                .iter()
                .filter(|message| numbered(message) && pipes.contains(&&*message.channel))
                .filter(|message| is_private_sure || &*message.channel != "private_p")
                .map(|message| text_of(message))
                .collect();
            talk.settled = Some(place + 1);
            let is_foreign = |text: &String| {
                let author = number_of(text).and_then(|number| context.ledger.authors.get(&number));
                author.is_none_or(|author| author.line != talk.line)
            };
            assert!(!missed.iter().any(is_foreign), "{missed:?} before {frame}");
        }
    }

    /// The user comes and goes, one after the other.
    fn word(&mut self, pipe: &str, event: &str, context: &Context<'_>) {
        assert_eq!(pipe, "user_status_1");
        let Some(talk) = &mut self.talk else { return };
        // Late, a departure may be begun before the arrival that was asked for earlier.
        if !context.is_late && talk.via != Via::Poll {
            let last = talk.seen_words.last();
            let is_fresh = talk.asked.is_empty() && self.is_ours && last.is_some();
            assert!(!is_fresh || last.is_none_or(|last| last != event), "{event} again");
        }
        talk.seen_words.push(event.to_owned());
    }

    fn personal(&mut self, frame: &Value, context: &mut Context<'_>) {
        let Some(talk) = &self.talk else { return };
        assert_ne!(talk.authorized, Some(false), "for nobody: {frame}");
        let text = frame["data"].as_str().expect("text");
        let number = number_of(text).expect("a number");
        let is_for = |message: &encke::hub::message::Personal| {
            message.data.as_text() == Some(text) && *message.user == *self.user.to_string()
        };
        // Late, what waited is handed out before it has left the feed.
        let is_known = context.truth.personals.iter().any(|message| is_for(message));
        assert!(context.is_late || is_known, "for somebody else: {frame}");
        let is_new = self.received.insert(number);
        // Late, what an arrival was handed may still be on its way in the feed: it comes twice, and
        // pages of ours take it once.
        if context.is_late && !is_new {
            return;
        }
        let line = talk.line;
        let newest = context.newest_line;
        let had_at = *context.ledger.had.entry(number).or_insert(newest);
        assert!(is_new, "again: {frame}");
        if !context.is_late && frame["fromQueue"] == true && !talk.had_msg {
            assert!(had_at >= line, "somebody has had it already: {frame}");
        }
        if self.is_ours {
            let id = id_of(frame, "id");
            assert!(context.is_late || self.msg.is_none_or(|msg| id > msg), "{frame}");
            self.msg = Some(id);
        }
    }

    /// What went out too long ago, and was not read, is nobody's fault.
    fn excuse(&mut self, context: &Context<'_>) {
        for message in &context.truth.personals {
            let Some(number) = message.data.as_text().and_then(number_of) else { continue };
            if *message.user != *self.user.to_string() || self.received.contains(&number) {
                continue;
            }
            let waiting = context.ledger.waiting.get(&number);
            let is_first = waiting.is_some_and(|it| it.opens[self.number] + 1 >= self.opens);
            let seconds = if is_first { WAITING_SECONDS } else { HAD_SECONDS };
            if message.id.second + seconds < context.now.unix_second {
                self.excused.insert(number);
            }
        }
    }

    /// All is at rest: whatever should have come has come.
    pub fn check_at_rest(&mut self, context: &Context<'_>) {
        let Some(talk) = &self.talk else { return };
        assert!(talk.is_introduced, "page {}: nobody told it who it is", self.number);
        assert_eq!(talk.questions, 0, "page {}: not answered", self.number);
        if self.is_ours {
            assert!(talk.asked.is_empty(), "page {}: no answer to a list", self.number);
            let since = self.since.expect("introduced");
            let missing = self.missing(&talk.channels, since, None, context);
            assert_eq!(missing, None, "page {} {:?} after {since}", self.number, talk.via);
        }
        // A poll is not told; while the key was away it was nobody's.
        let is_sure = talk.via == Via::Poll && context.now.ms > context.last_kick_ms + 7_000;
        if talk.authorized == Some(true) || (is_sure && talk.authorized.is_none()) {
            self.check_personals(context);
        }
        let Some(talk) = &mut self.talk else { return };
        talk.settled = Some(context.truth.messages.len());
        if !self.is_ours {
            talk.asked.clear();
            talk.channels = self.pipes.iter().map(|&pipe| (pipe, 0)).collect();
        }
    }

    fn check_personals(&self, context: &Context<'_>) {
        if !self.is_alone() {
            return;
        }
        for message in &context.truth.personals {
            let text = message.data.as_text().expect("text");
            let number = number_of(text).expect("a number");
            let is_owed = text.starts_with('w') && *message.user == *self.user.to_string();
            let has_it = self.received.contains(&number) || self.excused.contains(&number);
            let id = message.id;
            if self.first_msg.is_none_or(|(first, opens)| {
                let waiting = context.ledger.waiting.get(&number);
                let is_next = waiting.is_some_and(|it| it.opens[self.number] + 1 == opens);
                id <= first && (context.is_late || !is_next)
            }) {
                continue;
            }
            assert!(!is_owed || has_it, "page {}: {id} {text} never came", self.number);
        }
    }

    /// The channels that it has while all is at rest.
    pub fn holds(&self) -> Option<usize> {
        let talk = self.talk.as_ref()?;
        let is_sure = talk.authorized.is_some() || self.user == 0;
        let is_private = talk.authorized == Some(true);
        if !is_sure && self.pipes.contains(&"private_p") {
            return None;
        }
        Some(self.pipes.iter().filter(|pipe| is_private || **pipe != "private_p").count())
    }
}

impl Talk {
    fn new(line: u64, via: Via, wire: Rc<RefCell<Wire>>) -> Talk {
        Talk {
            line,
            via,
            wire,
            reader: Reader::new(),
            received: 0,
            frames: Vec::new(),
            events: EventReader::default(),
            body: Vec::new(),
            status: 0,
            is_parked: false,
            authorized: None,
            had_msg: false,
            had_since: false,
            is_introduced: false,
            asked: VecDeque::new(),
            questions: 0,
            channels: Vec::new(),
            last: None,
            seen_words: Vec::new(),
            settled: None,
        }
    }

    pub fn asks(&mut self) {
        self.questions += 1;
    }

    fn answered(&mut self) {
        self.questions = self.questions.checked_sub(1).expect("an answer to something");
    }
}

fn draw_pipes(random: &mut Random) -> Vec<&'static str> {
    let wanted = random.below(1 << PIPES.len());
    let is_wanted = |&(index, _): &(usize, &'static str)| wanted >> index & 1 == 1;
    let mut pipes: Vec<&str> =
        PIPES.into_iter().enumerate().filter(is_wanted).map(|(_, pipe)| pipe).collect();
    if random.one_in(2) {
        pipes.reverse();
    }
    pipes
}

fn sorted<'a>(list: &[&'a str]) -> Vec<&'a str> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list
}

fn parse(text: &str) -> MessageId {
    text.parse().expect("an id")
}

fn id_of(frame: &Value, name: &str) -> MessageId {
    parse(frame[name].as_str().unwrap_or_else(|| panic!("no {name} in {frame}")))
}
