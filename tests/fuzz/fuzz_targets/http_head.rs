//! Request heads, and whatever looks at them next.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| encke_fuzz::oracles::http_head::check(input));
