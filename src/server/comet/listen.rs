//! How a client of this dialect begins to listen, is away for a while, and ends.
//!
//! A client that names a session may lose its connection: for `session_seconds` its memberships, its
//! place among the devices of its user and what was sent to that user stay in a slot without a socket.
//! The connection that comes back takes that slot's place, and nobody else notices. Messages of channels
//! are not kept for it: it says from which id on it wants them, and the history has them.

use std::rc::Rc;

use super::{Comet, Opening, Purpose, Rare};
use crate::dialects::comet_js::connect::Hello;
use crate::dialects::comet_js::frames::{self, Answers, Member, ServerInfo};
use crate::dialects::comet_js::variant;
use crate::hub::access::{self, Action};
use crate::hub::command::{By, Command, NewMessage, Start};
use crate::hub::delivery::Transport;
use crate::hub::members::SubscriberId;
use crate::hub::message::{Data, MessageId, Personal, Sender, TenantId};
use crate::hub::names::{ChannelName, EventName};
use crate::server::Server;
use crate::server::conn::{Flags, Format, Phase};
use crate::server::deadlines::Tick;
use crate::server::disconnect::Disconnect;
use crate::server::output::Chunk;
use crate::server::respond::Reply;
use crate::server::socket::Socket;

/// Channels whose members are told who comes and goes.
pub(super) const TRACKED: &str = "track_";
/// A user's own channel, on which it is told whether the user is there.
const STATUS: &str = "user_status_";

/// What a user's arrival has brought.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrival<'a> {
    /// The key of the user.
    key: &'a str,
    /// What waited for it.
    waiting: &'a [Rc<Personal>],
    /// A cursor that has missed nothing with it.
    newest: MessageId,
}

impl<S: Socket> Server<S> {
    /// Counts a connection among its user's devices; what is sent to the user meanwhile is held back.
    pub(super) fn begin_arrival(
        &mut self,
        slot: u32,
        user: u32,
        since: Option<MessageId>,
    ) -> Command {
        let tenant = self.connections.get(slot).tenant;
        if let Some(comet) = self.comet_mut(slot) {
            comet.user = user;
            comet.rare_mut().held = Some(Vec::new());
        }
        let user: Box<str> = user.to_string().into();
        self.inbox.add(tenant, &user, SubscriberId(slot));
        let word = status(&user, "online");
        Command::Arrive { tenant, user, since, word }
    }

    /// The engine counts it, and hands out what waited.
    pub(super) fn on_arrival(
        &mut self,
        slot: u32,
        opening: Opening,
        key: &str,
        waiting: &[Rc<Personal>],
        newest: MessageId,
    ) {
        let position = self.personal_position(opening.tenant);
        if let Some(comet) = self.comet_mut(slot) {
            comet.has_arrived = true;
            if newest > position {
                comet.rare_mut().ahead = newest;
            }
        }
        self.welcome(slot, opening, Some(Arrival { key, waiting, newest }));
    }

    /// The first frame, what waited, and the channels of the address.
    pub(super) fn welcome(
        &mut self,
        slot: u32,
        mut opening: Opening,
        arrival: Option<Arrival<'_>>,
    ) {
        let Purpose::Listen { reply, format } = &opening.purpose else { return };
        let (format, tenant) = (*format, opening.tenant);
        let transport = format.transport();
        if transport != Transport::WebSocket {
            self.begin_response(slot, reply, format);
        }
        let before = self.take_session_over(slot, tenant);
        let is_new = before.is_none();
        let before = before.unwrap_or_default();
        let channels = self.allowed(slot, std::mem::take(&mut opening.hello.channels));
        if self.change_channels(slot, &channels).is_err() {
            // It has left what it had, and does not come back to it.
            self.tell_changes(slot, &before, &[]);
            return self.turn_back(slot, arrival);
        }
        self.tell_changes(slot, &before, &channels);
        if arrival.is_some_and(|arrival| self.has_missed_some(slot, arrival.newest)) {
            return self.turn_back(slot, arrival);
        }
        let said = self.first_words(slot, &opening.hello, transport, is_new, arrival);
        let since = opening.hello.since;
        if transport == Transport::LongPoll && !said.is_empty() {
            let cursor = since.unwrap_or(self.position(tenant));
            // Every element brings its comma.
            return self.answer_poll(slot, &[Chunk::Own(&said[1..])], cursor);
        }
        self.out(slot).extend_from_slice(&said);
        if let Some(since) = since
            && !channels.is_empty()
        {
            self.connections.get_mut(slot).flags.set(Flags::HAS_SENT);
            self.ask_for_past(slot, channels, Start::After(since));
        }
    }

    /// It cannot begin, and has had nothing of what was for its user: that waits again.
    fn turn_back(&mut self, slot: u32, arrival: Option<Arrival<'_>>) {
        let tenant = self.connections.get(slot).tenant;
        if let Some(Arrival { waiting, newest: upto, .. }) = arrival
            && let Some(comet) = self.comet_mut(slot)
            && let Some(user) = comet.user_name()
        {
            comet.is_over = true;
            comet.has_arrived = false;
            let mut unread = comet.take_held().unwrap_or_default();
            unread.extend_from_slice(waiting);
            let word = status(&user, "offline");
            self.tell(Command::Depart { tenant, user, unread, upto, word });
        }
        self.end(slot, Disconnect::Unavailable);
    }

    /// Who it is now and from where it goes on, and what waited for its user.
    fn first_words(
        &mut self,
        slot: u32,
        hello: &Hello,
        transport: Transport,
        is_new: bool,
        arrival: Option<Arrival<'_>>,
    ) -> Vec<u8> {
        let mut said = Vec::new();
        let answers = self.answers_to(slot);
        let Arrival { key, waiting, newest } = arrival.unwrap_or_default();
        let held = self.take_held(slot, hello.personal_since, waiting);
        // A poll that goes on with its session has been told, and nobody is nobody for ever.
        let is_told = hello.since.is_some() && (!is_new || hello.user == 0);
        if !is_told || transport != Transport::LongPoll {
            let position = self.position(self.connections.get(slot).tenant);
            let first = waiting.iter().chain(&held).map(|message| message.id).min();
            // What follows may never be read: then it is what the client wants when it comes back.
            let newest = first.map_or(newest, MessageId::before);
            let info = ServerInfo {
                authorized: arrival.is_some(),
                hash: key,
                since: Some(hello.since.unwrap_or(position)),
                personal_since: Some(hello.personal_since.unwrap_or(newest)),
            };
            let mut object = Vec::new();
            answers.server_info(&info, &mut object);
            self.frame_object(slot, &object, &mut said);
        }
        self.add_personal(slot, waiting, &held, &mut said);
        said
    }

    /// Whether more came for the user than is held back, after its engine had looked for what waited: then
    /// there is a gap, and a session comes back with its cursor to have it filled.
    fn has_missed_some(&mut self, slot: u32, newest: MessageId) -> bool {
        let Some(comet) = self.comet_mut(slot) else { return false };
        let let_go = comet.rare.as_mut().and_then(|rare| rare.let_go.take());
        let_go > Some(newest) && comet.session_name().is_some()
    }

    /// What came for the user while it was asked what waits, or while the session was away: what is new,
    /// each once, in order.
    fn take_held(
        &mut self,
        slot: u32,
        since: Option<MessageId>,
        waiting: &[Rc<Personal>],
    ) -> Vec<Rc<Personal>> {
        let mut held = self.comet_mut(slot).and_then(Comet::take_held).unwrap_or_default();
        held.retain(|message| {
            Some(message.id) > since && waiting.iter().all(|known| known.id != message.id)
        });
        held.sort_unstable_by_key(|message| message.id);
        held.dedup_by_key(|message| message.id);
        held
    }

    fn add_personal(
        &self,
        slot: u32,
        waiting: &[Rc<Personal>],
        held: &[Rc<Personal>],
        said: &mut Vec<u8>,
    ) {
        let variant = self.connections.get(slot).format.variant;
        let mut all: Vec<(&Personal, bool)> = waiting.iter().map(|it| (&**it, true)).collect();
        all.extend(held.iter().map(|it| (&**it, false)));
        // The last is the client's next cursor.
        all.sort_by_key(|(message, _)| message.id);
        for (message, is_queued) in all {
            let mut object = Vec::new();
            match is_queued {
                true => frames::queued_personal(message, variant, &mut object),
                false => frames::personal(message, variant, &mut object),
            }
            self.frame_object(slot, &object, said);
        }
    }

    /// Turns a request into an endless response, or into a parked one.
    fn begin_response(&mut self, slot: u32, reply: &Reply, format: Format) {
        self.connections.get_mut(slot).format = format;
        let limits = &self.settings.limits;
        let (heartbeat, poll) = (limits.heartbeat_seconds, limits.poll_seconds);
        if format.transport() == Transport::LongPoll {
            self.park(slot, reply, Tick::after(self.now, poll));
            return;
        }
        let reply = Reply { keep_alive: false, ..reply.clone() };
        self.write_stream_head(slot, &reply, format);
        self.set_phase(slot, Phase::EventStream);
        self.log_begun(slot, 200);
        self.connections.get_mut(slot).deadline = Tick::after(self.now, heartbeat);
    }

    /// A session has one place: whoever held it goes, without a word to its channels. Which channels
    /// these were, if anybody did.
    fn take_session_over(&mut self, slot: u32, tenant: TenantId) -> Option<Vec<ChannelName>> {
        let key = self.connections.get(slot).key(slot);
        let comet = self.comet(slot)?;
        let (user, name) = (comet.user, comet.session_name()?.into());
        let old = self.comet_sessions.insert((tenant, name), key)?;
        if self.connections.find(old).is_none() || old == key {
            return None;
        }
        // What the session caused may come only now.
        self.connections.get_mut(slot).flags.set(Flags::HAS_SENT);
        let channels = self.channels_of(old.slot);
        let before = self.comet_mut(old.slot)?;
        before.is_over = true;
        // A session that changes its user is somebody else's, whatever it is called.
        let is_same = before.user == user;
        if is_same {
            let let_go = before.rare.as_ref().and_then(|rare| rare.let_go);
            let held = before.take_held().unwrap_or_default();
            if let Some(comet) = self.comet_mut(slot).filter(|_| !held.is_empty()) {
                let rare = comet.rare_mut();
                rare.held.get_or_insert_default().extend(held);
                rare.let_go = rare.let_go.max(let_go);
            }
            self.leave_all(old.slot);
        }
        self.cut(old.slot, Disconnect::Finished);
        is_same.then_some(channels)
    }

    /// Of these channels, those that it may listen to.
    pub(super) fn allowed(&self, slot: u32, channels: Vec<ChannelName>) -> Vec<ChannelName> {
        let rules = self.rules(self.connections.get(slot).tenant);
        let is_user = self.comet(slot).is_some_and(|comet| comet.user > 0);
        let may = |name: &ChannelName| access::session_may(is_user, rules, Action::Subscribe, name);
        channels.into_iter().filter(|name| may(name).is_ok()).collect()
    }

    /// Tells the other members of tracked channels who came and went.
    pub(super) fn tell_changes(&mut self, slot: u32, old: &[ChannelName], new: &[ChannelName]) {
        for name in new.iter().filter(|name| !old.contains(name)) {
            self.tell_members(slot, name, "subscription");
        }
        for name in old.iter().filter(|name| !new.contains(name)) {
            self.tell_members(slot, name, "unsubscription");
        }
    }

    fn tell_members(&mut self, slot: u32, channel: &ChannelName, event: &str) {
        if !channel.starts_with(TRACKED) {
            return;
        }
        let tenant = self.connections.get(slot).tenant;
        let Some(comet) = self.comet(slot) else { return };
        let member = Member { user: comet.user, uuid: comet.uuid };
        let sender = Sender { user: None, except: Some(self.connection_id(slot)) };
        let Ok(event) = EventName::new(event) else { return };
        let message = NewMessage {
            channel: channel.clone(),
            event,
            data: Data::text(&frames::member_data(&member)),
            sender: Some(sender),
        };
        // The newcomer is there already when this goes out, but does not see itself.
        self.connections.get_mut(slot).flags.set(Flags::HAS_SENT);
        let (messages, by) = (vec![message], By::Stranger);
        let command = Command::Publish { tenant, messages, by, idempotency_key: None };
        self.tell(command);
    }

    /// Where a session is.
    pub(super) fn session_slot(&self, tenant: TenantId, name: &str) -> Option<u32> {
        let key = *self.comet_sessions.get(&(tenant, name.into()))?;
        self.connections.find(key).map(|_| key.slot)
    }

    /// A client of this dialect leaves its connection, for a while or for good.
    pub(in crate::server) fn leave_comet(&mut self, slot: u32) {
        let Some(comet) = self.comet(slot) else { return };
        let conn = self.connections.get(slot);
        // Who is not known yet has not taken its session over: that may be somewhere else.
        let name = comet.session_name();
        let has_session = name.and_then(|name| self.session_slot(conn.tenant, name)) == Some(slot);
        let may_return = has_session
            && !comet.is_over
            && matches!(conn.phase, Phase::WebSocket | Phase::EventStream | Phase::LongPoll);
        if !may_return || !self.detach(slot) {
            self.say_goodbye(slot);
        }
    }

    /// Moves what a session has into a slot without a socket; false if there is no room.
    fn detach(&mut self, slot: u32) -> bool {
        let conn = self.connections.get(slot);
        let (tenant, format) = (conn.tenant, conn.format);
        if !self.may_detach(tenant) {
            return false;
        }
        let channels = self.channels_of(slot);
        let Some(comet) = self.comet_mut(slot) else { return false };
        comet.rare_mut().held.get_or_insert_default();
        let (user, Some(name)) = (comet.user_name(), comet.session_name()) else { return false };
        let name = name.into();
        let Some(extra) = self.connections.get_mut(slot).extra.take() else { return false };
        let key = self.insert_detached(tenant, format, extra);
        self.comet_sessions.insert((tenant, name), key);
        if let Some(user) = user {
            self.inbox.add(tenant, &user, SubscriberId(key.slot));
            self.inbox.remove(tenant, &user, SubscriberId(slot));
        }
        if self.change_channels(key.slot, &channels).is_err() {
            self.tell_changes(key.slot, &channels, &[]);
            self.cut(key.slot, Disconnect::Unavailable);
        }
        true
    }

    /// It is gone: its channels, its user's other devices and the engine learn of it.
    fn say_goodbye(&mut self, slot: u32) {
        if !self.is_draining {
            let channels = self.channels_of(slot);
            self.tell_changes(slot, &channels, &[]);
        }
        let key = self.connections.get(slot).key(slot);
        let conn = self.connections.get_mut(slot);
        let tenant = conn.tenant;
        let Some(index) = conn.extra.take() else { return };
        let Some(comet) = self.extras.take_comet(index) else { return };
        let user = comet.user_name();
        let Comet { has_arrived, rare, .. } = comet;
        let Rare { session, held, ahead, .. } = rare.map(|rare| *rare).unwrap_or_default();
        for text in [comet.agent, comet.origin, comet.language] {
            self.texts.give_back(text);
        }
        if let Some(session) = session {
            let name = (tenant, session.name);
            if self.comet_sessions.get(&name) == Some(&key) {
                self.comet_sessions.remove(&name);
            }
        }
        if let Some(user) = user {
            self.inbox.remove(tenant, &user, SubscriberId(slot));
            if has_arrived {
                let word = status(&user, "offline");
                let unread = held.unwrap_or_default();
                let upto = self.personal_position(tenant).max(ahead);
                self.tell(Command::Depart { tenant, user, unread, upto, word });
            }
        }
    }

    /// Holds a message back for a device that cannot be given it now; false if it can.
    pub(in crate::server) fn hold_personal(&mut self, slot: u32, message: &Rc<Personal>) -> bool {
        let most = self.settings.limits.held_messages_max;
        let rare = self.comet_mut(slot).and_then(|comet| comet.rare.as_mut());
        let Some(rare) = rare else { return false };
        let Some(held) = rare.held.as_mut() else { return false };
        if held.len() >= most {
            // The engine has it still, for as long as anybody may come back for it.
            rare.let_go = rare.let_go.max(Some(held.remove(0).id));
        }
        held.push(Rc::clone(message));
        true
    }

    /// It goes for good, whatever session it has.
    pub(in crate::server) fn end_session_of(&mut self, slot: u32) {
        if let Some(comet) = self.comet_mut(slot) {
            comet.is_over = true;
        }
    }

    /// The page to which a parked poll is answered.
    pub(in crate::server) fn page_of(&mut self, slot: u32) -> Option<Box<str>> {
        self.comet_mut(slot)?.rare.as_mut()?.page.take()
    }

    /// Writes answers to a client as it wants them, dated now.
    pub(super) fn answers_to(&self, slot: u32) -> Answers {
        self.answers(self.connections.get(slot).format.variant)
    }

    /// The same for whoever wants them so.
    pub(super) fn answers(&self, variant: u16) -> Answers {
        Answers { variant, unix_second: self.now.unix_second }
    }

    /// Whether it is shown ids.
    pub(super) fn has_ids(&self, slot: u32) -> bool {
        self.connections.get(slot).format.variant & variant::IDS != 0
    }
}

/// What is told on a user's own channel.
pub(in crate::server) fn status(user: &str, what: &str) -> Option<NewMessage> {
    let channel = ChannelName::new(format!("{STATUS}{user}").as_bytes()).ok()?;
    let event = EventName::new(what).ok()?;
    Some(NewMessage { channel, event, data: Data::text(what), sender: None })
}
