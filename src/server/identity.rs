//! Who a subscriber is, as its token says: what it may publish, until when it may listen, and whose
//! device it is.

use std::rc::Rc;

use super::Server;
use super::comet::status;
use super::conn::{Flags, Phase};
use super::deadlines::Tick;
use super::disconnect::Disconnect;
use super::extras::Extra;
use super::output::Chunk;
use super::rendered;
use super::settings::Tenant;
use super::socket::Socket;
use crate::dialects::{Announcement, native};
use crate::hub::access::{Claims, Standing};
use crate::hub::command::Command;
use crate::hub::members::SubscriberId;
use crate::hub::message::{MessageId, Personal, TenantId};
use crate::hub::names::ChannelName;
use crate::hub::rules::{Rule, rule_for};
use crate::proto::json;

/// Users that `GET /channels/NAME/presence` names.
const LISTED_USERS_MAX: usize = 10_000;

impl<S: Socket> Server<S> {
    /// Remembers who a subscriber is, for as long as it listens.
    pub(super) fn identify(&mut self, slot: u32, standing: &Standing) {
        match standing {
            Standing::Key => self.connections.get_mut(slot).flags.set(Flags::HAS_KEY),
            Standing::Token(claims) => {
                let index = self.extras.put(Extra::Token(Rc::clone(claims)));
                self.connections.get_mut(slot).extra = Some(index);
                self.announce_user(slot, native::JOIN);
                self.add_device(slot, claims);
            }
            _ => {}
        }
    }

    /// A user has one device more. Those of polls come and go all the time: nobody else learns of them.
    pub(super) fn add_device(&mut self, slot: u32, claims: &Claims) {
        let Some(user) = claims.user.clone() else { return };
        let tenant = self.connections.get(slot).tenant;
        self.inbox.add(tenant, &user, SubscriberId(slot));
        if self.is_lasting(slot) {
            // What went before is not for it.
            let since = Some(MessageId::MAX);
            let word = status(&user, "online");
            self.tell(Command::Arrive { tenant, user, since, word });
        }
    }

    fn is_lasting(&self, slot: u32) -> bool {
        let phase = self.connections.get(slot).phase;
        matches!(phase, Phase::WebSocket | Phase::EventStream | Phase::Stream)
    }

    /// A subscriber goes, and with it a device.
    pub(super) fn remove_device(&mut self, slot: u32) {
        let phase = self.connections.get(slot).phase;
        if phase == Phase::Detached {
            return;
        }
        if let Some(user) = self.claims(slot).and_then(|claims| claims.user.clone()) {
            let tenant = self.connections.get(slot).tenant;
            self.inbox.remove(tenant, &user, SubscriberId(slot));
            if self.is_lasting(slot) {
                let (unread, upto) = (Vec::new(), self.personal_position(tenant));
                let word = status(&user, "offline");
                self.tell(Command::Depart { tenant, user, unread, upto, word });
            }
        }
    }

    /// Tells a channel that a user came or went, where a rule says so and no other connection of that
    /// user is there. Long-polls come and go all the time: they are counted, not announced.
    pub(super) fn announce_user(&mut self, slot: u32, what: &'static str) {
        let Some(user) = self.claims(slot).and_then(|claims| claims.user.clone()) else { return };
        let conn = self.connections.get(slot);
        if matches!(conn.phase, Phase::LongPoll | Phase::Detached | Phase::Http) {
            return;
        }
        let tenant = conn.tenant;
        for channel in self.channels_of(slot) {
            let rule = rule_for(self.rules(tenant), &channel);
            let is_there = |device: &SubscriberId| {
                device.0 != slot && self.channels_of(device.0).contains(&channel)
            };
            if !rule.is_some_and(|rule| rule.events)
                || self.inbox.devices(tenant, &user).iter().any(is_there)
            {
                continue;
            }
            self.tell_channel(tenant, channel, what, &native::user_data(&user));
        }
    }

    /// Passes JSON on as JSON, where a rule says so.
    pub(super) fn apply_rules(&self, command: &mut Command) {
        let Command::Publish { tenant, messages, .. } = command else { return };
        let rules = self.rules(*tenant);
        for message in messages {
            let is_wanted = rule_for(rules, &message.channel).is_some_and(|rule| rule.json);
            if is_wanted && json::validate(message.data.as_bytes()).is_ok() {
                message.data = message.data.clone().into_json();
            }
        }
    }

    /// What a subscriber's token says.
    pub(super) fn claims(&self, slot: u32) -> Option<&Rc<Claims>> {
        claims_of(self.extras.get(self.connections.get(slot).extra?)?)
    }

    /// What a subscriber showed of itself when it came.
    pub(super) fn standing(&self, slot: u32) -> Standing {
        let conn = self.connections.get(slot);
        if conn.flags.has(Flags::HAS_KEY) {
            return Standing::Key;
        }
        match self.claims(slot) {
            Some(claims) => Standing::Token(Rc::clone(claims)),
            None if self.tenant_of(conn.tenant).publish_key.is_none() => Standing::Open,
            None => Standing::Anonymous,
        }
    }

    /// The rules of a tenant's channels.
    pub(super) fn rules(&self, tenant: TenantId) -> &[Rule] {
        &self.tenant_of(tenant).rules
    }

    /// What the operator decided for a tenant.
    pub(super) fn tenant_of(&self, tenant: TenantId) -> &Tenant {
        &self.settings.tenants[usize::from(tenant.0)]
    }

    /// Brings a deadline forward to the end of the token's time.
    pub(super) fn end_with_token(&mut self, slot: u32) {
        let Some(expires) = self.claims(slot).and_then(|claims| claims.expires) else { return };
        let left = expires.saturating_sub(self.now.unix_second).min(u64::from(u16::MAX / 4));
        let end = Tick::after(self.now, left as u16);
        let conn = self.connections.get_mut(slot);
        if conn.deadline.is_due(end) {
            return;
        }
        conn.deadline = end;
    }

    /// Ends a subscriber whose token's time is over; true if it was.
    pub(super) fn end_if_expired(&mut self, slot: u32) -> bool {
        let is_over = self.claims(slot).is_some_and(|claims| claims.is_over(self.now.unix_second));
        if is_over {
            let conn = self.connections.get(slot);
            if matches!(conn.phase, Phase::EventStream | Phase::Stream) {
                let data = native::error_data(Disconnect::Expired.row().reason);
                let event = Announcement { id: None, name: "encke:error", data: &data };
                self.announce(slot, conn.format, &event);
            }
            self.end(slot, Disconnect::Expired);
        }
        is_over
    }

    /// Delivers to every device of a user.
    pub(super) fn deliver_to_user(&mut self, message: &Rc<Personal>) {
        self.personal_positions[usize::from(message.tenant.0)] = message.id;
        self.uncork();
        for device in self.inbox.devices(message.tenant, &message.user).to_vec() {
            let Some(conn) = self.connections.peek(device.0) else { continue };
            let (phase, format) = (conn.phase, conn.format);
            if self.hold_personal(device.0, message) {
                continue;
            }
            let mut bytes = Vec::new();
            rendered::personal(message, format, &self.callbacks, &mut bytes);
            match phase {
                Phase::LongPoll => self.answer_poll_with(device.0, &bytes),
                _ => self.deliver(device.0, &[Chunk::Own(&bytes)]),
            }
        }
    }

    /// Up to where messages for users have come.
    pub(super) fn personal_position(&self, tenant: TenantId) -> MessageId {
        self.personal_positions[usize::from(tenant.0)]
    }

    /// Whose device a subscriber is, whatever it showed.
    pub(super) fn user_of(&self, slot: u32) -> Option<Box<str>> {
        match self.comet(slot) {
            Some(comet) => comet.user_name(),
            None => self.claims(slot)?.user.clone(),
        }
    }

    /// The users on a channel here, each as often as it has connections.
    pub(super) fn users_on(&self, tenant: TenantId, channel: &ChannelName) -> Vec<Box<str>> {
        let users = self.hub.subscribers(tenant, channel).filter_map(|id| self.user_of(id.0));
        users.take(LISTED_USERS_MAX).collect()
    }
}

/// What a token said whose owner this belongs to.
pub(super) fn claims_of(extra: &Extra) -> Option<&Rc<Claims>> {
    match extra {
        Extra::Token(claims) => Some(claims),
        Extra::Poll(extra) => extra.claims.as_ref(),
        Extra::Session(session) => session.1.as_ref(),
        Extra::MySql(_) | Extra::Proxied(_) => None,
    }
}
