//! Time as an argument: read once per turn by the reactor, handed down, never asked for.
//!
//! Whatever waits, or grows old, does so by the clock that nobody sets: deadlines, what histories and
//! queues keep, idempotency keys, paces. So nothing is late, early or lost when somebody sets the other
//! one, or when it stands. That one is for what is shown or comes from elsewhere:
//!
//! | | when the clock on the wall jumps |
//! |---|---|
//! | ids of messages | go on after the last: ahead at once, back only by counting on within the last second |
//! | a token's `exp` and `nbf` | are true by the clock as it is: found at the next heartbeat, poll or request |
//! | `Date`, `LastSeen`, times in frames and statistics | are what the clock says |

/// One moment, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Milliseconds since the process began; never goes back, and never stands.
    pub ms: u64,
    /// Unix time in whole seconds; may jump to anywhere, 0 included.
    pub unix_second: u64,
    /// Nanoseconds gone of that second.
    pub unix_nanos: u32,
}

impl Now {
    /// Whole seconds since the process began: enough to grow old by, for 136 years.
    pub fn second(self) -> u32 {
        (self.ms / 1000) as u32
    }
}
