//! Limit: whether this key may do this now, by what it has under way and by the buckets that apply.
//!
//! A request takes a place of its key's and of its server's for as long as it is under way, and a call a
//! token from the buckets of its key, of its tool, and of the two together; all of it or nothing. What
//! is no call is counted apart, so that a client that looks around is not kept from calling. Answers
//! to the server's own requests, and streams, take places only.

use std::time::Duration;

use super::{Caller, Grant, Intent};
use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal, Retry};
use crate::policy::{KeyLimits, RuleLimits};
use crate::state::Limiter;
use crate::state::limiter::{Asked, Crowded, Entering, Exceeded, Left, Places, Which};
use crate::wire::jsonrpc::Message;

/// When a request that found no place may try again: nobody knows when one will be free.
const AGAIN: Duration = Duration::from_secs(1);

/// The proof that a request is within its limits.
#[derive(Default)]
pub(in crate::gateway) struct Within {
    /// Boxed, as few servers tell it.
    left: Option<Box<Left>>,
    warned: bool,
}

impl Within {
    /// What is left of the limits, where the server tells it.
    /// Whether the call was beyond a limit that only warns.
    pub(in crate::gateway) fn is_beyond(&self) -> bool {
        self.warned
    }

    /// What is left, for the answer.
    pub(super) fn into_left(self) -> Option<Box<Left>> {
        self.left
    }
}

/// Takes what a request needs. `enter` gets its places, which it has for as long as they are kept.
pub(in crate::gateway) fn limit(
    limiter: &Limiter,
    caller: &Caller<'_>,
    intent: &Intent,
    grant: &Grant,
    enter: impl FnOnce(Places),
) -> Result<Within, Refusal> {
    let grants = caller.routed().snapshot().keys.grants(caller.verified().scopes);
    let of_keys = grants.map_or(&KeyLimits::NONE, |grants| &grants.limits);
    // First, so that a request without a place loses no token; without tokens it gives its place back.
    let places = places(limiter, caller, intent, of_keys)?;
    let within = tokens(limiter, caller, intent, grant, of_keys)?;
    let warned = within.warned || places.are_beyond();
    enter(places);
    Ok(Within { warned, ..within })
}

fn places(
    limiter: &Limiter,
    caller: &Caller<'_>,
    intent: &Intent,
    of_keys: &KeyLimits,
) -> Result<Places, Refusal> {
    let (server, what) = (caller.server(), intent.under_way());
    let counts = &caller.routed().snapshot().server_counts;
    let entering = Entering {
        what,
        awaited: intent.is_awaited(),
        key: caller.id(),
        of_key: of_keys.concurrent.of(what),
        of_server: server.concurrent.of(what).and_then(|most| Some((most, counts.get(server.id)?))),
    };
    limiter.enter(&entering).map_err(|crowded| no_place(crowded, &entering, intent.discovers()))
}

fn tokens(
    limiter: &Limiter,
    caller: &Caller<'_>,
    intent: &Intent,
    grant: &Grant,
    of_keys: &KeyLimits,
) -> Result<Within, Refusal> {
    let Intent::Message(message) = intent else { return Ok(Within::default()) };
    if message.envelope().message == Message::Response {
        return Ok(Within::default());
    }
    let snapshot = caller.routed().snapshot();
    let rule = grant.applied().and_then(|id| Some((id, &snapshot.policy.rule(id)?.limits)));
    let (of_key, limits) = match rule {
        Some((_, limits)) => (&of_keys.calls, limits),
        None => (&of_keys.other, &RuleLimits::NONE),
    };
    let of_tool = limits.per_tool.as_ref().zip(rule.and_then(|(id, _)| snapshot.tool_buckets.get(id)));
    let asked = Asked {
        key: caller.id(),
        of_key: of_key.as_ref(),
        of_pair: limits.per_key.as_ref(),
        of_tool,
        cost: limits.cost,
        when_gone: snapshot.policy.shared().when_gone,
    };
    let warned = limiter.take(&asked).map_err(|exceeded| exceeds(exceeded, intent.discovers()))?;
    let left = if caller.server().limit_headers { limiter.left(&asked).map(Box::new) } else { None };
    Ok(Within { left, warned })
}

fn exceeds(exceeded: Exceeded, discovers: bool) -> Refusal {
    let retry = Retry { wait: exceeded.wait, which: exceeded.which.word(), limit: exceeded.limit };
    let unknown = exceeded.which == Which::Unknown;
    refusal(
        if unknown { Denial::LimitsUnavailable } else { Denial::RateLimited },
        retry,
        discovers && !unknown,
    )
}

fn no_place(crowded: Crowded, entering: &Entering<'_>, discovers: bool) -> Refusal {
    let retry = Retry { wait: AGAIN, which: crowded.word(entering.what), limit: None };
    refusal(Denial::ConcurrencyLimited, retry, discovers)
}

/// Clients take any 4xx of a discover for a server of the legacy era, so its limits are told as 503.
fn refusal(denial: Denial, retry: Retry, discovers: bool) -> Refusal {
    let denial = if discovers { Denial::Overloaded } else { denial };
    Refusal::detailed(denial, Detail { retry: Some(retry), ..Detail::default() })
}
