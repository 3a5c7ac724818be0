//! Forward: a request of our own making to the server's endpoint.
//!
//! Headers go by an allow-list, so that no credential of the client can slip
//! through under a name that nobody thought of; names under which the gateway tells its own
//! credential and the caller's identity never pass. The body is the client's bytes.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::Admitted;
use crate::base::Denial;
use crate::base::key::holds_key;
use crate::gateway::refusal::Refusal;
use crate::policy::{Server, Verified};
use crate::upstream::{Exchange, OutgoingHead, SendFault};
use crate::wire::head::{Reply, RequestHead};
use crate::wire::http::SESSION_ID;
use crate::wire::known::Known;
use crate::wire::lines::Line;
use crate::wire::mcp::{Era, mirror};
use crate::wire::traceparent::TraceParent;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Bytes that the gateway's own lines have, the length and the caller's identity, in most requests.
const OWN_LINES: usize = 128;

/// Sends the request and waits for the head of the answer.
pub(in crate::gateway) async fn forward<X: Exchange>(
    upstream: &X,
    admitted: &Admitted<'_>,
    outgoing: OutgoingHead,
    body: &Bytes,
) -> Result<Reply<X::Body>, Refusal> {
    let request = outgoing.end(body);
    let authority = &admitted.routed().server().endpoint.authority;
    match upstream.send(authority, request, admitted.first_byte()).await {
        Ok(answer) => Ok(answer),
        Err(SendFault::Unreachable) => Err(Denial::UpstreamUnreachable.into()),
        Err(SendFault::Broken) => Err(Refusal::broken_off()),
        Err(SendFault::TimedOut) => Err(Denial::UpstreamTimeout.into()),
    }
}

/// The head: what every request to the server begins with, what passes of the client's, and what
/// the gateway knows of the caller.
pub(in crate::gateway) fn outgoing(
    admitted: &Admitted<'_>,
    head: &RequestHead,
    trace: Option<&TraceParent>,
    body: usize,
) -> Result<OutgoingHead, Refusal> {
    let server = admitted.routed().server();
    let era = admitted.era();
    let lines = head.lines.size() + OWN_LINES;
    let mut out = OutgoingHead::begin(head.method.clone(), &server.endpoint.preamble, lines, body);
    let passes = |line: &Line<'_>| {
        // The upstream's part of the trace begins at the gateway's.
        passes(*line, server, era) && (trace.is_none() || line.known() != Known::Traceparent)
    };
    for line in head.lines.iter().filter(passes) {
        if tells_key(line.value()) {
            return Err(Refusal::hinted(
                Denial::MalformedRequest,
                "an API key stands in a header that is forwarded; send it in Authorization or X-API-Key alone",
            ));
        }
        out.pass(line);
    }
    if let Some(session) = admitted.session().upstream() {
        out.add(&SESSION_ID, session);
    }
    if let Some(trace) = trace
        && let Ok(told) = HeaderValue::from_bytes(&trace.write())
    {
        out.add(&TRACEPARENT, &told);
    }
    identify(&mut out, server, admitted.verified());
    Ok(out)
}

/// Whether a value holds a key, as it is or behind the markers of a mirrored header.
fn tells_key(value: &[u8]) -> bool {
    holds_key(value) || mirror::hidden(value).is_some_and(|hidden| holds_key(&hidden))
}

fn passes(line: Line<'_>, server: &Server, era: Era) -> bool {
    let listed = match line.known() {
        // The session's own id is told by the gateway; modern requests have none, and a stray
        // one must not reach a server that has.
        Known::SessionId => false,
        Known::LastEventId if era == Era::Modern => false,
        known if known.passes_upstream() => true,
        _ => server.forward_headers.iter().any(|listed| listed.as_str().as_bytes() == line.name()),
    };
    listed && !server.tells(line.name())
}

/// Tells the upstream who calls. A credential under the same name wins.
fn identify(out: &mut OutgoingHead, server: &Server, caller: &Verified) {
    let credential = server.endpoint.credential.as_ref();
    if let Some(name) = server.identity.key_id.as_ref().filter(|name| credential != Some(name))
        && let Ok(id) = HeaderValue::from_bytes(&caller.id.to_text())
    {
        out.add(name, &id);
    }
    if let Some(name) = server.identity.owner.as_ref().filter(|name| credential != Some(name))
        && let Some(owner) = &caller.owner
    {
        out.add(name, owner);
    }
}
