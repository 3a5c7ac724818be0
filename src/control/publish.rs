//! The one writer of the snapshot cell.
//!
//! Configuration and keys change apart; each change makes the next snapshot from the latest
//! of both, under one lock that no request ever takes.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::compile::compile_cells;
use crate::base::digest::Hasher;
use crate::base::{KeyId, Tick};
use crate::policy::keys::{Change, Loading};
use crate::policy::{KeyEntry, Keys, Policy};
use crate::state::{Sealer, ServerCounts, Snapshot, SnapshotCell, ToolBuckets};
use crate::telemetry::Metrics;

/// A set of keys that is being loaded.
pub struct KeyLoad {
    keys: Loading,
    policy: Arc<Policy>,
}

impl KeyLoad {
    /// Adds a key; without an entry it is denied.
    pub fn put(&mut self, id: KeyId, entry: Option<&KeyEntry>) {
        match entry {
            Some(entry) => self.keys.put(entry, &self.policy),
            None => self.keys.deny(id),
        }
    }
}

/// The snapshot before the current one. Who lets a snapshot go last takes it down: held here for
/// one generation more, that is the control side and not a request.
#[derive(Default)]
struct Retired(Option<Arc<Snapshot>>);

/// Publishes snapshots; clones publish to the same cell.
#[derive(Clone)]
pub struct Publisher {
    cell: SnapshotCell,
    metrics: Arc<Metrics>,
    writing: Arc<Mutex<Retired>>,
}

impl Publisher {
    /// The first snapshot: this policy, no keys yet.
    pub fn new(policy: Policy, hasher: Hasher, metrics: Arc<Metrics>) -> Self {
        let cells = Arc::new(compile_cells(&policy, &metrics));
        let tool_buckets = Arc::new(ToolBuckets::default().under(&policy));
        let server_counts = Arc::new(ServerCounts::default().under(&policy));
        let keys = Keys::empty(Arc::new(hasher), 0);
        let cell = SnapshotCell::new(Snapshot {
            policy: Arc::new(policy),
            keys,
            fresh: Arc::default(),
            sealer: Arc::default(),
            cells,
            tool_buckets,
            server_counts,
            version: 1,
        });
        Self { cell, metrics, writing: Arc::default() }
    }

    /// The cell, for readers.
    pub fn cell(&self) -> &SnapshotCell {
        &self.cell
    }

    /// The registry was seen at a time, in milliseconds since 1970; what it showed holds for so long,
    /// or for ever.
    pub fn renew(&self, seen_ms: u64, seen: Tick, holds: Option<Duration>) {
        self.cell.load().fresh.renew(seen_ms, seen, holds);
    }

    /// Nobody knows yet whether what the registry showed is whole: nothing is decided by it.
    pub fn hold_back(&self) {
        self.cell.load().fresh.end();
    }

    /// Publishes changes of keys together.
    pub fn change_keys(&self, changes: &[Change]) {
        self.write(|now| Snapshot {
            policy: Arc::clone(&now.policy),
            keys: now.keys.with(changes, &now.policy),
            fresh: Arc::clone(&now.fresh),
            sealer: Arc::clone(&now.sealer),
            cells: Arc::clone(&now.cells),
            tool_buckets: Arc::clone(&now.tool_buckets),
            server_counts: Arc::clone(&now.server_counts),
            version: now.version + 1,
        });
    }

    /// Begins another set of keys, to be published whole.
    pub fn load(&self) -> KeyLoad {
        let now = self.cell.load();
        KeyLoad { keys: Loading::new(now.keys.shared_hasher()), policy: Arc::clone(&now.policy) }
    }

    /// Publishes a set of keys instead of the one before, and says how many they are.
    pub fn replace_keys(&self, load: KeyLoad) -> usize {
        let KeyLoad { keys, policy } = load;
        let keys = keys.finish(&policy);
        let count = keys.len();
        self.write(|now| Snapshot {
            policy: Arc::clone(&now.policy),
            // A reload may have come in between.
            keys: if Arc::ptr_eq(&policy, &now.policy) { keys } else { keys.under(&now.policy) },
            fresh: Arc::clone(&now.fresh),
            sealer: Arc::clone(&now.sealer),
            cells: Arc::clone(&now.cells),
            tool_buckets: Arc::clone(&now.tool_buckets),
            server_counts: Arc::clone(&now.server_counts),
            version: now.version + 1,
        });
        count
    }

    /// Publishes another policy over the same keys.
    pub fn replace_policy(&self, policy: Policy) {
        self.write(|now| Snapshot {
            keys: now.keys.under(&policy),
            fresh: Arc::clone(&now.fresh),
            sealer: Arc::clone(&now.sealer),
            cells: Arc::new(compile_cells(&policy, &self.metrics)),
            tool_buckets: Arc::new(now.tool_buckets.under(&policy)),
            server_counts: Arc::new(now.server_counts.under(&policy)),
            policy: Arc::new(policy),
            version: now.version + 1,
        });
    }

    /// Publishes other sealing keys.
    pub fn replace_sealer(&self, sealer: Sealer) {
        self.write(|now| Snapshot {
            policy: Arc::clone(&now.policy),
            keys: now.keys.clone(),
            fresh: Arc::clone(&now.fresh),
            sealer: Arc::new(sealer),
            cells: Arc::clone(&now.cells),
            tool_buckets: Arc::clone(&now.tool_buckets),
            server_counts: Arc::clone(&now.server_counts),
            version: now.version + 1,
        });
    }

    fn write(&self, next: impl FnOnce(&Snapshot) -> Snapshot) {
        let mut retired = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.cell.load();
        let next = next(&now);
        self.metrics.keys.store(i64::try_from(next.keys.len()).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.metrics.swaps.fetch_add(1, Ordering::Relaxed);
        // Another table altogether would be a hundred megabytes to hold.
        retired.0 = next.keys.shares_with(&now.keys).then_some(now);
        self.cell.publish(next);
    }
}
