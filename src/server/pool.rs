//! Side pools: what only few connections have lives here, and a slot keeps a 4-byte index.

use std::num::NonZeroU32;

/// Index into a pool. `Option<PoolIndex>` is 4 bytes.
pub(crate) type PoolIndex = NonZeroU32;

/// Values of one chunk: as many as a `u32` has bits.
const CHUNK: usize = u32::BITS as usize;

/// Values that come and go, at stable indexes. A chunk that holds none gives its memory back, so that one
/// slow client does not keep what a thousand others needed for a moment.
pub(crate) struct Pool<T> {
    chunks: Vec<Chunk<T>>,
    len: usize,
    /// No chunk before this one has room.
    first_with_room: usize,
}

struct Chunk<T> {
    entries: Box<[Option<T>]>,
    /// A bit for each entry in use.
    used: u32,
}

impl<T> Pool<T> {
    pub fn new() -> Pool<T> {
        Pool { chunks: Vec::new(), len: 0, first_with_room: 0 }
    }

    pub fn put(&mut self, value: T) -> PoolIndex {
        let has_room = |chunk: &Chunk<T>| chunk.used != u32::MAX;
        let from = self.first_with_room.min(self.chunks.len());
        let found = self.chunks[from..].iter().position(has_room);
        let index = from + found.unwrap_or(self.chunks.len() - from);
        if index == self.chunks.len() {
            self.chunks.push(Chunk { entries: Box::new([]), used: 0 });
        }
        self.first_with_room = index;
        let chunk = &mut self.chunks[index];
        if chunk.entries.is_empty() {
            chunk.entries = (0..CHUNK).map(|_| None).collect();
        }
        let place = chunk.used.trailing_ones() as usize;
        chunk.used |= 1 << place;
        chunk.entries[place] = Some(value);
        self.len += 1;
        PoolIndex::MIN.saturating_add((index * CHUNK + place) as u32)
    }

    pub fn take(&mut self, index: PoolIndex) -> T {
        let (index, place) = split(index);
        let chunk = &mut self.chunks[index];
        let value = chunk.entries[place].take().expect("a pool index outlived its value");
        chunk.used &= !(1 << place);
        if chunk.used == 0 {
            chunk.entries = Box::new([]);
        }
        self.len -= 1;
        self.first_with_room = self.first_with_room.min(index);
        while self.chunks.last().is_some_and(|chunk| chunk.used == 0) {
            self.chunks.pop();
        }
        if self.chunks.is_empty() {
            self.chunks = Vec::new();
        }
        value
    }

    pub fn get(&self, index: PoolIndex) -> &T {
        let (index, place) = split(index);
        self.chunks[index].entries[place].as_ref().expect("a pool index outlived its value")
    }

    pub fn get_mut(&mut self, index: PoolIndex) -> &mut T {
        let (index, place) = split(index);
        self.chunks[index].entries[place].as_mut().expect("a pool index outlived its value")
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many places `some` can begin at.
    pub fn places(&self) -> usize {
        self.chunks.len()
    }

    /// At most `most` values, those of the chunk `from` and its neighbours, in a circle.
    pub fn some(&self, from: usize, most: usize) -> impl Iterator<Item = &T> {
        let (before, behind) = self.chunks.split_at(from % self.chunks.len().max(1));
        let chunks = behind.iter().chain(before);
        chunks.flat_map(|chunk| chunk.entries.iter().flatten()).take(most)
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.entries.iter().flatten())
    }
}

fn split(index: PoolIndex) -> (usize, usize) {
    let position = index.get() as usize - 1;
    (position / CHUNK, position % CHUNK)
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
        assert_eq!((pool.len(), pool.chunks.capacity()), (0, 0));
    }

    #[test]
    fn one_value_keeps_one_chunk() {
        let mut pool = Pool::new();
        let mut indexes: Vec<_> = (0..100).map(|n| pool.put(n)).collect();
        let last = indexes.pop().unwrap();
        for index in indexes {
            pool.take(index);
        }
        let held = pool.chunks.iter().filter(|chunk| !chunk.entries.is_empty()).count();
        assert_eq!((pool.len(), held, *pool.get(last)), (1, 1, 99));
        assert!(pool.put(100) < last, "the first place is used again");
        assert_eq!(pool.values().copied().collect::<Vec<_>>(), [100, 99]);
    }
}
