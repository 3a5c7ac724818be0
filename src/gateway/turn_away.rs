//! Requests that are refused before they are read: a head that is none, or no room for it.

use std::net::IpAddr;

use super::context::Context;
use super::refusal::Refusal;
use super::reply::{self, ReplyBody};
use super::worker::Worker;
use crate::base::Denial;
use crate::wire::head::Reply;
use crate::wire::http1::HeadFault;

/// Why a request is not read.
#[derive(Clone, Copy, Debug)]
pub enum Unread {
    /// Its head is faulty.
    Head(HeadFault),
    /// The listener has as many connections as it may.
    NoRoom,
}

/// The answer to a request that was not read. With HTTP/1.1 the connection has to end with it.
pub fn turn_away<X, B>(worker: &Worker<X>, from: IpAddr, why: Unread) -> Reply<ReplyBody<B>> {
    let refusal = match why {
        Unread::Head(HeadFault::Malformed(how)) => Refusal::hinted(Denial::MalformedRequest, how),
        Unread::Head(HeadFault::TooLarge) => Denial::HeadersTooLarge.into(),
        Unread::Head(HeadFault::TooSlow) => Denial::RequestTimeout.into(),
        Unread::NoRoom => Denial::Overloaded.into(),
    };
    let mut context = Context::open(worker, from);
    context.denied(refusal.denial);
    let reply = reply::refuse(&refusal, None);
    context.tells(reply.status.as_u16(), reply.body.size());
    reply
}
