//! Several clients, over every listener.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::server::check(input));
