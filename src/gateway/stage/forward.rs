//! Forward: a request of our own making to the server's endpoint.
//!
//! Headers go by an allow-list, so that no credential of the client can slip
//! through under a name that nobody thought of; the gateway's own credential and the caller's
//! identity are added last and win. The body is the client's bytes.

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};

use super::Admitted;
use crate::base::Denial;
use crate::base::key::holds_key;
use crate::gateway::refusal::Refusal;
use crate::policy::{Server, Verified};
use crate::upstream::{Exchange, SendFault};
use crate::wire::http::{LAST_EVENT_ID, SESSION_ID, X_API_KEY, keep_only, passes_upstream};
use crate::wire::mcp::{Era, mirror};

/// Sends the request and waits for the head of the answer.
pub(in crate::gateway) async fn forward<X: Exchange>(
    upstream: &X,
    admitted: &Admitted<'_>,
    head: &mut Parts,
    body: &Bytes,
) -> Result<Response<X::Body>, Refusal> {
    let endpoint = &admitted.routed().server().endpoint;
    let mut request = Request::new(body.clone());
    *request.method_mut() = std::mem::take(&mut head.method);
    *request.uri_mut() = Uri::from(endpoint.path.clone());
    *request.headers_mut() = headers(std::mem::take(&mut head.headers), admitted)?;
    match upstream.send(&endpoint.authority, request, admitted.first_byte()).await {
        Ok(response) => Ok(response),
        Err(SendFault::Unreachable) => Err(Denial::UpstreamUnreachable.into()),
        Err(SendFault::Broken) => Err(Refusal::broken_off()),
        Err(SendFault::TimedOut) => Err(Denial::UpstreamTimeout.into()),
    }
}

/// What is in nearly every request and never passes, taken out by name; the allow-list decides
/// over all that is left.
const OFTEN_SENT: [HeaderName; 4] = [AUTHORIZATION, X_API_KEY, CONTENT_LENGTH, CONNECTION];

fn headers(mut headers: HeaderMap, admitted: &Admitted<'_>) -> Result<HeaderMap, Refusal> {
    let server = admitted.routed().server();
    for name in &OFTEN_SENT {
        headers.remove(name);
    }
    headers.insert(HOST, server.endpoint.host.clone());
    // Answers that are looked into must not come encoded.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let era = admitted.era();
    keep_only(&mut headers, |name| *name == HOST || *name == ACCEPT_ENCODING || passes(name, server, era));
    if headers.values().any(|value| tells_key(value.as_bytes())) {
        return Err(Refusal::hinted(
            Denial::MalformedRequest,
            "an API key stands in a header that is forwarded; send it in Authorization or X-API-Key alone",
        ));
    }
    if let Some(session) = admitted.session().upstream() {
        headers.insert(SESSION_ID, session.clone());
    }
    identify(&mut headers, server, admitted.verified());
    if let Some((name, value)) = &server.endpoint.credential {
        headers.insert(name, value.clone());
    }
    Ok(headers)
}

/// Whether a value holds a key, as it is or behind the markers of a mirrored header.
fn tells_key(value: &[u8]) -> bool {
    holds_key(value) || mirror::hidden(value).is_some_and(|hidden| holds_key(&hidden))
}

fn passes(name: &HeaderName, server: &Server, era: Era) -> bool {
    // The session's own id is told by the gateway; modern requests have none, and a stray one
    // must not reach a server that has.
    let of_session = *name == SESSION_ID || (era == Era::Modern && *name == LAST_EVENT_ID);
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
