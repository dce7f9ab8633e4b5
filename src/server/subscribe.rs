//! How listening begins and ends; what comes before it is the matter of `resume.rs`.

use std::mem;
use std::num::NonZeroU32;
use std::ops::{Deref, DerefMut};

use super::Server;
use super::conn::{Flags, Format, NO_MEMBERSHIP, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::Extra;
use super::rendered::framing;
use super::respond::{Reply, Response};
use super::socket::Socket;
use crate::dialects::NATIVE;
use crate::dialects::native::{self, Refusal, Subscribe, variant};
use crate::hub::access::{self, Action, Standing};
use crate::hub::command::Command;
use crate::hub::delivery::Transport;
use crate::hub::members::{Moved, SubscriberId};
use crate::hub::message::TenantId;
use crate::hub::names::ChannelName;
use crate::hub::{ChannelId, Full, Membership};
use crate::proto::http1::{self, Head, Version};
use crate::transports::{event_stream, long_poll, stream};

/// Memberships beyond the first.
pub(crate) struct Further {
    pub memberships: Rest,
    /// The batch that visited this subscriber last, or `NEVER`: it is found once for every channel.
    pub visited: NonZeroU32,
}

/// No batch has visited a subscriber yet.
const NEVER: NonZeroU32 = NonZeroU32::MAX;

/// A few memberships; a single one needs no allocation.
pub(crate) enum Rest {
    One([Membership; 1]),
    Many(Box<[Membership]>),
}

impl From<&[Membership]> for Rest {
    fn from(memberships: &[Membership]) -> Rest {
        match memberships {
            &[one] => Rest::One([one]),
            many => Rest::Many(many.into()),
        }
    }
}

impl Deref for Rest {
    type Target = [Membership];
    fn deref(&self) -> &[Membership] {
        match self {
            Rest::One(one) => one,
            Rest::Many(many) => many,
        }
    }
}

impl DerefMut for Rest {
    fn deref_mut(&mut self) -> &mut [Membership] {
        match self {
            Rest::One(one) => one,
            Rest::Many(many) => many,
        }
    }
}

const _: () = assert!(size_of::<Option<Further>>() <= 24);

impl<S: Socket> Server<S> {
    /// Begins an endless response, or parks a poll.
    pub(super) fn subscribe_over_http(
        &mut self,
        slot: u32,
        mut reply: Reply,
        wish: Subscribe,
        standing: &Standing,
    ) {
        if wish.transport == Transport::LongPoll {
            return self.poll(slot, &reply, wish, standing);
        }
        let is_unchunked =
            wish.transport == Transport::EventStream || reply.version == Version::Http10;
        reply.keep_alive &= !is_unchunked;
        let tenant = self.connections.get(slot).tenant;
        if wish.transport == Transport::EventStream && self.deleted.ends(tenant, &wish, self.now) {
            // WHATWG HTML §9.2.3: after a 204 an EventSource does not come back.
            return self.respond(slot, &reply, Response::empty(204));
        }
        let Some(format) = self.format(&wish, reply.version, tenant, standing) else {
            return self.refuse(slot, &reply, Refusal::new(503, "too many callbacks are in use"));
        };
        self.connections.get_mut(slot).format = format;
        if reply.head_only {
            return self.answer_head(slot, reply, format);
        }
        if let Err(full) = self.join_all(slot, &wish.channels) {
            self.give_format_back(slot);
            return self.refuse(slot, &reply, Refusal::new(503, full.explain()));
        }
        self.write_stream_head(slot, &reply, format);
        let phase = match wish.transport {
            Transport::EventStream => Phase::EventStream,
            _ => Phase::Stream,
        };
        self.set_phase(slot, phase);
        let deadline = Tick::after(self.now, self.settings.limits.heartbeat_seconds);
        self.connections.get_mut(slot).deadline = deadline;
        self.log_begun(slot, 200);
        self.identify(slot, standing);
        self.end_with_token(slot);
        self.begin(slot, wish);
    }

    /// HEAD of what has no end, or only in a while: the head that GET would have, and no more.
    pub(super) fn answer_head(&mut self, slot: u32, mut reply: Reply, format: Format) {
        let (transport, framing) = framing(format, &self.callbacks);
        let has_end = transport != Transport::EventStream && framing.chunked;
        if transport == Transport::LongPoll {
            self.begin_head(slot, &reply, 200);
            let out = self.out(slot);
            http1::write_header(out, "Content-Type", long_poll::content_type(None).as_bytes());
            out.extend_from_slice(b"\r\n");
        } else {
            reply.keep_alive &= has_end;
            self.write_stream_head(slot, &reply, format);
        }
        self.give_format_back(slot);
        self.log_answer(slot, 200, 0);
        self.after_response(slot, &reply);
    }

    pub(super) fn write_stream_head(&mut self, slot: u32, reply: &Reply, format: Format) {
        let retry_ms = self.settings.limits.retry_ms;
        self.begin_endless_head(slot, reply);
        let (mut bytes, mut preamble) = (Vec::new(), Vec::new());
        let (transport, framing) = framing(format, &self.callbacks);
        match transport {
            Transport::EventStream => {
                event_stream::headers(&mut bytes);
                event_stream::preamble(retry_ms, &mut preamble);
            }
            Transport::Iframe => {
                stream::iframe_headers(framing, &mut bytes);
                stream::iframe_preamble(framing, &mut preamble);
            }
            _ => stream::headers(framing, &mut bytes),
        }
        bytes.extend_from_slice(b"\r\n");
        if !reply.head_only {
            bytes.append(&mut preamble);
        }
        self.out(slot).extend_from_slice(&bytes);
    }

    /// Makes a WebSocket of the connection and lets it listen.
    pub(super) fn upgrade(
        &mut self,
        slot: u32,
        head: &Head<'_>,
        reply: &Reply,
        wish: Subscribe,
        standing: &Standing,
    ) {
        let Some(shaken) = self.shake_hands(slot, head, reply, wish.subprotocol) else { return };
        // An upgrade names no callback, so a format is always to be had.
        let tenant = self.connections.get(slot).tenant;
        let format = self.format(&wish, reply.version, tenant, standing).unwrap_or_default();
        self.become_websocket(slot, format, shaken);
        if self.join_all(slot, &wish.channels).is_err() {
            return self.end(slot, Disconnect::Unavailable);
        }
        self.identify(slot, standing);
        self.end_with_token(slot);
        self.begin(slot, wish);
    }

    /// The format that a wish comes down to; `None` when too many callback names are in use.
    pub(super) fn format(
        &mut self,
        wish: &Subscribe,
        version: Version,
        tenant: TenantId,
        standing: &Standing,
    ) -> Option<Format> {
        let mut bits = match wish.transport {
            Transport::WebSocket | Transport::EventStream if !wish.as_json => 0,
            _ => variant::JSON,
        };
        if wish.transport == Transport::EventStream && !wish.as_json {
            bits |= variant::TEXT_ONLY;
        }
        if matches!(wish.transport, Transport::Stream | Transport::Iframe)
            && version == Version::Http10
        {
            bits |= variant::UNCHUNKED;
        }
        let rules = self.rules(tenant);
        let may_watch =
            |name: &ChannelName| access::may(standing, rules, Action::Presence, Some(name));
        // Raw frames have no event names: a count would look like a message.
        let has_place = wish.transport != Transport::LongPoll
            && (wish.transport != Transport::WebSocket || wish.as_json);
        if has_place {
            bits |= variant::EVENTS;
        }
        if wish.watches && has_place && wish.channels.iter().all(|name| may_watch(name).is_ok()) {
            bits |= variant::WATCHES;
        }
        if let (Transport::Iframe, Some(name)) = (wish.transport, &wish.callback) {
            let number = self.callbacks.take(name, self.settings.limits.callbacks_max)?;
            bits |= number << variant::CALLBACK_SHIFT;
        }
        Some(Format::new(NATIVE, wish.transport, bits))
    }

    /// Lets a subscriber listen to all these channels, or to none.
    pub(super) fn join_all(&mut self, slot: u32, channels: &[ChannelName]) -> Result<(), Full> {
        let watches = self.connections.get(slot).format.variant & variant::WATCHES != 0;
        if let [name] = channels {
            // Nearly always one, which needs no list.
            let membership = self.join(slot, name, watches)?;
            self.set_memberships(slot, &[membership]);
            return Ok(());
        }
        let memberships = self.join_each(slot, channels, watches)?;
        self.set_memberships(slot, &memberships);
        Ok(())
    }

    fn join_each<'a>(
        &mut self,
        slot: u32,
        channels: impl IntoIterator<Item = &'a ChannelName>,
        watches: bool,
    ) -> Result<Vec<Membership>, Full> {
        let mut memberships = Vec::new();
        for name in channels {
            match self.join(slot, name, watches) {
                Ok(membership) => memberships.push(membership),
                Err(error) => {
                    for membership in memberships {
                        self.leave(membership, watches);
                    }
                    return Err(error);
                }
            }
        }
        Ok(memberships)
    }

    fn join(&mut self, slot: u32, name: &ChannelName, watches: bool) -> Result<Membership, Full> {
        if self.ceiling.is_short() {
            return Err(Full::Memory);
        }
        let tenant = self.connections.get(slot).tenant;
        let membership = self.hub.join(tenant, name, SubscriberId(slot), watches)?;
        if self.engine.counts_members() {
            self.tell(Command::Enter { tenant, channel: name.clone(), user: None });
        }
        Ok(membership)
    }

    /// Lets a subscriber listen to these channels and no others; to none of the new ones if there are too
    /// many. Of a batch under way it gets what it would have got.
    pub(super) fn change_channels(
        &mut self,
        slot: u32,
        channels: &[ChannelName],
    ) -> Result<(), Full> {
        let known = self.channels_of(slot);
        let new = channels.iter().filter(|name| !known.contains(name));
        let (joined, result) = match self.join_each(slot, new, false) {
            Ok(joined) => (joined, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        for (membership, name) in self.memberships(slot).zip(&known) {
            if channels.contains(name) { kept.push(membership) } else { gone.push(membership) }
        }
        // Before anybody leaves, so that whoever has to move finds every membership in its place.
        kept.extend(joined);
        self.set_memberships(slot, &kept);
        for membership in gone {
            self.leave(membership, false);
        }
        result
    }

    fn set_memberships(&mut self, slot: u32, memberships: &[Membership]) {
        let conn = self.connections.get_mut(slot);
        let (first, rest) = match memberships {
            [first, rest @ ..] => (*first, rest),
            [] => (NO_MEMBERSHIP, memberships),
        };
        conn.first = first;
        let Some(index) = conn.more else {
            if !rest.is_empty() {
                let further = Further { memberships: rest.into(), visited: NEVER };
                conn.more = Some(self.furthers.put(further));
            }
            return;
        };
        // It also remembers what this subscriber has had of a batch under way.
        let further = self.furthers.get_mut(index);
        further.memberships = rest.into();
        let is_visited = further.visited.get() == self.batch_number;
        if self.under_way.is_none() || !is_visited {
            self.drop_furthers_if_empty(slot);
        } else if rest.is_empty() {
            // Until the batch has ended.
            self.emptied.push(self.connections.get(slot).key(slot));
        }
    }

    /// Idle costs nothing: an empty box goes.
    pub(super) fn drop_furthers_if_empty(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        if let Some(index) = conn.more
            && self.furthers.get(index).memberships.is_empty()
        {
            self.furthers.take(index);
            conn.more = None;
        }
    }

    fn leave(&mut self, membership: Membership, watches: bool) {
        let word = self.engine.counts_members().then(|| {
            let (tenant, name) = self.hub.name_of(membership.channel);
            Command::Leave { tenant, channel: name.clone(), user: None }
        });
        if let Some(moved) = self.hub.leave(membership, watches) {
            self.on_moved(membership.channel, moved);
        }
        if let Some(word) = word {
            self.tell(word);
        }
    }

    /// Somebody has another place in a channel now, and must know it.
    pub(super) fn on_moved(&mut self, channel: ChannelId, moved: Moved) {
        let old = Membership { channel, place: moved.from };
        let conn = self.connections.get_mut(moved.subscriber.0);
        if conn.first == old {
            conn.first.place = moved.to;
            return;
        }
        let further = conn.more.map(|index| self.furthers.get_mut(index));
        let membership =
            further.and_then(|further| further.memberships.iter_mut().find(|known| **known == old));
        membership.expect("a member knows its place").place = moved.to;
    }

    /// A subscriber's memberships.
    pub(super) fn memberships(&self, slot: u32) -> impl Iterator<Item = Membership> + use<'_, S> {
        let conn = self.connections.get(slot);
        let first = Some(conn.first).filter(|first| *first != NO_MEMBERSHIP);
        let further = conn.more.map_or(&[][..], |index| &*self.furthers.get(index).memberships);
        first.into_iter().chain(further.iter().copied())
    }

    /// The names of the channels that a subscriber listens to.
    pub(super) fn channels_of(&self, slot: u32) -> Vec<ChannelName> {
        let name = |membership: Membership| self.hub.name_of(membership.channel).1.clone();
        self.memberships(slot).map(name).collect()
    }

    /// Takes a connection out of everything: what remains is a socket and an outbox.
    pub(super) fn release(&mut self, slot: u32) {
        // Who is nobody in particular has no box for it.
        let is_somebody = self.connections.get(slot).extra.is_some();
        if is_somebody {
            self.leave_comet(slot);
            self.announce_user(slot, native::LEAVE);
        }
        if self.connections.get(slot).phase == Phase::LongPoll {
            self.keep_session(slot);
        }
        self.leave_all(slot);
        if is_somebody {
            self.remove_device(slot);
        }
        let conn = self.connections.get_mut(slot);
        conn.flags.clear(Flags::ASKING);
        conn.flags.clear(Flags::HOLDING);
        let (input, extra, tenant) = (conn.input.take(), conn.extra.take(), conn.tenant);
        self.give_format_back(slot);
        if let Some(index) = input {
            self.input_bytes -= self.inputs.take(index).counted;
        }
        self.paces.forget(slot);
        if let Some(Extra::Session(session)) = extra.and_then(|index| self.extras.take(index)) {
            self.sessions.remove(&(tenant, session.0));
        }
        if !self.asks.is_empty() {
            self.asks.remove(&slot);
        }
    }

    /// An iframe's format counts as a use of its callback's name.
    fn give_format_back(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        if conn.format.transport() == Transport::Iframe {
            self.callbacks.give_back(conn.format.variant >> variant::CALLBACK_SHIFT);
            // The transport stays, for the statistics; a second time there is nothing to give back.
            conn.format.variant &= (1 << variant::CALLBACK_SHIFT) - 1;
        }
    }

    /// Ends all memberships of a subscriber.
    pub(super) fn leave_all(&mut self, slot: u32) {
        let conn = self.connections.get_mut(slot);
        let watches = conn.format.variant & variant::WATCHES != 0;
        let first = mem::replace(&mut conn.first, NO_MEMBERSHIP);
        let further = conn.more.take().map(|index| self.furthers.take(index));
        if first != NO_MEMBERSHIP {
            self.leave(first, watches);
        }
        for &membership in further.iter().flat_map(|further| &*further.memberships) {
            self.leave(membership, watches);
        }
    }

    fn begin(&mut self, slot: u32, wish: Subscribe) {
        match wish.start {
            Some(start) => self.ask_for_past(slot, wish.channels, start),
            None => self.pass_cursor(slot, self.position(self.connections.get(slot).tenant)),
        }
    }

    /// Ends an endless response of chunks.
    pub(super) fn farewell(&mut self, slot: u32) {
        let format = self.connections.get(slot).format;
        let mut bytes = Vec::new();
        stream::farewell(framing(format, &self.callbacks).1, &mut bytes);
        self.out(slot).extend_from_slice(&bytes);
    }
}
