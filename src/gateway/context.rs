//! The books of one request: opened when it arrives, closed exactly once, on every path.
//!
//! Closing is dropping: a future that hyper drops because the client vanished closes like one
//! that ran to its end. It adds to cells and does nothing else, and no decision reads it.

use std::sync::Arc;

use crate::base::Denial;
use crate::policy::{RuleId, ServerId};
use crate::state::Snapshot;
use crate::telemetry::cells::{DenialCells, RequestCells};
use crate::telemetry::{Metrics, Outcome};

/// One request's books.
pub(super) struct Context {
    worker: usize,
    metrics: Arc<Metrics>,
    requests: Option<Arc<RequestCells>>,
    denials: Option<Arc<DenialCells>>,
    outcome: Outcome,
}

impl Context {
    /// Opens the books. Until told otherwise, the client went away.
    pub(super) fn open(worker: usize, metrics: &Arc<Metrics>) -> Self {
        Self {
            worker,
            metrics: Arc::clone(metrics),
            requests: None,
            denials: None,
            outcome: Outcome::ClientGone,
        }
    }

    /// The request reached a server.
    pub(super) fn reached(&mut self, snapshot: &Snapshot, server: ServerId) {
        if let Some(cells) = snapshot.cells.servers.get(server.0 as usize) {
            self.requests = Some(Arc::clone(&cells.other));
            self.denials = Some(Arc::clone(&cells.denials));
        }
    }

    /// The request falls under a rule.
    pub(super) fn ruled(&mut self, snapshot: &Snapshot, rule: RuleId) {
        if let Some(cells) = snapshot.cells.rules.get(rule.0 as usize) {
            self.requests = Some(Arc::clone(cells));
        }
    }

    /// The request was refused.
    pub(super) fn denied(&mut self, denial: Denial) {
        let failed =
            matches!(denial, Denial::UpstreamUnreachable | Denial::UpstreamTimeout | Denial::UpstreamDenied);
        self.outcome = if failed { Outcome::UpstreamFailed } else { Outcome::Denied };
        match &self.denials {
            Some(cells) => cells.add(self.worker, denial.index()),
            None => self.metrics.unrouted.add(self.worker, denial.index()),
        }
    }

    /// The upstream's answer is complete.
    pub(super) fn answered(&mut self) {
        self.outcome = Outcome::Answered;
    }

    /// The upstream's answer broke off.
    pub(super) fn broke_off(&mut self) {
        self.outcome = Outcome::UpstreamFailed;
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if let Some(cells) = &self.requests {
            cells.add(self.worker, self.outcome as usize);
        }
    }
}
