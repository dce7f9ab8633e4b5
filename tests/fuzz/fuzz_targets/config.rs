//! Configuration files.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

/// Of this process alone.
static FILE: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::temp_dir().join(format!("encke-fuzz-{}.toml", std::process::id())));

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::config::check(input, &FILE));
