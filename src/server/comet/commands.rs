//! What a client of this dialect asks, and the answers: frames on its connection, or the elements of a
//! JSON array for who posted.

use super::listen::TRACKED;
use super::{Asked, id_of_session};
use crate::dialects::comet_js::command::{self, Ask as About, Complaint, Publish};
use crate::dialects::comet_js::connect::Hello;
use crate::dialects::comet_js::frames::{self, Member};
use crate::hub::Full;
use crate::hub::access::{self, Action};
use crate::hub::command::{By, Command, NewMessage, Outcome, RecordKind, Refusal, Seen};
use crate::hub::message::{ConnectionId, Sender, TenantId};
use crate::hub::names::ChannelName;
use crate::server::Server;
use crate::server::answers::Ask;
use crate::server::conn::Flags;
use crate::server::disconnect::Disconnect;
use crate::server::respond::{Reply, Response};
use crate::server::socket::Socket;

/// Members that one answer lists.
const LISTED_MEMBERS_MAX: usize = 10_000;
/// What every session may count.
const COUNTED: [&str; 2] = ["web_", TRACKED];

/// A command that the engine has to answer first.
pub(crate) struct Question {
    asker: Asker,
    what: What,
}

/// Who asks.
struct Asker {
    tenant: TenantId,
    user: u32,
    /// Who it is to its own messages; `None`: nobody, it gets them like everybody.
    id: Option<ConnectionId>,
    /// The session for which it posts.
    session: Option<Box<str>>,
    variant: u16,
    /// To whom the answer goes: a request, or the connection itself.
    reply: Option<Reply>,
    idempotency_key: Option<Box<str>>,
}

enum What {
    Publish(Publish),
    Count(About),
    History(About),
    Members(About),
    UserData { user: u32, marker: Box<str> },
    UserStatus { user: u32 },
}

impl<S: Socket> Server<S> {
    /// A command that came over a WebSocket.
    pub(in crate::server) fn on_comet_text(&mut self, slot: u32, text: &str) {
        let names_max = self.settings.limits.channels_per_session_max;
        let Ok(command) = command::parse(text, names_max) else {
            return self.finish(slot, Disconnect::ProtocolError);
        };
        let conn = self.connections.get(slot);
        let asker = Asker {
            tenant: conn.tenant,
            user: self.comet(slot).map_or(0, |comet| comet.user),
            id: Some(self.connection_id(slot)),
            session: None,
            variant: conn.format.variant,
            reply: None,
            idempotency_key: None,
        };
        match command {
            command::Command::Subscribe { channels, complaint } => {
                self.subscribe_comet(slot, channels, complaint);
            }
            command => self.run_command(slot, asker, command),
        }
    }

    /// The same of a client that sends too many.
    pub(in crate::server) fn refuse_comet_text(&mut self, slot: u32) {
        let mut object = Vec::new();
        self.answers_to(slot).error(Complaint::TooFast, &mut object);
        self.say(slot, &object);
    }

    /// A command that was posted; its channels are those of the session's other requests.
    pub(super) fn run_posted(
        &mut self,
        slot: u32,
        reply: Reply,
        hello: &Hello,
        user: u32,
        text: &str,
    ) {
        let names_max = self.settings.limits.channels_per_session_max;
        let command = command::parse(text, names_max);
        let Some(command) = command.ok().filter(|command| !is_subscription(command)) else {
            let explain = "not a command that can be posted; channels go into the address";
            return self.respond(slot, &reply, Response::error(400, explain));
        };
        let tenant = self.connections.get(slot).tenant;
        let session = hello.session.as_deref();
        let key =
            session.zip(hello.command_number).map(|(name, number)| format!("{name}/{number}"));
        let asker = Asker {
            tenant,
            user,
            id: session.map(|name| id_of_session(tenant, name)),
            session: session.map(Into::into),
            variant: hello.variant(),
            reply: Some(reply),
            idempotency_key: key.map(Into::into),
        };
        // The connection of a session is to be spared what the session posts.
        if let Some(own) = session.and_then(|name| self.session_slot(tenant, name)) {
            self.connections.get_mut(own).flags.set(Flags::HAS_SENT);
        }
        self.run_command(slot, asker, command);
    }

    fn subscribe_comet(
        &mut self,
        slot: u32,
        channels: Vec<ChannelName>,
        complaint: Option<Complaint>,
    ) {
        let answers = self.answers_to(slot);
        let old = self.channels_of(slot);
        let channels = self.allowed(slot, channels);
        let result = self.change_channels(slot, &channels);
        let channels = self.channels_of(slot);
        self.tell_changes(slot, &old, &channels);
        let mut object = Vec::new();
        let full = result.err().map(|full| match full {
            Full::Memory => Complaint::NoMemory,
            Full::Channels | Full::Subscribers => Complaint::TooManyNames,
        });
        if let Some(complaint) = complaint.or(full) {
            answers.error(complaint, &mut object);
            self.say(slot, &object);
        }
        if self.has_ids(slot) {
            let seen = self.seen_by(slot);
            object.clear();
            answers.subscribed(&channels, seen, &mut object);
            self.say(slot, &object);
        }
    }

    fn run_command(&mut self, slot: u32, asker: Asker, command: command::Command) {
        let tenant = asker.tenant;
        let (what, command) = match command {
            command::Command::Publish(publish) => {
                if let Err(complaint) = self.may_publish(&asker, &publish.channel) {
                    return self.complain(slot, asker, [complaint], false);
                }
                let command = publish_command(&asker, &publish);
                if asker.reply.is_none() {
                    self.connections.get_mut(slot).flags.set(Flags::HAS_SENT);
                }
                (What::Publish(publish), command)
            }
            command::Command::Count(about) => {
                if !self.may_count(&asker, &about.channel, &COUNTED) {
                    return self.complain(slot, asker, [Complaint::NotCounted], false);
                }
                let channels = vec![about.channel.clone()];
                (What::Count(about), Command::Counts { tenant, channels })
            }
            command::Command::Members(about) => {
                if !self.may_count(&asker, &about.channel, &[TRACKED]) {
                    return self.complain(slot, asker, [Complaint::NotTracked], false);
                }
                let channel = about.channel.clone();
                (What::Members(about), Command::Presence { tenant, channel })
            }
            command::Command::History(about) => {
                if self.may(&asker, Action::Subscribe, &about.channel).is_err() {
                    // As if nothing were kept.
                    return self.tell_asker(slot, asker, &[]);
                }
                let channels = vec![about.channel.clone()];
                (What::History(about), Command::Logs { tenant, channels })
            }
            command::Command::UserData { user, marker } => {
                let keys = Some(vec![user.to_string().into()]);
                let command = Command::Records { tenant, kind: RecordKind::UserData, keys };
                (What::UserData { user, marker }, command)
            }
            command::Command::UserStatus { user } => {
                let users = vec![user.to_string().into()];
                (What::UserStatus { user }, Command::LastSeen { tenant, users })
            }
            command::Command::Refused(refused) => {
                return self.complain(slot, asker, refused.complaints(), refused.closes);
            }
            command::Command::Ignored | command::Command::Subscribe { .. } => {
                return self.tell_asker(slot, asker, &[]);
            }
        };
        let question = Question { asker, what };
        self.ask(slot, Ask::Comet(Box::new(Asked::Command(question))), command);
    }

    fn may(&self, asker: &Asker, action: Action, name: &str) -> Result<(), access::Denied> {
        access::session_may(asker.user > 0, self.rules(asker.tenant), action, name)
    }

    fn may_publish(&self, asker: &Asker, name: &str) -> Result<(), Complaint> {
        self.may(asker, Action::Publish, name).map_err(|_| match name.starts_with("webauth_") {
            true => Complaint::NotAuthorized,
            false => Complaint::NotForBrowsers,
        })
    }

    /// By its name, if the rules have nothing against it.
    fn may_count(&self, asker: &Asker, name: &str, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| name.starts_with(prefix))
            && self.may(asker, Action::Presence, name).is_ok()
    }

    /// The engine has answered a command.
    pub(super) fn answer_comet(&mut self, slot: u32, question: Question, outcome: Outcome) {
        let Question { asker, what } = question;
        let answers = self.answers(asker.variant);
        let tenant = asker.tenant;
        let mut object = Vec::new();
        match (what, outcome) {
            (What::Publish(publish), Outcome::Published { elsewhere, .. }) => {
                let here = u64::from(self.hub.count(tenant, &publish.channel));
                let own = u64::from(self.listens_itself(slot, &asker, &publish.channel));
                let count = (here + elsewhere).saturating_sub(own);
                answers.published(&publish, count as usize, &mut object);
            }
            (What::Count(about), Outcome::Counts(elsewhere)) => {
                let here = u64::from(self.hub.count(tenant, &about.channel));
                let count = here + elsewhere.first().copied().unwrap_or(0);
                answers.count(&about, count as usize, &mut object);
            }
            (What::Members(about), Outcome::Presence { users, .. }) => {
                let elsewhere = users.iter().filter_map(|user| user.parse().ok());
                let elsewhere = elsewhere.map(|user| Member { user, uuid: None });
                let members = self.members_of(tenant, &about.channel).into_iter().chain(elsewhere);
                answers.members(&about, members, &mut object);
            }
            (What::History(about), Outcome::Logs(logs)) => {
                let frame = |message| {
                    let mut object = Vec::new();
                    frames::history_message(message, &about.marker, asker.variant, &mut object);
                    object
                };
                let objects: Vec<Vec<u8>> = logs.iter().flatten().map(|it| frame(it)).collect();
                return self.tell_asker(slot, asker, &objects);
            }
            (What::UserData { user, marker }, Outcome::Records(records)) => {
                let stored = records.first().map_or("", |(_, data)| &**data);
                answers.user_data(user, stored, &marker, &mut object);
            }
            (What::UserStatus { user }, Outcome::LastSeen(seen)) => {
                let last_online = match seen.first() {
                    Some(Seen::Now) => 0,
                    Some(Seen::At(second)) => *second as i64,
                    Some(Seen::Never) | None => -1,
                };
                answers.user_status(user, last_online, &mut object);
            }
            (_, Outcome::Refused(Refusal::Memory)) => {
                return self.complain(slot, asker, [Complaint::NoMemory], false);
            }
            // The engine would not. There are no words for it in this dialect: the client comes back.
            _ => return self.give_up(slot, asker),
        }
        self.tell_asker(slot, asker, &[object]);
    }

    fn give_up(&mut self, slot: u32, asker: Asker) {
        let reason = Disconnect::Unavailable.row().reason;
        match asker.reply {
            Some(reply) => self.respond(slot, &reply, Response::error(503, reason)),
            None => self.finish(slot, Disconnect::Unavailable),
        }
    }

    /// Whether the asker's own connection is among those that listen.
    fn listens_itself(&self, slot: u32, asker: &Asker, channel: &ChannelName) -> bool {
        let own = match (&asker.reply, &asker.session) {
            (None, _) => Some(slot),
            (Some(_), name) => name.as_ref().and_then(|name| self.session_slot(asker.tenant, name)),
        };
        own.is_some_and(|slot| self.channels_of(slot).contains(channel))
    }

    /// The newest first.
    fn members_of(&self, tenant: TenantId, channel: &str) -> Vec<Member> {
        let member = |slot: u32| {
            let user = self.user_of(slot).and_then(|user| user.parse().ok());
            let uuid = self.comet(slot).and_then(|comet| comet.uuid);
            Member { user: user.unwrap_or(0), uuid }
        };
        let newest_first = self.hub.subscribers(tenant, channel).rev();
        newest_first.take(LISTED_MEMBERS_MAX).map(|id| member(id.0)).collect()
    }

    fn complain(
        &mut self,
        slot: u32,
        asker: Asker,
        complaints: impl IntoIterator<Item = Complaint>,
        closes: bool,
    ) {
        let answers = self.answers(asker.variant);
        let frame = |complaint| {
            let mut object = Vec::new();
            answers.error(complaint, &mut object);
            object
        };
        let objects: Vec<Vec<u8>> = complaints.into_iter().map(frame).collect();
        let is_connection = asker.reply.is_none();
        self.tell_asker(slot, asker, &objects);
        if closes && is_connection {
            self.finish(slot, Disconnect::Refused);
        }
    }

    fn tell_asker(&mut self, slot: u32, asker: Asker, objects: &[Vec<u8>]) {
        let Some(reply) = asker.reply else {
            for object in objects {
                self.say(slot, object);
            }
            return;
        };
        let mut body = b"[".to_vec();
        body.extend_from_slice(&objects.join(&b",\n"[..]));
        body.extend_from_slice(b"]\n");
        self.respond(slot, &reply, Response::json(200, body));
    }
}

fn is_subscription(command: &command::Command) -> bool {
    matches!(command, command::Command::Subscribe { .. })
}

fn publish_command(asker: &Asker, publish: &Publish) -> Command {
    let user = if publish.hidden { 0 } else { asker.user };
    let message = NewMessage {
        channel: publish.channel.clone(),
        event: publish.event.clone(),
        data: publish.data.clone(),
        sender: Some(Sender { user: Some(user), except: asker.id }),
    };
    let idempotency_key = asker.idempotency_key.clone();
    // A browser, whoever it is.
    let by = By::Stranger;
    Command::Publish { tenant: asker.tenant, messages: vec![message], by, idempotency_key }
}
