//! Records that back ends keep here: by kind and key, within a number and a number of bytes.

use std::collections::BTreeMap;

use super::Limits;
use super::history::Log;
use crate::hub::command::{Change, Outcome, RecordKind, Refusal};

/// The records of one tenant.
#[derive(Default)]
pub(super) struct Records {
    kept: [BTreeMap<Box<str>, Box<str>>; 4],
    bytes: usize,
}

impl Records {
    /// Changes records: all that the change is about, or none if there is no room.
    pub fn change(
        &mut self,
        kind: RecordKind,
        records: &[(Box<str>, Box<str>)],
        change: Change,
        limits: &Limits,
    ) -> Outcome {
        let applies = |table: &BTreeMap<Box<str>, Box<str>>, key: &str| match change {
            Change::Put => true,
            Change::PutNew => !table.contains_key(key),
            Change::PutKnown | Change::Delete => table.contains_key(key),
        };
        if change != Change::Delete {
            let table = &self.kept[kind as usize];
            let wanted = records.iter().filter(|(key, _)| applies(table, key));
            let (mut new, mut bytes) = (0, 0);
            for (key, value) in wanted {
                // What is overwritten is not subtracted: a bound may come a little early, never late.
                new += usize::from(!table.contains_key(key));
                bytes += key.len() + value.len();
            }
            let len: usize = self.kept.iter().map(BTreeMap::len).sum();
            if len + new > limits.records_max || self.bytes + bytes > limits.records_bytes_max {
                return Outcome::Refused(Refusal::TooManyRecords);
            }
        }
        let mut count = 0;
        for (key, value) in records {
            if applies(&self.kept[kind as usize], key) {
                count += 1;
                match change {
                    Change::Delete => self.remove(kind, key),
                    _ => self.put(kind, key, value),
                }
            }
        }
        Outcome::Changed(count)
    }

    fn put(&mut self, kind: RecordKind, key: &str, value: &str) {
        self.remove(kind, key);
        self.bytes += key.len() + value.len();
        self.kept[kind as usize].insert(key.into(), value.into());
    }

    fn remove(&mut self, kind: RecordKind, key: &str) {
        if let Some(value) = self.kept[kind as usize].remove(key) {
            self.bytes -= key.len() + value.len();
        }
    }

    /// Those that exist, in the order asked; else all, by key.
    pub fn read(&self, kind: RecordKind, keys: Option<Vec<Box<str>>>) -> Vec<(Box<str>, Box<str>)> {
        let table = &self.kept[kind as usize];
        match keys {
            None => table.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            Some(keys) => keys
                .into_iter()
                .filter_map(|key| table.get(&key).map(|value| (key, value.clone())))
                .collect(),
        }
    }

    /// The log that a channel has, if any.
    pub fn log_of(&self, channel: &str) -> Option<Log> {
        let length = self.kept[RecordKind::Log as usize].get(channel);
        Log::of(channel, length.and_then(|length| length.parse().ok()).unwrap_or(0))
    }
}
