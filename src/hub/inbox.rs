//! Which subscribers are whose: a message for a user goes to every device of that user.

use std::collections::HashMap;

use super::members::SubscriberId;
use super::message::TenantId;

/// The subscribers of every user who is here.
#[derive(Default)]
pub struct Inbox {
    devices: HashMap<(TenantId, Box<str>), Vec<SubscriberId>>,
}

impl Inbox {
    /// A device of a user begins to listen.
    pub fn add(&mut self, tenant: TenantId, user: &str, subscriber: SubscriberId) {
        self.devices.entry((tenant, user.into())).or_default().push(subscriber);
    }

    /// A device goes.
    pub fn remove(&mut self, tenant: TenantId, user: &str, subscriber: SubscriberId) {
        let key = (tenant, user.into());
        let Some(devices) = self.devices.get_mut(&key) else { return };
        devices.retain(|known| *known != subscriber);
        if devices.is_empty() {
            self.devices.remove(&key);
        }
    }

    /// The devices of a user.
    pub fn devices(&self, tenant: TenantId, user: &str) -> &[SubscriberId] {
        self.devices.get(&(tenant, user.into())).map_or(&[], Vec::as_slice)
    }

    /// How many users are here.
    pub fn users(&self) -> usize {
        self.devices.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_here_as_long_as_a_device_is() {
        let (one, two, mut inbox) = (SubscriberId(1), SubscriberId(2), Inbox::default());
        inbox.add(TenantId(0), "7", one);
        inbox.add(TenantId(0), "7", two);
        inbox.add(TenantId(1), "7", SubscriberId(3));
        assert_eq!(inbox.devices(TenantId(0), "7"), [one, two]);
        inbox.remove(TenantId(0), "7", one);
        inbox.remove(TenantId(0), "nobody", one);
        assert_eq!(inbox.devices(TenantId(0), "7"), [two]);
        inbox.remove(TenantId(0), "7", two);
        assert_eq!((inbox.users(), inbox.devices(TenantId(0), "7")), (1, &[][..]));
    }
}
