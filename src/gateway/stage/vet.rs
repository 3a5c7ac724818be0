//! Vet: whether the request came to a host that is served here, from an origin that may.
//!
//! Against DNS rebinding and cross-site calls. An absent `Origin` is allowed: only browsers
//! send one. Both are checked before the key, so that a page cannot probe keys.

use http::request::Parts;

use super::Routed;
use crate::base::Denial;
use crate::gateway::refusal::Refusal;
use crate::policy::Server;
use crate::wire::fields::{Field, Fields};
use crate::wire::http::host_without_port;

/// A routed request whose host and origin are allowed.
pub(in crate::gateway) struct Vetted<'s>(Routed<'s>);

impl<'s> Vetted<'s> {
    pub(super) fn routed(&self) -> &Routed<'s> {
        &self.0
    }
}

/// Checks host and origin.
pub(in crate::gateway) fn vet<'s>(
    routed: Routed<'s>,
    head: &Parts,
    fields: &Fields<'_>,
) -> Result<Vetted<'s>, Refusal> {
    let host = host(head, fields.host).and_then(host_without_port).ok_or(Denial::HostDenied)?;
    if !routed.snapshot().policy.serves_host(host) {
        return Err(Denial::HostDenied.into());
    }
    if !origin_allowed(fields.origin, routed.server()) {
        return Err(Denial::OriginDenied.into());
    }
    Ok(Vetted(routed))
}

/// HTTP/2 names the host in its pseudo-header, HTTP/1.1 in `Host`; where both are there, or
/// `Host` twice, they must agree.
fn host<'h>(head: &'h Parts, line: Field<'h>) -> Option<&'h str> {
    let line = line.single().ok()?.map(|value| value.to_str());
    match (head.uri.authority(), line) {
        (Some(authority), None) => Some(authority.as_str()),
        (Some(authority), Some(Ok(line))) if authority.as_str().eq_ignore_ascii_case(line) => Some(line),
        (None, Some(Ok(line))) => Some(line),
        _ => None,
    }
}

fn origin_allowed(origin: Field<'_>, server: &Server) -> bool {
    let listed = |origin: &str| server.origins.iter().any(|known| known.eq_ignore_ascii_case(origin));
    match origin {
        Field::Absent => true,
        Field::Once(origin) => origin.to_str().is_ok_and(listed),
        Field::Repeated => false,
    }
}
