//! Limits that replicas share: leases of buckets that a ledger holds, which workers spend, and the keeper that
//! decides what to ask of the ledger, and when.
//!
//! How the ledger is reached is nobody's affair here: what is asked and what is told are plain data
//! (`base/lease.rs`).

mod keeper;
mod lease;
mod sharing;
#[cfg(test)]
mod simulation;

pub use keeper::Keeper;
pub use lease::Lease;
pub(super) use lease::Leased;
pub(super) use sharing::Footing;
pub use sharing::{Note, Sharing};
