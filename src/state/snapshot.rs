//! The snapshot: everything a request decides by, published with one swap.
//!
//! A request takes one reference at its beginning and decides everything against it. Readers
//! never wait; a writer makes the next snapshot aside and swaps it in.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::freshness::Freshness;
use super::limiter::{ServerCounts, ToolBuckets};
use super::sealer::Sealer;
use crate::policy::{Keys, Policy};
use crate::telemetry::PolicyCells;

/// Configuration, policy and keys of one moment.
pub struct Snapshot {
    /// Servers and rules.
    pub policy: Arc<Policy>,
    /// All keys.
    pub keys: Keys,
    /// Until when the keys may be decided by; one for all snapshots.
    pub fresh: Arc<Freshness>,
    /// Opens and seals session ids.
    pub sealer: Arc<Sealer>,
    /// Metric cells laid out like the policy.
    pub cells: Arc<PolicyCells>,
    /// Buckets of rules, laid out like the policy.
    pub tool_buckets: Arc<ToolBuckets>,
    /// What is under way towards each server, laid out like the policy.
    pub server_counts: Arc<ServerCounts>,
    /// Counts snapshots of this process.
    pub version: u64,
}

/// The cell that holds the current snapshot.
#[derive(Clone)]
pub struct SnapshotCell(Arc<ArcSwap<Snapshot>>);

/// One worker's view of the cell: 0.4 ns while nothing changes.
pub struct SnapshotReader {
    cell: SnapshotCell,
    view: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl SnapshotCell {
    /// A cell with its first snapshot.
    pub fn new(first: Snapshot) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(first)))
    }

    /// The current snapshot.
    pub fn load(&self) -> Arc<Snapshot> {
        self.0.load_full()
    }

    /// The current snapshot's number.
    #[inline]
    pub fn version(&self) -> u64 {
        self.0.load().version
    }

    /// Publishes the next snapshot.
    pub fn publish(&self, next: Snapshot) {
        self.0.store(Arc::new(next));
    }

    /// A view for one worker.
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader { cell: self.clone(), view: Cache::new(Arc::clone(&self.0)) }
    }
}

impl SnapshotReader {
    /// The cell that is viewed.
    pub fn cell(&self) -> SnapshotCell {
        self.cell.clone()
    }

    /// The current snapshot, held for as long as one request decides.
    #[inline]
    pub fn current(&mut self) -> Arc<Snapshot> {
        Arc::clone(self.view.load())
    }
}
