//! Time as an argument: read once per turn by the reactor, handed down, never asked for.

/// One moment, on both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Milliseconds since the process began; never goes back.
    pub ms: u64,
    /// Unix time in whole seconds; may jump.
    pub unix_second: u64,
    /// Nanoseconds gone of that second.
    pub unix_nanos: u32,
}
