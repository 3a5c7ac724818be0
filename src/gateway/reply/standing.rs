//! Whether the key that an answer is streamed to still stands.
//!
//! A stream may live for hours; a key that is revoked or expires meanwhile gets no more of it.
//! While nothing was published since, it costs one load of the snapshot cell.

use crate::base::{Clock, Denial, KeyId};
use crate::policy::keys::Status;
use crate::state::SnapshotCell;

/// The key of one stream.
pub(in crate::gateway) struct Standing {
    cell: SnapshotCell,
    clock: Clock,
    key: KeyId,
    /// The snapshot by which it stood last.
    version: u64,
}

impl Standing {
    /// A key that stood in this version of the snapshot.
    pub(super) fn new(cell: SnapshotCell, clock: Clock, key: KeyId, version: u64) -> Self {
        Self { cell, clock, key, version }
    }

    /// Looks, if another snapshot was published.
    pub(super) fn check_changed(&mut self) -> Result<(), Denial> {
        if self.cell.version() == self.version { Ok(()) } else { self.check() }
    }

    /// Looks.
    pub(super) fn check(&mut self) -> Result<(), Denial> {
        let snapshot = self.cell.load();
        self.version = snapshot.version;
        let found = snapshot.keys.find(self.key);
        match found.record.status {
            _ if !found.known => Err(Denial::RevokedKey),
            Status::Revoked => Err(Denial::RevokedKey),
            Status::Active if found.record.expires <= self.clock.now() => Err(Denial::ExpiredKey),
            Status::Active => Ok(()),
        }
    }
}
