//! Telling watchers how many listen to a channel: coalesced, so that a storm of joins is one message.

use std::rc::Rc;

use super::Server;
use super::answers::SERVERS_OWN;
use super::socket::Socket;
use crate::hub::command::{Command, Outcome};
use crate::hub::message::{Data, Message, MessageId};
use crate::hub::names::EventName;

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
            let token = self.next_token(SERVERS_OWN);
            self.counts_asked.insert(token.number, (tenant, name));
            self.engine.submit(Some(token), Command::Counts { tenant, channels }, self.now);
            self.settle();
        }
    }

    /// The count of other nodes is there: together with ours it is news for the watchers.
    pub(super) fn on_counts(&mut self, number: u32, outcome: Outcome) {
        let Some((tenant, channel)) = self.counts_asked.remove(&number) else { return };
        let elsewhere = match outcome {
            Outcome::Counts(counts) => counts.first().copied().unwrap_or(0),
            _ => 0,
        };
        let count = u64::from(self.hub.count(tenant, &channel)) + elsewhere;
        self.push_to_feed(Rc::new(Message {
            id: MessageId::default(),
            offset: 0,
            tenant,
            channel,
            event: EventName::of_server("encke:presence"),
            data: Data::text(&format!("{{\"count\":{count}}}")),
        }));
    }
}
