//! Who listens to one channel: an array, because walking it is what fan-out does.
//!
//! Each subscriber remembers its place, so removal is a swap with the last one: O(1). While a batch
//! walks the array nothing moves: who leaves becomes a tombstone, who joins stands behind the walk. A
//! single member is kept without an array.

/// A subscriber: the number of its slot. Whoever frees a slot first takes it out of every channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SubscriberId(pub u32);

const TOMBSTONE: SubscriberId = SubscriberId(u32::MAX);

/// Above this many members the array grows by an eighth, not by doubling.
const DOUBLING_MAX: usize = 1024;

/// A subscriber that had to move because another one left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moved {
    /// Who.
    pub subscriber: SubscriberId,
    /// Its place before.
    pub from: u32,
    /// Its place now.
    pub to: u32,
}

/// The members of one channel.
#[derive(Default, Debug)]
pub struct Members {
    places: Places,
    tombstones: u32,
}

/// Most channels of a busy server have one member, which needs no array.
#[derive(Debug)]
enum Places {
    One([SubscriberId; 1]),
    Many(Vec<SubscriberId>),
}

impl Default for Places {
    fn default() -> Places {
        Places::Many(Vec::new())
    }
}

impl Places {
    fn all(&self) -> &[SubscriberId] {
        match self {
            Places::One(one) => one,
            Places::Many(many) => many,
        }
    }

    fn all_mut(&mut self) -> &mut [SubscriberId] {
        match self {
            Places::One(one) => one,
            Places::Many(many) => many,
        }
    }

    fn push(&mut self, subscriber: SubscriberId) {
        match self {
            Places::Many(none) if none.capacity() == 0 => *self = Places::One([subscriber]),
            Places::One([first]) => *self = Places::Many(vec![*first, subscriber]),
            Places::Many(many) => {
                if many.len() == many.capacity() {
                    let is_long = many.len() > DOUBLING_MAX;
                    many.reserve_exact(if is_long { many.len() / 8 } else { many.len().max(1) });
                }
                many.push(subscriber);
            }
        }
    }

    fn swap_remove(&mut self, place: usize) {
        match self {
            Places::One(_) => {
                assert_eq!(place, 0, "one member has one place");
                *self = Places::default();
            }
            Places::Many(many) => {
                many.swap_remove(place);
                if many.len() * 4 < many.capacity() {
                    many.shrink_to(many.len() * 2);
                }
            }
        }
    }
}

impl Members {
    /// How many subscribers there are; tombstones are nobody.
    pub fn count(&self) -> u32 {
        self.places() - self.tombstones
    }

    /// How many places there are, tombstones included: the end of a walk that begins now.
    pub fn places(&self) -> u32 {
        self.places.all().len() as u32
    }

    /// Who stands at a place; `None` for a tombstone or past the end.
    pub fn at(&self, place: u32) -> Option<SubscriberId> {
        self.places.all().get(place as usize).copied().filter(|&id| id != TOMBSTONE)
    }

    /// All of them, the first to come first unless somebody had to move.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = SubscriberId> {
        self.places.all().iter().copied().filter(|&id| id != TOMBSTONE)
    }

    /// Adds a subscriber; the answer is its place.
    pub fn join(&mut self, subscriber: SubscriberId) -> u32 {
        debug_assert_ne!(subscriber, TOMBSTONE);
        self.places.push(subscriber);
        self.places() - 1
    }

    /// Removes whoever stands at `place`, moving the last one there.
    pub fn leave(&mut self, place: u32) -> Option<Moved> {
        let from = self.places() - 1;
        self.places.swap_remove(place as usize);
        let subscriber = *self.places.all().get(place as usize)?;
        Some(Moved { subscriber, from, to: place })
    }

    /// Removes whoever stands at `place` without moving anybody.
    pub fn bury(&mut self, place: u32) {
        let buried = &mut self.places.all_mut()[place as usize];
        assert_ne!(*buried, TOMBSTONE, "nobody is buried twice");
        *buried = TOMBSTONE;
        self.tombstones += 1;
    }

    /// Closes the gaps that `bury` left, telling who had to move.
    pub fn sweep(&mut self, moved: &mut Vec<Moved>) {
        let mut place = 0;
        while self.tombstones > 0 && place < self.places.all().len() {
            if self.places.all()[place] != TOMBSTONE {
                place += 1;
                continue;
            }
            self.tombstones -= 1;
            // The one moved here may be a tombstone too: then this place is looked at again.
            moved.extend(self.leave(place as u32).filter(|moved| moved.subscriber != TOMBSTONE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_last_moves_into_the_gap() {
        let mut members = Members::default();
        for slot in 0..3 {
            assert_eq!(members.join(SubscriberId(slot)), slot);
        }
        let moved = members.leave(0);
        assert_eq!(moved, Some(Moved { subscriber: SubscriberId(2), from: 2, to: 0 }));
        assert_eq!(members.leave(1), None, "the last one leaves without a move");
        assert_eq!((members.count(), members.at(0)), (1, Some(SubscriberId(2))));
    }

    #[test]
    fn tombstones_are_nobody_until_they_are_swept() {
        let mut members = Members::default();
        for slot in 0..5 {
            members.join(SubscriberId(slot));
        }
        for place in [4, 0, 3] {
            members.bury(place);
        }
        assert_eq!((members.count(), members.places(), members.at(0)), (2, 5, None));
        let mut moved = Vec::new();
        members.sweep(&mut moved);
        assert_eq!((members.count(), members.places()), (2, 2));
        let mut left: Vec<_> = (0..2).filter_map(|place| members.at(place)).collect();
        left.sort();
        assert_eq!(left, [SubscriberId(1), SubscriberId(2)]);
        for Moved { subscriber, to, .. } in moved {
            assert_eq!(members.at(to), Some(subscriber));
        }
    }
}
