//! How much memory this process has, and what else the kernel tells.

use std::fs;
use std::path::Path;

use super::sys;

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
