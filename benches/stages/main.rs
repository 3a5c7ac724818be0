//! What each stage of the request path costs, beside its naive version, and the whole path in
//! memory: everything but sockets, TLS and HTTP.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    reason = "a bench fails by panicking"
)]
#![allow(missing_docs, unreachable_pub, reason = "read by the files beside it only")]

mod answers;
mod authenticate;
mod authorise;
mod books;
mod decisions;
mod envelope;
mod headers;
mod http1;
mod key;
mod limiter;
mod path;
mod session;
mod snapshot;
mod trace;
#[path = "../world/mod.rs"]
mod world;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion::criterion_main!(
    http1::benches,
    headers::benches,
    key::benches,
    authenticate::benches,
    envelope::benches,
    authorise::benches,
    limiter::benches,
    decisions::benches,
    session::benches,
    answers::benches,
    books::benches,
    snapshot::benches,
    trace::benches,
    path::benches
);
