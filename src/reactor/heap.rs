//! What the program has on its heap, counted where it is handed out: the one number that everything which
//! users can make grow comes down to.
//!
//! It is exact but for what the allocator keeps of its own: pages between pieces in use, and what the
//! library of TLS takes in C. What the kernel holds for sockets is no part of it, nor of this process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static USED: AtomicUsize = AtomicUsize::new(0);

/// What glibc's allocator puts before each piece, what it rounds up to, and its least piece; those of others
/// are not far from it.
const HEADER_BYTES: usize = 8;
const ROUNDED_TO: usize = 16;
const LEAST_BYTES: usize = 32;

/// The system's allocator, with a count. It counts only in a program that makes it its own, as `main.rs`
/// does; in any other nothing is known.
pub struct Counting;

/// Bytes in use now; 0: nobody counts.
pub fn used_bytes() -> usize {
    USED.load(Ordering::Relaxed)
}

/// What a piece takes of the heap. Names and boxes are so small that this is half as much again.
const fn taken(bytes: usize) -> usize {
    let whole = (bytes + HEADER_BYTES + ROUNDED_TO - 1) & !(ROUNDED_TO - 1);
    if whole < LEAST_BYTES { LEAST_BYTES } else { whole }
}

// One instruction each. There is one thread, but a count that a second one could spoil would drift for
// ever, and nobody would see why.
fn count(bytes: usize) {
    USED.fetch_add(bytes, Ordering::Relaxed);
}

fn uncount(bytes: usize) {
    USED.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator as it came, and so does what it returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        let piece = unsafe { System.alloc(layout) };
        if !piece.is_null() {
            count(taken(layout.size()));
        }
        piece
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let piece = unsafe { System.alloc_zeroed(layout) };
        if !piece.is_null() {
            count(taken(layout.size()));
        }
        piece
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        uncount(taken(layout.size()));
        // SAFETY: as above.
        unsafe { System.dealloc(piece, layout) }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(piece, layout, bytes) };
        if !moved.is_null() {
            // Less, too: it wraps around and back again.
            count(taken(bytes).wrapping_sub(taken(layout.size())));
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_counted_for_as_long_as_it_is_in_use() {
        assert_eq!([0, 1, 24, 25, 40, 41].map(taken), [32, 32, 32, 48, 48, 64]);
        // Nobody else counts in this program.
        let layout = Layout::from_size_align(100, 8).unwrap();
        // SAFETY: the layout is not empty, and each piece is given back as it was got.
        unsafe {
            let one = Counting.alloc(layout);
            let two = Counting.alloc_zeroed(layout);
            assert_eq!(used_bytes(), 2 * 112);
            let one = Counting.realloc(one, layout, 1_000);
            assert_eq!(used_bytes(), 112 + 1_008);
            let one = Counting.realloc(one, Layout::from_size_align(1_000, 8).unwrap(), 10);
            assert_eq!(used_bytes(), 112 + 32);
            Counting.dealloc(one, Layout::from_size_align(10, 8).unwrap());
            Counting.dealloc(two, layout);
        }
        assert_eq!(used_bytes(), 0);
    }
}
