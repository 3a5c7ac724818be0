//! What requests share and change: the snapshot cell and the record of last uses.
//!
//! Everything here is bounded and collected. It must never make a request wait.

pub mod snapshot;
pub mod used;

pub use snapshot::{Snapshot, SnapshotCell, SnapshotReader};
pub use used::UsedLog;
