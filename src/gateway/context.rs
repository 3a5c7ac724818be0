//! The books of one request: opened when it arrives, closed exactly once, on every path.
//!
//! Closing is dropping: a future that hyper drops because the client vanished closes like one
//! that ran to its end. It adds to cells, notes the request in its worker's queue and gives the request's
//! places back; no decision reads it.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::stage::Message;
use super::worker::Worker;
use crate::base::moment::Moment;
use crate::base::{Denial, KeyId};
use crate::policy::{RuleId, ServerId, Verified};
use crate::state::Snapshot;
use crate::state::limiter::Places;
use crate::telemetry::books::Books;
use crate::telemetry::cells::{DenialCells, RequestCells, UnderWayCells};
use crate::telemetry::event::{Event, Inputs, Part, Written};
use crate::telemetry::histogram::StageCells;
use crate::telemetry::{Metrics, Outcome};
use crate::wire::fields::Field;
use crate::wire::traceparent::TraceParent;

/// One request's books.
pub(super) struct Context<'s> {
    worker: usize,
    metrics: Held<'s, Arc<Metrics>>,
    books: Held<'s, Rc<Books>>,
    requests: Option<Held<'s, Arc<RequestCells>>>,
    denials: Option<Held<'s, Arc<DenialCells>>>,
    stages: Option<Held<'s, Arc<StageCells>>>,
    under_way: Option<(Held<'s, Arc<UnderWayCells>>, Places)>,
    /// When its head had been read.
    begun: Moment,
    /// When the upstream was turned to, where it was.
    sent: Option<Moment>,
    /// How it ends; nothing once others close these books.
    outcome: Option<Outcome>,
    /// What is noted at the end, where anybody reads it.
    event: Option<Box<Event>>,
}

/// Borrowed while a request is decided about, a reference of its own while an answer streams.
enum Held<'s, P> {
    Borrowed(&'s P),
    Kept(P),
}

impl<P: Clone> Held<'_, P> {
    fn keep(&self) -> Held<'static, P> {
        Held::Kept(match self {
            Self::Borrowed(held) => P::clone(held),
            Self::Kept(held) => held.clone(),
        })
    }
}

impl<P: std::ops::Deref> std::ops::Deref for Held<'_, P> {
    type Target = P::Target;

    fn deref(&self) -> &P::Target {
        match self {
            Self::Borrowed(held) => held,
            Self::Kept(held) => held,
        }
    }
}

impl<'s> Context<'s> {
    /// Opens the books of a request from an address. Until told otherwise, the client went away.
    pub(super) fn open<X>(worker: &'s Worker<X>, from: IpAddr) -> Self {
        let begun = Moment::now();
        Self {
            worker: worker.number,
            metrics: Held::Borrowed(&worker.metrics),
            books: Held::Borrowed(&worker.books),
            requests: None,
            denials: None,
            stages: None,
            under_way: None,
            begun,
            sent: None,
            outcome: Some(Outcome::ClientGone),
            event: worker.books.begin(begun, from),
        }
    }

    /// Notes something; nothing where nobody reads it.
    #[inline]
    fn note(&mut self, what: impl FnOnce(&mut Event)) {
        if let Some(event) = &mut self.event {
            what(event);
        }
    }

    /// It belongs to the trace that its header names, or, where that names none, its body.
    #[inline]
    pub(super) fn traced(&mut self, header: Field<'_>, body: Option<&TraceParent>) {
        if let Some(event) = &mut self.event {
            let header = header.single().ok().flatten().and_then(TraceParent::parse);
            event.trace = self.books.trace(header.as_ref().or(body));
        }
    }

    /// What the upstream is told of the trace; nothing where none is recorded here.
    pub(super) fn told_upstream(&self) -> Option<TraceParent> {
        self.event.as_ref()?.trace.told_upstream()
    }

    /// The request reached a server.
    pub(super) fn reached(&mut self, snapshot: &'s Snapshot, server: ServerId) {
        if let Some(cells) = snapshot.cells.servers.get(server.0 as usize) {
            self.requests = Some(Held::Borrowed(&cells.other));
            self.denials = Some(Held::Borrowed(&cells.denials));
            self.stages = Some(Held::Borrowed(&cells.seconds));
        }
        if let Some((name, endpoint)) = snapshot.cells.server_names.get(server.0 as usize) {
            self.note(|event| (event.server, event.endpoint) = (*name, *endpoint));
        }
    }

    /// Its key was proved.
    pub(super) fn proved(&mut self, caller: &Verified) {
        self.note(|event| {
            event.key = Some(caller.id);
            if let Some(owner) = &caller.owner {
                event.owner.set(owner.as_bytes());
            }
        });
    }

    /// Its key was proved and does not stand.
    pub(super) fn proved_in_vain(&mut self, key: KeyId) {
        self.note(|event| event.key = Some(key));
    }

    /// Its body was read.
    pub(super) fn collected(&mut self, bytes: usize) {
        self.note(|event| event.request_bytes = bytes as u64);
    }

    /// It is a message.
    pub(super) fn says(&mut self, message: &Message, body: &[u8]) {
        self.note(|event| message.note(event, body));
    }

    /// The request falls under a rule.
    pub(super) fn ruled(&mut self, snapshot: &'s Snapshot, rule: RuleId) {
        if let Some(cells) = snapshot.cells.rules.get(rule.0 as usize) {
            self.requests = Some(Held::Borrowed(cells));
        }
        if let Some(name) = snapshot.cells.rule_names.get(rule.0 as usize) {
            self.note(|event| event.rule = *name);
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

    /// It was beyond a limit that only warns.
    pub(super) fn warned(&mut self) {
        self.note(|event| event.warned = true);
    }

    /// Its inputs are to be written.
    pub(super) fn with_inputs(&mut self, inputs: Inputs) {
        self.note(|event| event.inputs = Some(Box::new(inputs)));
    }

    /// Where a record has to stand before anything is forwarded: who tells when it does.
    pub(super) fn decide(&mut self) -> Option<oneshot::Receiver<Written>> {
        let event = self.event.as_ref().filter(|_| self.books.are_synchronous())?;
        let (written, told) = oneshot::channel();
        if self.books.are_unwritten() {
            // Whoever waited would wait until the disk has room again, or answers.
            return Some(told);
        }
        let now = Moment::now();
        let event = Event { part: Part::Decision, ended: now, written: Some(written), ..event.again() };
        self.books.note(Box::new(event));
        Some(told)
    }

    /// The upstream is turned to.
    pub(super) fn sending(&mut self) {
        self.sent = Some(Moment::now());
    }

    /// The head of the upstream's answer is there. Only spans tell when, and a look at the time costs
    /// more than all else that is noted here.
    pub(super) fn heard(&mut self) {
        if let Some(event) = &mut self.event
            && event.trace.may_be_recorded()
        {
            event.answered = Some(Moment::now());
        }
    }

    /// The client is sent this status, and so many bytes, as far as they are at hand.
    pub(super) fn tells(&mut self, status: u16, bytes: usize) {
        self.note(|event| (event.status, event.answer_bytes) = (status, bytes as u64));
    }

    /// So many more bytes of the answer went to the client.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.note(|event| event.answer_bytes += bytes as u64);
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
            books: self.books.keep(),
            requests: self.requests.take().map(|cells| cells.keep()),
            denials: self.denials.as_ref().map(Held::keep),
            stages: self.stages.take().map(|cells| cells.keep()),
            under_way: self.under_way.take().map(|(cells, places)| (cells.keep(), places)),
            begun: self.begun,
            sent: self.sent,
            outcome: self.outcome.take(),
            event: self.event.take(),
        }
    }

    /// The request was refused.
    pub(super) fn denied(&mut self, denial: Denial) {
        let failed =
            matches!(denial, Denial::UpstreamUnreachable | Denial::UpstreamTimeout | Denial::UpstreamDenied);
        let outcome = if failed { Outcome::UpstreamFailed } else { Outcome::Denied };
        self.outcome = Some(outcome);
        self.note(|event| event.denial = Some(denial));
        self.leave();
        match &self.denials {
            Some(cells) => cells.add(self.worker, denial.index()),
            None => self.metrics.unrouted.add(self.worker, denial.index()),
        }
    }

    /// The upstream's answer is complete.
    pub(super) fn answered(&mut self) {
        self.outcome = Some(Outcome::Answered);
        self.leave();
    }

    /// The upstream's answer broke off.
    pub(super) fn broke_off(&mut self) {
        self.outcome = Some(Outcome::UpstreamFailed);
        self.leave();
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        self.leave();
        let Some(outcome) = self.outcome else { return };
        let ended = Moment::now();
        if let Some(cells) = &self.requests {
            cells.add(self.worker, outcome as usize);
        }
        if let Some(stages) = &self.stages {
            let upstream = self.sent.map(|sent| ended.since(sent));
            stages.close(self.worker, ended.since(self.begun), upstream);
        }
        if let Some(mut event) = self.event.take() {
            (event.sent, event.ended, event.outcome) = (self.sent, ended, outcome);
            self.books.note(event);
        }
    }
}
