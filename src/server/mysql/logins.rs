//! Wrong passwords: whose answer waits, and how long.
//!
//! The answer to a wrong login is held back, longer with each that came from the same address within
//! `REMEMBERED_MS`: 250 ms, 500 ms, … `WAIT_MS_MAX`. A right one is answered at once, whatever came
//! before it: nobody is locked out by a neighbour. Sockets without an address, such as those of the file
//! system, count as one; of an IPv6 address the first half counts, since its owner has all of the rest.
//!
//! Bounds: `ADDRESSES_MAX` addresses, of which the one that failed longest ago is forgotten first, and
//! `HELD_MAX` answers. What comes beyond them is answered at once, so that a flood costs no more than its
//! connections; the log tells of it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use crate::server::slab::Key;

const WAIT_MS_MIN: u64 = 250;
const WAIT_MS_MAX: u64 = 4_000;
const REMEMBERED_MS: u64 = 60_000;
const ADDRESSES_MAX: usize = 1_024;
const HELD_MAX: usize = 256;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Logins {
    /// The latest is last.
    failures: VecDeque<Failures>,
    /// Answers that wait, by when they are due and by a number that tells them apart.
    held: BTreeMap<(u64, u32), (Key, Vec<u8>)>,
    number: u32,
}

struct Failures {
    address: Option<IpAddr>,
    count: u32,
    last_ms: u64,
}

impl Logins {
    /// Counts a wrong login and tells how long its answer has to wait.
    pub fn failed(&mut self, peer: Option<IpAddr>, now_ms: u64) -> u64 {
        self.forget(now_ms);
        let address = peer.map(owner);
        let known = self.failures.iter().position(|failures| failures.address == address);
        let before = known.and_then(|at| self.failures.remove(at)).map_or(0, |known| known.count);
        if self.failures.len() == ADDRESSES_MAX {
            self.failures.pop_front();
        }
        let count = before.saturating_add(1);
        self.failures.push_back(Failures { address, count, last_ms: now_ms });
        (WAIT_MS_MIN << before.min(10)).min(WAIT_MS_MAX)
    }

    /// Keeps an answer until then, or gives it back if too many wait.
    pub fn hold(&mut self, key: Key, due_ms: u64, answer: Vec<u8>) -> Result<(), Vec<u8>> {
        if self.held.len() >= HELD_MAX {
            return Err(answer);
        }
        self.number = self.number.wrapping_add(1);
        self.held.insert((due_ms, self.number), (key, answer));
        Ok(())
    }

    /// The client went without its answer.
    pub fn drop_answer(&mut self, key: Key) {
        self.held.retain(|_, (held, _)| *held != key);
    }

    /// An answer that has waited long enough.
    pub fn take_due(&mut self, now_ms: u64) -> Option<(Key, Vec<u8>)> {
        self.forget(now_ms);
        let entry = self.held.first_entry()?;
        (entry.key().0 <= now_ms).then(|| entry.remove())
    }

    /// When the next one will have.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.held.keys().next().map(|&(due_ms, _)| due_ms)
    }

    fn forget(&mut self, now_ms: u64) {
        let is_old = |one: &Failures| one.last_ms.saturating_add(REMEMBERED_MS) <= now_ms;
        while self.failures.front().is_some_and(is_old) {
            self.failures.pop_front();
            if self.failures.is_empty() {
                self.failures = VecDeque::new();
            }
        }
    }
}

/// What one person may be expected to have: an address, or the network part of one.
fn owner(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn each_failure_waits_longer_until_a_minute_has_passed() {
        let mut logins = Logins::default();
        let waits: Vec<u64> = (0..8).map(|n| logins.failed(address("192.0.2.1"), n)).collect();
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000, 4_000]);
        assert_eq!(logins.failed(address("192.0.2.2"), 8), 250, "of another address");
        assert_eq!(logins.failed(None, 8), 250);
        assert_eq!(logins.failed(None, 8), 500, "those without one are one");
        assert_eq!(logins.failed(address("192.0.2.1"), 7 + REMEMBERED_MS), 250);
        logins.take_due(1_000_000);
        assert_eq!(logins.failures.capacity(), 0, "what is forgotten takes no memory");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut logins = Logins::default();
        for (peer, wait) in [
            ("2001:db8:1:2::1", 250),
            ("2001:db8:1:2:ffff::9", 500),
            ("2001:db8:1:3::1", 250),
            ("192.0.2.1", 250),
            ("::ffff:192.0.2.1", 500),
        ] {
            assert_eq!(logins.failed(address(peer), 0), wait, "{peer}");
        }
    }

    #[test]
    fn the_oldest_address_is_forgotten_first() {
        let mut logins = Logins::default();
        for n in 0..=ADDRESSES_MAX as u32 {
            logins.failed(Some(IpAddr::V4(n.into())), 0);
            assert!(logins.failures.len() <= ADDRESSES_MAX);
        }
        assert_eq!(logins.failed(Some(IpAddr::V4(1.into())), 0), 500);
        assert_eq!(logins.failed(Some(IpAddr::V4(0.into())), 0), 250);
    }

    #[test]
    fn answers_come_in_time_and_no_more_wait_than_may() {
        let mut logins = Logins::default();
        let key = |slot| Key { slot, generation: 1 };
        for slot in 0..HELD_MAX as u32 {
            assert_eq!(logins.hold(key(slot), 1_000 - u64::from(slot), vec![1]), Ok(()));
        }
        assert_eq!(logins.hold(key(0), 0, vec![2]), Err(vec![2]));
        assert_eq!(logins.next_due_ms(), Some(745));
        assert_eq!(logins.take_due(744), None);
        assert_eq!(logins.take_due(745), Some((key(255), vec![1])));
        logins.drop_answer(key(254));
        assert_eq!(logins.take_due(746), None);
        assert_eq!(logins.take_due(747), Some((key(253), vec![1])));
    }
}
