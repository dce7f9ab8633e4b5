//! What a page is told, and whether that is true.

use encke::hub::message::{Message, MessageId, TenantId};
use serde_json::Value;

use super::{Context, Page, Via};
use crate::client::Line;
use crate::comet::ledger::{number_of, text_of};
use crate::decode::{Frame, json, take_frame};
use crate::support::websocket::client_frame;

/// Seconds for which a message that went out can surely be had again.
const HAD_SECONDS: u64 = 28;
/// Seconds for which a message surely waits for who is away.
const WAITING_SECONDS: u64 = 235;

impl Page {
    pub(super) fn poll_ended(&mut self, context: &mut Context<'_>) {
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

    pub(super) fn take_frames(&mut self, line: &mut Line, context: &mut Context<'_>) {
        while let Some(talk) = &mut self.talk
            && talk.via == Via::WebSocket
            && let Some(frame) = take_frame(&mut talk.frames, talk.window_bits)
        {
            let offset = talk.received - talk.frames.len() as u64;
            match frame {
                Frame::Text(text) => {
                    assert!(!text.contains(['\n', '\'']), "no script reads this: {text}");
                    self.take(&json(&text), offset, context);
                }
                Frame::Ping(data) => line.send(&client_frame(0x8a, [0; 4], &data)),
                // Late, more may come for it than is held back while its user arrives.
                Frame::Close(Some(1013)) if context.was_short || context.is_late => {
                    self.gives_up = true;
                }
                other => panic!("{other:?} for a page"),
            }
        }
    }

    pub(super) fn take_events(&mut self, context: &mut Context<'_>) {
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
        if self.gives_up {
            return;
        }
        if (pipe, event) == ("sys", "error") && frame.to_string().contains("No memory is left") {
            assert!(context.was_short, "there is memory: {frame}");
            self.gives_up = true;
            return;
        }
        match (pipe, event) {
            ("sys", "serverInfo") => self.introduced(frame, context),
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

    fn introduced(&mut self, frame: &Value, context: &Context<'_>) {
        self.excuse(context);
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
        let since = self.since.expect("only a cursor is lost");
        let was_forgotten = match context.is_late {
            true => context.truth.forgot_ms > 0,
            false => context.truth.may_be_forgotten(TenantId(0), since),
        };
        let has_reason = was_forgotten || !context.is_roomy;
        assert!(self.is_ours && has_reason, "nothing was dropped: {frame}");
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
        if self.is_ours {
            let id = id_of(frame, "id");
            assert!(context.is_late || self.msg.is_none_or(|msg| id > msg), "{frame}");
            // Also if it is one that it knows, or it would ask for that one again and again.
            self.msg = Some(id);
        }
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
    }

    /// What went out too long ago, and was not read, is nobody's fault.
    pub(super) fn excuse(&mut self, context: &Context<'_>) {
        let truth = context.truth;
        for (message, sent_ms) in truth.personals.iter().zip(&truth.personal_times) {
            let Some(number) = message.data.as_text().and_then(number_of) else { continue };
            if *message.user != *self.user.to_string() || self.received.contains(&number) {
                continue;
            }
            let waiting = context.ledger.waiting.get(&number);
            let is_first = waiting.is_some_and(|it| it.opens[self.number] + 1 >= self.opens);
            let seconds = if is_first { WAITING_SECONDS } else { HAD_SECONDS };
            let was_forgotten = !is_first && *sent_ms <= truth.forgot_ms && truth.forgot_ms > 0;
            if was_forgotten || sent_ms + seconds * 1_000 < context.now.ms {
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
        let is_somebody = talk.authorized == Some(true) || (is_sure && talk.authorized.is_none());
        if talk.is_parked && talk.via == Via::Poll {
            // It arrived some time ago, and has heard nothing since that would tell when.
            self.excuse(context);
        }
        if is_somebody {
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
            let about = || {
                let waiting = context.ledger.waiting.get(&number).map(|it| it.opens[self.number]);
                let sent_ms = context.truth.sent_at(message);
                format!(
                    "sent at {sent_ms} ms, now {}, first {:?}, opened {} times, waited at {waiting:?}, \
                     cursor {:?}, {}",
                    context.now.ms,
                    self.first_msg,
                    self.opens,
                    self.msg,
                    self.explain()
                )
            };
            assert!(!is_owed || has_it, "{id} {text} never came, {}", about());
        }
    }
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
