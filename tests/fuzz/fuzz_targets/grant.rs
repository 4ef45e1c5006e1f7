//! See `windlass_fuzz::grant`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| windlass_fuzz::grant(data));
