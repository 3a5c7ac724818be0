//! The one thing that the request path asks of an upstream: a request out, an answer back.
//!
//! A trait, so that the whole path can be benched in memory against an upstream without
//! sockets; the product has one implementation.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;

use super::body::BodyFault;
use super::outgoing::Outgoing;
use crate::policy::Authority;
use crate::wire::head::Reply;

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
