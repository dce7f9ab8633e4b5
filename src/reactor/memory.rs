//! How much memory this process has, how freed memory goes back, and what else the kernel tells.

use std::fs;
use std::path::Path;

use super::sys::{self, Program};

/// Pieces of this size and more go back to the kernel at once when they are freed: a chunk of the server's
/// slots is one.
const GIVEN_BACK_AT_ONCE_BYTES: i32 = 48 * 1024;
/// Fewer bytes gone are not worth a walk over the heap.
const WORTH_A_WALK_BYTES: usize = 128 * 1024;
/// Nor is less than this share of them: a sixteenth.
const WORTH_A_WALK_OF: usize = 16;
/// From an ebb to the walk: what goes together has gone by then.
const WALK_AFTER_MS: u64 = 100;
/// From that walk to one more, for what went last.
const WALK_AGAIN_AFTER_MS: u64 = 2_000;

/// When a crowd has gone, or what waited for it, or what is forgotten near the ceiling, so much of the heap
/// lies between what is still in use that it is worth giving back. When all is quiet again, so do pages of
/// the program that only coming and going, or the start, needed.
pub(super) struct Tide {
    /// The most bytes in use since the last ebb.
    most: usize,
    program: Program,
    walk_at_ms: Option<u64>,
    /// There was an ebb since the last walk.
    has_ebbed: bool,
}

impl Tide {
    /// To be made before anything large is allocated.
    pub fn new() -> Tide {
        sys::give_back_from(GIVEN_BACK_AT_ONCE_BYTES);
        Tide { most: 0, program: Program::find(), walk_at_ms: None, has_ebbed: false }
    }

    /// What the start needed is needed no more.
    pub fn begin(&self) {
        self.program.unmap();
    }

    /// Looks at how much of the heap is in use, and gives memory back soon after much of it has gone. Returns
    /// in how many milliseconds that will be.
    pub fn look(&mut self, used: usize, now_ms: u64) -> Option<u64> {
        if self.is_ebb(used) {
            self.has_ebbed = true;
            let soon_ms = now_ms + WALK_AFTER_MS;
            self.walk_at_ms = Some(self.walk_at_ms.map_or(soon_ms, |at_ms| at_ms.min(soon_ms)));
        }
        if self.walk_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            sys::give_back_freed();
            self.walk_at_ms = if std::mem::take(&mut self.has_ebbed) {
                Some(now_ms + WALK_AGAIN_AFTER_MS)
            } else {
                self.program.unmap();
                None
            };
        }
        self.walk_at_ms.map(|at_ms| at_ms - now_ms)
    }

    fn is_ebb(&mut self, used: usize) -> bool {
        self.most = self.most.max(used);
        let gone = self.most - used;
        let is_ebb = gone >= WORTH_A_WALK_BYTES && gone >= self.most / WORTH_A_WALK_OF;
        if is_ebb {
            self.most = used;
        }
        is_ebb
    }
}

/// Resident bytes; 0 if the system does not tell.
pub(super) fn resident_bytes() -> u64 {
    let Ok(statm) = fs::read_to_string("/proc/self/statm") else { return 0 };
    // proc(5): size, resident, shared …, in pages.
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * sys::page_bytes()
}

/// A file of proc(5); empty if there is none.
pub(super) fn kernel_file(name: &str) -> String {
    fs::read_to_string(Path::new("/proc").join(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: usize = 1024;

    fn tide(most: usize) -> Tide {
        Tide { most, program: Program::find(), walk_at_ms: None, has_ebbed: false }
    }

    #[test]
    fn an_ebb_is_enough_and_a_sixteenth() {
        let mut tide = tide(0);
        let ebbs = [4_096, 3_841, 3_840, 3_601, 3_600, 1_000, 873, 872, 100, 0]
            .map(|used| tide.is_ebb(used * KB));
        let expected = [false, false, true, false, true, true, false, true, true, false];
        assert_eq!(ebbs, expected);
    }

    #[test]
    fn memory_goes_back_soon_and_once_more_for_what_went_last() {
        let mut tide = tide(4_000 * KB);
        let looks = [(4_000, 0), (2_500, 50), (1_000, 100), (950, 150), (900, 2_000), (890, 2_150)];
        let waits = looks.map(|(used, now_ms)| tide.look(used * KB, now_ms));
        assert_eq!(waits, [None, Some(100), Some(50), Some(2_000), Some(150), None]);
    }

    #[test]
    fn an_ebb_while_the_second_walk_is_awaited_is_an_ebb_like_any_other() {
        let mut tide = tide(8_000 * KB);
        let looks = [(4_000, 0), (4_000, 100), (1_000, 1_000), (1_000, 1_100), (1_000, 3_100)];
        let waits = looks.map(|(used, now_ms)| tide.look(used * KB, now_ms));
        assert_eq!(waits, [Some(100), Some(2_000), Some(100), Some(2_000), None]);
    }
}
