//! Where keys live: one contract, and the embedded registry behind it.
//!
//! Everything here may block and may fail; nothing of it runs on the request path. It must
//! never see a raw key: it stores hashes and hands out records.

mod brief;
mod contract;
pub mod embedded;
mod limits;
mod merge;
pub mod operations;
mod record;
pub mod redis;
pub mod replica;
pub mod transfer;

pub use brief::key_entry;
pub use contract::{Change, Changes, Edit, Fault, Feed, Loaded, Position, Registry, Standing, Stored, Used};
pub use embedded::Embedded;
pub use limits::{LimitChange, LimitName, LimitsChange, MOST, OwnLimit, OwnLimits};
pub use record::{KeyRecord, RecordFault, State, Timestamp};
