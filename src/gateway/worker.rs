//! What one worker's requests share: its view of the snapshot, its scratch, its upstreams.
//!
//! Single-threaded by construction (`RefCell`, no locks); no borrow is held over an await.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::aside::Aside;
use super::reply::Pauses;
use crate::base::Clock;
use crate::base::bounds::{ASIDE_BODY_BYTES, ECHOED_ID_BYTES};
use crate::state::{Limiter, Load, Snapshot, SnapshotCell, SnapshotReader, Spoken, UsedLog};
use crate::telemetry::Metrics;
use crate::telemetry::books::Books;
use crate::wire::jsonrpc::{Envelope, Fault, Flaw, Scratch, slow};

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
    /// Buckets, which all workers share.
    pub limiter: Arc<Limiter>,
    /// Which versions servers speak.
    pub spoken: Spoken,
    /// Last uses, until they are handed over.
    pub used: UsedLog,
    /// Where it notes what it did; streams hold it too.
    pub books: Rc<Books>,
    /// Its upstreams.
    pub upstream: X,
    snapshot: RefCell<SnapshotReader>,
    scratch: RefCell<Scratch>,
    aside: Aside,
}

/// What all workers of a process have in common.
#[derive(Clone)]
pub struct Shared {
    /// The time.
    pub clock: Clock,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Buckets.
    pub limiter: Arc<Limiter>,
}

impl<X> Worker<X> {
    /// A worker over a view of the snapshot.
    pub fn new(
        number: usize,
        bounds: RequestBounds,
        load: Load,
        shared: Shared,
        books: Books,
        upstream: X,
        snapshot: SnapshotReader,
    ) -> Self {
        let Shared { clock, metrics, limiter } = shared;
        Self {
            number,
            bounds,
            clock,
            metrics,
            load,
            limiter,
            spoken: Spoken::default(),
            used: UsedLog::default(),
            books: Rc::new(books),
            upstream,
            snapshot: RefCell::new(snapshot),
            scratch: RefCell::default(),
            aside: Aside::default(),
        }
    }

    /// The cell of the snapshot, for what outlives the deciding.
    pub(super) fn cell(&self) -> SnapshotCell {
        self.snapshot.borrow().cell()
    }

    /// The snapshot that a request beginning now decides by.
    #[inline]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.borrow_mut().current()
    }

    /// Reads a body's envelope: on the worker's scratch, or beside the worker where it is long.
    #[inline]
    pub async fn read_envelope(&self, body: &Bytes) -> Result<Envelope, Fault> {
        if body.len() <= ASIDE_BODY_BYTES {
            return self.scratch.borrow_mut().read(body);
        }
        let body = body.clone();
        let read = Box::pin(self.aside.run(move || slow::read_envelope(&body))).await;
        read.unwrap_or(Err(Fault(Flaw::Syntax)))
    }

    /// The bytes of the id of a request that is refused.
    pub(super) async fn find_id(&self, body: Bytes) -> Option<Bytes> {
        let find = |body: &Bytes| {
            let id = slow::id_bytes(body).filter(|id| id.len() <= ECHOED_ID_BYTES);
            id.map(|id| Bytes::copy_from_slice(id.as_bytes()))
        };
        if body.len() <= ASIDE_BODY_BYTES {
            return find(&body);
        }
        Box::pin(self.aside.run(move || find(&body))).await.flatten()
    }
}
