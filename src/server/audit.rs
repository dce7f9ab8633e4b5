//! A look inside: what is held, and whether everything that points at something is pointed back at.

use super::conn::{Conn, Phase};
use super::extras::Extra;
use super::input::Input;
use super::lobby::LOBBY;
use super::outbox::Outbox;
use super::socket::Socket;
use super::stats::View;
use super::subscribe::Further;
use super::{Key, Server};
use crate::hub::members::SubscriberId;

/// What the server holds, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holdings {
    /// Slots in use, sessions without a connection included.
    pub slots: usize,
    /// Sessions without a connection.
    pub detached: usize,
    /// Memberships of all channels.
    pub memberships: usize,
    /// Channels with subscribers.
    pub channels: usize,
    /// Outboxes: clients that are slower than what they get.
    pub outboxes: usize,
    /// Bytes in them.
    pub outbox_bytes: usize,
    /// Boxes for unfinished input.
    pub inputs: usize,
    /// Boxes for further memberships.
    pub furthers: usize,
    /// Boxes for what only some phases have.
    pub extras: usize,
    /// Connections that speak TLS.
    pub tls: usize,
    /// Distinct texts that clients of CometServerApi say of themselves.
    pub texts: usize,
    /// Questions that the engine has not answered.
    pub asks: usize,
    /// Clients that spoke a moment ago, and are watched for how much they say.
    pub paces: usize,
    /// Bytes of requests, messages and statements that are not whole yet.
    pub input_bytes: usize,
    /// Published and not yet in a batch.
    pub feed: usize,
}

impl<S: Socket> Server<S> {
    /// Counts what is held.
    pub fn holdings(&self) -> Holdings {
        let (channels, memberships) = self.hub.totals();
        Holdings {
            slots: self.connections.len(),
            detached: self.sessions.len() + self.comets_away(),
            memberships,
            channels,
            outboxes: self.outboxes.len(),
            outbox_bytes: self.metrics.queued_bytes as usize,
            inputs: self.inputs.len(),
            furthers: self.furthers.len(),
            extras: self.extras.len(),
            tls: self.tls.len(),
            texts: self.texts.len(),
            asks: self.asks.len(),
            paces: self.paces.len(),
            input_bytes: self.input_bytes,
            feed: self.feed.len(),
        }
    }

    /// Since the start.
    pub(super) fn uptime_seconds(&self) -> u64 {
        (self.now.ms - self.started.ms) / 1000
    }

    fn comets_away(&self) -> usize {
        let is_away = |key: &&Key| self.connections.get(key.slot).phase == Phase::Detached;
        self.comet_sessions.values().filter(is_away).count()
    }

    /// What the statistics show.
    pub(super) fn view(&self) -> View<'_> {
        View {
            metrics: &self.metrics,
            held: self.holdings(),
            history: self.engine.usage(),
            uptime_seconds: self.uptime_seconds(),
            start_unix_second: self.started.unix_second,
            dashboards: self.dashboard.watchers(),
            connections_bytes: self.connections_bytes(),
            resident_bytes: (self.resident_bytes)(),
            heap_bytes: self.ceiling.used(),
            ceiling_bytes: self.ceiling.bytes().unwrap_or(0),
        }
    }

    /// What connections occupy: their slots, their places in channels, and their boxes in side pools
    /// without what these point to.
    fn connections_bytes(&self) -> usize {
        self.connections.len() * size_of::<Conn<S>>()
            + self.hub.totals().1 * size_of::<SubscriberId>()
            + self.outboxes.len() * size_of::<Outbox>()
            + self.inputs.len() * size_of::<Input>()
            + self.furthers.len() * size_of::<Further>()
            + self.extras.bytes()
            + self.tls.bytes()
    }

    /// Follows every link from both ends. Takes as long as there are connections.
    ///
    /// # Panics
    /// If one is broken: that is a bug of the server, whatever its clients did.
    pub fn verify(&self) {
        let (mut memberships, mut outboxes, mut inputs, mut furthers, mut extras) = (0, 0, 0, 0, 0);
        let mut tls = 0;
        let (mut clients, mut lobby) = (0, 0);
        for slot in 0..self.connections.end() {
            let Some(conn) = self.connections.peek(slot) else { continue };
            for membership in self.memberships(slot) {
                let there = self.hub.members(membership.channel).at(membership.place);
                assert_eq!(there.map(|id| id.0), Some(slot), "a member stands where it believes");
                memberships += 1;
            }
            assert_eq!(conn.socket.is_none(), conn.phase == Phase::Detached, "slot {slot}");
            outboxes += usize::from(conn.outbox.is_some());
            inputs += usize::from(conn.input.is_some());
            furthers += usize::from(conn.more.is_some());
            extras += usize::from(conn.extra.is_some());
            tls += usize::from(conn.tls.is_some());
            lobby += usize::from(conn.format == LOBBY);
            clients += usize::from(self.clients.named(slot).is_some());
        }
        assert!(self.addresses.totals().1 <= self.connections.len(), "an address is somebody's");
        let held = self.holdings();
        assert_eq!(memberships, held.memberships, "every member knows of its membership");
        let queued: usize = self.outboxes.values().map(Outbox::bytes).sum();
        assert_eq!(queued, held.outbox_bytes, "every queued byte is counted");
        assert_eq!(outboxes, held.outboxes, "every outbox has an owner");
        let weighed: usize = self.inputs.values().map(|input| input.counted).sum();
        assert_eq!(weighed, held.input_bytes, "every unfinished byte is counted");
        assert_eq!(inputs, held.inputs, "every input box has an owner");
        assert_eq!(furthers, held.furthers, "every further membership has an owner");
        assert_eq!(extras, held.extras, "every extra has an owner");
        assert_eq!(tls, held.tls, "every TLS session has an owner");
        assert_eq!(lobby, self.lobby, "everybody in the lobby is counted");
        assert_eq!(clients, self.clients.len(), "every proxy's client has a connection");
        for ((tenant, name), key) in &self.comet_sessions {
            let conn = self.connections.find(*key).expect("a session has a slot");
            let comet = self.comet(key.slot).expect("it is a session of this dialect");
            assert_eq!((conn.tenant, comet.session_name()), (*tenant, Some(&**name)));
        }
        for ((tenant, name), key) in &self.sessions {
            let conn = self.connections.find(*key).expect("a session has a slot");
            assert_eq!((conn.phase, conn.tenant), (Phase::Detached, *tenant));
            let extra = conn.extra.and_then(|index| self.extras.get(index));
            assert!(matches!(extra, Some(Extra::Session(own)) if own.0 == *name));
        }
    }
}
