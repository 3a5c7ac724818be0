//! The books of one request: opened when it arrives, closed exactly once, on every path.
//!
//! Closing is dropping: a future that hyper drops because the client vanished closes like one
//! that ran to its end. It adds to cells and gives the request's places back, and no decision reads it.

use std::sync::Arc;

use crate::base::Denial;
use crate::policy::{RuleId, ServerId};
use crate::state::Snapshot;
use crate::state::limiter::Places;
use crate::telemetry::cells::{DenialCells, RequestCells, UnderWayCells};
use crate::telemetry::{Metrics, Outcome};

/// One request's books.
pub(super) struct Context<'s> {
    worker: usize,
    metrics: Held<'s, Metrics>,
    requests: Option<Held<'s, RequestCells>>,
    denials: Option<Held<'s, DenialCells>>,
    under_way: Option<(Held<'s, UnderWayCells>, Places)>,
    outcome: Outcome,
}

/// Borrowed while a request is decided about, a reference of its own while an answer streams.
enum Held<'s, T> {
    Borrowed(&'s Arc<T>),
    Kept(Arc<T>),
}

impl<T> Held<'_, T> {
    fn keep(&self) -> Held<'static, T> {
        Held::Kept(match self {
            Self::Borrowed(held) => Arc::clone(held),
            Self::Kept(held) => Arc::clone(held),
        })
    }
}

impl<T> std::ops::Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Borrowed(held) => held,
            Self::Kept(held) => held,
        }
    }
}

impl<'s> Context<'s> {
    /// Opens the books. Until told otherwise, the client went away.
    pub(super) fn open(worker: usize, metrics: &'s Arc<Metrics>) -> Self {
        let metrics = Held::Borrowed(metrics);
        let (requests, denials, under_way) = (None, None, None);
        Self { worker, metrics, requests, denials, under_way, outcome: Outcome::ClientGone }
    }

    /// The request reached a server.
    pub(super) fn reached(&mut self, snapshot: &'s Snapshot, server: ServerId) {
        if let Some(cells) = snapshot.cells.servers.get(server.0 as usize) {
            self.requests = Some(Held::Borrowed(&cells.other));
            self.denials = Some(Held::Borrowed(&cells.denials));
        }
    }

    /// The request falls under a rule.
    pub(super) fn ruled(&mut self, snapshot: &'s Snapshot, rule: RuleId) {
        if let Some(cells) = snapshot.cells.rules.get(rule.0 as usize) {
            self.requests = Some(Held::Borrowed(cells));
        }
    }

    /// The request is under way towards a server, and has these places until it is answered, refused or
    /// dropped.
    pub(super) fn under_way(&mut self, snapshot: &'s Snapshot, server: ServerId, places: Places) {
        if let Some(cells) = snapshot.cells.servers.get(server.0 as usize) {
            cells.under_way.add(self.worker, places.what() as usize);
            self.under_way = Some((Held::Borrowed(&cells.under_way), places));
        }
    }

    /// Nothing is under way any more: before the client is told, whose next request may come at once.
    fn leave(&mut self) {
        if let Some((cells, places)) = self.under_way.take() {
            cells.take(self.worker, places.what() as usize);
        }
    }

    /// The books for an answer that streams, however long; these ones close nothing any more.
    pub(super) fn keep(mut self) -> Context<'static> {
        Context {
            worker: self.worker,
            metrics: self.metrics.keep(),
            requests: self.requests.take().map(|cells| cells.keep()),
            denials: self.denials.as_ref().map(Held::keep),
            under_way: self.under_way.take().map(|(cells, places)| (cells.keep(), places)),
            outcome: self.outcome,
        }
    }

    /// The request was refused.
    pub(super) fn denied(&mut self, denial: Denial) {
        let failed =
            matches!(denial, Denial::UpstreamUnreachable | Denial::UpstreamTimeout | Denial::UpstreamDenied);
        self.outcome = if failed { Outcome::UpstreamFailed } else { Outcome::Denied };
        self.leave();
        match &self.denials {
            Some(cells) => cells.add(self.worker, denial.index()),
            None => self.metrics.unrouted.add(self.worker, denial.index()),
        }
    }

    /// The upstream's answer is complete.
    pub(super) fn answered(&mut self) {
        self.outcome = Outcome::Answered;
        self.leave();
    }

    /// The upstream's answer broke off.
    pub(super) fn broke_off(&mut self) {
        self.outcome = Outcome::UpstreamFailed;
        self.leave();
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if let Some(cells) = &self.requests {
            cells.add(self.worker, self.outcome as usize);
        }
        self.leave();
    }
}
