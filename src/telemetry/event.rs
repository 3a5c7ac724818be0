//! What is noted of one request: made while it is served, handed over when it is over, read by whoever
//! keeps the books.
//!
//! Plain data of a fixed size, with short texts in place, made anew where an older one stood: noting costs no
//! allocation and counts up nothing that workers share. It must never hold a secret of the gateway's; what a client chose, a name for
//! one, may still be one, and is looked through before it is written.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Outcome;
use super::names::NameId;
use crate::base::moment::Moment;
use crate::base::text::Text;
use crate::base::{Denial, KeyId};
use crate::wire::inputs::InputRule;
use crate::wire::mcp::{Era, Method, ProtocolVersion};

/// One request, or what was decided about one before it was forwarded.
#[derive(Debug)]
pub struct Event {
    /// Which request of this process.
    pub request: RequestNumber,
    /// What is told of it.
    pub part: Part,
    /// When its head had been read.
    pub begun: Moment,
    /// When the upstream was turned to, where it was.
    pub sent: Option<Moment>,
    /// When the head of the upstream's answer was there.
    pub answered: Option<Moment>,
    /// When it was over.
    pub ended: Moment,
    /// Whose address, by the configuration.
    pub from: IpAddr,
    /// Whose key it was, once it was proved.
    pub key: Option<KeyId>,
    /// The key's owner, as upstreams are told.
    pub owner: Text<46>,
    /// The server, where it reached one.
    pub server: NameId,
    /// The endpoint of the server, where it was turned to.
    pub endpoint: NameId,
    /// The rule that applied, where one did.
    pub rule: NameId,
    /// What was asked; [`Method::Unknown`] where no message was read.
    pub method: Method,
    /// The tool, prompt or resource, as the client named it.
    pub target: Text<62>,
    /// How the protocol was spoken, where a message was read.
    pub era: Option<Era>,
    /// In which version, where that was told.
    pub version: Option<ProtocolVersion>,
    /// The request's id, as JSON.
    pub id: Text<30>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, where it was.
    pub denial: Option<Denial>,
    /// Whether it was beyond a limit that only warns.
    pub warned: bool,
    /// The HTTP status that the client was sent; 0 where nothing was.
    pub status: u16,
    /// Bytes of its body, as far as they were read.
    pub request_bytes: u64,
    /// Bytes of the answer's body that were handed to the client's connection.
    pub answer_bytes: u64,
    /// The trace that it belongs to.
    pub trace: Trace,
    /// What was sent along, where the tool asks for it to be written.
    pub inputs: Option<Box<Inputs>>,
    /// Who waits until it is written for good.
    pub written: Option<oneshot::Sender<Written>>,
    /// Of a summary: how many requests were not told one by one.
    pub count: u64,
}

/// A request's number: its worker's, and how many that one had served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestNumber {
    /// The worker.
    pub worker: u16,
    /// Its count.
    pub count: u64,
}

/// What is told of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it, when it is over.
    Whole,
    /// That it will be forwarded, before it is (`sync = true`); the whole follows.
    Decision,
    /// That so many requests of one address were refused for one reason, beside those that were told.
    Refusals,
    /// That so many requests were not noted, as there was no room.
    Lost,
}

/// Who waits for a record is told that it stands on the disk. Dropped instead: it does not.
#[derive(Clone, Copy, Debug)]
pub struct Written;

/// A call's body, and what of its arguments may be written.
#[derive(Debug)]
pub struct Inputs {
    /// The body.
    pub body: Bytes,
    /// What may be written.
    pub rule: Arc<InputRule>,
}

/// Of which trace a request is a part (W3C Trace Context, level 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The trace; 0 where there is none.
    pub id: u128,
    /// The client's span; 0 where it told none.
    pub parent: u64,
    /// The gateway's own span; 0 where none is recorded.
    pub own: u64,
    /// The span of the upstream's part; 0 where none is recorded.
    pub upstream: u64,
    /// Whether it was chosen to be recorded at its head; one that was not may be at its end.
    pub sampled: bool,
}

impl Event {
    /// A request of which nothing is known but where it came from. Until told otherwise, its client went
    /// away.
    #[inline]
    pub fn new(request: RequestNumber, begun: Moment, from: IpAddr) -> Self {
        Self {
            request,
            part: Part::Whole,
            begun,
            sent: None,
            answered: None,
            ended: begun,
            from,
            key: None,
            owner: Text::EMPTY,
            server: NameId::NONE,
            endpoint: NameId::NONE,
            rule: NameId::NONE,
            method: Method::Unknown,
            target: Text::EMPTY,
            era: None,
            version: None,
            id: Text::EMPTY,
            outcome: Outcome::ClientGone,
            denial: None,
            warned: false,
            status: 0,
            request_bytes: 0,
            answer_bytes: 0,
            trace: Trace::default(),
            inputs: None,
            written: None,
            count: 1,
        }
    }

    /// Nothing is known of it any more, so that another request can take its place. Whoever read it does this,
    /// and not the request that comes.
    pub fn clear(&mut self) {
        *self = Self::new(self.request, self.begun, self.from);
    }

    /// Another request takes the place of one that was cleared.
    #[inline]
    pub fn begin(&mut self, request: RequestNumber, begun: Moment, from: IpAddr) {
        (self.request, self.begun, self.ended, self.from) = (request, begun, begun, from);
    }

    /// The same, for what is told of it before it is over.
    #[must_use]
    pub fn again(&self) -> Self {
        Self {
            owner: self.owner.clone(),
            target: self.target.clone(),
            id: self.id.clone(),
            inputs: None,
            written: None,
            ..*self
        }
    }

    /// So many requests that were not noted one by one.
    pub fn lost(worker: u16, count: u64) -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let number = RequestNumber { worker, count: 0 };
        Self { part: Part::Lost, count, ..Self::new(number, Moment::now(), nowhere) }
    }

    /// Nanoseconds from its beginning to its end.
    pub fn whole(&self) -> u64 {
        self.ended.since(self.begun)
    }

    /// Nanoseconds that the upstream took, where it was turned to: from then until the end.
    pub fn upstream(&self) -> Option<u64> {
        self.sent.map(|sent| self.ended.since(sent))
    }
}
