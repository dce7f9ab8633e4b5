//! New settings while the server runs: nobody goes but those whose tenant went.
//!
//! A tenant is known by its name and keeps its number for as long as the process lives, so that nothing
//! under way can reach another one. A removed tenant's number is given to nobody else; if its name comes
//! back it is the same number again, with nothing kept.

use super::Server;
use super::conn::{Flags, Phase};
use super::disconnect::Disconnect;
use super::settings::{self, Settings, Tenant};
use super::socket::Socket;
use crate::engines::{Change, memory};
use crate::hub::clock::Now;
use crate::hub::message::TenantId;

/// Names of tenants that one process can have seen.
pub const TENANTS_MAX: usize = u16::MAX as usize;

/// There have been so many tenants since the start that only a restart can take more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooManyTenants;

/// What becomes of the tenants.
struct Plan {
    tenants: Vec<Tenant>,
    removed: Vec<TenantId>,
    /// Those whose key is another one now: who showed the old one has shown nothing.
    rekeyed: Vec<TenantId>,
}

impl<S: Socket> Server<S> {
    /// Puts other settings in force.
    pub fn reload(
        &mut self,
        settings: Settings,
        history: memory::Limits,
        now: Now,
    ) -> Result<(), TooManyTenants> {
        self.set_now(now);
        let plan = plan(&self.settings.tenants, settings.tenants)?;
        let was_counting = self.counts_addresses();
        self.settings = Settings { tenants: plan.tenants, ..settings };
        self.count_those_here(was_counting);
        self.ceiling.set(self.settings.memory);
        let tenants = self.settings.tenants.len();
        self.hub.reload(tenants, self.settings.limits.hub());
        for slot in 0..self.connections.end() {
            self.apply_to(slot, &plan.removed, &plan.rekeyed);
        }
        self.uncork();
        let limits = settings::history(&self.settings.tenants, history);
        self.engine.reload(&Change { tenants, removed: &plan.removed, limits }, now);
        for index in self.positions.len()..tenants {
            self.positions.push(self.engine.position(TenantId(index as u16)));
        }
        self.personal_positions.extend_from_slice(&self.positions[self.personal_positions.len()..]);
        if let Some(under_way) = &mut self.under_way {
            under_way.add_tenants(&self.positions);
        }
        Ok(())
    }

    fn apply_to(&mut self, slot: u32, removed: &[TenantId], rekeyed: &[TenantId]) {
        let Some(conn) = self.connections.peek(slot) else { return };
        let tenant = self.mysql_tenant(slot).unwrap_or(conn.tenant);
        if rekeyed.contains(&tenant) {
            self.connections.get_mut(slot).flags.clear(Flags::HAS_KEY);
        }
        if removed.contains(&tenant) && !self.is_between_requests(slot) {
            self.end(slot, Disconnect::TenantRemoved);
        }
    }

    /// Then its tenant is only that of its last request.
    fn is_between_requests(&self, slot: u32) -> bool {
        let conn = self.connections.get(slot);
        let has_body = conn.input.is_some_and(|index| self.inputs.get(index).body.is_some());
        conn.phase == Phase::Http && !conn.flags.has(Flags::ASKING) && !has_body
    }
}

/// Finds every new tenant's place among the old ones.
fn plan(old: &[Tenant], new: Vec<Tenant>) -> Result<Plan, TooManyTenants> {
    let mut plan = Plan { tenants: old.to_vec(), removed: Vec::new(), rekeyed: Vec::new() };
    for tenant in &mut plan.tenants {
        tenant.is_removed = true;
    }
    for tenant in new {
        match plan.tenants.iter_mut().find(|known| known.name == tenant.name) {
            Some(known) => *known = tenant,
            None => plan.tenants.push(tenant),
        }
    }
    if plan.tenants.len() > TENANTS_MAX {
        return Err(TooManyTenants);
    }
    for (index, (before, after)) in old.iter().zip(&mut plan.tenants).enumerate() {
        let id = TenantId(index as u16);
        if after.is_removed {
            // Of one that is not there only the name is kept.
            *after = Tenant { name: after.name.clone(), is_removed: true, ..Tenant::default() };
        }
        if after.is_removed && !before.is_removed {
            plan.removed.push(id);
        }
        if before.publish_key != after.publish_key {
            plan.rekeyed.push(id);
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(names: &[&str]) -> Vec<Tenant> {
        names.iter().map(|&name| Tenant { name: name.into(), ..Tenant::default() }).collect()
    }

    fn shape(plan: &Plan) -> Vec<(&str, bool)> {
        plan.tenants.iter().map(|tenant| (&*tenant.name, tenant.is_removed)).collect()
    }

    #[test]
    fn a_tenant_keeps_its_number_whatever_comes_and_goes() {
        let first = plan(&tenants(&["", "a", "b"]), tenants(&["", "c", "b"])).unwrap();
        assert_eq!(shape(&first), [("", false), ("a", true), ("b", false), ("c", false)]);
        assert_eq!(first.removed, [TenantId(1)]);
        let second = plan(&first.tenants, tenants(&["", "a"])).unwrap();
        assert_eq!(shape(&second), [("", false), ("a", false), ("b", true), ("c", true)]);
        assert_eq!(second.removed, [TenantId(2), TenantId(3)]);
        let third = plan(&second.tenants, tenants(&[""])).unwrap();
        assert_eq!(third.removed, [TenantId(1)], "who is gone does not go again");
    }

    #[test]
    fn a_removed_tenants_secrets_are_forgotten_and_a_new_key_is_noticed() {
        let mut old = tenants(&["", "a"]);
        old[1].publish_key = Some("secret".into());
        let gone = plan(&old, tenants(&[""])).unwrap();
        assert_eq!(gone.tenants[1].publish_key, None);
        let mut new = tenants(&["", "a"]);
        new[0].publish_key = Some("first".into());
        new[1].publish_key = Some("secret".into());
        assert_eq!(plan(&old, new).unwrap().rekeyed, [TenantId(0)]);
    }
}
