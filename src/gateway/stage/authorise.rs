//! Authorise: whether this key may do this, by the policy's one function.
//!
//! A message that names several things needs permission for each of them.

use super::{Caller, Intent};
use crate::base::Denial;
use crate::gateway::refusal::{Detail, Refusal};
use crate::policy::{RuleId, Wanted, authorise as decide};
use crate::wire::jsonrpc::Subject;

/// A permission, for the intent that it was asked for.
pub(in crate::gateway) struct Grant {
    tool: Option<RuleId>,
    applied: Option<RuleId>,
}

impl Grant {
    /// The tool's rule, for what it says beside the permission.
    pub(super) fn rule(&self) -> Option<RuleId> {
        self.tool
    }

    /// The rule over a tool, a prompt or a resource that applied; of several resources the last.
    pub(super) fn applied(&self) -> Option<RuleId> {
        self.applied
    }
}

/// Decides. `ruled` is told the rule that applied, whatever it decided.
pub(in crate::gateway) fn authorise(
    caller: &Caller<'_>,
    intent: &Intent,
    body: &[u8],
    mut ruled: impl FnMut(RuleId),
) -> Result<Grant, Refusal> {
    let (mut tool, mut applied) = (None, None);
    let mut ask = |wanted| {
        let decision = ask(caller, wanted);
        applied = decision.rule.or(applied);
        if let Some(rule) = decision.rule {
            ruled(rule);
            tool = tool.or(matches!(wanted, Wanted::Tool(_)).then_some(rule));
        }
        decision.outcome.map_err(|denial| refusal(caller, denial, decision.rule))
    };
    let subject = match intent {
        Intent::Message(message) => &message.envelope().subject,
        Intent::Stream(_) => &Subject::Server,
    };
    match subject {
        Subject::Server => ask(Wanted::Server)?,
        Subject::Tool(name) => ask(Wanted::Tool(name.in_body(body)))?,
        Subject::Prompt(name) => ask(Wanted::Prompt(name.in_body(body)))?,
        Subject::Resource(uri) => ask(Wanted::Resource(uri.in_body(body)))?,
        Subject::Task | Subject::Subscription { tasks: true, .. } => ask(Wanted::Task)?,
        Subject::Subscription { resources, .. } => {
            ask(Wanted::Server)?;
            resources.iter().try_for_each(|uri| ask(Wanted::Resource(uri.in_body(body))))?;
        }
    }
    Ok(Grant { tool, applied })
}

fn ask(caller: &Caller<'_>, wanted: Wanted<'_>) -> crate::policy::Decision {
    let routed = caller.routed();
    match routed.snapshot().keys.grants(caller.verified().scopes) {
        Some(grants) => decide(routed.server(), grants, wanted),
        None => crate::policy::Decision { rule: None, outcome: Err(Denial::ScopeMissing) },
    }
}

/// Names the scopes that are missing, and how the server wants denials told.
fn refusal(caller: &Caller<'_>, denial: Denial, rule: Option<RuleId>) -> Refusal {
    let snapshot = caller.routed().snapshot();
    let needed =
        rule.and_then(|rule| snapshot.policy.rule(rule)).map(|rule| &*rule.scopes).unwrap_or_default();
    let held = snapshot.keys.scopes(caller.verified().scopes);
    let lacks = |scope: &&crate::policy::Scope| !held.is_some_and(|held| held.grants(scope));
    let missing_scopes = needed.iter().filter(lacks).map(ToString::to_string).collect();
    let as_ok = caller.routed().server().deny_with_ok;
    Refusal::detailed(denial, Detail { missing_scopes, as_ok, ..Detail::default() })
}
