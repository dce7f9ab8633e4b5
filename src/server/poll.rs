//! Long-polls: a parked request is a slot in the phase `LongPoll`, and nothing else.

use std::borrow::Cow;
use std::rc::Rc;

use super::answers::{answer_bytes, entity_tag, write_entity_tag};
use super::conn::{Conn, Flags, Format, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::{Extra, ExtraIndex, PollExtra};
use super::outbox::Piece;
use super::output::Chunk;
use super::rendered;
use super::respond::{Reply, Response};
use super::socket::Socket;
use super::{Key, Server};
use crate::dialects::native::{self, Refusal, Subscribe, variant};
use crate::dialects::{Announcement, NATIVE};
use crate::hub::access::Standing;
use crate::hub::command::Replay;
use crate::hub::delivery::Transport;
use crate::hub::message::{MessageId, TenantId};
use crate::proto::http1::{self, Version};
use crate::transports::long_poll;

/// All native polls share one format.
pub(super) const FORMAT: Format = Format::new(NATIVE, Transport::LongPoll, variant::JSON);

/// Between the two interim responses that ask whether a client has gone, in milliseconds.
const SOUND_AGAIN_MS: u64 = 1_000;

impl<S: Socket> Server<S> {
    /// Parks a request until there is a message after its cursor, or its time is over.
    pub(super) fn poll(&mut self, slot: u32, reply: &Reply, wish: Subscribe, standing: &Standing) {
        if wish.callback.is_some() && !self.settings.origins.any {
            let explain = "a script of any page could read this: JSONP needs --origin '*'";
            return self.refuse(slot, reply, Refusal::new(403, explain));
        }
        if reply.head_only {
            return self.answer_head(slot, reply.clone(), FORMAT);
        }
        let limits = &self.settings.limits;
        let wait = wish.wait_seconds.unwrap_or(limits.poll_seconds).min(limits.poll_seconds_max);
        let deadline = Tick::after(self.now, wait);
        self.connections.get_mut(slot).format = FORMAT;
        if let Err(full) = self.join_all(slot, &wish.channels) {
            return self.refuse(slot, reply, Refusal::new(503, full.explain()));
        }
        self.park(slot, reply, deadline);
        self.end_session(slot, wish.session.as_deref());
        let extra = PollExtra {
            callback: wish.callback,
            origin: reply.origin.clone(),
            session: wish.session,
            claims: match standing {
                Standing::Token(claims) => Some(Rc::clone(claims)),
                _ => None,
            },
        };
        self.keep_extra(slot, extra);
        if let Some(start) = wish.start {
            self.ask_for_past(slot, wish.channels, start);
        }
    }

    /// A request waits from now on; how it is to be answered is kept in the slot.
    pub(super) fn park(&mut self, slot: u32, reply: &Reply, deadline: Tick) {
        self.set_phase(slot, Phase::LongPoll);
        self.log_begun(slot, 0);
        let conn = self.connections.get_mut(slot);
        conn.deadline = deadline;
        if reply.keep_alive {
            conn.flags.set(Flags::KEEP_ALIVE);
        }
        if reply.version == Version::Http10 {
            conn.flags.set(Flags::HTTP10);
        }
    }

    fn keep_extra(&mut self, slot: u32, extra: PollExtra) {
        if extra == PollExtra::default() {
            return;
        }
        let claims = extra.claims.clone();
        let index = self.extras.put(Extra::Poll(Box::new(extra)));
        self.connections.get_mut(slot).extra = Some(index);
        if let Some(claims) = claims {
            self.add_device(slot, &claims);
            self.end_with_token(slot);
        }
    }

    /// The session's poll is here: it counts for itself again.
    fn end_session(&mut self, slot: u32, name: Option<&str>) {
        let Some(name) = name else { return };
        let tenant = self.connections.get(slot).tenant;
        if let Some(key) = self.sessions.get(&(tenant, name.into())).copied() {
            self.cut(key.slot, Disconnect::Finished);
        }
    }

    /// Between two polls a session goes on counting, in a slot without a socket.
    pub(super) fn keep_session(&mut self, slot: u32) {
        let Some(index) = self.connections.get(slot).extra else { return };
        let Some(Extra::Poll(extra)) = self.extras.get_mut(index) else { return };
        let Some(name) = extra.session.take() else { return };
        let claims = extra.claims.clone();
        let tenant = self.connections.get(slot).tenant;
        let is_known = self.sessions.contains_key(&(tenant, name.clone()));
        if is_known || !self.may_detach(tenant) {
            return;
        }
        let channels = self.channels_of(slot);
        let extra = self.extras.put(Extra::Session(Box::new((name.clone(), claims))));
        let key = self.insert_detached(tenant, FORMAT, extra);
        self.sessions.insert((tenant, name), key);
        if self.join_all(key.slot, &channels).is_err() {
            self.cut(key.slot, Disconnect::Unavailable);
        }
    }

    /// Whether a session of this tenant may have a slot without a socket.
    pub(super) fn may_detach(&self, tenant: TenantId) -> bool {
        let is_full = self.is_full() || self.ceiling.is_short();
        !self.is_draining && !is_full && !self.tenant_of(tenant).is_removed
    }

    /// A slot without a socket, that counts for so long as a session may be away.
    pub(super) fn insert_detached(
        &mut self,
        tenant: TenantId,
        format: Format,
        extra: ExtraIndex,
    ) -> Key {
        let extra = Some(extra);
        let mut conn = Conn { phase: Phase::Detached, tenant, format, extra, ..Conn::free() };
        conn.flags.set(Flags::PRESENCE_ONLY);
        conn.deadline = Tick::after(self.now, self.settings.limits.session_seconds);
        self.metrics.enter(Phase::Detached, format);
        self.connections.insert(conn)
    }

    /// The past is there: either it answers the poll, or the poll stays parked.
    pub(super) fn resume_poll(
        &mut self,
        slot: u32,
        replay: &Replay,
        since: MessageId,
        limit: MessageId,
    ) {
        if replay.lost.is_none() && replay.messages.is_empty() {
            return;
        }
        if !self.has_room_for(answer_bytes(replay)) {
            return self.end_poll(slot, Disconnect::Unavailable);
        }
        let format = self.connections.get(slot).format;
        let (body, cursor) = self.poll_body(format, replay, since, limit);
        // The array's brackets are the answer's own, or a callback's.
        let elements = &body[1..body.len() - 1];
        self.answer_poll(slot, &[Chunk::Own(elements)], cursor);
    }

    /// Kept messages as a JSON array, and the cursor after it.
    pub(super) fn poll_body(
        &self,
        format: Format,
        replay: &Replay,
        since: MessageId,
        newest: MessageId,
    ) -> (Vec<u8>, MessageId) {
        let mut body = Vec::new();
        let mut cursor = replay.newest.min(newest);
        if let Some(lost) = &replay.lost {
            let data = native::lost_data(lost, since);
            let event =
                Announcement { id: Some(lost.resume_from), name: "encke:lost", data: &data };
            rendered::announce(&event, format, &self.callbacks, &mut body);
            cursor = cursor.max(lost.resume_from);
        }
        for message in &replay.messages {
            rendered::encode(message, format, &self.callbacks, &mut body);
            cursor = cursor.max(message.id);
        }
        match body.first_mut() {
            // Every element brings its comma; the first one's place is the bracket's.
            Some(comma) => *comma = b'[',
            None => body.push(b'['),
        }
        body.push(b']');
        (body, cursor)
    }

    /// A batch has something for a parked poll.
    pub(super) fn deliver_to_poll(&mut self, slot: u32, pieces: &[Piece], cursor: MessageId) {
        let Some((first, others)) = pieces.split_first() else { return };
        // The first element's comma is left out.
        let first = Chunk::Shared(first).rest(1);
        if others.is_empty() {
            return self.answer_poll(slot, &[Chunk::Shared(&first)], cursor);
        }
        let pieces = [&first].into_iter().chain(others);
        let chunks: Vec<Chunk<'_>> = pieces.map(Chunk::Shared).collect();
        self.answer_poll(slot, &chunks, cursor);
    }

    /// Answers with elements that are separated by commas already.
    pub(super) fn answer_poll(&mut self, slot: u32, elements: &[Chunk<'_>], cursor: MessageId) {
        let (reply, callback) = self.unpark(slot);
        let callback = callback.as_deref();
        let opening = long_poll::opening(callback);
        let closing = long_poll::closing(callback, cursor);
        let elements_bytes: usize = elements.iter().map(Chunk::len).sum();
        self.begin_head(slot, &reply, 200);
        let out = self.out(slot);
        http1::write_header(out, "Content-Type", long_poll::content_type(callback).as_bytes());
        out.extend_from_slice(b"ETag: ");
        write_entity_tag(out, cursor);
        out.extend_from_slice(b"\r\n");
        if callback.is_some() {
            http1::write_header(out, "X-Content-Type-Options", b"nosniff");
        }
        out.extend_from_slice(b"Content-Length: ");
        http1::write_number(out, (opening.len() + elements_bytes + closing.len()) as u64);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(opening.as_bytes());
        let head = std::mem::take(&mut self.out);
        let mut chunks = Vec::with_capacity(elements.len() + 2);
        chunks.push(Chunk::Own(&head));
        chunks.extend_from_slice(elements);
        chunks.push(Chunk::Own(closing.as_bytes()));
        self.log_answer(slot, 200, opening.len() + elements_bytes + closing.len());
        self.write(slot, &chunks);
        if self.connections.is_used(slot) {
            self.after_poll(slot, &reply);
        }
        self.reuse_out(head);
    }

    /// Answers with one element that has no id: the cursor stays where it is.
    pub(super) fn answer_poll_with(&mut self, slot: u32, element: &[u8]) {
        let tenant = self.connections.get(slot).tenant;
        let cursor = self.seen_by(slot).unwrap_or(self.position(tenant));
        // Every element brings its comma.
        self.answer_poll(slot, &[Chunk::Own(&element[1..])], cursor);
    }

    /// A FIN: the client has gone, or sends no more and waits for its answer (RFC 9112 §9.6). It is sent an
    /// interim response, which whoever waits passes over (RFC 9110 §15.2.1), and who has gone answers with a
    /// reset. HTTP/1.0 has none of these: there it has gone.
    pub(super) fn sound_poll(&mut self, slot: u32) {
        let conn = self.connections.get(slot);
        if conn.flags.has(Flags::HTTP10) {
            return self.cut(slot, Disconnect::ByPeer);
        }
        self.sounded.push_back((conn.key(slot), self.now.ms + SOUND_AGAIN_MS));
        self.say_continue(slot);
    }

    /// A proxy that only passes bytes on learns when it writes once more that its client has reset.
    pub(super) fn sound_again(&mut self) {
        while let Some(&(key, due_ms)) = self.sounded.front() {
            if due_ms > self.now.ms {
                return;
            }
            self.sounded.pop_front();
            let conn = self.connections.find(key);
            if conn.is_some_and(|conn| conn.phase == Phase::LongPoll) {
                self.say_continue(key.slot);
            }
        }
        self.sounded.shrink_to_fit();
    }

    fn say_continue(&mut self, slot: u32) {
        if self.connections.get(slot).outbox.is_none() {
            self.out(slot).extend_from_slice(http1::CONTINUE);
        }
    }

    fn after_poll(&mut self, slot: u32, reply: &Reply) {
        self.after_response(slot, reply);
        if self.connections.is_used(slot) {
            self.queue_if_waiting(slot);
        }
    }

    /// Takes a poll out of its channels; the connection is between requests again.
    fn unpark(&mut self, slot: u32) -> (Reply, Option<Box<str>>) {
        let page = self.page_of(slot);
        self.leave_comet(slot);
        self.keep_session(slot);
        self.leave_all(slot);
        self.remove_device(slot);
        self.asks.remove(&slot);
        self.set_phase(slot, Phase::Http);
        let conn = self.connections.get_mut(slot);
        conn.flags.clear(Flags::HOLDING);
        conn.flags.clear(Flags::ASKING);
        conn.format = Format::default();
        let is_http10 = conn.flags.take(Flags::HTTP10);
        let mut reply = Reply {
            version: if is_http10 { Version::Http10 } else { Version::Http11 },
            keep_alive: conn.flags.take(Flags::KEEP_ALIVE),
            head_only: false,
            origin: page,
        };
        let extra = conn.extra.take().and_then(|index| self.extras.take(index));
        let Some(Extra::Poll(extra)) = extra else { return (reply, None) };
        reply.origin = extra.origin;
        (reply, extra.callback)
    }

    /// Its time is over, or the server's, or its channel's.
    pub(super) fn end_poll(&mut self, slot: u32, why: Disconnect) {
        let tenant = self.connections.get(slot).tenant;
        let cursor = self.seen_by(slot).unwrap_or(self.position(tenant));
        let extra = self.connections.get(slot).extra.and_then(|index| self.extras.get(index));
        let has_callback = matches!(extra, Some(Extra::Poll(extra)) if extra.callback.is_some());
        if why == Disconnect::ShuttingDown {
            self.connections.get_mut(slot).flags.clear(Flags::KEEP_ALIVE);
        }
        if has_callback && why != Disconnect::Unavailable {
            // A script has no status: an empty list is the answer to everything but what leaves the cursor
            // where it was.
            return self.answer_poll(slot, &[], cursor);
        }
        let (reply, _) = self.unpark(slot);
        let response = match why {
            Disconnect::Deleted => Response::error(410, why.row().reason),
            Disconnect::Expired => Response::error(401, why.row().reason),
            Disconnect::Unavailable => {
                Response::error(503, why.row().reason).with("Retry-After", Cow::Borrowed(&b"1"[..]))
            }
            _ => Response::empty(304).with("ETag", entity_tag(cursor)),
        };
        self.respond(slot, &reply, response);
        if self.connections.is_used(slot) {
            self.queue_if_waiting(slot);
        }
    }
}
