//! How many connections come from one address, and how fast. Both bounds are off until they are set:
//! then nothing is asked of the kernel, and nothing is kept.
//!
//! ```text
//!  slot ──▶ source (8 bytes a slot)      source ──▶ connections (one entry for each source that is here)
//!  source ──▶ one of 4,096 token buckets, by a hash that nobody can guess: strangers may share one
//! ```
//! A *source* is an IPv4 address, or the first 64 bits of an IPv6 address: who has one of these has all of
//! them. What comes from this machine has no source: a proxy beside the server speaks for many people,
//! and so does who connects by a socket file. The source is kept, as the kernel forgets the address of a
//! connection that was reset.
//!
//! A trusted proxy speaks for many people, too: its connections are nobody's until a request says whose it
//! is. Then it is counted there, until it is answered: a subscriber for as long as it lasts
//! (`clients.rs`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::num::NonZeroU64;

use super::conn::Phase;
use super::pace::Bucket;
use super::socket::Socket;
use super::{Listener, Server};
use crate::hub::clock::Now;

/// Token buckets of all addresses together.
const BUCKETS: usize = 4_096;

/// Where a connection comes from. The first bits of an IPv6 address that anybody may have are never so
/// small as an IPv4 address is (RFC 4291 §2.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Source(NonZeroU64);

impl Source {
    /// `None` for this machine, which is not counted.
    pub fn of(address: IpAddr) -> Option<Source> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return None;
        }
        let number = match address {
            IpAddr::V4(address) => u64::from(u32::from(address)),
            IpAddr::V6(address) => (u128::from(address) >> 64) as u64,
        };
        NonZeroU64::new(number).map(Source)
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Addresses {
    of_slot: Vec<Option<Source>>,
    counts: HashMap<Source, u32>,
    buckets: Box<[Bucket]>,
    /// Makes the hash of a source a secret.
    secret: [u8; 8],
}

const _: () = assert!(size_of::<Option<Source>>() == 8);

impl Addresses {
    pub fn new(secret: [u8; 8]) -> Addresses {
        Addresses { secret, ..Addresses::default() }
    }

    /// Connections from here now.
    pub fn count(&self, source: Source) -> usize {
        self.counts.get(&source).map_or(0, |&count| count as usize)
    }

    /// Whether one more may come from here now, of so many a second.
    pub fn admits(&mut self, source: Source, per_second: u32, now: Now) -> bool {
        if per_second == 0 {
            return true;
        }
        if self.buckets.is_empty() {
            self.buckets = vec![Bucket::default(); BUCKETS].into();
        }
        let mut hasher = DefaultHasher::new();
        (self.secret, source).hash(&mut hasher);
        self.buckets[hasher.finish() as usize % BUCKETS].take(per_second, now)
    }

    /// Counts a connection, and no longer where it was counted before.
    pub fn enter(&mut self, slot: u32, source: Source) {
        self.leave(slot);
        let slot = slot as usize;
        if slot >= self.of_slot.len() {
            if slot >= self.of_slot.capacity() {
                // By an eighth, not by doubling.
                let more = (slot + 1 - self.of_slot.len()).max(self.of_slot.len() / 8).max(64);
                self.of_slot.reserve_exact(more);
            }
            self.of_slot.resize(slot + 1, None);
        }
        self.of_slot[slot] = Some(source);
        *self.counts.entry(source).or_default() += 1;
    }

    /// A connection is gone. One that was never counted is nobody's.
    #[inline]
    pub fn leave(&mut self, slot: u32) {
        if !self.of_slot.is_empty() {
            self.leave_counted(slot);
        }
    }

    fn leave_counted(&mut self, slot: u32) {
        let source = self.of_slot.get_mut(slot as usize).and_then(Option::take);
        let Some(source) = source else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if self.counts.is_empty() {
            (self.of_slot, self.counts) = (Vec::new(), HashMap::new());
        }
    }

    /// Nobody counts any longer.
    pub fn forget(&mut self) {
        (self.of_slot, self.counts) = (Vec::new(), HashMap::new());
    }

    /// Distinct addresses here now, and connections from them.
    pub fn totals(&self) -> (usize, usize) {
        (self.counts.len(), self.counts.values().map(|&count| count as usize).sum())
    }
}

impl<S: Socket> Server<S> {
    /// Where a new connection comes from, if anybody counts that.
    pub(super) fn source_of(&self, socket: &S, listener: Listener) -> Option<Source> {
        if !self.counts_addresses() {
            return None;
        }
        self.source_of_connection(socket.peer()?.ip(), listener)
    }

    /// The same, where a proxy announces it.
    pub(super) fn source_of_connection(
        &self,
        address: IpAddr,
        listener: Listener,
    ) -> Option<Source> {
        let address = address.to_canonical();
        // Only requests say for whom they are.
        let is_proxy = listener != Listener::CometQl && self.settings.trusted.has(Some(address));
        if is_proxy { None } else { self.source_at(address) }
    }

    /// What counts an address, if anything does.
    pub(super) fn source_at(&self, address: IpAddr) -> Option<Source> {
        if self.counts_addresses() { Source::of(address) } else { None }
    }

    /// After a reload: those who were here before anybody counted count as well.
    pub(super) fn count_those_here(&mut self, was_counting: bool) {
        if !self.counts_addresses() {
            self.addresses.forget();
            return;
        }
        if was_counting {
            return;
        }
        for slot in 0..self.connections.end() {
            if let Some(source) = self.source_of_slot(slot) {
                self.addresses.enter(slot, source);
            }
        }
    }

    /// What a connection that is here would count for, had it been counted from its beginning.
    fn source_of_slot(&self, slot: u32) -> Option<Source> {
        let phase = self.connections.peek(slot)?.phase;
        let listener = match phase {
            // Whom a proxy is about to announce is counted then.
            Phase::Proxied => return None,
            Phase::MySql => Listener::CometQl,
            _ => Listener::Http,
        };
        let address = self.clients.connected_from(slot, &self.connections)?;
        self.source_of_connection(address, listener).or_else(|| match phase {
            // Between two requests a trusted proxy's connection is nobody's.
            Phase::Http => None,
            _ => self.source_at(self.clients.named(slot)?),
        })
    }

    pub(super) fn counts_addresses(&self) -> bool {
        let limits = &self.settings.limits;
        limits.connections_per_address_max != 0 || limits.connects_per_second_per_address_max != 0
    }

    /// Whether one more connection may come from here.
    pub(super) fn has_place_for(&mut self, source: Source) -> bool {
        self.takes_one_more(source) && self.may_connect(source)
    }

    /// Whether one more may be counted here.
    pub(super) fn takes_one_more(&self, source: Source) -> bool {
        let most = self.settings.limits.connections_per_address_max;
        most == 0 || self.addresses.count(source) < most
    }

    /// Takes one of those that may be opened from here in a second; false if there is none.
    pub(super) fn may_connect(&mut self, source: Source) -> bool {
        let per_second = self.settings.limits.connects_per_second_per_address_max;
        self.addresses.admits(source, per_second, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Option<Source> {
        Source::of(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_is_a_source_and_so_is_a_network_of_64_bits() {
        assert_eq!(source("203.0.113.7"), source("::ffff:203.0.113.7"));
        assert_ne!(source("203.0.113.7"), source("203.0.113.8"));
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        for here in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(source(here), None, "{here}");
        }
    }

    #[test]
    fn everybody_who_leaves_is_forgotten() {
        let mut addresses = Addresses::default();
        let (one, two) = (source("192.0.2.1").unwrap(), source("192.0.2.2").unwrap());
        addresses.enter(0, one);
        addresses.enter(900, one);
        addresses.enter(5, two);
        assert_eq!((addresses.count(one), addresses.count(two)), (2, 1));
        assert_eq!(addresses.totals(), (2, 3));
        addresses.enter(900, two);
        assert_eq!((addresses.count(one), addresses.count(two)), (1, 2), "a better address");
        for slot in [0, 5, 5, 900, 7, 100_000] {
            addresses.leave(slot);
        }
        assert_eq!(addresses.totals(), (0, 0));
        assert_eq!((addresses.of_slot.capacity(), addresses.counts.capacity()), (0, 0));
    }

    #[test]
    fn so_many_connects_a_second_and_one_past() {
        let mut addresses = Addresses::new([7; 8]);
        let (one, now) = (source("192.0.2.1").unwrap(), Now { ms: 1, ..Now::default() });
        assert_eq!((0..9).filter(|_| addresses.admits(one, 5, now)).count(), 5);
        let later = Now { ms: 1_001, ..Now::default() };
        assert!(addresses.admits(one, 5, later));
        let strangers = (0..200).filter_map(|n| source(&format!("198.51.100.{n}")));
        let admitted = strangers.filter(|&it| addresses.admits(it, 5, now)).count();
        assert!(admitted > 190, "few share a bucket: {admitted} of 200");
    }
}
