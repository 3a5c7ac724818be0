//! Forward: a request of our own making to the server's endpoint.
//!
//! Headers are rebuilt from an allow-list, so that no credential of the client can slip
//! through under a name that nobody thought of; the gateway's own credential and the caller's
//! identity are added last and win. The body is the client's bytes.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body_util::Full;

use super::Admitted;
use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::policy::{Server, Verified};
use crate::upstream::{Exchange, SendFault};
use crate::wire::http::{LAST_EVENT_ID, SESSION_ID, passes_upstream};
use crate::wire::mcp::Era;

/// Sends the request and waits for the head of the answer.
pub(in crate::gateway) async fn forward<X: Exchange>(
    upstream: &X,
    admitted: &Admitted<'_>,
    head: Parts,
    body: &Bytes,
) -> Result<Response<X::Body>, Refusal> {
    let endpoint = &admitted.routed().server().endpoint;
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = head.method;
    *request.uri_mut() = Uri::from(endpoint.path.clone());
    *request.headers_mut() = headers(head.headers, admitted);
    match upstream.send(&endpoint.authority, request).await {
        Ok(response) => Ok(response),
        Err(SendFault::Unreachable) => Err(Denial::UpstreamUnreachable.into()),
        Err(SendFault::TimedOut) => Err(Denial::UpstreamTimeout.into()),
    }
}

fn headers(sent: HeaderMap, admitted: &Admitted<'_>) -> HeaderMap {
    let server = admitted.routed().server();
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(HOST, server.endpoint.host.clone());
    // Answers that are looked into must not come encoded.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut passing = None;
    for (name, value) in sent {
        // The map names a header once and leaves the name out for its further values.
        if let Some(name) = name {
            passing = passes(&name, server, admitted.era()).then_some(name);
        }
        if let Some(name) = &passing {
            headers.append(name, value);
        }
    }
    identify(&mut headers, server, admitted.verified());
    if let Some((name, value)) = &server.endpoint.credential {
        headers.insert(name, value.clone());
    }
    headers
}

fn passes(name: &HeaderName, server: &Server, era: Era) -> bool {
    // Modern requests have no session; a stray id must not reach a server that has.
    let of_session = era == Era::Modern && (*name == SESSION_ID || *name == LAST_EVENT_ID);
    (passes_upstream(name) && !of_session) || server.forward_headers.contains(name)
}

/// Tells the upstream who calls. `insert` removes whatever the client sent under the name.
fn identify(headers: &mut HeaderMap, server: &Server, caller: &Verified) {
    if let Some(name) = &server.identity.key_id
        && let Ok(id) = HeaderValue::from_bytes(&caller.id.to_text())
    {
        headers.insert(name, id);
    }
    if let Some(name) = &server.identity.owner {
        match &caller.owner {
            Some(owner) => headers.insert(name, owner.clone()),
            None => headers.remove(name),
        };
    }
}
