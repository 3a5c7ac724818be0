//! All integration tests in one binary, so that they link once: the real program, real
//! clients, real sockets. What they need beside cargo is put in place by `cargo xtask test`.

#![expect(unreachable_pub, reason = "the world is read like a library by the files beside it")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, and says where"
)]
#![expect(clippy::disallowed_methods, reason = "threads of a test sleep; no worker is among them")]
#![expect(clippy::too_many_lines, reason = "a table of cases is read whole")]

mod addresses;
mod admin;
mod audit;
mod audit_stream;
mod books;
mod bounds;
mod browsers;
mod check;
mod clients;
mod concurrency;
mod conformance;
#[path = "../corpus/load.rs"]
mod corpus;
mod demo;
mod differential;
mod framing;
mod fuzz_corpora;
mod house;
mod inputs;
mod key_limits;
mod keys;
mod limits;
mod memory;
mod metrics;
mod neighbours;
mod operators;
mod otlp;
mod refusals;
mod registry;
mod reload;
mod scale;
mod secrecy;
mod sessions;
mod shared;
mod streams;
mod transfer;
mod transparency;
mod transport;
mod versions;
mod world;
