//! Route: which server a path belongs to, and whether the endpoint has the method.
//!
//! The query is never read: a key in it is no key, and it is not forwarded.

use http::Method;

use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal};
use crate::policy::Server;
use crate::state::Snapshot;
use crate::wire::head::RequestHead;

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
pub(in crate::gateway) fn route<'s>(
    snapshot: &'s Snapshot,
    head: &RequestHead,
) -> Result<Routed<'s>, Refusal> {
    let path = head.target.path();
    let Some(server) = snapshot.policy.server_at(path) else {
        return Err(if is_old_endpoint(snapshot, path) {
            old_transport()
        } else {
            Denial::RouteUnknown.into()
        });
    };
    if !matches!(head.method, Method::POST | Method::GET | Method::DELETE | Method::OPTIONS) {
        return Err(not_allowed("POST, GET, DELETE"));
    }
    Ok(Routed { snapshot, server })
}

/// Whether a path is one of the pair that servers of 2024-11-05 had beside a server that is
/// here: its clients are told what to do instead of that nothing is there.
fn is_old_endpoint(snapshot: &Snapshot, path: &str) -> bool {
    ["/sse", "/messages"].iter().any(|end| {
        path.strip_suffix(end)
            .map(|start| start.strip_suffix("/mcp").unwrap_or(start))
            .is_some_and(|start| snapshot.policy.server_at(&format!("{start}/mcp")).is_some())
    })
}

/// The refusal for clients of 2024-11-05.
pub(super) fn old_transport() -> Refusal {
    Refusal::detailed(
        Denial::MethodNotAllowed,
        Detail {
            hint: Some("the HTTP+SSE transport of 2024-11-05 is not served; POST to /<name>/mcp"),
            allow: Some("POST"),
            ..Detail::default()
        },
    )
}

/// The refusal of a method, with those that there are.
pub(super) fn not_allowed(allow: &'static str) -> Refusal {
    Refusal::detailed(Denial::MethodNotAllowed, Detail { allow: Some(allow), ..Detail::default() })
}
