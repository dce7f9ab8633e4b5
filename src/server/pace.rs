//! How fast a client may speak: token buckets that hold one second's worth.
//!
//! A bucket is a single number, the moment at which it is full again; taking a token moves that moment on
//! by a token's share of a second, and a bucket that would not be full within a second has none left. So
//! a full bucket says nothing, and is not kept: a client costs something here only while it speaks, and
//! for at most a second after.

use std::collections::HashMap;

use super::Server;
use super::conn::Flags;
use super::disconnect::Disconnect;
use super::socket::Socket;
use crate::hub::clock::Now;
use crate::hub::command::By;

const SECOND_US: u64 = 1_000_000;

/// What a client is refused that speaks faster than it may.
pub(super) const TOO_FAST: &str = "more messages a second than one client may send";

/// See the module's documentation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bucket {
    full_at_us: u64,
}

impl Bucket {
    /// Takes a token out of a bucket that gets `per_second`; false if there is none. 0 is no bound.
    pub fn take(&mut self, per_second: u32, now: Now) -> bool {
        let Some(share_us) = SECOND_US.checked_div(u64::from(per_second)) else { return true };
        let now_us = now.ms * 1_000;
        let full_at_us = self.full_at_us.max(now_us) + share_us;
        let is_there = full_at_us <= now_us + SECOND_US;
        if is_there {
            self.full_at_us = full_at_us;
        }
        is_there
    }

    /// Whether it says nothing.
    pub fn is_full(&self, now: Now) -> bool {
        self.full_at_us <= now.ms * 1_000
    }
}

/// What one client has sent in the last second.
#[derive(Default)]
struct Pace {
    messages: Bucket,
    pings: Bucket,
}

/// Clients that have spoken in the last second, by slot.
#[derive(Default)]
pub(crate) struct Paces(HashMap<u32, Pace>);

impl Paces {
    /// How many clients have a box here.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A slot is somebody else's now.
    #[inline]
    pub fn forget(&mut self, slot: u32) {
        if !self.0.is_empty() {
            self.0.remove(&slot);
        }
    }

    /// Idle costs nothing: full buckets go. Takes as long as there are clients that have spoken.
    pub fn drop_full(&mut self, now: Now) {
        self.0.retain(|_, pace| !pace.messages.is_full(now) || !pace.pings.is_full(now));
        if self.0.capacity() > 4 * self.0.len() {
            self.0.shrink_to(2 * self.0.len());
        }
    }
}

impl<S: Socket> Server<S> {
    /// Whether a client is here by the rules alone: it has not shown the key, and there is one. Without a
    /// key only this machine is served, and nobody on it is a stranger.
    pub(super) fn is_stranger(&self, slot: u32) -> bool {
        let conn = self.connections.get(slot);
        !conn.flags.has(Flags::HAS_KEY) && self.tenant_of(conn.tenant).publish_key.is_some()
    }

    /// As whom a client publishes.
    pub(super) fn by(&self, slot: u32) -> By {
        if self.is_stranger(slot) { By::Stranger } else { By::Owner }
    }

    /// Whether a client may send one more message now, to however many channels. Whoever has the key may
    /// always.
    pub(super) fn may_speak(&mut self, slot: u32) -> bool {
        let per_second = self.settings.limits.messages_per_second_max;
        if per_second == 0 || !self.is_stranger(slot) {
            return true;
        }
        self.paces.0.entry(slot).or_default().messages.take(per_second, self.now)
    }

    /// Answers a ping or takes a pong in; a client that sends nothing but these is closed.
    pub(super) fn may_ping(&mut self, slot: u32) -> bool {
        let per_second = self.settings.limits.pings_per_second_max;
        let may = per_second == 0
            || self.paces.0.entry(slot).or_default().pings.take(per_second, self.now);
        if !may {
            let why = Disconnect::TooFast;
            self.close_websocket(slot, why.row().code, why.row().reason, why);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ms, ..Now::default() }
    }

    #[test]
    fn a_second_has_as_many_tokens_as_it_says_and_one_more_is_refused() {
        for per_second in [1, 3, 50, 1_000, 1_000_000] {
            let mut bucket = Bucket::default();
            let burst = (0..per_second).filter(|_| bucket.take(per_second, at(5))).count();
            assert_eq!(burst, per_second as usize);
            assert!(!bucket.take(per_second, at(5)), "one past {per_second}");
            assert!(!bucket.is_full(at(1_004)));
            assert!(bucket.is_full(at(1_005)), "a second later it says nothing");
        }
    }

    #[test]
    fn what_comes_slowly_is_never_refused_and_no_bound_is_none() {
        let mut bucket = Bucket::default();
        assert!((0..1_000).all(|n| bucket.take(10, at(n * 100))));
        assert!((0..1_000_000).all(|_| Bucket::default().take(0, at(1))));
        let mut bucket = Bucket::default();
        let hasty = (0..1_000).filter(|n| bucket.take(10, at(n * 10))).count();
        assert_eq!(hasty, 10 + 99, "ten at once, then ten a second");
    }
}
