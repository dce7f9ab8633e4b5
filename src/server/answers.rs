//! What the engine says: answers find who asked, and the feed goes into the next batch.

use super::comet::Asked;
use super::conn::{Flags, Phase};
use super::disconnect::Disconnect;
use super::poll::FORMAT;
use super::respond::{Reply, Response};
use super::resume::Resume;
use super::socket::Socket;
use super::{Key, Server};
use crate::dialects::native::Refusal;
use crate::engines::{Output, Token};
use crate::hub::command::{self, Command, Happened, Outcome, Start};
use crate::hub::message::{MessageId, TenantId};
use crate::hub::names::ChannelName;
use crate::proto::{http1, json};

/// What is to be done with an answer.
pub(crate) enum Ask {
    /// Answer `POST /channels/NAME`.
    Publish { reply: Reply, channels: Vec<ChannelName> },
    /// Answer a plain GET.
    History { reply: Reply, start: Start },
    /// Answer `GET /channels/NAME/presence`.
    Presence { reply: Reply, channel: ChannelName },
    /// Answer `POST /users/ID`.
    ToUser { reply: Reply, devices: usize },
    /// Answer `GET /channels`.
    List { reply: Reply, list: Vec<(ChannelName, u32)> },
    /// Answer DELETE.
    Delete { reply: Reply, had_subscribers: bool },
    /// Let a subscriber begin.
    Resume(Box<Resume>),
    /// Go on with a WebSocket client that published.
    ClientPublish,
    /// Go on with a CometServerApi client.
    Comet(Box<Asked>),
    /// Answer a statement.
    #[cfg_attr(not(feature = "cometql"), expect(dead_code, reason = "nobody speaks MySQL"))]
    MySql,
}

/// A question that the engine has not answered.
pub(crate) struct Pending {
    /// Of its token. A connection that stopped waiting may have asked something else since.
    pub number: u32,
    pub ask: Ask,
}

/// The slot number in a token that belongs to the server itself.
pub(super) const SERVERS_OWN: u32 = u32::MAX;

impl<S: Socket> Server<S> {
    /// Asks the engine on behalf of a connection, which takes no input until the answer is there. With
    /// the engine in memory that is before this returns.
    pub(super) fn ask(&mut self, slot: u32, ask: Ask, mut command: Command) {
        if self.is_too_much(&command) {
            return self.refuse_ask(slot, ask);
        }
        self.apply_rules(&mut command);
        let token = self.next_token(slot);
        self.connections.get_mut(slot).flags.set(Flags::ASKING);
        let before = self.asks.insert(slot, Pending { number: token.number, ask });
        assert!(before.is_none(), "one question at a time");
        self.engine.submit(Some(token), command, self.now);
        self.settle();
    }

    pub(super) fn next_token(&mut self, slot: u32) -> Token {
        self.ask_number = self.ask_number.wrapping_add(1);
        let generation = match slot {
            SERVERS_OWN => 0,
            _ => self.connections.get(slot).generation,
        };
        Token { slot, generation, number: self.ask_number }
    }

    /// Tells the engine something that nobody waits for.
    pub(super) fn tell(&mut self, command: Command) {
        self.engine.submit(None, command, self.now);
    }

    /// Takes everything that the engine has to say.
    pub(super) fn settle(&mut self) {
        while let Some(output) = self.engine.take() {
            match output {
                Output::Completed(token, outcome) => self.on_completed(token, outcome),
                Output::Happened(happened) => self.on_happened(happened),
            }
        }
    }

    fn on_happened(&mut self, happened: Happened) {
        match happened {
            Happened::Published(message) => {
                self.metrics.messages_published += 1;
                self.metrics.published_bytes += message.bytes() as u64;
                self.metrics.lag.message_waits();
                self.push_to_feed(message);
            }
            Happened::Kicked { tenant, channel } => self.on_kicked(tenant, &channel),
            Happened::Said(word) => {
                if self.hub.find(word.tenant, &word.channel).is_some() {
                    self.push_to_feed(word);
                }
            }
            Happened::ToUser(message) => self.deliver_to_user(&message),
            Happened::UserKicked { tenant, user } => self.on_user_kicked(tenant, &user),
        }
    }

    fn on_completed(&mut self, token: Token, outcome: Outcome) {
        if token.slot == SERVERS_OWN {
            return self.on_counts(token.number, outcome);
        }
        let key = Key { slot: token.slot, generation: token.generation };
        let is_awaited = self.connections.find(key).is_some()
            && self.asks.get(&token.slot).is_some_and(|pending| pending.number == token.number);
        if !is_awaited {
            return self.undo(outcome);
        }
        let Some(Pending { ask, .. }) = self.asks.remove(&token.slot) else { return };
        let conn = self.connections.get_mut(token.slot);
        conn.flags.clear(Flags::ASKING);
        self.finish_ask(token.slot, ask, outcome);
        // It may have had more to say meanwhile.
        if self.connections.is_used(token.slot) {
            self.queue_if_waiting(token.slot);
        }
    }

    /// Nobody waits for this any more: what it did is undone, where that matters.
    fn undo(&mut self, outcome: Outcome) {
        if let Outcome::Arrived { tenant, user, waiting: unread, newest: upto } = outcome {
            self.tell(Command::Depart { tenant, user, unread, upto, word: None });
        }
    }

    /// Queues a connection that has bytes to use or to read.
    pub(super) fn queue_if_waiting(&mut self, slot: u32) {
        let conn = self.connections.get(slot);
        if conn.input.is_some() || conn.flags.has(Flags::UNREAD) {
            self.queue(slot);
        }
    }

    pub(super) fn finish_ask(&mut self, slot: u32, ask: Ask, outcome: Outcome) {
        match (ask, outcome) {
            (Ask::Comet(asked), outcome) => self.on_comet_answer(slot, *asked, outcome),
            (Ask::MySql, outcome) => self.on_mysql_answer(slot, outcome),
            (Ask::ClientPublish, Outcome::Refused(refusal)) => {
                let why = match refusal {
                    command::Refusal::Memory => Disconnect::Unavailable,
                    _ => Disconnect::Refused,
                };
                self.refuse_client_message(slot, &explain(refusal), why);
            }
            (Ask::ClientPublish, _) => {}
            (Ask::Resume(resume), Outcome::Messages(replay)) => self.resume(slot, *resume, replay),
            (Ask::Resume(_), _) => self.end(slot, Disconnect::Unavailable),
            (Ask::Publish { reply, channels }, Outcome::Published { last, elsewhere }) => {
                self.answer_published(slot, &reply, &channels, last, elsewhere);
            }
            (Ask::History { reply, start }, Outcome::Messages(replay)) => {
                self.answer_history(slot, &reply, start, replay);
            }
            (Ask::Presence { reply, channel }, Outcome::Presence { count, users }) => {
                self.answer_presence(slot, &reply, &channel, count, &users);
            }
            (Ask::ToUser { reply, devices }, Outcome::Delivered(elsewhere)) => {
                let devices = devices as u64 + elsewhere;
                let body = format!("{{\"devices\":{devices}}}\n").into_bytes();
                self.respond(slot, &reply, Response::json(200, body));
            }
            (Ask::List { reply, list }, Outcome::Counts(elsewhere)) => {
                self.answer_list(slot, &reply, &list, &elsewhere);
            }
            (Ask::Delete { reply, had_subscribers }, Outcome::Kicked(existed)) => {
                let existed = existed || had_subscribers;
                let body = format!("{{\"deleted\":{existed}}}\n").into_bytes();
                self.respond(slot, &reply, Response::json(if existed { 200 } else { 404 }, body));
            }
            (
                Ask::Publish { reply, .. }
                | Ask::History { reply, .. }
                | Ask::Presence { reply, .. }
                | Ask::ToUser { reply, .. }
                | Ask::List { reply, .. }
                | Ask::Delete { reply, .. },
                outcome,
            ) => self.refuse(slot, &reply, refusal_of(&outcome)),
        }
    }

    fn answer_published(
        &mut self,
        slot: u32,
        reply: &Reply,
        channels: &[ChannelName],
        last: MessageId,
        elsewhere: u64,
    ) {
        let tenant = self.connections.get(slot).tenant;
        let here = channels.iter().map(|name| u64::from(self.hub.count(tenant, name)));
        let subscribers = here.sum::<u64>() + elsewhere;
        let body = format!("{{\"id\":\"{last}\",\"subscribers\":{subscribers}}}\n").into_bytes();
        self.respond(slot, reply, Response::json(200, body));
    }

    fn answer_history(&mut self, slot: u32, reply: &Reply, start: Start, replay: command::Replay) {
        if let (Start::After(since), None, true) = (start, &replay.lost, replay.messages.is_empty())
        {
            let response = Response::empty(304).with("ETag", entity_tag(since));
            return self.respond(slot, reply, response);
        }
        if !self.has_room_for(answer_bytes(&replay)) {
            let refusal = Refusal::new(503, explain(command::Refusal::Memory));
            return self.refuse(slot, reply, refusal);
        }
        let since = match start {
            Start::After(since) => since,
            Start::Last(_) => MessageId::default(),
        };
        let (body, cursor) = self.poll_body(FORMAT, &replay, since, replay.newest);
        let response = Response::json(200, body).with("ETag", entity_tag(cursor));
        self.respond(slot, reply, response);
    }

    fn answer_presence(
        &mut self,
        slot: u32,
        reply: &Reply,
        channel: &ChannelName,
        elsewhere: u64,
        users: &[Box<str>],
    ) {
        let tenant = self.connections.get(slot).tenant;
        let count = u64::from(self.hub.count(tenant, channel)) + elsewhere;
        let mut users: Vec<Box<str>> = users.to_vec();
        users.extend(self.users_on(tenant, channel));
        users.sort_unstable();
        users.dedup();
        let mut body = b"{\"channel\":".to_vec();
        json::write_string(&mut body, channel);
        body.extend_from_slice(format!(",\"count\":{count},\"users\":[").as_bytes());
        for (index, user) in users.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            json::write_string(&mut body, user);
        }
        body.extend_from_slice(b"]}\n");
        self.respond(slot, reply, Response::json(200, body));
    }

    fn answer_list(
        &mut self,
        slot: u32,
        reply: &Reply,
        list: &[(ChannelName, u32)],
        elsewhere: &[u64],
    ) {
        let mut body = b"{\"channels\":[".to_vec();
        for (index, ((name, here), elsewhere)) in list.iter().zip(elsewhere).enumerate() {
            body.extend_from_slice(if index > 0 { b",\n" } else { b"\n" });
            body.extend_from_slice(b"{\"channel\":");
            json::write_string(&mut body, name);
            let subscribers = u64::from(*here) + elsewhere;
            body.extend_from_slice(format!(",\"subscribers\":{subscribers}}}").as_bytes());
        }
        body.extend_from_slice(b"\n]}\n");
        self.respond(slot, reply, Response::json(200, body));
    }

    /// A channel was deleted: whoever listens to it goes.
    fn on_kicked(&mut self, tenant: TenantId, channel: &ChannelName) {
        let position = self.engine.position(tenant);
        let limits = &self.settings.limits;
        self.deleted.remember(tenant, channel.clone(), position, self.now, limits);
        for subscriber in self.hub.subscribers(tenant, channel).collect::<Vec<_>>() {
            self.end(subscriber.0, Disconnect::Deleted);
        }
        self.uncork();
    }

    /// A user is no longer welcome with what its devices showed.
    fn on_user_kicked(&mut self, tenant: TenantId, user: &str) {
        for device in self.inbox.devices(tenant, user).to_vec() {
            self.end_session_of(device.0);
            self.end(device.0, Disconnect::Kicked);
        }
        self.uncork();
    }

    /// Ends a connection in the words of its protocol.
    pub(super) fn end(&mut self, slot: u32, why: Disconnect) {
        match self.connections.get(slot).phase {
            Phase::Free | Phase::Closing => {}
            Phase::Http if self.connections.get(slot).flags.has(Flags::ASKING) => {
                self.refuse(slot, &Reply::last(), Refusal::new(503, why.row().reason));
            }
            Phase::Http | Phase::Lobby => self.finish(slot, why),
            Phase::WebSocket => self.close_websocket(slot, why.row().code, why.row().reason, why),
            Phase::EventStream => self.finish(slot, why),
            Phase::Stream => {
                self.farewell(slot);
                self.finish(slot, why);
            }
            Phase::LongPoll => self.end_poll(slot, why),
            Phase::MySql => self.end_mysql(slot, why),
            Phase::Detached | Phase::Proxied => self.cut(slot, why),
        }
    }
}

/// An id as an `ETag`.
pub(super) fn entity_tag(id: MessageId) -> Vec<u8> {
    let mut tag = Vec::with_capacity(ENTITY_TAG_BYTES_MAX);
    write_entity_tag(&mut tag, id);
    tag
}

/// Two numbers, and what stands around them.
const ENTITY_TAG_BYTES_MAX: usize = "\"18446744073709551615-4294967295\"".len();

/// The same behind what is there.
pub(super) fn write_entity_tag(out: &mut Vec<u8>, id: MessageId) {
    out.push(b'"');
    http1::write_number(out, id.second);
    out.push(b'-');
    http1::write_number(out, id.n.into());
    out.push(b'"');
}

/// What an answer with all these messages takes: in JSON, beside the copy that is written.
pub(super) fn answer_bytes(replay: &command::Replay) -> usize {
    2 * replay.messages.iter().map(|message| message.bytes()).sum::<usize>()
}

fn explain(refusal: command::Refusal) -> String {
    match refusal {
        command::Refusal::TooManyChannels => "there are too many channels".to_owned(),
        command::Refusal::TooManyRecords => "there are too many records".to_owned(),
        command::Refusal::Memory => "there is no memory left for this: try again later".to_owned(),
        command::Refusal::Unavailable => "the server cannot do this now".to_owned(),
    }
}

fn refusal_of(outcome: &Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => Refusal::new(503, explain(*refusal)),
        _ => Refusal::new(500, "the engine gave no sensible answer"),
    }
}
