//! `tollgate explain`: the decision about one key and one thing, by the same function that
//! decides requests, and the limits that such a call takes from and has its places of.

use serde_json::{Value, json};

use super::args::ExplainArguments;
use super::{CommandFault, Common, Session, config_file, output};
use crate::base::{Denial, UnderWay, UnixSeconds};
use crate::config::load;
use crate::control::{compile, open};
use crate::policy::{Applied, KeyLimits, Most, Policy, RuleLimits, ScopeSet, Server, Wanted, authorise};
use crate::registry::{Fault, KeyRecord, State};
use crate::state::limiter::{Crowded, Which};

/// Explains a decision; the exit code says whether it was made, not what it is.
pub(super) fn explain(
    what: &ExplainArguments,
    common: &Common,
    session: &mut Session<'_>,
) -> Result<(), CommandFault> {
    let settings = load(&config_file(common.config.as_deref()), &session.environment)?;
    let mut registry = open(&settings.keys.registry)?;
    let stored = registry.registry().get(what.key)?.ok_or(Fault::NoSuchKey(what.key))?;
    let record = stored.record.map_err(|reason| {
        CommandFault::said(format!(
            "the record of {} cannot be read, so the key is denied: {reason}",
            what.key
        ))
    })?;
    let scopes = record.scope_set().map_err(|fault| CommandFault::said(fault.to_string()))?;
    let policy = compile(&settings);
    let server = policy
        .servers()
        .iter()
        .find(|server| *server.name == what.server)
        .ok_or_else(|| no_such_server(what, &policy))?;
    let mut decision = decide(what, &record, &scopes, &policy, server, session.clock.now());
    if common.json {
        return Ok(output::json_line(session.out, &decision)?);
    }
    if let Some(Value::Array(limits)) = decision.get_mut("limits") {
        for limit in limits {
            *limit = in_words(limit);
        }
    }
    Ok(output::members(session.out, &decision)?)
}

fn no_such_server(what: &ExplainArguments, policy: &Policy) -> CommandFault {
    let known: Vec<&str> = policy.servers().iter().map(|server| &*server.name).collect();
    CommandFault::said(format!("there is no server {:?}; accepted: {}", what.server, known.join(", ")))
}

fn decide(
    what: &ExplainArguments,
    record: &KeyRecord,
    scopes: &ScopeSet,
    policy: &Policy,
    server: &Server,
    now: UnixSeconds,
) -> Value {
    let (wanted, thing) = match (&what.tool, &what.prompt, &what.resource) {
        (Some(name), ..) => (Wanted::Tool(name), format!("tool {name}")),
        (_, Some(name), _) => (Wanted::Prompt(name), format!("prompt {name}")),
        (_, _, Some(uri)) => (Wanted::Resource(uri), format!("resource {uri}")),
        _ => (Wanted::Server, "the server's lists".to_owned()),
    };
    // A limit that cannot be kept would have made the record unreadable.
    let own = record.own_limits().ok().flatten();
    let grants = policy.grants(scopes, record.plan.as_deref(), own.as_deref());
    let decision = authorise(server, &grants, wanted);
    let rule = decision.rule.and_then(|rule| policy.rule(rule));
    let needed: Vec<&str> =
        rule.iter().flat_map(|rule| &rule.scopes).map(super::super::policy::scope::Scope::as_str).collect();
    let missing: Vec<&str> = rule
        .iter()
        .flat_map(|rule| &rule.scopes)
        .filter(|scope| !scopes.grants(scope))
        .map(super::super::policy::scope::Scope::as_str)
        .collect();
    let own = own.as_deref().copied().unwrap_or_default();
    let outcome = key_in_force(record, now).and(decision.outcome);
    let sentence = match outcome {
        Ok(()) => "the rule is satisfied by the key's scopes",
        Err(denial) => denial.row().sentence,
    };
    json!({
        "key_id": record.key_id.to_string(),
        "server": &*server.name,
        "thing": thing,
        "allowed": outcome.is_ok(),
        "reason": outcome.err().map(|denial| denial.row().reason),
        "because": sentence,
        "rule": rule.map(|rule| format!("servers.{}.{:?}", rule.kind.word(), rule.text)),
        "needs": needed,
        "missing_scopes": missing,
        "key_scopes": record.scopes,
        "cost": rule.map(|rule| rule.limits.cost),
        "limits": rule.map(|rule| limits(&own, &grants.limits, &rule.limits, server, wanted)),
    })
}

/// The limits that a call takes from and has places of, by the words that a refusal would name them with.
/// `all` is what is in force for the key, its own and its plan's.
fn limits(
    own: &KeyLimits,
    all: &KeyLimits,
    of_rule: &RuleLimits,
    server: &Server,
    wanted: Wanted<'_>,
) -> Vec<Value> {
    let buckets =
        [(Which::Key, all.calls), (Which::KeyAndTool, of_rule.per_key), (Which::Tool, of_rule.per_tool)];
    let buckets = buckets.into_iter().filter_map(|(which, applied)| {
        let Applied { limit, enforced, .. } = applied?;
        Some(json!({
            "limit": which.word(),
            "rate": limit.rate(),
            "burst": limit.burst(),
            "warn_only": !enforced,
            "own": which == Which::Key && own.calls.is_some(),
        }))
    });
    // Resources are read by calls and watched on streams.
    let is_watched = matches!(wanted, Wanted::Resource(_));
    let kinds = UnderWay::ALL.into_iter().filter(|what| *what == UnderWay::Call || is_watched);
    let places = kinds.flat_map(|what| {
        let of_key = (Crowded::Key, all.concurrent.of(what), own.concurrent.of(what).is_some());
        [of_key, (Crowded::Server, server.concurrent.of(what), false)].into_iter().filter_map(
            move |(whose, most, own)| {
                let Most { most, enforced } = most?;
                Some(json!({ "limit": whose.word(what), "most": most, "warn_only": !enforced, "own": own }))
            },
        )
    });
    buckets.chain(places).collect()
}

/// A limit for people.
fn in_words(limit: &Value) -> Value {
    let text = |member: &str| limit.get(member).map(output::plain).unwrap_or_default();
    let is = |member: &str| limit.get(member).is_some_and(|value| *value == true);
    let note = match (is("own"), is("warn_only")) {
        (true, true) => " (the key's own, only warns)",
        (true, false) => " (the key's own)",
        (false, true) => " (only warns)",
        (false, false) => "",
    };
    let how_much = match limit.get("most") {
        Some(most) => format!("{most} at once"),
        None => format!("{} with a burst of {}", text("rate"), text("burst")),
    };
    json!(format!("{} {how_much}{note}", text("limit")))
}

fn key_in_force(record: &KeyRecord, now: UnixSeconds) -> Result<(), Denial> {
    match record.status {
        State::Revoked => Err(Denial::RevokedKey),
        State::Active if record.expires_at.is_some_and(|end| end.0 <= now) => Err(Denial::ExpiredKey),
        State::Active => Ok(()),
    }
}
