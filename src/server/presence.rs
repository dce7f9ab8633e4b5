//! Telling watchers how many listen to a channel: coalesced, so that a storm of joins is one message.

use std::collections::HashMap;
use std::rc::Rc;

use super::Server;
use super::answers::SERVERS_OWN;
use super::socket::Socket;
use crate::dialects::native;
use crate::hub::command::{Command, NewMessage, Outcome};
use crate::hub::message::{Data, TenantId};
use crate::hub::names::{ChannelName, EventName};

/// Channels whose counts on other nodes were asked for. What is told is our own count when it was asked,
/// which is the one that the hub remembers; an answer that a newer question has overtaken is nobody's.
#[derive(Default)]
pub(crate) struct CountsAsked {
    by_number: HashMap<u32, (TenantId, ChannelName, u32)>,
    newest: HashMap<(TenantId, ChannelName), u32>,
}

impl CountsAsked {
    fn ask(&mut self, number: u32, tenant: TenantId, channel: ChannelName, here: u32) {
        if let Some(old) = self.newest.insert((tenant, channel.clone()), number) {
            self.by_number.remove(&old);
        }
        self.by_number.insert(number, (tenant, channel, here));
    }

    fn answered(&mut self, number: u32) -> Option<(TenantId, ChannelName, u32)> {
        let asked = self.by_number.remove(&number)?;
        self.newest.remove(&(asked.0, asked.1.clone()));
        Some(asked)
    }
}

impl<S: Socket> Server<S> {
    /// Tells watchers how many there are, at most once in an interval.
    pub(super) fn announce_counts(&mut self) {
        if !self.hub.has_news() || self.now.ms < self.news_due_ms {
            return;
        }
        self.news_due_ms = self.now.ms + self.settings.limits.presence_interval_ms;
        while let Some(id) = self.hub.take_news() {
            let (tenant, name) = self.hub.name_of(id);
            let (name, channels) = (name.clone(), vec![name.clone()]);
            let here = self.hub.count(tenant, &name);
            let token = self.next_token(SERVERS_OWN);
            self.counts_asked.ask(token.number, tenant, name, here);
            self.engine.submit(Some(token), Command::Counts { tenant, channels }, self.now);
            self.settle();
        }
    }

    /// The count of other nodes is there: together with ours it is news for the watchers.
    pub(super) fn on_counts(&mut self, number: u32, outcome: Outcome) {
        let Some((tenant, channel, here)) = self.counts_asked.answered(number) else { return };
        let elsewhere = match outcome {
            Outcome::Counts(counts) => counts.first().copied().unwrap_or(0),
            _ => 0,
        };
        let count = u64::from(here) + elsewhere;
        self.tell_channel(tenant, channel, native::PRESENCE, &format!("{{\"count\":{count}}}"));
    }

    /// Puts a word of the moment into the feed: it has no id and is not kept.
    pub(super) fn tell_channel(
        &mut self,
        tenant: TenantId,
        channel: ChannelName,
        event: &'static str,
        json: &str,
    ) {
        let (event, data) = (EventName::of_server(event), Data::text(json).into_json());
        let word = NewMessage { channel, event, data, sender: None };
        self.push_to_feed(Rc::new(word.say(tenant)));
    }
}
