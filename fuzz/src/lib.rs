//! What must hold for any input of each of the gateway's readers: one module for each fuzz
//! target, each with `check`, which panics where a property is broken.
//!
//! The fuzz targets and the test that replays the corpora use the same functions. Each holds
//! the gateway's reader against a simple one of its own, written from the standard and never
//! from the code it judges.

pub mod chunks;
pub mod config;
pub mod cuts;
pub mod envelope;
#[path = "../../tests/corpus/secrets/load.rs"]
pub mod examples;
pub mod head;
pub mod json;
pub mod key;
pub mod legal;
pub mod lines;
pub mod redact;
pub mod sse;

/// What a target does with one input.
pub type Check = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: [(&str, Check); 6] = [
    ("config", config::check),
    ("envelope", envelope::check),
    ("head", head::check),
    ("key", key::check),
    ("redact", redact::check),
    ("sse", sse::check),
];
