//! What a worker looks at once a second and tells as gauges: its connections to upstreams.
//!
//! Looked at, and not counted with every exchange: a connection counts itself while it lives, and nobody
//! on the request path adds to anything for it.

use std::sync::Arc;

use crate::state::Snapshot;
use crate::telemetry::cells::UpstreamCells;
use crate::telemetry::{Lent, PolicyCells};
use crate::upstream::Upstream;

/// One worker's gauges.
pub(super) struct Gauges {
    worker: usize,
    /// The cells that were told last: what a reload takes out of the configuration must not stay as it was.
    told: Option<Arc<PolicyCells>>,
}

impl Gauges {
    /// The gauges of a worker.
    pub(super) fn new(worker: usize) -> Self {
        Self { worker, told: None }
    }

    /// Tells how many connections there are to each server's upstream. Servers whose upstreams have one
    /// address, with one way to speak to it, share connections: each of them tells all.
    pub(super) fn tell(&mut self, snapshot: &Snapshot, upstream: &Upstream) {
        if let Some(told) = self.told.take_if(|told| !Arc::ptr_eq(told, &snapshot.cells)) {
            told.servers.iter().for_each(|cells| self.set(&cells.upstream, [0, 0]));
        }
        for (server, cells) in snapshot.policy.servers().iter().zip(&snapshot.cells.servers) {
            let pooled = upstream.count(&server.endpoint.authority);
            self.set(&cells.upstream, [pooled.busy, pooled.idle]);
        }
        self.told.get_or_insert_with(|| Arc::clone(&snapshot.cells));
    }

    fn set(&self, cells: &UpstreamCells, counts: [usize; 2]) {
        for (state, count) in Lent::ALL.into_iter().zip(counts) {
            cells.set(self.worker, state as usize, count as u64);
        }
    }
}
