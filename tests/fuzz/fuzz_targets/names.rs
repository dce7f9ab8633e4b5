//! Cursors, names, percent-encoding.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::names::check(input));
