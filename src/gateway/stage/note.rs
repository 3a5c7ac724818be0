//! Note: what is about to be forwarded, where its record has to stand first, and what is written of its
//! inputs.
//!
//! It decides nothing; it only waits, and only where `audit.sync` asks for it.

use std::time::Duration;

use bytes::Bytes;

use super::{Caller, Grant, Within};
use crate::base::Denial;
use crate::base::deadline;
use crate::gateway::context::Context;
use crate::gateway::refusal::Refusal;
use crate::telemetry::event::{Inputs, Written};

/// How long a request waits for its record: a disk that takes longer is one that fails.
const LONGEST: Duration = Duration::from_secs(5);

/// Notes it. A request whose record does not stand is not forwarded.
pub(in crate::gateway) async fn note(
    context: &mut Context<'_>,
    caller: &Caller<'_>,
    grant: &Grant,
    within: &Within,
    body: &Bytes,
) -> Result<(), Refusal> {
    if within.is_beyond() {
        context.warned();
    }
    let rule = grant.rule().and_then(|rule| caller.routed().snapshot().policy.rule(rule));
    if let Some(inputs) = rule.and_then(|rule| rule.inputs.as_ref()) {
        context.with_inputs(Inputs { body: body.clone(), rule: std::sync::Arc::clone(inputs) });
    }
    let Some(written) = context.decide() else { return Ok(()) };
    match deadline::within(|| LONGEST, written).await {
        Some(Ok(Written)) => Ok(()),
        // Who writes records dropped this one, or has not written it by now.
        Some(Err(_)) | None => Err(Denial::AuditUnavailable.into()),
    }
}
