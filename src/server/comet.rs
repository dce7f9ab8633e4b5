//! Clients that speak as CometServerApi.js does: who they are, and what they are asked to prove.
//!
//! ```text
//!  GET /ws/sesion=KEY&myid=7&…                       POST, the same address, a command as body
//!        │                                                 │
//!        └──────────── is the key good? ───────────────────┘
//!             token: signature ▸ not revoked ▸ the user's key (made if there is none)
//!             else:  equal to the user's key
//!        │                                                 │
//!   the user has arrived ▸ first frame ▸ what waited       run it, answer with its frames
//!   ▸ channels, from the cursor on
//! ```
//! Each step that only the engine can answer is an [`Asked`]. What is not proven is nobody's: the
//! connection stays, and is told so.
//!
//! | file | holds |
//! |---|---|
//! | `listen.rs` | how such a client begins to listen, goes away for a while, and ends |
//! | `commands.rs` | what it asks, and the answers |

mod commands;
mod listen;

use std::rc::Rc;

use super::answers::Ask;
use super::conn::Format;
use super::disconnect::Disconnect;
use super::interned::TextId;
use super::respond::{Reply, Response};
use super::socket::Socket;
use super::{Server, rendered};
use crate::dialects::COMET_JS;
use crate::dialects::comet_js::connect::{Hello, Rejection, Uuid};
use crate::dialects::comet_js::frames;
use crate::dialects::native::Refusal;
use crate::hub::access::same_secret;
use crate::hub::command::{Change, Command, Outcome, RecordKind};
use crate::hub::delivery::Transport;
use crate::hub::message::{ConnectionId, MessageId, Personal, TenantId};
use crate::proto::http1::{Head, Method};
use crate::proto::{jwt, ws_handshake};

pub(super) use listen::status;

use commands::Question;

/// Bytes of `User-Agent` and `Origin` that are kept.
const AGENT_BYTES_MAX: usize = 250;
/// Bytes of `Accept-Language` that are kept.
const LANGUAGE_BYTES_MAX: usize = 64;
/// Characters of a key that is made for a user who came with a token alone.
const MADE_KEY_BYTES: usize = 32;

/// What is known of a listening client beyond its slot.
pub(crate) struct Comet {
    /// Who it is; 0: nobody.
    pub user: u32,
    pub uuid: Option<Uuid>,
    pub agent: TextId,
    pub origin: TextId,
    pub language: TextId,
    /// The engine counts it among the devices of its user.
    has_arrived: bool,
    /// It said goodbye, was sent away, or another connection has taken its place.
    is_over: bool,
    pub rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Comet>() <= 48);

/// What only few of them have.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Rare {
    /// In which it may go away for a while.
    session: Option<Session>,
    /// Messages for its user that it cannot be given now: it is still arriving, or away.
    held: Option<Vec<Rc<Personal>>>,
    /// The newest that there was no room to hold.
    let_go: Option<MessageId>,
    /// Up to where it was given everything when it arrived, if the feed had not come so far.
    ahead: MessageId,
    /// The page's origin, for the answer to a parked poll.
    page: Option<Box<str>>,
}

/// A place that outlives a connection.
#[derive(PartialEq, Eq)]
struct Session {
    name: Box<str>,
    /// Who it is to its own messages, on whatever connection it speaks.
    id: ConnectionId,
}

/// A client that wants something, on its way to being known.
pub(crate) struct Opening {
    hello: Hello,
    tenant: TenantId,
    purpose: Purpose,
}

enum Purpose {
    /// It listens.
    Listen { reply: Reply, format: Format },
    /// It posts a command.
    Command { reply: Reply, text: Box<str> },
}

/// What the engine was asked on behalf of such a client.
pub(crate) enum Asked {
    /// Whether its token was revoked.
    Token(Opening),
    /// The key of its user.
    Key { opening: Opening, by_token: bool },
    /// To keep a key that was made for its user.
    MadeKey { opening: Opening, key: Box<str> },
    /// What waited for its user.
    Arrival { opening: Opening, key: Box<str> },
    /// To answer a command.
    Command(Question),
}

impl Comet {
    /// Its user as everybody else knows it.
    pub fn user_name(&self) -> Option<Box<str>> {
        (self.user > 0).then(|| self.user.to_string().into())
    }

    /// The name of its session.
    pub fn session_name(&self) -> Option<&str> {
        Some(&self.session()?.name)
    }

    fn session(&self) -> Option<&Session> {
        self.rare.as_ref()?.session.as_ref()
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// What was held back: it can be given now.
    fn take_held(&mut self) -> Option<Vec<Rc<Personal>>> {
        let held = self.rare.as_mut()?.held.take();
        self.drop_rare_if_empty();
        held
    }

    /// Nothing rare is left: its box goes.
    fn drop_rare_if_empty(&mut self) {
        if self.rare.as_deref() == Some(&Rare::default()) {
            self.rare = None;
        }
    }
}

impl<S: Socket> Server<S> {
    /// A request to this dialect's address.
    pub(super) fn on_comet_request(
        &mut self,
        slot: u32,
        head: &Head<'_>,
        reply: Reply,
        hello: Hello,
    ) {
        let transport = transport(head, &hello);
        let format = Format::new(COMET_JS, transport, hello.variant());
        if transport == Transport::WebSocket {
            match self.shake_hands(slot, head, &reply, first_subprotocol(head)) {
                Some(shaken) => self.become_websocket(slot, format, shaken),
                None => return,
            }
        } else if reply.head_only {
            return self.answer_head(slot, reply, format);
        }
        let tenant = self.connections.get(slot).tenant;
        let comet = self.comet_of(tenant, head, &reply, &hello);
        let index = self.extras.put_comet(comet);
        self.connections.get_mut(slot).extra = Some(index);
        let purpose = Purpose::Listen { reply, format };
        self.identify_comet(slot, Opening { hello, tenant, purpose });
    }

    /// A posted command, with its body.
    pub(super) fn on_comet_post(&mut self, slot: u32, reply: Reply, hello: Hello, body: &[u8]) {
        let text = String::from_utf8_lossy(body).into();
        let tenant = self.connections.get(slot).tenant;
        let purpose = Purpose::Command { reply, text };
        self.identify_comet(slot, Opening { hello, tenant, purpose });
    }

    /// An address that cannot be understood: told in one frame, as this dialect has it.
    pub(super) fn reject_comet(
        &mut self,
        slot: u32,
        head: &Head<'_>,
        reply: Reply,
        rejection: &Rejection,
    ) {
        if !ws_handshake::is_upgrade(head) {
            return self.answer_rejection(slot, &reply, rejection);
        }
        let mut object = Vec::new();
        frames::rejection(rejection, self.now.unix_second, &mut object);
        if let Some(shaken) = self.shake_hands(slot, head, &reply, first_subprotocol(head)) {
            let variant = crate::dialects::comet_js::variant::JSON;
            let format = Format::new(COMET_JS, Transport::WebSocket, variant);
            self.become_websocket(slot, format, shaken);
            self.say(slot, &object);
            self.finish(slot, Disconnect::Refused);
        }
    }

    /// The same to who asked for no WebSocket.
    pub(super) fn answer_rejection(&mut self, slot: u32, reply: &Reply, rejection: &Rejection) {
        let mut object = Vec::new();
        frames::rejection(rejection, self.now.unix_second, &mut object);
        object.push(b'\n');
        self.respond(slot, reply, Response::json(400, object));
    }

    fn comet_of(
        &mut self,
        tenant: TenantId,
        head: &Head<'_>,
        reply: &Reply,
        hello: &Hello,
    ) -> Comet {
        let texts_max = self.settings.limits.texts_max;
        let mut keep = |name: &str, bytes_max: usize| {
            let value = head.header(name).unwrap_or_default();
            let value = String::from_utf8_lossy(&value[..value.len().min(bytes_max)]);
            self.texts.take(&value, texts_max)
        };
        let rare = Rare {
            session: hello
                .session
                .clone()
                .map(|name| Session { id: id_of_session(tenant, &name), name }),
            held: None,
            let_go: None,
            ahead: MessageId::default(),
            // Only a poll is answered later.
            page: reply.origin.clone().filter(|_| hello.transport_poll),
        };
        Comet {
            user: 0,
            uuid: hello.uuid,
            agent: keep("User-Agent", AGENT_BYTES_MAX),
            origin: keep("Origin", AGENT_BYTES_MAX),
            language: keep("Accept-Language", LANGUAGE_BYTES_MAX),
            has_arrived: false,
            is_over: false,
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
        }
    }

    /// Who a connection is to messages that are not to come back to their sender.
    pub(super) fn connection_id(&self, slot: u32) -> ConnectionId {
        if let Some(session) = self.comet(slot).and_then(Comet::session) {
            return session.id;
        }
        let conn = self.connections.get(slot);
        ConnectionId(u64::from(conn.generation & !SESSION_BIT) << 32 | u64::from(slot))
    }

    pub(super) fn comet(&self, slot: u32) -> Option<&Comet> {
        self.extras.comet(self.connections.get(slot).extra?)
    }

    fn comet_mut(&mut self, slot: u32) -> Option<&mut Comet> {
        self.extras.comet_mut(self.connections.get(slot).extra?)
    }

    /// Asks for whatever can prove who this is.
    fn identify_comet(&mut self, slot: u32, opening: Opening) {
        let Some(key) = opening.hello.key.clone().filter(|_| opening.hello.user > 0) else {
            return self.known_as(slot, opening, 0);
        };
        let tenant = opening.tenant;
        if self.user_of_token(&opening, &key) == Some(opening.hello.user) {
            let (kind, keys) = (RecordKind::RevokedToken, Some(vec![key]));
            let command = Command::Records { tenant, kind, keys };
            return self.ask(slot, Ask::Comet(Box::new(Asked::Token(opening))), command);
        }
        self.ask_for_key(slot, opening, false);
    }

    fn user_of_token(&self, opening: &Opening, token: &str) -> Option<u32> {
        let owner = self.tenant_of(opening.tenant);
        let password = owner.cometql_password.as_deref()?;
        let dev_id = owner.dev_id.unwrap_or(opening.hello.dev_id);
        jwt::comet_user(token.as_bytes(), password, dev_id, self.now.unix_second)
    }

    fn ask_for_key(&mut self, slot: u32, opening: Opening, by_token: bool) {
        let (tenant, kind) = (opening.tenant, RecordKind::UserKey);
        let keys = Some(vec![opening.hello.user.to_string().into()]);
        let ask = Ask::Comet(Box::new(Asked::Key { opening, by_token }));
        self.ask(slot, ask, Command::Records { tenant, kind, keys });
    }

    /// The engine has answered.
    pub(super) fn on_comet_answer(&mut self, slot: u32, asked: Asked, outcome: Outcome) {
        match (asked, outcome) {
            (Asked::Token(opening), Outcome::Records(revoked)) => match revoked.is_empty() {
                true => self.ask_for_key(slot, opening, true),
                false => self.known_as(slot, opening, 0),
            },
            (Asked::Key { opening, by_token }, Outcome::Records(mut keys)) => {
                let key = keys.pop().map(|(_, key)| key);
                self.on_key(slot, opening, by_token, key);
            }
            // Whether there was room for it or not: the token was good.
            (Asked::MadeKey { opening, key }, _) => self.arrive(slot, opening, key),
            (Asked::Arrival { opening, key }, Outcome::Arrived { waiting, newest, .. }) => {
                self.on_arrival(slot, opening, &key, &waiting, newest);
            }
            (Asked::Command(question), outcome) => self.answer_comet(slot, question, outcome),
            (Asked::Token(opening) | Asked::Key { opening, .. }, _)
            | (Asked::Arrival { opening, .. }, _) => self.cannot_now(slot, opening),
        }
    }

    fn on_key(&mut self, slot: u32, opening: Opening, by_token: bool, key: Option<Box<str>>) {
        let user = opening.hello.user;
        let given = opening.hello.key.as_deref().unwrap_or_default();
        match key {
            Some(key) if by_token || same_secret(key.as_bytes(), given.as_bytes()) => {
                self.arrive(slot, opening, key);
            }
            None if by_token => {
                let key: Box<str> = self.make_key().into();
                let records = vec![(user.to_string().into(), key.clone())];
                let (tenant, kind) = (opening.tenant, RecordKind::UserKey);
                let ask = Ask::Comet(Box::new(Asked::MadeKey { opening, key }));
                let change = Change::PutNew;
                self.ask(slot, ask, Command::ChangeRecords { tenant, kind, records, change });
            }
            _ => self.known_as(slot, opening, 0),
        }
    }

    fn make_key(&mut self) -> String {
        let mut random = [0; MADE_KEY_BYTES];
        self.random.fill(&mut random);
        // 32 of 36 characters: five bits each, 160 in all.
        let alphabet = b"abcdefghijklmnopqrstuvwxyz234567";
        random.iter().map(|byte| char::from(alphabet[usize::from(byte % 32)])).collect()
    }

    /// It is who it says it is. A listener is a device of that user from now on.
    fn arrive(&mut self, slot: u32, opening: Opening, key: Box<str>) {
        let user = opening.hello.user;
        if matches!(opening.purpose, Purpose::Command { .. }) {
            return self.known_as(slot, opening, user);
        }
        let command = self.begin_arrival(slot, user, opening.hello.personal_since);
        self.ask(slot, Ask::Comet(Box::new(Asked::Arrival { opening, key })), command);
    }

    /// What can be done for a client now that it is known, if only as nobody.
    fn known_as(&mut self, slot: u32, opening: Opening, user: u32) {
        match opening.purpose {
            Purpose::Listen { .. } => self.welcome(slot, opening, None),
            Purpose::Command { reply, text } => {
                self.run_posted(slot, reply, &opening.hello, user, &text);
            }
        }
    }

    fn cannot_now(&mut self, slot: u32, opening: Opening) {
        match opening.purpose {
            Purpose::Listen { format, .. } if is_websocket(format) => {
                self.end(slot, Disconnect::Unavailable);
            }
            Purpose::Listen { reply, .. } | Purpose::Command { reply, .. } => {
                self.leave_comet(slot);
                let refusal = Refusal::new(503, Disconnect::Unavailable.row().reason);
                self.refuse(slot, &reply, refusal);
            }
        }
    }

    /// Sends one object to a client that has a connection for it.
    fn say(&mut self, slot: u32, object: &[u8]) {
        let mut bytes = Vec::new();
        self.frame_object(slot, object, &mut bytes);
        self.out(slot).extend_from_slice(&bytes);
    }

    fn frame_object(&self, slot: u32, object: &[u8], out: &mut Vec<u8>) {
        rendered::object(object, self.connections.get(slot).format, &self.callbacks, out);
    }
}

/// How a request wants to listen.
pub(super) fn transport(head: &Head<'_>, hello: &Hello) -> Transport {
    match () {
        () if ws_handshake::is_upgrade(head) => Transport::WebSocket,
        () if hello.transport_poll => Transport::LongPoll,
        () if accepts_events(head) => Transport::EventStream,
        // Says what is missing, in the words of the handshake.
        () => Transport::WebSocket,
    }
}

fn is_websocket(format: Format) -> bool {
    format.transport() == Transport::WebSocket
}

/// Set in the upper half of a session's id, and never in that of a connection.
const SESSION_BIT: u32 = 1 << 31;

fn id_of_session(tenant: TenantId, session: &str) -> ConnectionId {
    use sha1::{Digest, Sha1};
    let hash = Sha1::new_with_prefix(tenant.0.to_be_bytes()).chain_update(session).finalize();
    let (first, _) = hash.split_at(8);
    let number = first.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    ConnectionId(number | u64::from(SESSION_BIT) << 32)
}

fn accepts_events(head: &Head<'_>) -> bool {
    matches!(head.method, Method::Get | Method::Head) && head.accepts("text/event-stream")
}

fn first_subprotocol<'a>(head: &Head<'a>) -> Option<&'a str> {
    head.list("Sec-WebSocket-Protocol").next().and_then(|name| std::str::from_utf8(name).ok())
}
