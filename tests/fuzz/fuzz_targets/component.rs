//! See `windlass_fuzz::component`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| windlass_fuzz::component(data));
