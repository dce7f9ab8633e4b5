//! Side pools: what only few connections have lives here, and a slot keeps a 4-byte index.

use std::num::NonZeroU32;

/// Index into a pool. `Option<PoolIndex>` is 4 bytes.
pub(crate) type PoolIndex = NonZeroU32;

/// Values that come and go, at stable indexes.
pub(crate) struct Pool<T> {
    entries: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Pool<T> {
    pub fn new() -> Pool<T> {
        Pool { entries: Vec::new(), free: Vec::new() }
    }

    pub fn put(&mut self, value: T) -> PoolIndex {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        self.entries[index as usize] = Some(value);
        PoolIndex::MIN.saturating_add(index)
    }

    pub fn take(&mut self, index: PoolIndex) -> T {
        let position = position(index);
        let value = self.entries[position].take().expect("a pool index outlived its value");
        self.free.push(position as u32);
        if self.free.len() == self.entries.len() {
            *self = Pool::new();
        }
        value
    }

    pub fn get(&self, index: PoolIndex) -> &T {
        self.entries[position(index)].as_ref().expect("a pool index outlived its value")
    }

    pub fn get_mut(&mut self, index: PoolIndex) -> &mut T {
        self.entries[position(index)].as_mut().expect("a pool index outlived its value")
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().flatten()
    }
}

fn position(index: PoolIndex) -> usize {
    index.get() as usize - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_stable_and_used_again() {
        let mut pool = Pool::new();
        let (one, two) = (pool.put("one"), pool.put("two"));
        assert_eq!((*pool.get(one), *pool.get(two), pool.len()), ("one", "two", 2));
        assert_eq!(pool.take(one), "one");
        assert_eq!(pool.put("three"), one);
        assert_eq!(*pool.get(two), "two");
    }

    #[test]
    fn an_empty_pool_holds_no_memory() {
        let mut pool = Pool::new();
        let indexes: Vec<_> = (0..100).map(|n| pool.put(n)).collect();
        for index in indexes {
            pool.take(index);
        }
        assert_eq!((pool.len(), pool.entries.capacity(), pool.free.capacity()), (0, 0, 0));
    }
}
