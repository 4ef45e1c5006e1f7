//! See `windlass_fuzz::config`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| windlass_fuzz::config(data));
