//! The request path, top to bottom.
//!
//! Read this first. Every stage returns the proof that the next one needs, or a refusal; the
//! books close when the context is dropped, whichever way the request went.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body::Body;

use super::context::Context;
use super::refusal::Refusal;
use super::reply::{self, ReplyBody};
use super::stage::{self, Collected, Intent};
use super::worker::Worker;
use crate::base::Denial;
use crate::state::Snapshot;
use crate::upstream::Exchange;
use crate::wire::fields::Fields;
use crate::wire::head::{Reply, RequestHead};

/// Serves one request over a connection of `from`: always an answer, whatever it is.
pub async fn serve<B, X>(
    worker: &Worker<X>,
    from: IpAddr,
    head: RequestHead,
    body: B,
) -> Reply<ReplyBody<X::Body>>
where
    B: Body<Data = Bytes> + Unpin,
    X: Exchange,
{
    let snapshot = worker.snapshot();
    let mut context = Context::open(worker, from);
    let mut passed = Passed::default();
    let mut reply = match pass(worker, &snapshot, &mut context, (from, &head), body, &mut passed).await {
        Ok(answer) => answer.into_reply(context),
        Err(refusal) => {
            context.denied(refusal.denial);
            let id = match &passed.read {
                Some(read) => worker.find_id(read.body.clone()).await,
                None => None,
            };
            let reply = reply::refuse(&refusal, id.as_deref());
            context.tells(reply.status.as_u16(), reply.body.size());
            reply
        }
    };
    if let Some(origin) = passed.origin {
        reply::expose(&mut reply.own, origin);
    }
    reply
}

/// What was learned on the way, whether or not the request got to its end.
#[derive(Default)]
struct Passed {
    /// The page's origin, once it was found to be allowed: the page may read any answer.
    origin: Option<HeaderValue>,
    /// The body, once it was read, so that a refusal can carry the request's id.
    read: Option<Collected>,
}

/// The stages in their order.
async fn pass<'s, B, X>(
    worker: &Worker<X>,
    snapshot: &'s Arc<Snapshot>,
    context: &mut Context<'s>,
    (from, head): (IpAddr, &RequestHead),
    body: B,
    passed: &mut Passed,
) -> Result<reply::Answer<X::Body>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    X: Exchange,
{
    if !worker.books.have_room() {
        return Err(Denial::AuditUnavailable.into());
    }
    let _place = worker.load.request()?;
    let fields = Fields::gather(&head.lines);
    context.traced(fields.traceparent, None);
    let routed = stage::route(snapshot, head)?;
    context.reached(snapshot, routed.server().id);
    let vetted = stage::vet(routed, head, &fields)?;
    passed.origin = vetted.origin().cloned();
    if head.method == Method::OPTIONS {
        return Ok(reply::preflight(vetted.server(), &head.lines));
    }
    let in_vain = |key| context.proved_in_vain(key);
    let caller = stage::authenticate(vetted, &fields, &worker.clock, in_vain).map_err(|refusal| {
        let clients = snapshot.policy.clients();
        stage::count_failure(&worker.limiter.addresses, clients, (from, &head.lines), refusal)
    })?;
    context.proved(caller.verified());
    worker.used.note(caller.id(), caller.seen(), caller.by_previous());
    let mut sent = Bytes::new();
    let intent = if head.method == Method::POST {
        let read = passed.read.insert(stage::collect(worker, &fields, body).await?);
        sent = read.body.clone();
        context.collected(sent.len());
        let message = stage::read(worker, caller.server(), &fields, &sent).await?;
        context.says(&message, &sent);
        if let Some(told) = message.traceparent() {
            context.traced(fields.traceparent, Some(told));
        }
        Intent::Message(message)
    } else {
        Intent::Stream(stage::open_stream(&head.method, &fields, &body)?)
    };
    let session = stage::resume(&caller, &intent, &fields)?;
    let grant = stage::authorise(&caller, &intent, &sent, |rule| context.ruled(snapshot, rule))?;
    let server = caller.server().id;
    let enter = |places| context.under_way(snapshot, server, places);
    let within = stage::limit(&worker.limiter, &caller, &intent, &grant, enter)?;
    stage::note(context, &caller, &grant, &within, &sent).await?;
    let admitted = stage::admit(caller, &intent, session, &grant, within);
    let told = context.told_upstream();
    let outgoing = stage::outgoing(&admitted, head, told.as_ref(), sent.len())?;
    context.sending();
    let answer = stage::forward(&worker.upstream, &admitted, outgoing, &sent).await?;
    context.heard();
    reply::receive(worker, answer, &admitted).await
}
