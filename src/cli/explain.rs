//! `tollgate explain`: the decision about one key and one thing, by the same function that
//! decides requests.

use serde_json::json;

use super::args::ExplainArguments;
use super::{CommandFault, Common, Session, config_file, output};
use crate::base::{Denial, UnixSeconds};
use crate::config::load;
use crate::control::{compile, open};
use crate::policy::{Policy, ScopeSet, Server, Wanted, authorise};
use crate::registry::{Fault, KeyRecord, State};

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
    let decision = decide(what, &record, &scopes, &policy, server, session.clock.now());
    if common.json {
        return Ok(output::json_line(session.out, &decision)?);
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
) -> serde_json::Value {
    let (wanted, thing) = match (&what.tool, &what.prompt, &what.resource) {
        (Some(name), ..) => (Wanted::Tool(name), format!("tool {name}")),
        (_, Some(name), _) => (Wanted::Prompt(name), format!("prompt {name}")),
        (_, _, Some(uri)) => (Wanted::Resource(uri), format!("resource {uri}")),
        _ => (Wanted::Server, "the server's lists".to_owned()),
    };
    let decision = authorise(server, &policy.grants(scopes, record.plan.as_deref()), wanted);
    let rule = decision.rule.and_then(|rule| policy.rule(rule));
    let needed: Vec<&str> =
        rule.iter().flat_map(|rule| &rule.scopes).map(super::super::policy::scope::Scope::as_str).collect();
    let missing: Vec<&str> = rule
        .iter()
        .flat_map(|rule| &rule.scopes)
        .filter(|scope| !scopes.grants(scope))
        .map(super::super::policy::scope::Scope::as_str)
        .collect();
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
    })
}

fn key_in_force(record: &KeyRecord, now: UnixSeconds) -> Result<(), Denial> {
    match record.status {
        State::Revoked => Err(Denial::RevokedKey),
        State::Active if record.expires_at.is_some_and(|end| end.0 <= now) => Err(Denial::ExpiredKey),
        State::Active => Ok(()),
    }
}
