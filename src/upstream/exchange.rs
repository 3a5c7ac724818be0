//! The one thing that the request path asks of an upstream: a request out, an answer back.
//!
//! A trait, so that the whole path can be benched in memory against an upstream without
//! sockets; the product has one implementation.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use http_body::Body;

use super::body::BodyFault;
use crate::base::bounds::JOINED_BODY_BYTES;
use crate::policy::Authority;
use crate::wire::head::Reply;
use crate::wire::http1::{Preamble, begin_request, end_request, write_line, write_own};
use crate::wire::lines::Line;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// No connection: nothing was sent.
    Unreachable,
    /// It broke, or answered wrongly, after something was sent: the call may have been carried out.
    Broken,
    /// The head of the answer did not arrive in time.
    TimedOut,
}

/// A request as it goes out: its head, with a short body behind it, and a longer body apart.
pub struct Outgoing {
    pub(super) joined: Vec<u8>,
    pub(super) apart: Bytes,
}

/// The head of a request that is being written.
pub struct OutgoingHead {
    method: Method,
    written: Vec<u8>,
}

impl OutgoingHead {
    /// Begins a request; `room` is how many bytes are likely to follow.
    #[inline]
    pub fn begin(method: Method, preamble: &Preamble, room: usize) -> Self {
        let mut written = Vec::with_capacity(preamble.size() + room);
        begin_request(&mut written, &method, preamble);
        Self { method, written }
    }

    /// Adds a line that came from the client.
    #[inline]
    pub fn pass(&mut self, line: Line<'_>) {
        write_line(&mut self.written, line);
    }

    /// Adds a line of the gateway's own.
    #[inline]
    pub fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        write_own(&mut self.written, name, value);
    }

    /// Ends the head; this is the body.
    #[inline]
    pub fn end(self, body: &Bytes) -> Outgoing {
        let Self { method, written: mut joined } = self;
        end_request(&mut joined, &method, body.len());
        if body.len() > JOINED_BODY_BYTES {
            return Outgoing { joined, apart: body.clone() };
        }
        joined.extend_from_slice(body);
        Outgoing { joined, apart: Bytes::new() }
    }
}

/// Something that answers requests to an authority.
pub trait Exchange {
    /// The answer's body.
    type Body: Body<Data = Bytes, Error = BodyFault> + Unpin + 'static;

    /// Sends one request and waits for the head of its answer, for `first_byte` where it is
    /// given. Dropping the future, or the body before its end, closes the connection: that is
    /// how a client's leaving is told.
    fn send(
        &self,
        to: &Authority,
        request: Outgoing,
        first_byte: Option<Duration>,
    ) -> impl Future<Output = Result<Reply<Self::Body>, SendFault>>;
}
