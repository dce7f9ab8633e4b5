//! An allocator that counts what is held, as glibc's malloc would take it from the system.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    /// Tests run beside each other: each counts its own thread, which is all a server has.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Bytes that this thread holds.
pub fn held_bytes() -> usize {
    HELD.get() as usize
}

/// What one allocation takes: a word in front of it, rounded up to 16, at least 32.
fn taken_bytes(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

fn count(plus: usize, minus: usize) {
    // A thread that ends frees its last boxes when the counter is gone already.
    let _ = HELD.try_with(|held| held.set(held.get() + plus as isize - minus as isize));
}

// SAFETY: everything is left to the system's allocator; this only counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(taken_bytes(layout.size()), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, taken_bytes(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(taken_bytes(size), taken_bytes(layout.size()));
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
