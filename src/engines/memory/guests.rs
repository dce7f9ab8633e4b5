//! Room for channels and what is kept of them, and who has to go when there is none.
//!
//! Names are free, and whoever may publish could make channels without end. So those that a stranger made,
//! a client without the publish key, are *guests*: beyond their bound, or where the back end needs the
//! room, the one that has been quiet longest goes. Strangers displace strangers and nobody else.

use std::collections::HashSet;

use super::{MemoryEngine, Tenant, Usage};
use crate::hub::command::{By, NewMessage};
use crate::hub::message::TenantId;
use crate::hub::names::ChannelName;

impl MemoryEngine {
    /// Sends away as many guests as it takes; false if that does not help, and then none.
    pub(super) fn make_room_for(
        &mut self,
        tenant: TenantId,
        messages: &[NewMessage],
        by: By,
    ) -> bool {
        let tenant = &mut self.tenants[usize::from(tenant.0)];
        let is_new = |message: &NewMessage| !tenant.records.contains_key(&message.channel);
        if !messages.iter().any(is_new) {
            return true;
        }
        // Rows of one INSERT may name a channel again and again.
        let named: HashSet<_> = messages.iter().map(|message| &message.channel).collect();
        let is_known = |name: &&&ChannelName| tenant.records.contains_key(**name);
        let new = named.len() - named.iter().filter(is_known).count();
        let mut surplus = (tenant.records.len() + new).saturating_sub(self.limits.channels_max);
        if by == By::Stranger {
            let guests = tenant.guests.len() + new;
            surplus = surplus.max(guests.saturating_sub(self.limits.guest_channels_max));
        }
        let others = tenant.guests.values().filter(|name| !named.contains(name));
        let quietest: Vec<ChannelName> = others.take(surplus).cloned().collect();
        if quietest.len() < surplus {
            return false;
        }
        for name in &quietest {
            tenant.empty(name, &mut self.usage);
        }
        true
    }

    /// Keeps the sum of all histories within its bound. While guests have more than half of it, the
    /// quietest of them give up theirs; else channels give up their oldest in turn, those of the tenant
    /// with the most channels first.
    pub(super) fn make_room(&mut self) {
        while self.usage.bytes > self.limits.history_bytes_max {
            if self.usage.guest_bytes > self.limits.history_bytes_max / 2 {
                let most = self.tenants.iter_mut().max_by_key(|tenant| tenant.guests.len());
                let Some(tenant) = most else { return };
                tenant.trim_quietest_guest(&mut self.usage);
                continue;
            }
            let largest = self.tenants.iter_mut().max_by_key(|tenant| tenant.round.len());
            let Some(tenant) = largest else { return };
            let Some((_, name)) = tenant.round.pop_first() else { return };
            if let Some(record) = tenant.records.get_mut(&name) {
                record.drop_oldest(&mut self.usage);
            }
            tenant.keep_or_close(name, &mut self.usage);
        }
    }
}

impl Tenant {
    fn trim_quietest_guest(&mut self, usage: &mut Usage) {
        let Some((_, name)) = self.guests.first_key_value() else { return };
        let Some(record) = self.records.get_mut(name) else { return };
        record.drop_oldest(usage);
        if record.messages.is_empty() {
            let name = name.clone();
            self.empty(&name, usage);
        }
    }
}
