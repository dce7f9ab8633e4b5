//! Chunked bodies.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::http_body::check(input));
