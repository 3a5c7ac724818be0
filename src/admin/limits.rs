//! How much of its limits a key has left, at this gateway and at this moment.
//!
//! It looks and takes nothing. What is asked for is never repeated: somebody may have put a whole
//! key there.

use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminParams;
use crate::base::KeyId;
use crate::policy::compiled::Rule;
use crate::policy::{Applied, KeyLimits, Policy, RuleId};
use crate::state::limiter::Level;
use crate::state::{Limiter, Snapshot};

/// `GET /limits?key_id=mcp_live_…`.
pub(super) async fn limits(State(params): State<AdminParams>, RawQuery(query): RawQuery) -> Response {
    // An id has no character that a query would encode.
    let id = query.as_deref().and_then(|query| query.strip_prefix("key_id="));
    let Some(id) = id.and_then(|id| KeyId::parse(id.as_bytes())) else {
        let told =
            "accepted: /limits?key_id=mcp_live_0123456789abcdef, with what stands before the dot of the key";
        return refused(StatusCode::BAD_REQUEST, told);
    };
    let snapshot = params.snapshot.load();
    match page(&snapshot, &params.limiter, id) {
        Some(page) => Json(page).into_response(),
        None => refused(
            StatusCode::NOT_FOUND,
            "this gateway knows no such key, or cannot read its record; 'tollgate key show ID' tells what the registry has",
        ),
    }
}

fn refused(status: StatusCode, told: &str) -> Response {
    (status, Json(json!({ "error": told }))).into_response()
}

/// The page of a key; nothing for one that is not there.
fn page(snapshot: &Snapshot, limiter: &Limiter, id: KeyId) -> Option<Value> {
    let found = snapshot.keys.find(id);
    let set = found.known.then_some(found.record.scopes)?;
    let (terms, grants) = (snapshot.keys.terms(set)?, snapshot.keys.grants(set)?);
    let own = terms.limits.as_deref().copied().unwrap_or_default();
    let of_key = |name: &'static str, which: fn(&KeyLimits) -> Option<Applied>| {
        let applied = which(&grants.limits)?;
        let level = limiter.level(id, applied).unwrap_or_else(|| Level::full(applied.limit));
        let own = Some(which(&own).is_some());
        Some(Row { own, ..Row::new(Name::OfKey(name), applied, level) })
    };
    let of_key = [of_key("calls", |limits| limits.calls), of_key("other", |limits| limits.other)];
    let of_rules = (0_u32..).map(RuleId).zip(snapshot.policy.rules()).flat_map(|(number, rule)| {
        // Of each key by itself: what it has taken from, and is not full again.
        let pair = rule.limits.per_key.and_then(|applied| Some((applied, limiter.level(id, applied)?)));
        let tool = rule.limits.per_tool.filter(|_| grants.rule(number)).and_then(|applied| {
            Some((applied, limiter.tool_level(snapshot.tool_buckets.get(number)?, &applied)))
        });
        let row = |per, (applied, level)| {
            let cost = Some(rule.limits.cost);
            Row { cost, ..Row::new(name(&snapshot.policy, number, rule, per), applied, level) }
        };
        [pair.map(|held| row("key", held)), tool.map(|held| row("tool", held))]
    });
    let limits: Vec<Row<'_>> = of_key.into_iter().chain(of_rules).flatten().collect();
    Some(json!({ "key_id": id.to_string(), "plan": terms.plan, "limits": limits }))
}

/// A limit that applies to the key.
#[derive(Serialize)]
struct Row<'a> {
    limit: Name<'a>,
    rate: String,
    burst: u32,
    warn_only: bool,
    /// Whether all replicas count together: then this is what Redis said last, and what of it is here.
    shared: bool,
    /// Whether it is the key's own or its plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<bool>,
    /// What a call takes, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u32>,
    tokens: u32,
    full_in_seconds: f64,
}

/// What it is called: as in a record or a plan, or by where it stands in the configuration.
#[derive(Serialize)]
#[serde(untagged)]
enum Name<'a> {
    OfKey(&'static str),
    OfRule { server: &'a str, kind: &'static str, rule: &'a str, per: &'static str },
}

fn name<'a>(policy: &'a Policy, number: RuleId, rule: &'a Rule, per: &'static str) -> Name<'a> {
    let server = policy.servers().iter().find(|server| server.owns(number));
    let server = server.map_or("", |server| &*server.name);
    Name::OfRule { server, kind: rule.kind.word(), rule: &rule.text, per }
}

impl<'a> Row<'a> {
    fn new(limit: Name<'a>, applied: Applied, level: Level) -> Self {
        // Rounded up: who waits for so long finds it full.
        let full_in = level.full_in.as_nanos().div_ceil(1_000_000);
        let full_in = Duration::from_millis(u64::try_from(full_in).unwrap_or(u64::MAX));
        Self {
            limit,
            rate: applied.limit.rate(),
            burst: applied.limit.burst(),
            warn_only: !applied.enforced,
            shared: applied.shared.is_some(),
            own: None,
            cost: None,
            tokens: level.tokens,
            full_in_seconds: full_in.as_secs_f64(),
        }
    }
}
