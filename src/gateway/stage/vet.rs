//! Vet: whether the request came to a host that is served here, from an origin that may.
//!
//! Against DNS rebinding and cross-site calls. An absent `Origin` is allowed: only browsers
//! send one. Both are checked before the key, so that a page cannot probe keys.

use http::{HeaderValue, Method};

use super::Routed;
use super::route::not_allowed;
use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::policy::Server;
use crate::wire::fields::{Field, Fields, text};
use crate::wire::head::RequestHead;
use crate::wire::http::host_without_port;
use crate::wire::known::Known;

/// A routed request whose host and origin are allowed.
pub(in crate::gateway) struct Vetted<'s> {
    routed: Routed<'s>,
    origin: Option<HeaderValue>,
}

impl<'s> Vetted<'s> {
    pub(super) fn routed(&self) -> &Routed<'s> {
        &self.routed
    }

    /// The page's origin, where a browser sent one: it is listed.
    pub(in crate::gateway) fn origin(&self) -> Option<&HeaderValue> {
        self.origin.as_ref()
    }

    /// The server, for what is answered without a key.
    pub(in crate::gateway) fn server(&self) -> &'s Server {
        self.routed.server()
    }
}

/// Checks host and origin.
pub(in crate::gateway) fn vet<'s>(
    routed: Routed<'s>,
    head: &RequestHead,
    fields: &Fields<'_>,
) -> Result<Vetted<'s>, Refusal> {
    let host = host(head, fields.host).and_then(host_without_port).ok_or(Denial::HostDenied)?;
    if !routed.snapshot().policy.serves_host(host) {
        return Err(Denial::HostDenied.into());
    }
    let origin = origin(fields.origin, routed.server())?;
    if head.method == Method::OPTIONS && !is_preflight(head, origin.as_ref()) {
        return Err(not_allowed("POST, GET, DELETE"));
    }
    Ok(Vetted { routed, origin })
}

/// HTTP/2 names the host in its pseudo-header, HTTP/1.1 in `Host`; where both are there, or
/// `Host` twice, they must agree.
fn host<'h>(head: &'h RequestHead, line: Field<'h>) -> Option<&'h str> {
    let line = line.single().ok()?.map(text);
    match (head.target.authority(), line) {
        (Some(authority), None) => Some(authority),
        (Some(authority), Some(Some(line))) if authority.eq_ignore_ascii_case(line) => Some(line),
        (None, Some(Some(line))) => Some(line),
        _ => None,
    }
}

fn origin(origin: Field<'_>, server: &Server) -> Result<Option<HeaderValue>, Denial> {
    let listed = |origin: &str| server.origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    match origin {
        Field::Absent => Ok(None),
        Field::Once(origin) if text(origin).is_some_and(listed) => {
            HeaderValue::from_bytes(origin).map(Some).map_err(|_| Denial::OriginDenied)
        }
        Field::Once(_) | Field::Repeated => Err(Denial::OriginDenied),
    }
}

/// A browser asks before it lets a page call (Fetch standard, CORS-preflight request).
fn is_preflight(head: &RequestHead, origin: Option<&HeaderValue>) -> bool {
    origin.is_some() && head.lines.get(Known::AskedMethod).is_some()
}
