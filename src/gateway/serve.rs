//! The request path, top to bottom.
//!
//! Read this first. Every stage returns the proof that the next one needs, or a refusal; the
//! books close when the context is dropped, whichever way the request went.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;

use super::context::Context;
use super::refusal::Refusal;
use super::reply::{self, ReplyBody};
use super::stage::{self, Intent};
use super::worker::Worker;
use crate::state::Snapshot;
use crate::upstream::Exchange;
use crate::wire::fields::Fields;

/// Serves one request: always an answer, whatever it is.
pub async fn serve<B, X>(worker: &Worker<X>, request: Request<B>) -> Response<ReplyBody<X::Body>>
where
    B: Body<Data = Bytes> + Unpin,
    X: Exchange,
{
    let snapshot = worker.snapshot();
    let mut context = Context::open(worker.number, &worker.metrics);
    let (mut head, body) = request.into_parts();
    let mut read = Bytes::new();
    match pass(worker, &snapshot, &mut context, &mut head, body, &mut read).await {
        Ok(answer) => answer.into_response(context),
        Err(refusal) => {
            context.denied(refusal.denial);
            reply::refuse(&refusal, &read)
        }
    }
}

/// The stages in their order. `forward` takes what it needs out of `head`; `read` receives the
/// body once it was read, so that a refusal can carry the request's id.
async fn pass<B, X>(
    worker: &Worker<X>,
    snapshot: &Arc<Snapshot>,
    context: &mut Context,
    head: &mut Parts,
    body: B,
    read: &mut Bytes,
) -> Result<reply::Answer<X::Body>, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
    X: Exchange,
{
    let fields = Fields::gather(&head.headers);
    let routed = stage::route(snapshot, head)?;
    context.reached(snapshot, routed.server().id);
    let vetted = stage::vet(routed, head, &fields)?;
    let caller = stage::authenticate(vetted, &fields, worker.clock.now())?;
    worker.used.note(caller.id(), caller.seen(), caller.by_previous());
    let intent = if head.method == Method::POST {
        *read = stage::collect(&fields, body, worker.bounds).await?;
        Intent::Message(stage::read(worker, &fields, read)?)
    } else {
        Intent::Stream(stage::open_stream(&fields)?)
    };
    let grant = stage::authorise(&caller, &intent, read, |rule| context.ruled(snapshot, rule))?;
    let admitted = stage::admit(caller, intent, grant);
    let response = stage::forward(&worker.upstream, &admitted, head, read).await?;
    reply::receive(response, admitted.era()).await
}
