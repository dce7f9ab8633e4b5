//! What went wrong lately: the last few cuts and errors, for whoever opens the dashboard. No secret, no
//! message, no address; the connection's number finds the rest in the log.

use std::collections::VecDeque;

use super::conn::Phase;
use super::disconnect::Disconnect;
use crate::proto::{http1, json};

/// Entries kept. The oldest goes first.
const ENTRIES_MAX: usize = 50;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrong {
    /// A connection ended, and not of itself.
    Ended(Disconnect),
    /// An HTTP status of 400 and above.
    Http(u16),
    /// A MySQL error number.
    #[cfg_attr(not(feature = "cometql"), expect(dead_code, reason = "nobody speaks MySQL"))]
    Sql(u16),
    /// A cursor older than what is kept.
    CursorLost,
}

struct Entry {
    unix_second: u64,
    wrong: Wrong,
    phase: Phase,
    slot: u32,
    /// How often the same happened within that second.
    count: u32,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Recent {
    entries: VecDeque<Entry>,
}

impl Recent {
    pub fn note(&mut self, wrong: Wrong, phase: Phase, slot: u32, unix_second: u64) {
        let same_second =
            self.entries.iter_mut().rev().take_while(|entry| entry.unix_second == unix_second);
        for entry in same_second {
            if (entry.wrong, entry.phase) == (wrong, phase) {
                entry.count = entry.count.saturating_add(1);
                return;
            }
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry { unix_second, wrong, phase, slot, count: 1 });
    }

    /// An array, newest first.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, entry) in self.entries.iter().rev().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            entry.write_json(out);
        }
        out.push(b']');
    }
}

impl Entry {
    fn write_json(&self, out: &mut Vec<u8>) {
        let (kind, name, text) = match self.wrong {
            Wrong::Ended(why) => ("cut", why.row().name.to_owned(), why.row().reason),
            Wrong::Http(status) => ("http", status.to_string(), http1::reason(status)),
            Wrong::Sql(number) => ("sql", number.to_string(), "SQL error"),
            Wrong::CursorLost => ("lost", "lost".to_owned(), "cursor older than what is kept"),
        };
        let Entry { unix_second, slot, count, .. } = self;
        let head = format!(
            "{{\"second\":{unix_second},\"kind\":\"{kind}\",\"name\":\"{name}\",\"via\":\"{}\",\
             \"connection\":{slot},\"count\":{count},\"text\":",
            self.phase.name()
        );
        out.extend_from_slice(head.as_bytes());
        json::write_string(out, text);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_what_repeats_within_a_second_is_counted() {
        let mut recent = Recent::default();
        for second in 0..ENTRIES_MAX as u64 {
            recent.note(Wrong::Http(404), Phase::Http, 1, second);
        }
        for slot in 7..10 {
            recent.note(Wrong::Ended(Disconnect::Slow), Phase::WebSocket, slot, 1_000);
            recent.note(Wrong::CursorLost, Phase::EventStream, slot, 1_000);
        }
        assert_eq!(recent.entries.len(), ENTRIES_MAX);
        let mut json = Vec::new();
        recent.write_json(&mut json);
        let json = String::from_utf8(json).unwrap();
        let slow = "{\"second\":1000,\"kind\":\"cut\",\"name\":\"slow\",\"via\":\"ws\",\
                    \"connection\":7,\"count\":3,\"text\":\"too slow: too much is waiting\"}";
        assert!(json.contains(slow), "{json}");
        assert!(
            json.starts_with("[{\"second\":1000,\"kind\":\"lost\",\"name\":\"lost\""),
            "{json}"
        );
    }
}
