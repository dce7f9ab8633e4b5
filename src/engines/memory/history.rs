//! What is kept of one channel: for those who resume, and for its log.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{Keep, Usage};
use crate::hub::clock::Now;
use crate::hub::command::LOG_MESSAGES_MAX;
use crate::hub::message::{Message, MessageId};

/// Channels with names that begin so have a log without being told to.
const LOGGED_PREFIX: &str = "trust_";
/// How long such a log remembers a message, in seconds.
const LOGGED_SECONDS: u64 = 240;
/// Longer than anybody waits, and yet to be added to without overflow.
const FOREVER_SECONDS: u64 = u64::MAX / 4;
/// What a log may keep where its channel may not keep as much: as many messages as it shows, each as
/// large as a frame of CppComet can be.
const LOG_BYTES_MAX: usize = LOG_MESSAGES_MAX * 65_535;

/// What a channel shows as its log: what came since it was turned on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Log {
    /// The newest so many messages.
    pub messages_max: usize,
    /// None older than this.
    pub seconds_max: u64,
    /// Only those with a greater offset.
    pub after: u64,
    /// It has one because of its name, not because a back end turned it on.
    pub is_by_name: bool,
}

impl Log {
    /// The log of a channel that is told to have one of this length; 0 is none.
    pub fn of(channel: &str, length: u64) -> Option<Log> {
        if channel.starts_with(LOGGED_PREFIX) {
            let messages_max = LOG_MESSAGES_MAX;
            let seconds_max = LOGGED_SECONDS;
            return Some(Log { messages_max, seconds_max, after: 0, is_by_name: true });
        }
        let messages_max = usize::try_from(length).unwrap_or(usize::MAX).min(LOG_MESSAGES_MAX);
        let seconds_max = FOREVER_SECONDS;
        (length > 0).then_some(Log { messages_max, seconds_max, after: 0, is_by_name: false })
    }
}

/// Kept messages of one channel.
pub(super) struct Record {
    pub messages: VecDeque<Rc<Message>>,
    pub bytes: usize,
    pub floor: MessageId,
    pub offset: u64,
    /// The id of what was published last, deleted or not.
    pub newest: MessageId,
    /// A stranger made it, and nobody else has used it.
    pub is_guest: bool,
    /// When it is looked at again for what is too old.
    pub turn: u64,
    pub log: Option<Log>,
}

impl Record {
    pub fn push(&mut self, message: Rc<Message>, usage: &mut Usage) {
        self.bytes += message.bytes();
        usage.bytes += message.bytes();
        usage.guest_bytes += if self.is_guest { message.bytes() } else { 0 };
        usage.messages += 1;
        self.messages.push_back(message);
    }

    pub fn drop_oldest(&mut self, usage: &mut Usage) -> bool {
        let Some(message) = self.messages.pop_front() else { return false };
        self.gone(&message, usage);
        self.floor = self.floor.max(message.id);
        true
    }

    pub fn trim(&mut self, keep: Keep, now: Now, usage: &mut Usage) {
        let keep = self.with_log(keep);
        while self.messages.len() > keep.messages_max
            || (self.bytes > keep.bytes_max && self.messages.len() > 1)
        {
            self.drop_oldest(usage);
        }
        self.expire_kept(keep, now, usage);
    }

    pub fn expire(&mut self, keep: Keep, now: Now, usage: &mut Usage) {
        self.expire_kept(self.with_log(keep), now, usage);
    }

    fn expire_kept(&mut self, keep: Keep, now: Now, usage: &mut Usage) {
        while let Some(oldest) = self.messages.front()
            && is_older(oldest, keep.seconds_max, now)
        {
            self.drop_oldest(usage);
        }
    }

    pub fn after(&self, since: MessageId) -> impl Iterator<Item = &Rc<Message>> {
        let first = self.messages.partition_point(|message| message.id <= since);
        self.messages.range(first..)
    }

    /// What must be kept if there is a log, which may want more than those who resume.
    fn with_log(&self, keep: Keep) -> Keep {
        let Some(log) = self.log else { return keep };
        Keep {
            messages_max: keep.messages_max.max(log.messages_max),
            seconds_max: keep.seconds_max.max(log.seconds_max),
            bytes_max: keep.bytes_max.max(LOG_BYTES_MAX),
            ..keep
        }
    }

    /// What the log shows, oldest first.
    pub fn logged(&self, now: Now) -> impl Iterator<Item = &Rc<Message>> {
        let (most, seconds_max, after) =
            self.log.map_or((0, 0, 0), |log| (log.messages_max, log.seconds_max, log.after));
        let is_shown = move |message: &Rc<Message>| {
            message.offset > after && !is_older(message, seconds_max, now)
        };
        let first = self.messages.partition_point(|message| !is_shown(message));
        self.messages.range(first.max(self.messages.len().saturating_sub(most))..)
    }

    /// Forgets one message; true if it was here.
    pub fn delete(&mut self, id: MessageId, usage: &mut Usage) -> bool {
        let Ok(place) = self.messages.binary_search_by_key(&id, |message| message.id) else {
            return false;
        };
        let Some(message) = self.messages.remove(place) else { return false };
        self.gone(&message, usage);
        true
    }

    fn gone(&mut self, message: &Message, usage: &mut Usage) {
        self.bytes -= message.bytes();
        usage.bytes -= message.bytes();
        usage.guest_bytes -= if self.is_guest { message.bytes() } else { 0 };
        usage.messages -= 1;
    }

    /// A back end uses it: it is a stranger's no longer.
    pub fn adopt(&mut self, usage: &mut Usage) {
        self.is_guest = false;
        usage.guest_bytes -= self.bytes;
    }
}

fn is_older(message: &Message, seconds: u64, now: Now) -> bool {
    u64::from(message.born).saturating_add(seconds) < u64::from(now.second())
}
