//! Allocations of one request, for each case of the request path and for the gateway's own
//! decisions: how many, and how many bytes.
//!
//! A counting allocator counts what goes to the system's; how many there are does not depend on
//! which it is, nor on how much the compiler optimises. Every case is counted twice and must come to
//! the same. `cargo xtask test` holds the counts to `benches/budgets.toml`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::format_collect,
    clippy::print_stdout,
    reason = "a bench fails by panicking and says what it found"
)]
#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "read by the files beside it only")]

mod world;

use std::alloc::System;
use std::collections::BTreeSet;
use std::hint::black_box;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tollgate::base::denial::TABLE;

use world::cases::{CASES, FROM_BYTES, World};
use world::decisions::{Decisions, KINDS, key};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Refusals that no request in memory can meet: nothing says them yet, Redis has to be away for it,
/// another request under way, or an address has to have failed more often than any that is measured.
const NOT_IN_MEMORY: [&str; 6] = [
    "audit_unavailable",
    "draining",
    "limits_unavailable",
    "stale_registry",
    "concurrency_limited",
    "address_limited",
];

fn main() {
    let world = World::new();
    let mut reasons = BTreeSet::new();
    for name in CASES {
        let mut once = || {
            let mut ready = world.warm(name);
            reasons.insert(ready.reason());
            count(|| world.run(&mut ready))
        };
        // The first run may still grow what all later ones find grown.
        once();
        report("path", name, once(), once());
    }
    for name in FROM_BYTES {
        let once = || {
            let arrived = world.warm_bytes(name);
            count(|| world.run_bytes(&arrived).len())
        };
        once();
        report("bytes_to_bytes", name, once(), once());
    }
    for row in &TABLE {
        let met = reasons.contains(row.reason) != NOT_IN_MEMORY.contains(&row.reason);
        assert!(met, "{} needs a case, or to be named as one that has none", row.reason);
    }
    let mut decisions = Decisions::new();
    for name in KINDS {
        let key = key(name, 0);
        let mut once = || count(|| usize::from(decisions.decide(black_box(&key)).is_ok()));
        once();
        report("decisions", name, once(), once());
    }
}

fn count(run: impl FnOnce() -> usize) -> (usize, usize) {
    let region = Region::new(ALLOCATOR);
    black_box(run());
    let change = region.change();
    (change.allocations + change.reallocations, change.bytes_allocated)
}

fn report(group: &str, name: &str, counted: (usize, usize), again: (usize, usize)) {
    assert_eq!(counted, again, "{group} {name} does not come to the same twice");
    let (allocations, bytes) = counted;
    println!("{group}::{name} {allocations} allocations {bytes} bytes");
}
