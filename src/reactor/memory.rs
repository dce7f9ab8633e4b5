//! How much memory this process has, how freed memory goes back, and what else the kernel tells.

use std::fs;
use std::path::Path;

use super::sys::{self, Program};

/// Pieces of this size and more go back to the kernel at once when they are freed: a chunk of the server's
/// slots is one.
const GIVEN_BACK_AT_ONCE_BYTES: i32 = 48 * 1024;
/// Fewer things gone are not worth a walk over the heap.
const WORTH_A_WALK: usize = 1_000;
/// From a walk to the one after it.
const AGAIN_MS: u64 = 2_000;

/// When a crowd has gone, so much of the heap lies between what is still in use that it is worth
/// giving back; and so do pages of the program that only coming and going, or the start, needed.
pub(super) struct Tide {
    /// The most things held since the last walk.
    most: usize,
    program: Program,
    /// When it is given back once more.
    again_at_ms: Option<u64>,
}

impl Tide {
    /// To be made before anything large is allocated.
    pub fn new() -> Tide {
        sys::give_back_from(GIVEN_BACK_AT_ONCE_BYTES);
        Tide { most: 0, program: Program::find(), again_at_ms: None }
    }

    /// What the start needed is needed no more.
    pub fn begin(&self) {
        self.program.unmap();
    }

    /// Looks at how many things the server holds, and gives memory back if a quarter of them has gone; once
    /// more when that is a while ago, for those who went last. Returns in how many milliseconds that will be.
    pub fn look(&mut self, held: usize, now_ms: u64) -> Option<u64> {
        let is_due = self.again_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let has_ebbed = self.has_ebbed(held);
        if has_ebbed || is_due {
            sys::give_back_freed();
            self.program.unmap();
            self.again_at_ms = has_ebbed.then_some(now_ms + AGAIN_MS);
        }
        self.again_at_ms.map(|at_ms| at_ms - now_ms)
    }

    fn has_ebbed(&mut self, held: usize) -> bool {
        self.most = self.most.max(held);
        let gone = self.most - held;
        let has_ebbed = gone >= WORTH_A_WALK && gone >= self.most / 4;
        if has_ebbed {
            self.most = held;
        }
        has_ebbed
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

    #[test]
    fn memory_goes_back_when_a_quarter_of_a_crowd_has_gone() {
        let mut tide = Tide { most: 0, program: Program::find(), again_at_ms: None };
        let ebbs = [0, 8_000, 6_001, 6_000, 5_000, 4_500, 4_499, 3_500, 3_499, 2_500, 2_499, 0]
            .map(|held| tide.has_ebbed(held));
        assert_eq!(ebbs.iter().filter(|has_ebbed| **has_ebbed).count(), 4, "{ebbs:?}");
        assert!(ebbs[3] && ebbs[5] && !ebbs[6], "{ebbs:?}");
    }

    #[test]
    fn once_more_for_those_who_went_last() {
        let mut tide = Tide { most: 2_000, program: Program::find(), again_at_ms: None };
        let at = [(2_000, 1_000), (900, 2_000), (100, 3_000), (0, 4_000), (0, 5_000)];
        let waits = at.map(|(held, now_ms)| tide.look(held, now_ms));
        assert_eq!(waits, [None, Some(2_000), Some(1_000), None, None]);
    }
}
