//! Connections in chunks of 1,024 slots: growth never copies, and an empty chunk is given back.

use super::conn::{Conn, NO_MEMBERSHIP, Phase};
use crate::hub::Membership;

/// Slots per chunk.
pub(crate) const CHUNK: usize = 1024;
/// End of a chunk's free list.
const END: u32 = u32::MAX;

/// Names one connection for as long as it lives: a later one in the same slot has another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// Index of the slot.
    pub slot: u32,
    /// Of the slot's occupant; never 0.
    pub generation: u32,
}

struct Chunk<S> {
    /// As many as were ever in use at a time; with room for all of them, or for none.
    slots: Vec<Conn<S>>,
    live: u32,
    free: u32,
}

/// All connections.
pub(crate) struct Slab<S> {
    chunks: Vec<Chunk<S>>,
    live: usize,
    generation: u32,
    /// No chunk before this one has room.
    first_with_room: usize,
}

impl<S> Slab<S> {
    pub fn new() -> Slab<S> {
        Slab { chunks: Vec::new(), live: 0, generation: 0, first_with_room: 0 }
    }

    /// How many slots are in use.
    pub fn len(&self) -> usize {
        self.live
    }

    /// How many slots there are: every number in use is below.
    pub fn end(&self) -> u32 {
        (self.chunks.len() * CHUNK) as u32
    }

    /// Takes a free slot.
    pub fn insert(&mut self, mut conn: Conn<S>) -> Key {
        let index = self.chunk_with_room();
        let chunk = &mut self.chunks[index];
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        conn.generation = self.generation;
        let place = match chunk.free {
            END => {
                chunk.slots.push(conn);
                chunk.slots.len() as u32 - 1
            }
            free => {
                let slot = &mut chunk.slots[free as usize];
                chunk.free = slot.first.place;
                *slot = conn;
                free
            }
        };
        chunk.live += 1;
        self.live += 1;
        Key { slot: (index * CHUNK) as u32 + place, generation: self.generation }
    }

    /// Frees a slot. Whatever it had in side pools and channels must be gone.
    pub fn remove(&mut self, slot: u32) -> Conn<S> {
        let (index, place) = split(slot);
        let chunk = &mut self.chunks[index];
        let freed =
            Conn { first: Membership { place: chunk.free, ..NO_MEMBERSHIP }, ..Conn::free() };
        let conn = std::mem::replace(&mut chunk.slots[place], freed);
        assert_ne!(conn.phase, Phase::Free, "a slot is freed once");
        chunk.free = place as u32;
        chunk.live -= 1;
        if chunk.live == 0 {
            (chunk.slots, chunk.free) = (Vec::new(), END);
        }
        self.live -= 1;
        self.first_with_room = self.first_with_room.min(index);
        while self.chunks.last().is_some_and(|chunk| chunk.live == 0) {
            self.chunks.pop();
        }
        conn
    }

    /// The slot, if the key is not stale.
    pub fn find(&self, key: Key) -> Option<&Conn<S>> {
        let (index, place) = split(key.slot);
        // A free slot has generation 0, which no key has.
        let conn = self.chunks.get(index)?.slots.get(place)?;
        (conn.generation == key.generation).then_some(conn)
    }

    /// The same, to change it.
    pub fn find_mut(&mut self, key: Key) -> Option<&mut Conn<S>> {
        let (index, place) = split(key.slot);
        let conn = self.chunks.get_mut(index)?.slots.get_mut(place)?;
        (conn.generation == key.generation).then_some(conn)
    }

    /// The slot's occupant, whoever that is.
    pub fn peek(&self, slot: u32) -> Option<&Conn<S>> {
        let (index, place) = split(slot);
        self.chunks.get(index)?.slots.get(place).filter(|conn| conn.phase != Phase::Free)
    }

    /// Whether a slot is in use.
    pub fn is_used(&self, slot: u32) -> bool {
        self.peek(slot).is_some()
    }

    pub fn get(&self, slot: u32) -> &Conn<S> {
        let (index, place) = split(slot);
        &self.chunks[index].slots[place]
    }

    pub fn get_mut(&mut self, slot: u32) -> &mut Conn<S> {
        let (index, place) = split(slot);
        &mut self.chunks[index].slots[place]
    }

    fn chunk_with_room(&mut self) -> usize {
        let has_room = |chunk: &Chunk<S>| (chunk.live as usize) < CHUNK;
        let from = self.first_with_room.min(self.chunks.len());
        let index = self.chunks[from..].iter().position(has_room).map(|offset| from + offset);
        let index = index.unwrap_or_else(|| {
            self.chunks.push(Chunk { slots: Vec::new(), live: 0, free: END });
            self.chunks.len() - 1
        });
        self.first_with_room = index;
        let chunk = &mut self.chunks[index];
        if chunk.slots.is_empty() {
            chunk.slots.reserve_exact(CHUNK);
        }
        index
    }
}

fn split(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn() -> Conn<()> {
        Conn { phase: Phase::Http, ..Conn::free() }
    }

    #[test]
    fn a_stale_key_finds_nobody() {
        let mut slab = Slab::new();
        let old = slab.insert(conn());
        slab.insert(conn());
        slab.remove(old.slot);
        let new = slab.insert(conn());
        assert_eq!(old.slot, new.slot);
        assert!(slab.find(old).is_none());
        assert!(slab.find(new).is_some());
    }

    #[test]
    fn empty_chunks_go_and_come_again() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..3 * CHUNK).map(|_| slab.insert(conn())).collect();
        assert_eq!((slab.len(), slab.end()), (3 * CHUNK, 3 * CHUNK as u32));
        for key in &keys[CHUNK..2 * CHUNK] {
            slab.remove(key.slot);
        }
        assert_eq!(slab.chunks[1].slots.capacity(), 0, "the middle chunk gave its memory back");
        assert!(!slab.is_used(CHUNK as u32));
        let again = slab.insert(conn());
        assert_eq!(split(again.slot).0, 1);
        slab.remove(again.slot);
        for key in keys[..CHUNK].iter().chain(&keys[2 * CHUNK..]) {
            slab.remove(key.slot);
        }
        assert_eq!((slab.len(), slab.end()), (0, 0));
    }
}
