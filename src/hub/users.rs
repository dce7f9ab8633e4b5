//! Tables by user. A user is a text to everybody; most are decimal numbers, and those are kept as such:
//! 4 bytes instead of a text of their own.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Something for each of many users.
pub struct ByUser<T> {
    numbered: HashMap<u32, T>,
    named: HashMap<Box<str>, T>,
}

impl<T> Default for ByUser<T> {
    fn default() -> ByUser<T> {
        ByUser { numbered: HashMap::new(), named: HashMap::new() }
    }
}

impl<T> ByUser<T> {
    /// What is kept for a user.
    pub fn get(&self, user: &str) -> Option<&T> {
        match number(user) {
            Some(number) => self.numbered.get(&number),
            None => self.named.get(user),
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, user: &str) -> Option<&mut T> {
        match number(user) {
            Some(number) => self.numbered.get_mut(&number),
            None => self.named.get_mut(user),
        }
    }

    /// What is kept for a user, made if it must be.
    pub fn get_or_insert_with(&mut self, user: &str, make: impl FnOnce() -> T) -> &mut T {
        match number(user) {
            Some(number) => self.numbered.entry(number).or_insert_with(make),
            None => self.named.entry(user.into()).or_insert_with(make),
        }
    }

    /// Forgets a user.
    pub fn remove(&mut self, user: &str) -> Option<T> {
        match number(user) {
            Some(number) => take(&mut self.numbered, &number),
            None => take(&mut self.named, user),
        }
    }

    /// What is kept, in no order.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.numbered.values().chain(self.named.values())
    }

    /// Forgets those of whom `stays` says so.
    pub fn retain(&mut self, stays: impl Fn(&T) -> bool) {
        self.numbered.retain(|_, known| stays(known));
        self.named.retain(|_, known| stays(known));
    }

    /// How many users there are.
    pub fn len(&self) -> usize {
        self.numbered.len() + self.named.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// After a crowd has gone the table is made small again.
fn take<K, Q, T>(table: &mut HashMap<K, T>, key: &Q) -> Option<T>
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    let gone = table.remove(key);
    if table.capacity() > 64 && table.len() * 8 < table.capacity() {
        table.shrink_to(table.len() * 2);
    }
    gone
}

/// The number that a text is, if it is written as we would write it: `7`, not `07` or `+7`.
fn number(user: &str) -> Option<u32> {
    let is_plain = user == "0" || matches!(user.as_bytes().first(), Some(b'1'..=b'9'));
    if is_plain { user.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_its_own_user() {
        let mut table = ByUser::default();
        let users = ["7", "07", "+7", "0", "00", "", "4294967295", "4294967296", "-1", "seven"];
        for (index, user) in users.iter().enumerate() {
            *table.get_or_insert_with(user, || 0) += index;
        }
        assert_eq!(table.len(), users.len());
        for (index, user) in users.iter().enumerate() {
            assert_eq!(table.get(user), Some(&index), "{user}");
            *table.get_mut(user).unwrap() += 1;
            assert_eq!(table.remove(user), Some(index + 1), "{user}");
            assert_eq!(table.remove(user), None, "{user}");
        }
        assert!(table.is_empty());
    }
}
