//! The hub: channels, who listens to them, and what may be asked about them.
//!
//! It knows no socket, no JSON and no protocol; it answers questions and never calls anybody. A channel
//! exists here only while somebody listens: what was published to it is the engine's to keep.
//!
//! | file | holds |
//! |---|---|
//! | `message.rs` | messages, ids, tenants |
//! | `names.rs` | what may be a name |
//! | `command.rs` | what can be asked of an engine, and the answers |
//! | `delivery.rs` | what dialects and transports both must know |
//! | `members.rs` | the array of a channel's subscribers |
//! | `inbox.rs`, `users.rs` | whose device a subscriber is |
//! | `batch.rs` | what was published in one turn, on its way to everybody |
//! | `access.rs`, `rules.rs` | who may do what |

pub mod access;
pub mod batch;
pub mod clock;
pub mod command;
pub mod delivery;
pub mod inbox;
pub mod members;
pub mod message;
pub mod names;
pub mod rules;
pub mod users;

use std::collections::HashMap;
use std::ops::Range;

use members::{Members, Moved, SubscriberId};
use message::TenantId;
use names::ChannelName;

/// A channel that somebody listens to. Good while the asker is a member or a batch holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ChannelId(pub u32);

/// How much a hub takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Channels in total.
    pub channels_max: usize,
    /// Subscribers of each.
    pub subscribers_per_channel_max: usize,
}

/// Which bound is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// That on channels.
    Channels,
    /// That on subscribers of a channel.
    Subscribers,
    /// That on memory, of which the hub knows nothing itself.
    Memory,
}

impl Full {
    /// In words for whoever has to wait.
    pub fn explain(self) -> &'static str {
        match self {
            Full::Channels => "there are too many channels",
            Full::Memory => "there is no memory left for this: try again later",
            Full::Subscribers => "this channel has as many subscribers as it may",
        }
    }
}

/// What a subscriber keeps of one membership: 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership {
    /// Where it listens.
    pub channel: ChannelId,
    /// Its place in the channel's array.
    pub place: u32,
}

struct Channel {
    name: ChannelName,
    members: Members,
    tenant: TenantId,
    /// Index in the batch that is being delivered, or `NOT_IN_BATCH`.
    in_batch: u32,
    /// How many members asked to be told of the count.
    watchers: u32,
    /// It stands in `Hub::news`.
    is_news: bool,
    /// The count that watchers were last told; `NEVER_TOLD` while one of them knows none.
    told: u32,
}

const NOT_IN_BATCH: u32 = u32::MAX;
const NEVER_TOLD: u32 = u32::MAX;

/// All channels with listeners, of all tenants.
pub struct Hub {
    names: Vec<HashMap<ChannelName, ChannelId>>,
    channels: Vec<Option<Channel>>,
    free: Vec<u32>,
    bounds: Bounds,
    memberships: usize,
    news: Vec<ChannelId>,
}

impl Hub {
    /// A hub for `tenants` tenants, within bounds that all of them share.
    pub fn new(tenants: usize, bounds: Bounds) -> Hub {
        Hub {
            names: (0..tenants).map(|_| HashMap::new()).collect(),
            channels: Vec::new(),
            free: Vec::new(),
            bounds,
            memberships: 0,
            news: Vec::new(),
        }
    }

    /// Makes room for so many tenants, never fewer than before, and changes the bounds. What is above them
    /// stays until it goes by itself.
    pub fn reload(&mut self, tenants: usize, bounds: Bounds) {
        assert!(tenants >= self.names.len(), "a tenant keeps its number");
        self.names.resize_with(tenants, HashMap::new);
        self.bounds = bounds;
    }

    /// Lets a subscriber listen to a channel, which begins to exist if it must.
    pub fn join(
        &mut self,
        tenant: TenantId,
        name: &ChannelName,
        subscriber: SubscriberId,
        watches: bool,
    ) -> Result<Membership, Full> {
        let subscribers_max = self.bounds.subscribers_per_channel_max;
        let id = match self.find(tenant, name) {
            Some(id) if self.members(id).count() as usize >= subscribers_max => {
                return Err(Full::Subscribers);
            }
            Some(id) => id,
            None => self.open(tenant, name)?,
        };
        let channel = self.channel_mut(id);
        if watches {
            channel.watchers += 1;
            channel.told = NEVER_TOLD;
        }
        let place = channel.members.join(subscriber);
        self.memberships += 1;
        self.count_changed(id);
        Ok(Membership { channel: id, place })
    }

    /// Ends a membership. Somebody else may have to move; nobody does while a batch is under way.
    pub fn leave(&mut self, membership: Membership, watches: bool) -> Option<Moved> {
        let channel = self.channel_mut(membership.channel);
        channel.watchers -= u32::from(watches);
        let moved = if channel.in_batch == NOT_IN_BATCH {
            channel.members.leave(membership.place)
        } else {
            channel.members.bury(membership.place);
            None
        };
        self.memberships -= 1;
        self.count_changed(membership.channel);
        self.close_if_empty(membership.channel);
        moved
    }

    /// The channel of that name, if anybody listens to it.
    pub fn find(&self, tenant: TenantId, name: &str) -> Option<ChannelId> {
        self.names[usize::from(tenant.0)].get(name).copied()
    }

    /// How many subscribers listen here to a channel.
    pub fn count(&self, tenant: TenantId, name: &str) -> u32 {
        self.find(tenant, name).map_or(0, |id| self.channel(id).members.count())
    }

    /// Who listens here to a channel, if anybody does.
    pub fn subscribers(
        &self,
        tenant: TenantId,
        name: &str,
    ) -> impl DoubleEndedIterator<Item = SubscriberId> {
        self.find(tenant, name).into_iter().flat_map(|id| self.members(id).iter())
    }

    /// The array of a channel's members.
    pub fn members(&self, id: ChannelId) -> &Members {
        &self.channel(id).members
    }

    /// A channel's name and tenant.
    pub fn name_of(&self, id: ChannelId) -> (TenantId, &ChannelName) {
        let channel = self.channel(id);
        (channel.tenant, &channel.name)
    }

    /// The names of a tenant's channels with their counts, at most `most`, in no order.
    pub fn list(&self, tenant: TenantId, most: usize) -> Vec<(ChannelName, u32)> {
        self.names[usize::from(tenant.0)]
            .iter()
            .take(most)
            .map(|(name, &id)| (name.clone(), self.channel(id).members.count()))
            .collect()
    }

    /// Channels with listeners, and memberships, of all tenants.
    pub fn totals(&self) -> (usize, usize) {
        (self.channels.len() - self.free.len(), self.memberships)
    }

    /// Every number of a channel is below this one.
    pub fn end(&self) -> u32 {
        self.channels.len() as u32
    }

    /// Tenant, name and count of the channels with these numbers.
    pub fn look(&self, numbers: Range<u32>) -> impl Iterator<Item = (TenantId, &ChannelName, u32)> {
        let end = self.channels.len().min(numbers.end as usize);
        let channels = self.channels.get(numbers.start as usize..end).unwrap_or_default();
        channels.iter().flatten().map(|one| (one.tenant, &one.name, one.members.count()))
    }

    /// Whether a count may have changed since its watchers were told.
    pub fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// Takes a channel whose watchers have not been told of its count, if one is left.
    pub fn take_news(&mut self) -> Option<ChannelId> {
        while let Some(id) = self.news.pop() {
            // It may have closed since, and its number may be another channel's now: the flag tells.
            let Some(Some(channel)) = self.channels.get_mut(id.0 as usize) else { continue };
            let count = channel.members.count();
            let was_news = std::mem::take(&mut channel.is_news);
            if was_news && channel.watchers > 0 && channel.told != count {
                channel.told = count;
                return Some(id);
            }
        }
        None
    }

    fn count_changed(&mut self, id: ChannelId) {
        let channel = self.channel_mut(id);
        if channel.watchers > 0 && !std::mem::replace(&mut channel.is_news, true) {
            self.news.push(id);
        }
    }

    fn open(&mut self, tenant: TenantId, name: &ChannelName) -> Result<ChannelId, Full> {
        if self.channels.len() - self.free.len() >= self.bounds.channels_max {
            return Err(Full::Channels);
        }
        let channel = Channel {
            name: name.clone(),
            members: Members::default(),
            tenant,
            in_batch: NOT_IN_BATCH,
            watchers: 0,
            is_news: false,
            told: NEVER_TOLD,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            if self.channels.len() == self.channels.capacity() {
                // By an eighth, not by doubling, which would leave half of a large table unused.
                self.channels.reserve_exact((self.channels.len() / 8).max(64));
            }
            self.channels.push(None);
            self.channels.len() as u32 - 1
        });
        self.channels[index as usize] = Some(channel);
        self.names[usize::from(tenant.0)].insert(name.clone(), ChannelId(index));
        Ok(ChannelId(index))
    }

    fn close_if_empty(&mut self, id: ChannelId) {
        let channel = self.channel(id);
        if channel.members.count() > 0 || channel.in_batch != NOT_IN_BATCH {
            return;
        }
        let (tenant, name) = (usize::from(channel.tenant.0), channel.name.clone());
        self.names[tenant].remove(&name);
        self.channels[id.0 as usize] = None;
        self.free.push(id.0);
        self.give_memory_back(tenant);
    }

    /// After a storm of channels the tables are made small again, in steps that cost little.
    fn give_memory_back(&mut self, tenant: usize) {
        let names = &mut self.names[tenant];
        if names.capacity() > 64 && names.len() * 8 < names.capacity() {
            names.shrink_to(names.len() * 2);
        }
        if self.free.len() == self.channels.len() {
            self.channels = Vec::new();
            self.free = Vec::new();
            self.news = Vec::new();
        }
    }

    fn channel(&self, id: ChannelId) -> &Channel {
        self.channels[id.0 as usize].as_ref().expect("a channel id outlived its channel")
    }

    fn channel_mut(&mut self, id: ChannelId) -> &mut Channel {
        self.channels[id.0 as usize].as_mut().expect("a channel id outlived its channel")
    }
}
