//! Fuzzes the two readers of a JSON-RPC message. What must hold is in the library, which the tests use too.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::envelope::check(data));
