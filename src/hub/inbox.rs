//! Which subscribers are whose: a message for a user goes to every device of that user.

use super::members::SubscriberId;
use super::message::TenantId;
use super::users::ByUser;

/// The subscribers of every user who is here.
#[derive(Default)]
pub struct Inbox {
    tenants: Vec<ByUser<Devices>>,
    /// The lists of users with several devices; an empty one is free.
    lists: Vec<Vec<SubscriberId>>,
    free: Vec<u32>,
}

/// Most users have one device, which needs no list of its own.
#[derive(Clone, Copy)]
enum Devices {
    One([SubscriberId; 1]),
    /// Index into `Inbox::lists`.
    Many(u32),
}

const _: () = assert!(size_of::<Devices>() <= 8);

impl Inbox {
    /// A device of a user begins to listen.
    pub fn add(&mut self, tenant: TenantId, user: &str, subscriber: SubscriberId) {
        let tenant = usize::from(tenant.0);
        if tenant >= self.tenants.len() {
            self.tenants.resize_with(tenant + 1, ByUser::default);
        }
        let users = &mut self.tenants[tenant];
        match users.get_mut(user) {
            None => {
                users.get_or_insert_with(user, || Devices::One([subscriber]));
            }
            Some(Devices::Many(list)) => self.lists[*list as usize].push(subscriber),
            Some(devices @ Devices::One(_)) => {
                let Devices::One([first]) = *devices else { return };
                let list = self.free.pop().unwrap_or_else(|| {
                    self.lists.push(Vec::new());
                    self.lists.len() as u32 - 1
                });
                self.lists[list as usize] = vec![first, subscriber];
                *devices = Devices::Many(list);
            }
        }
    }

    /// A device goes.
    pub fn remove(&mut self, tenant: TenantId, user: &str, subscriber: SubscriberId) {
        let Some(users) = self.tenants.get_mut(usize::from(tenant.0)) else { return };
        let Some(devices) = users.get(user) else { return };
        let is_last = match *devices {
            Devices::One([one]) => one == subscriber,
            Devices::Many(list) => {
                let devices = &mut self.lists[list as usize];
                devices.retain(|known| *known != subscriber);
                if devices.is_empty() {
                    *devices = Vec::new();
                    self.free.push(list);
                }
                devices.is_empty()
            }
        };
        if is_last {
            users.remove(user);
        }
        if self.free.len() == self.lists.len() {
            (self.free, self.lists) = (Vec::new(), Vec::new());
        }
    }

    /// The devices of a user.
    pub fn devices(&self, tenant: TenantId, user: &str) -> &[SubscriberId] {
        let users = self.tenants.get(usize::from(tenant.0));
        match users.and_then(|users| users.get(user)) {
            Some(Devices::One(one)) => one,
            Some(&Devices::Many(list)) => &self.lists[list as usize],
            None => &[],
        }
    }

    /// How many users of a tenant are here.
    pub fn users(&self, tenant: TenantId) -> usize {
        self.tenants.get(usize::from(tenant.0)).map_or(0, ByUser::len)
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
        inbox.remove(TenantId(0), "7", one);
        inbox.remove(TenantId(0), "nobody", one);
        assert_eq!(inbox.devices(TenantId(0), "7"), [two]);
        inbox.remove(TenantId(0), "7", two);
        assert_eq!((inbox.users(TenantId(0)), inbox.devices(TenantId(0), "7")), (0, &[][..]));
        inbox.remove(TenantId(1), "7", SubscriberId(4));
        assert_eq!(inbox.devices(TenantId(1), "7"), [SubscriberId(3)]);
        assert_eq!(inbox.users(TenantId(9)), 0);
    }
}
