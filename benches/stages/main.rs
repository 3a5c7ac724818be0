//! What each stage of the request path costs, beside its naive version, and the whole path in
//! memory: everything but sockets, TLS and HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::format_collect,
    reason = "a bench fails by panicking"
)]
#![allow(missing_docs, unreachable_pub, reason = "read by the files beside it only")]

mod authenticate;
mod authorise;
mod envelope;
mod key;
mod path;
mod snapshot;
#[path = "../world/mod.rs"]
mod world;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion::criterion_main!(
    key::benches,
    authenticate::benches,
    envelope::benches,
    authorise::benches,
    snapshot::benches,
    path::benches
);
