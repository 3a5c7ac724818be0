//! Instructions, counted by callgrind: figures that a noisy machine does not move. Of single
//! stages, and of the whole path for every case.
//!
//! Callgrind does not see the SHA extensions, so authentication counts the portable code. Keys,
//! table and requests are the same in every run; what is left to chance (seeds of hash tables,
//! nonces) moves a count by a few instructions. `cargo xtask test` holds the counts to
//! `benches/budgets.toml`.

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
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "read by the files beside it only")]

mod path;
mod stages;
#[path = "../world/mod.rs"]
mod world;

use gungraun::{Callgrind, LibraryBenchmarkConfig, main};
use path::requests;
use stages::alone;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

main!(
    // A simulated cache says nothing about a real one, and takes as long as the counting.
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"]));
    library_benchmark_groups = alone, requests
);
