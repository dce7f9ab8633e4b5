//! Which channels were deleted a short while ago.

use std::collections::VecDeque;

use super::limits::Limits;
use crate::dialects::native::Subscribe;
use crate::hub::clock::Now;
use crate::hub::command::Start;
use crate::hub::message::{MessageId, TenantId};
use crate::hub::names::ChannelName;

/// Channels deleted a short while ago: an EventSource that returns to one is told to stay away.
#[derive(Default)]
pub(crate) struct DeletedChannels {
    channels: VecDeque<(TenantId, ChannelName, MessageId, u64)>,
}

impl DeletedChannels {
    pub fn remember(
        &mut self,
        tenant: TenantId,
        channel: ChannelName,
        position: MessageId,
        now: Now,
        limits: &Limits,
    ) {
        self.forget_old(now);
        if self.channels.len() >= limits.deleted_channels_max {
            self.channels.pop_front();
        }
        let until_ms = now.ms + limits.deleted_seconds * 1000;
        self.channels.push_back((tenant, channel, position, until_ms));
    }

    /// Whether this wish is the return of a client whose channel was deleted.
    pub fn ends(&mut self, tenant: TenantId, wish: &Subscribe, now: Now) -> bool {
        self.forget_old(now);
        let Some(Start::After(since)) = wish.start else { return false };
        self.channels.iter().any(|(owner, channel, position, _)| {
            *owner == tenant && since <= *position && wish.channels.contains(channel)
        })
    }

    fn forget_old(&mut self, now: Now) {
        while self.channels.front().is_some_and(|(.., until_ms)| *until_ms <= now.ms) {
            self.channels.pop_front();
        }
    }
}
