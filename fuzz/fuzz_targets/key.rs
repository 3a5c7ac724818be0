//! Fuzzes the key format. What must hold is in the library, which the tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::key::check(data));
