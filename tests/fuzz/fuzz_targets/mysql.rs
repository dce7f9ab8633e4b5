//! MySQL packets, and what is in them.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::mysql::check(input));
