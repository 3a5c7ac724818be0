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
use crate::base::{KeyId, UnderWay};
use crate::policy::compiled::{Grants, Rule};
use crate::policy::{Applied, KeyLimits, Most, Policy, RuleId};
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
    let of_key = of_key(limiter, id, grants, &own).into_iter().flatten().map(Shown::HowOften);
    let at_once = at_once(limiter, id, grants, &own).into_iter().flatten().map(Shown::AtOnce);
    let of_rules = of_rules(snapshot, limiter, id, grants).map(Shown::HowOften);
    let limits: Vec<Shown<'_>> = of_key.chain(at_once).chain(of_rules).collect();
    Some(json!({ "key_id": id.to_string(), "plan": terms.plan, "limits": limits }))
}

fn of_key(limiter: &Limiter, id: KeyId, grants: &Grants, own: &KeyLimits) -> [Option<Row<'static>>; 2] {
    let row = |name, applied: Option<Applied>, own: Option<Applied>| {
        let applied = applied?;
        // Of one that replicas share nobody here may know how full it is.
        let full = || applied.shared.is_none().then(|| Level::full(applied.limit));
        let level = limiter.level(id, applied).or_else(full);
        Some(Row { own: Some(own.is_some()), ..Row::new(Name::OfKey(name), applied, level) })
    };
    [row("calls", grants.limits.calls, own.calls), row("other", grants.limits.other, own.other)]
}

fn at_once(limiter: &Limiter, id: KeyId, grants: &Grants, own: &KeyLimits) -> [Option<AtOnce>; 2] {
    UnderWay::ALL.map(|what| {
        let Most { most, enforced } = grants.limits.concurrent.of(what)?;
        Some(AtOnce {
            limit: what.setting(),
            most,
            under_way: limiter.under_way(id, what),
            warn_only: !enforced,
            own: own.concurrent.of(what).is_some(),
        })
    })
}

fn of_rules<'a>(
    snapshot: &'a Snapshot,
    limiter: &Limiter,
    id: KeyId,
    grants: &Grants,
) -> impl Iterator<Item = Row<'a>> {
    let rules = (0_u32..).map(RuleId).zip(snapshot.policy.rules());
    rules.flat_map(move |(number, rule)| {
        let row = |per, applied, level| {
            let cost = Some(rule.limits.cost);
            Row { cost, ..Row::new(name(&snapshot.policy, number, rule, per), applied, level) }
        };
        // Of each key by itself: what it has taken from, and is not full again.
        let pair = rule.limits.per_key.and_then(|applied| {
            let level = limiter.level(id, applied).filter(|level| !level.full_in.is_zero())?;
            Some(row("key", applied, Some(level)))
        });
        let tool = rule.limits.per_tool.filter(|_| grants.rule(number)).and_then(|applied| {
            let level = limiter.tool_level(snapshot.tool_buckets.get(number)?, &applied);
            Some(row("tool", applied, level))
        });
        [pair, tool].into_iter().flatten()
    })
}

/// One row of the page.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    HowOften(Row<'a>),
    AtOnce(AtOnce),
}

/// A limit of how much the key may have under way at once.
#[derive(Serialize)]
struct AtOnce {
    limit: &'static str,
    most: u32,
    /// What the key has now; more than `most` where what others wait for is let in beside it.
    under_way: u32,
    warn_only: bool,
    own: bool,
}

/// A limit of how often that applies to the key.
#[derive(Serialize)]
struct Row<'a> {
    limit: Name<'a>,
    rate: String,
    burst: u32,
    warn_only: bool,
    /// Whether all replicas count together: then this is what Redis said last, what of it is here, and
    /// what has come since.
    shared: bool,
    /// Whether it is the key's own or its plan's.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<bool>,
    /// What a call takes, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<u32>,
    /// Whole tokens that are left; null where replicas share them and nobody called here of late.
    tokens: Option<u32>,
    full_in_seconds: Option<f64>,
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
    fn new(limit: Name<'a>, applied: Applied, level: Option<Level>) -> Self {
        // Rounded up: who waits for so long finds it full.
        let full_in = |level: Level| {
            let millis = level.full_in.as_nanos().div_ceil(1_000_000);
            Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).as_secs_f64()
        };
        Self {
            limit,
            rate: applied.limit.rate(),
            burst: applied.limit.burst(),
            warn_only: !applied.enforced,
            shared: applied.shared.is_some(),
            own: None,
            cost: None,
            tokens: level.map(|level| level.tokens),
            full_in_seconds: level.map(full_in),
        }
    }
}
