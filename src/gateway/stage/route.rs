//! Route: which server a path belongs to, and whether the endpoint has the method.
//!
//! The query is never read: a key in it is no key, and it is not forwarded.

use http::Method;
use http::request::Parts;

use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal};
use crate::policy::Server;
use crate::state::Snapshot;

/// A request at a configured server's path, with a method that the endpoint has.
pub(in crate::gateway) struct Routed<'s> {
    snapshot: &'s Snapshot,
    server: &'s Server,
}

impl<'s> Routed<'s> {
    pub(in crate::gateway) fn server(&self) -> &'s Server {
        self.server
    }

    pub(in crate::gateway) fn snapshot(&self) -> &'s Snapshot {
        self.snapshot
    }
}

/// Finds the server of a request's path.
pub(in crate::gateway) fn route<'s>(snapshot: &'s Snapshot, head: &Parts) -> Result<Routed<'s>, Refusal> {
    let server = snapshot.policy.server_at(head.uri.path()).ok_or(Denial::RouteUnknown)?;
    if !matches!(head.method, Method::POST | Method::GET | Method::DELETE) {
        let detail = Detail { allow: Some("POST, GET, DELETE"), ..Detail::default() };
        return Err(Refusal::detailed(Denial::MethodNotAllowed, detail));
    }
    Ok(Routed { snapshot, server })
}
