//! All keys, compact and immutable, in two levels: a spine of shards, each a small table.
//!
//! A change copies one shard and the spine, never a million records. Requests hold the whole
//! by one reference and look a key up in two dependent accesses.

mod loading;
mod record;
mod sets;
mod shard;
mod spine;
#[cfg(test)]
mod tests;

pub use loading::Loading;
pub use record::{KeyEntry, Record, Rotation, Status};
pub use sets::{ScopeSetId, ScopeSets, Terms};
pub use shard::Shard;
pub use spine::{Change, Found, Keys};
