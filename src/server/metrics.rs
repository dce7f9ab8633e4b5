//! What the server counts. Plain numbers: there is one thread.

use super::audit::Holdings;
use super::conn::Phase;
use super::disconnect::Disconnect;
use crate::engines::Usage;

/// Counters since the start, and connections by phase now.
#[derive(Default)]
pub(crate) struct Metrics {
    pub accepted: u64,
    pub refused: u64,
    pub requests: u64,
    pub messages_published: u64,
    pub batches: u64,
    pub deliveries: u64,
    pub renders: u64,
    pub cursors_lost: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    /// Indexed by `Disconnect`.
    pub ended: [u64; Disconnect::ALL.len()],
    /// Indexed by `Phase`.
    pub phases: [u64; Phase::COUNT],
}

impl Metrics {
    pub fn end(&mut self, why: Disconnect) {
        self.ended[why as usize] += 1;
    }

    pub fn phase_changes(&mut self, from: Phase, to: Phase) {
        self.phases[from as usize] = self.phases[from as usize].saturating_sub(1);
        self.phases[to as usize] += 1;
    }
}

/// What `/stats` shows beside the counters.
pub(crate) struct Snapshot {
    pub uptime_seconds: u64,
    pub held: Holdings,
    pub history: Usage,
}

/// The body of `/stats`.
pub(crate) fn stats_json(metrics: &Metrics, now: &Snapshot) -> String {
    let phase = |phase: Phase| metrics.phases[phase as usize];
    let ended: Vec<String> = Disconnect::ALL
        .into_iter()
        .map(|why| format!("\"{}\":{}", why.row().name, metrics.ended[why as usize]))
        .collect();
    format!(
        concat!(
            "{{\"version\":\"{}\",\"uptime_seconds\":{},",
            "\"connections\":{{\"total\":{},\"http\":{},\"ws\":{},\"sse\":{},\"stream\":{},",
            "\"poll\":{},\"detached\":{},\"cometql\":{},\"closing\":{}}},",
            "\"connections_accepted\":{},\"connections_refused\":{},\"requests\":{},",
            "\"channels\":{},\"memberships\":{},",
            "\"messages_published\":{},\"batches\":{},\"deliveries\":{},\"renders\":{},",
            "\"cursors_lost\":{},\"bytes_in\":{},\"bytes_out\":{},\"clients_behind\":{},\"queued_bytes\":{},",
            "\"history\":{{\"channels\":{},\"messages\":{},\"bytes\":{}}},",
            "\"ended\":{{{}}}}}\n"
        ),
        env!("CARGO_PKG_VERSION"),
        now.uptime_seconds,
        now.held.slots,
        phase(Phase::Http),
        phase(Phase::WebSocket),
        phase(Phase::EventStream),
        phase(Phase::Stream),
        phase(Phase::LongPoll),
        phase(Phase::Detached),
        phase(Phase::MySql),
        phase(Phase::Closing),
        metrics.accepted,
        metrics.refused,
        metrics.requests,
        now.held.channels,
        now.held.memberships,
        metrics.messages_published,
        metrics.batches,
        metrics.deliveries,
        metrics.renders,
        metrics.cursors_lost,
        metrics.bytes_in,
        metrics.bytes_out,
        now.held.outboxes,
        now.held.outbox_bytes,
        now.history.channels,
        now.history.messages,
        now.history.bytes,
        ended.join(",")
    )
}
