//! What happens when a deadline comes.

use super::Server;
use super::conn::{Flags, Phase};
use super::deadlines::{EXPIRIES_PER_TURN, SLOTS_PER_TURN, Tick};
use super::disconnect::Disconnect;
use super::rendered::framing;
use super::socket::Socket;
use crate::transports;

/// Places that a queue keeps while it is empty.
const QUEUE_KEPT: usize = 128;
/// Bytes of the gathering buffer that are kept.
const OUT_BYTES_KEPT: usize = 4 * 1024;

impl<S: Socket> Server<S> {
    /// Goes on with this second's sweep; true if there is more of it.
    pub(super) fn run_deadlines(&mut self) -> bool {
        if self.sweep.tick != self.tick {
            // A round that took longer than a second is finished first.
            if self.sweep.next.is_none() {
                self.sweep.next = Some(0);
                self.engine.tick(self.now);
                self.give_memory_back();
            }
            self.sweep.tick = self.tick;
        }
        let Some(from) = self.sweep.next else { return false };
        let end = self.connections.end();
        let mut expiries = 0;
        for slot in from..end {
            if slot - from == SLOTS_PER_TURN || expiries == EXPIRIES_PER_TURN {
                self.sweep.next = Some(slot);
                return true;
            }
            let conn = self.connections.peek(slot);
            if conn.is_some_and(|conn| conn.deadline.is_due(self.tick)) {
                expiries += 1;
                self.on_deadline(slot);
                self.uncork();
            }
        }
        self.sweep.next = None;
        false
    }

    /// What a storm made large is made small again, once a second.
    fn give_memory_back(&mut self) {
        self.ready_again.shrink_to(QUEUE_KEPT);
        self.feed.shrink_to(QUEUE_KEPT);
        self.metrics.lag.give_memory_back();
        self.asks.shrink_to(QUEUE_KEPT);
        self.sessions.shrink_to(QUEUE_KEPT);
        self.comet_sessions.shrink_to(QUEUE_KEPT);
        self.paces.drop_full(self.now);
        self.logs.shrink();
        self.compressor.forget_unused(self.now.ms / 1000);
        self.decompressor.forget_unused(self.now.ms / 1000);
        self.out.shrink_to(OUT_BYTES_KEPT);
        self.tls.shrink();
    }

    fn on_deadline(&mut self, slot: u32) {
        if self.end_if_expired(slot) {
            return;
        }
        self.act_on_deadline(slot);
        if self.connections.is_used(slot) {
            self.end_with_token(slot);
        }
    }

    fn act_on_deadline(&mut self, slot: u32) {
        let phase = self.connections.get(slot).phase;
        match phase {
            Phase::Free => {}
            Phase::Http
            | Phase::WebSocket
            | Phase::EventStream
            | Phase::Stream
            | Phase::Closing
                if self.is_behind(slot) => {}
            Phase::Http | Phase::Lobby => self.on_http_deadline(slot),
            Phase::WebSocket => self.on_websocket_deadline(slot),
            Phase::EventStream | Phase::Stream => {
                let deadline = Tick::after(self.now, self.settings.limits.heartbeat_seconds);
                self.connections.get_mut(slot).deadline = deadline;
                self.heartbeat(slot);
            }
            Phase::LongPoll => self.end_poll(slot, Disconnect::Finished),
            Phase::MySql | Phase::Proxied => self.cut(slot, Disconnect::Silent),
            Phase::Detached => self.cut(slot, Disconnect::Finished),
            Phase::Closing => self.cut(slot, Disconnect::Finished),
        }
    }

    /// Whether bytes wait for this client. Then it needs neither heartbeat nor hurry, but its outbox must
    /// move between two deadlines.
    fn is_behind(&mut self, slot: u32) -> bool {
        let deadline = Tick::after(self.now, self.settings.limits.heartbeat_seconds);
        let conn = self.connections.get_mut(slot);
        if conn.outbox.is_none() {
            conn.flags.clear(Flags::STALLED);
            return false;
        }
        if conn.flags.has(Flags::STALLED) {
            self.cut(slot, Disconnect::Slow);
        } else {
            conn.flags.set(Flags::STALLED);
            conn.deadline = deadline;
        }
        true
    }

    /// Keeps an idle connection alive, and finds out whether it still is.
    pub(super) fn heartbeat(&mut self, slot: u32) {
        let conn = self.connections.get(slot);
        let cursor = self.seen_by(slot).map(|id| id.to_string());
        let mut bytes = Vec::new();
        let (transport, framing) = framing(conn.format, &self.callbacks);
        transports::heartbeat(transport, framing, cursor.as_deref(), &mut bytes);
        self.out(slot).extend_from_slice(&bytes);
    }
}
