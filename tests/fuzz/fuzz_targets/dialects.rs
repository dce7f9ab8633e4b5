//! What clients say in the dialects, and what they are told.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::dialects::check(input));
