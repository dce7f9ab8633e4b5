//! One clock for all processes: nanoseconds since the parent began.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Read from the system's clock once, monotonic from then on.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    at_start: u64,
}

/// A second in the unit of this clock.
pub const SECOND: u64 = 1_000_000_000;
/// A millisecond.
pub const MILLI: u64 = 1_000_000;

/// Nanoseconds since 1970, by the system's clock.
pub fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Clock {
    /// Counts from `epoch`, a value of [`unix_ns`].
    pub fn since(epoch: u64) -> Clock {
        Clock { start: Instant::now(), at_start: unix_ns().saturating_sub(epoch) }
    }

    pub fn now(&self) -> u64 {
        self.at_start + u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX / 2)
    }
}
