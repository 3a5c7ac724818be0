//! What requests share and change: the snapshot cell, the limiter, the sealer of session ids,
//! the record of last uses, and how much there is to do.
//!
//! Everything here is bounded and collected. It must never make a request wait.

pub mod freshness;
pub mod limiter;
pub mod load;
pub mod sealer;
pub mod snapshot;
pub mod spoken;
pub mod used;

pub use freshness::Freshness;
pub use limiter::{Limiter, ServerCounts, ToolBuckets};
pub use load::{Ceilings, Load};
pub use sealer::{Holder, Sealer};
pub use snapshot::{Snapshot, SnapshotCell, SnapshotReader};
pub use spoken::Spoken;
pub use used::UsedLog;
