//! Fuzzes what is written of a call's arguments. What must hold is in the library, which the tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::redact::check(data));
