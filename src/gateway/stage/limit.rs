//! Limit: whether this key may do this now, by the buckets that apply.
//!
//! A call takes from the buckets of its key, of its tool, and of the two together, or from none. What is
//! no call is counted apart, so that a client that looks around is not kept from calling. Answers
//! to the server's own requests, and streams, are not counted: they are bounded elsewhere.

use super::{Caller, Grant, Intent};
use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal, Retry};
use crate::policy::RuleLimits;
use crate::state::Limiter;
use crate::state::limiter::{Asked, Exceeded, Which};
use crate::wire::jsonrpc::Message;
use crate::wire::mcp::Method;

/// The proof that a request is within its limits.
pub(in crate::gateway) struct Within(());

/// Takes what a request costs.
pub(in crate::gateway) fn limit(
    limiter: &Limiter,
    caller: &Caller<'_>,
    intent: &Intent,
    grant: &Grant,
) -> Result<Within, Refusal> {
    let Intent::Message(message) = intent else { return Ok(Within(())) };
    let envelope = message.envelope();
    if envelope.message == Message::Response {
        return Ok(Within(()));
    }
    let snapshot = caller.routed().snapshot();
    let grants = snapshot.keys.grants(caller.verified().scopes);
    let of_keys = grants.map(|grants| grants.limits).unwrap_or_default();
    let rule = grant.applied().and_then(|id| Some((id, snapshot.policy.rule(id)?.limits)));
    let (of_key, limits) = match rule {
        Some((_, limits)) => (of_keys.calls, limits),
        None => (of_keys.other, RuleLimits::NONE),
    };
    let of_tool = limits.per_tool.zip(rule.and_then(|(id, _)| snapshot.tool_buckets.get(id)));
    let asked = Asked {
        key: caller.id(),
        of_key,
        of_pair: limits.per_key,
        of_tool,
        cost: limits.cost,
        when_gone: snapshot.policy.shared().when_gone,
    };
    let taken = limiter.take(&asked).map(|()| Within(()));
    taken.map_err(|exceeded| refusal(exceeded, envelope.method == Method::Discover))
}

/// Clients take any 4xx of a discover for a server of the legacy era, so its limit is told as 503.
fn refusal(exceeded: Exceeded, discovers: bool) -> Refusal {
    let denial = match exceeded.which {
        Which::Unknown => Denial::LimitsUnavailable,
        _ if discovers => Denial::Overloaded,
        _ => Denial::RateLimited,
    };
    let retry = Some(Retry { wait: exceeded.wait, which: exceeded.which.word(), limit: exceeded.limit });
    Refusal::detailed(denial, Detail { retry, ..Detail::default() })
}
