//! The keys of `[limits]` and `[history]`: one row for each number that an operator may set.

use crate::engines::memory::{self, Keep};
use crate::server::limits::Limits;

/// A number with its bounds.
#[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only a file sets numbers"))]
pub(crate) struct Bound<T> {
    /// Its key, with the unit.
    pub key: &'static str,
    pub least: u64,
    pub most: u64,
    pub get: fn(&T) -> u64,
    /// Takes only what is between `least` and `most`.
    pub set: fn(&mut T, u64),
}

/// A row whose key is a field's name. `most` fits the field.
macro_rules! bound {
    ($field:ident, $least:expr, $most:expr) => {
        Bound {
            key: stringify!($field),
            least: $least,
            most: $most,
            get: |bounds| bounds.$field as u64,
            set: |bounds, value| bounds.$field = value as _,
        }
    };
}

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;
/// Deadlines are ticks of a second on a circle of 2^16, of which half is the future.
const WAIT_SECONDS_MAX: u64 = 32_000;
/// A format has a byte for the number of its callback.
const CALLBACKS_MAX: u64 = 255;

/// `[limits]`, in the order of `Limits`.
pub(crate) const LIMITS: [Bound<Limits>; 40] = [
    bound!(connections_max, 1, 100_000_000),
    bound!(connections_per_address_max, 0, 100_000_000),
    bound!(connects_per_second_per_address_max, 0, 1_000_000),
    bound!(channels_max, 1, 100_000_000),
    bound!(subscribers_per_channel_max, 1, 100_000_000),
    bound!(channels_per_request_max, 1, 10_000),
    bound!(head_bytes_max, KB, MB),
    bound!(target_bytes_max, 256, MB),
    bound!(message_bytes_max, 1, 16 * MB),
    bound!(echo_bytes_max, 1, 1024 * MB),
    bound!(outbox_bytes_max, 4 * KB, 1024 * MB),
    bound!(outboxes_bytes_max, 4 * KB, 1024 * 1024 * MB),
    bound!(bodies_bytes_max, KB, 1024 * 1024 * MB),
    bound!(messages_per_second_max, 0, 1_000_000),
    bound!(pings_per_second_max, 0, 1_000_000),
    bound!(statement_bytes_max, KB, 64 * MB),
    bound!(statement_rows_max, 1, 1_000_000),
    bound!(feed_messages_max, 1, 1_000_000),
    bound!(feed_bytes_max, KB, 1024 * MB),
    bound!(channels_per_session_max, 1, 10_000),
    bound!(held_messages_max, 1, 100_000),
    bound!(texts_max, 0, 65_534),
    bound!(callbacks_max, 1, CALLBACKS_MAX),
    bound!(deleted_channels_max, 1, 1_000_000),
    bound!(deleted_seconds, 1, 86_400),
    bound!(head_seconds, 1, WAIT_SECONDS_MAX),
    bound!(body_seconds, 1, WAIT_SECONDS_MAX),
    bound!(keep_alive_seconds, 1, WAIT_SECONDS_MAX),
    bound!(heartbeat_seconds, 1, WAIT_SECONDS_MAX),
    bound!(pong_seconds, 1, WAIT_SECONDS_MAX),
    bound!(poll_seconds, 1, WAIT_SECONDS_MAX),
    bound!(poll_seconds_max, 1, WAIT_SECONDS_MAX),
    bound!(session_seconds, 1, WAIT_SECONDS_MAX),
    bound!(login_seconds, 1, WAIT_SECONDS_MAX),
    bound!(mysql_idle_seconds, 1, WAIT_SECONDS_MAX),
    bound!(closing_seconds, 1, WAIT_SECONDS_MAX),
    bound!(deliveries_per_turn, 1, 1_000_000),
    bound!(reads_per_turn, 1, 1_000),
    bound!(presence_interval_ms, 10, 3_600_000),
    bound!(retry_ms, 1, 3_600_000),
];

/// `[history]`. The first three are a channel's.
pub(crate) const HISTORY: [Bound<memory::Limits>; 12] = [
    Bound {
        key: "messages_max",
        least: 0,
        most: 1_000_000,
        get: |limits| if limits.keep.is_listed { limits.keep.messages_max as u64 } else { 0 },
        set: set_messages_max,
    },
    Bound {
        key: "seconds_max",
        least: 1,
        most: 31_536_000,
        get: |limits| limits.keep.seconds_max,
        set: |limits, value| limits.keep.seconds_max = value,
    },
    Bound {
        key: "bytes_max",
        least: 1,
        most: 1024 * MB,
        get: |limits| limits.keep.bytes_max as u64,
        set: |limits, value| limits.keep.bytes_max = value as usize,
    },
    bound!(channels_max, 1, 100_000_000),
    bound!(guest_channels_max, 0, 100_000_000),
    bound!(history_bytes_max, 1, 1024 * 1024 * MB),
    bound!(idempotency_keys_max, 1, 100_000_000),
    bound!(records_max, 1, 100_000_000),
    bound!(records_bytes_max, 1, 1024 * 1024 * MB),
    bound!(waiting_messages_max, 0, 100_000),
    bound!(waiting_bytes_max, 1, 1024 * 1024 * MB),
    bound!(waiting_seconds, 1, 31_536_000),
];

/// None at all still keeps a tail, so that a short interruption loses nothing.
fn set_messages_max(limits: &mut memory::Limits, value: u64) {
    let keep = &mut limits.keep;
    keep.is_listed = value > 0;
    keep.messages_max = if value > 0 { value as usize } else { Keep::TAIL.messages_max };
}

/// After everything is read: what is never listed is not kept for long either.
#[cfg_attr(not(feature = "config"), allow(dead_code, reason = "only a file sets numbers"))]
pub(crate) fn settle_history(limits: &mut memory::Limits) {
    if !limits.keep.is_listed {
        limits.keep.seconds_max = limits.keep.seconds_max.min(Keep::TAIL.seconds_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(debug: &str) -> Vec<String> {
        let names = debug.split([' ', '{', ',']).filter_map(|word| word.strip_suffix(':'));
        names.map(str::to_owned).collect()
    }

    #[test]
    fn every_limit_has_a_row() {
        let keys: Vec<_> = LIMITS.iter().map(|bound| bound.key.to_owned()).collect();
        assert_eq!(keys, fields(&format!("{:?}", Limits::default())));
    }

    #[test]
    fn every_bound_of_the_engine_has_a_row() {
        // What comes from channel rules has no row of its own.
        let inside = ["keep", "is_listed", "keep_by_prefix"];
        let expect = fields(&format!("{:?}", memory::Limits::default()));
        let expect: Vec<_> =
            expect.into_iter().filter(|name| !inside.contains(&name.as_str())).collect();
        assert_eq!(HISTORY.map(|bound| bound.key.to_owned()).to_vec(), expect);
    }

    #[test]
    fn a_row_sets_its_own_number_and_no_other() {
        for bound in &LIMITS {
            for value in [bound.least, bound.most] {
                let (mut limits, before) = (Limits::default(), Limits::default());
                (bound.set)(&mut limits, value);
                assert_eq!((bound.get)(&limits), value, "{}", bound.key);
                (bound.set)(&mut limits, (bound.get)(&before));
                assert_eq!(limits, before, "{}", bound.key);
            }
            let default = (bound.get)(&Limits::default());
            assert!((bound.least..=bound.most).contains(&default), "{}", bound.key);
        }
        for bound in &HISTORY {
            let mut limits = memory::Limits::default();
            (bound.set)(&mut limits, bound.most);
            assert_eq!((bound.get)(&limits), bound.most, "{}", bound.key);
        }
    }

    #[test]
    fn no_history_is_the_tail() {
        let mut limits = memory::Limits::default();
        set_messages_max(&mut limits, 0);
        settle_history(&mut limits);
        assert_eq!(limits.keep, Keep::TAIL);
        assert_eq!((HISTORY[0].get)(&limits), 0);
    }
}
