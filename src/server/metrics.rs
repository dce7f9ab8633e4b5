//! What the server counts. Plain numbers: there is one thread, and counting is an addition.
//!
//! What each number is called, and what it means, is in `stats.rs`.

use super::ceiling::Shed;
use super::conn::{Format, Phase};
use super::disconnect::Disconnect;
use super::lag::Lag;
use crate::dialects;
use crate::hub::delivery::Transport;

/// Counters since the start, and connections now.
#[derive(Default)]
pub(crate) struct Metrics {
    pub accepted: u64,
    pub refused: u64,
    pub tls_handshakes: u64,
    /// Handshakes that began and came to nothing.
    pub tls_failures: u64,
    pub requests: u64,
    pub messages_published: u64,
    pub published_bytes: u64,
    pub batches: u64,
    pub deliveries: u64,
    pub messages_delivered: u64,
    pub renders: u64,
    pub cursors_lost: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Bytes in all outboxes now.
    pub queued_bytes: u64,
    /// Indexed by `Disconnect`.
    pub ended: [u64; Disconnect::ALL.len()],
    /// Now. Indexed by `Phase`.
    pub phases: [u64; Phase::COUNT],
    /// Indexed by dialect, then `Transport`.
    pub clients: [[Clients; Transport::ALL.len()]; dialects::NAMES.len()],
    /// Back ends on the MySQL protocol.
    pub back_ends: Clients,
    /// HTTP responses by status.
    pub responses: Tally,
    /// WebSocket closes by code, those that this side began.
    pub closes_sent: Tally,
    /// Those that clients began; without a code, 1005 (RFC 6455 §7.1.5).
    pub closes_received: Tally,
    /// SQL errors by MySQL's number.
    pub sql_errors: Tally,
    /// What was given up, and whom there was no memory for.
    pub shed: Shed,
    pub lag: Lag,
}

/// Clients of one kind.
#[derive(Clone, Copy, Default)]
pub(crate) struct Clients {
    pub now: u64,
    pub opened: u64,
}

impl Metrics {
    pub fn end(&mut self, why: Disconnect) {
        self.ended[why as usize] += 1;
    }

    /// A connection begins to be in a phase. Its format stays what it is until it leaves.
    pub fn enter(&mut self, phase: Phase, format: Format) {
        self.phases[phase as usize] += 1;
        if let Some(clients) = self.clients(phase, format) {
            clients.now += 1;
            clients.opened += 1;
        }
    }

    pub fn leave(&mut self, phase: Phase, format: Format) {
        self.phases[phase as usize] -= 1;
        if let Some(clients) = self.clients(phase, format) {
            clients.now -= 1;
        }
    }

    fn clients(&mut self, phase: Phase, format: Format) -> Option<&mut Clients> {
        match phase {
            Phase::MySql => Some(&mut self.back_ends),
            Phase::WebSocket | Phase::EventStream | Phase::Stream | Phase::LongPoll => {
                let of_dialect = &mut self.clients[usize::from(format.dialect)];
                Some(&mut of_dialect[format.transport() as usize])
            }
            _ => None,
        }
    }
}

/// Different numbers that one tally tells apart. Ours are fewer; this holds if somebody forgets.
const NUMBERS_MAX: usize = 64;

/// Counts by a number out of a short list.
#[derive(Default)]
pub(crate) struct Tally(Vec<(u16, u64)>);

impl Tally {
    pub fn add(&mut self, number: u16) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == number) {
            *count += 1;
        } else if self.0.len() < NUMBERS_MAX {
            self.0.push((number, 1));
        }
    }

    /// In the order of the numbers.
    pub fn counts(&self) -> Vec<(u16, u64)> {
        let mut counts = self.0.clone();
        counts.sort_unstable();
        counts
    }
}

/// What stands for all close codes that are the applications' own.
pub(crate) const OTHER_CODE: u16 = 0;

/// A client's close code as it is counted: applications have thousands.
pub(crate) fn known_close_code(code: Option<u16>) -> u16 {
    match code {
        None => 1005,
        Some(code @ 1000..=1014) => code,
        Some(_) => OTHER_CODE,
    }
}
