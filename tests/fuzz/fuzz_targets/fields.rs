//! Values of header fields, and tokens.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::fields::check(input));
