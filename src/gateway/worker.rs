//! What one worker's requests share: its view of the snapshot, its scratch, its upstreams.
//!
//! Single-threaded by construction (`RefCell`, no locks); no borrow is held over an await.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::reply::Pauses;
use crate::base::Clock;
use crate::state::{Load, Snapshot, SnapshotReader, Spoken, UsedLog};
use crate::telemetry::Metrics;
use crate::wire::jsonrpc::{Envelope, Fault, Scratch};

/// Limits that requests are read within.
#[derive(Clone, Copy, Debug)]
pub struct RequestBounds {
    /// Largest body, in bytes.
    pub body: usize,
    /// Longest pause inside a body.
    pub body_idle: Duration,
    /// Time for a whole body, from its first byte.
    pub body_total: Duration,
    /// Pauses of answers.
    pub pauses: Pauses,
}

/// One worker, with upstreams of type `X`.
pub struct Worker<X> {
    /// Its number, for its metric cells.
    pub number: usize,
    /// Limits.
    pub bounds: RequestBounds,
    /// The time.
    pub clock: Clock,
    /// Metrics of the process.
    pub metrics: Arc<Metrics>,
    /// How much there is to do.
    pub load: Load,
    /// Which versions servers speak.
    pub spoken: Spoken,
    /// Last uses, until they are handed over.
    pub used: UsedLog,
    /// Its upstreams.
    pub upstream: X,
    snapshot: RefCell<SnapshotReader>,
    scratch: RefCell<Scratch>,
}

impl<X> Worker<X> {
    /// A worker over a view of the snapshot.
    pub fn new(
        number: usize,
        bounds: RequestBounds,
        load: Load,
        clock: Clock,
        metrics: Arc<Metrics>,
        upstream: X,
        snapshot: SnapshotReader,
    ) -> Self {
        Self {
            number,
            bounds,
            clock,
            metrics,
            load,
            spoken: Spoken::default(),
            used: UsedLog::default(),
            upstream,
            snapshot: RefCell::new(snapshot),
            scratch: RefCell::default(),
        }
    }

    /// The snapshot that a request beginning now decides by.
    #[inline]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow_mut().current()
    }

    /// Reads a body's envelope on the worker's scratch.
    #[inline]
    pub fn read_envelope(&self, body: &Bytes) -> Result<Envelope, Fault> {
        self.scratch.borrow_mut().read(body)
    }
}
