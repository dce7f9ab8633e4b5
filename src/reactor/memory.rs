//! How much memory this process has.

use std::fs;

use super::sys;

/// Resident bytes; 0 if the system does not tell.
pub(super) fn resident_bytes() -> u64 {
    let Ok(statm) = fs::read_to_string("/proc/self/statm") else { return 0 };
    // proc(5): size, resident, shared …, in pages.
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * sys::page_bytes()
}
