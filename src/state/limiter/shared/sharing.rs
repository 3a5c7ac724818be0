//! Between the workers, which spend leases, and the one thread that keeps them filled: what it is told,
//! and whether the ledger can be reached.
//!
//! Workers read two numbers and put notes into a bounded queue; they never wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::lease::Lease;
use crate::base::lease::{Ahead, LeaseId, WhenGone};
use crate::base::{Limit, Nanos};

/// Notes that wait to be read; one that finds no room is written again by the next call.
const NOTES: usize = 65_536;

/// What a worker tells the keeper: a bucket that needs it.
pub struct Note {
    /// Which bucket.
    pub id: LeaseId,
    /// What it may spend here.
    pub lease: Arc<Lease>,
    /// Its limit, as the configuration has it now.
    pub limit: Limit,
    /// How far ahead of the ledger it may be.
    pub ahead: Ahead,
}

/// What workers and the keeper's thread share.
#[derive(Debug)]
pub struct Sharing {
    notes: SyncSender<Note>,
    /// Until when the ledger counts as reached.
    reached: AtomicU64,
    /// Replicas that there were when it was asked last.
    replicas: AtomicU32,
}

/// By what a shared limit is kept at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state::limiter) enum Footing {
    /// By what the ledger gave.
    Ledger,
    /// By this replica's share of it: one of so many.
    Share(u32),
    /// It is not kept: no call that has it is let through.
    Refuse,
    /// It is not kept: every call is let through.
    Allow,
}

impl Sharing {
    /// The two ends.
    pub fn new() -> (Arc<Self>, Receiver<Note>) {
        let (notes, read) = sync_channel(NOTES);
        let sharing = Self { notes, reached: AtomicU64::new(0), replicas: AtomicU32::new(1) };
        (Arc::new(sharing), read)
    }

    /// The ledger was reached, which counts until then.
    pub fn reached(&self, until: Nanos) {
        self.reached.store(until.0, Ordering::Relaxed);
    }

    /// So many replicas share the limits.
    pub fn count(&self, replicas: u32) {
        self.replicas.store(replicas.max(1), Ordering::Relaxed);
    }

    /// Replicas that share the limits, as far as is known.
    pub fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed)
    }

    /// Whether the ledger counts as reached.
    pub fn is_reached(&self, now: Nanos) -> bool {
        now.0 < self.reached.load(Ordering::Relaxed)
    }

    pub(in crate::state::limiter) fn footing(&self, now: Nanos, when_gone: WhenGone) -> Footing {
        match when_gone {
            _ if self.is_reached(now) => Footing::Ledger,
            WhenGone::LocalShare => Footing::Share(self.replicas()),
            WhenGone::Refuse => Footing::Refuse,
            WhenGone::Allow => Footing::Allow,
        }
    }

    /// Tells the keeper; whether there was room.
    pub(in crate::state::limiter) fn note(&self, note: Note) -> bool {
        self.notes.try_send(note).is_ok()
    }
}
