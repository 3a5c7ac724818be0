//! The audit log: what is written down of each call, how it is kept, and how it is checked.
//!
//! Nothing here runs on the request path, and nothing here may write a secret. The format, what it
//! guarantees and what it costs stand in `docs/AUDIT.md`.

mod begun;
mod chain;
mod checkpoint;
mod files;
mod folder;
mod keeper;
mod lines;
mod log;
mod own;
mod pairs;
mod record;
mod recover;
pub mod redact;
mod remembered;
mod retain;
mod running;
pub mod search;
pub mod sink;
#[cfg(test)]
mod tests;
mod text;
pub mod verify;
mod writer;

use std::sync::atomic::AtomicU64;

pub use chain::{Hash, Head, LINE_BYTES};
pub use checkpoint::{NotAKey, PublicKey, Signer};
pub use files::FileParams;
pub use folder::{FolderFault, LogFile, list};
pub use record::is_replica_name;
pub use redact::redact;
pub use retain::Retention;
pub use running::{Audit, AuditFault, AuditParams, Observer};

/// What was written, since the start.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that are safe, the log's own included.
    pub records: AtomicU64,
    /// Bytes of them.
    pub bytes: AtomicU64,
    /// Times that a file was synced.
    pub syncs: AtomicU64,
    /// Files that were begun.
    pub files: AtomicU64,
    /// Tries to write that failed.
    pub failures: AtomicU64,
    /// Records that sinks missed.
    pub missed: AtomicU64,
}
