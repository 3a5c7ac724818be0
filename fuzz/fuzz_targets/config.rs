//! Fuzzes the configuration's loading. What must hold is in the library, which the tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::config::check(data));
