//! Keys for the eye: all of them in columns, or one in full but for its hash.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::{Desk, overlap};
use crate::base::{KeyId, UnixSeconds};
use crate::cli::{CommandFault, output};
use crate::registry::{Fault, KeyRecord, State, Stored, Timestamp, Used};

pub(super) fn list(desk: &mut Desk<'_, '_>) -> Result<(), CommandFault> {
    let used: HashMap<KeyId, Used> =
        desk.registry().used(None)?.into_iter().map(|used| (used.id, used)).collect();
    let mut all: Vec<Stored> = Vec::new();
    desk.registry().load(&mut |stored| all.push(stored))?;
    if desk.json {
        let list = all.iter().map(|stored| match &stored.record {
            Ok(record) => output::shown(record, used.get(&stored.id)),
            Err(reason) => json!({ "key_id": stored.id.to_string(), "unreadable": reason }),
        });
        return Ok(output::json_line(desk.session.out, &Value::Array(list.collect()))?);
    }
    let now = desk.now();
    let rows: Vec<Vec<String>> = all.iter().map(|stored| row(stored, used.get(&stored.id), now)).collect();
    let head = ["KEY ID", "STATUS", "NAME", "OWNER", "PLAN", "SCOPES", "EXPIRES", "LAST USED"];
    Ok(output::table(desk.session.out, &head, &rows)?)
}

fn row(stored: &Stored, used: Option<&Used>, now: UnixSeconds) -> Vec<String> {
    let id = stored.id.to_string();
    let Ok(record) = &stored.record else { return vec![id, "unreadable".into()] };
    let text = |text: &str| output::plain(&json!(text));
    let last = used.and_then(|used| used.at).map_or("never".into(), |at| Timestamp(at).to_string());
    vec![
        id,
        status(record, now).into(),
        text(&record.name),
        text(record.owner.as_deref().unwrap_or("-")),
        text(record.plan.as_deref().unwrap_or("-")),
        text(&record.scopes.join(" ")),
        record.expires_at.map_or("never".into(), |time| time.to_string()),
        last,
    ]
}

/// What the status means at this moment.
pub(super) fn status(record: &KeyRecord, now: UnixSeconds) -> &'static str {
    match record.status {
        State::Revoked => "revoked",
        State::Active if record.expires_at.is_some_and(|end| end.0 <= now) => "expired",
        State::Active if record.previous_until.is_some_and(|until| until.0 > now) => "rotating",
        State::Active => "active",
    }
}

pub(super) fn show(desk: &mut Desk<'_, '_>, id: KeyId) -> Result<(), CommandFault> {
    let stored = desk.registry().get(id)?.ok_or(Fault::NoSuchKey(id))?;
    let record = stored
        .record
        .map_err(|reason| CommandFault::said(format!("the record of {id} cannot be read: {reason}")))?;
    let used = desk.registry().used(Some(id))?;
    let mut shown = output::shown(&record, used.first());
    let overlap = overlap::look(&record, used.first(), desk.now());
    if desk.json {
        if let (Some(members), Some(overlap)) = (shown.as_object_mut(), overlap) {
            members.insert("overlap".into(), overlap.json());
        }
        return Ok(output::json_line(desk.session.out, &shown)?);
    }
    output::members(desk.session.out, &shown)?;
    let plan = record.plan.as_ref().and_then(|plan| desk.settings.plans.get(plan));
    if let Some(plan) = plan.filter(|plan| !plan.description.is_empty()) {
        writeln!(desk.session.out, "{:<22} {}", "plan is for", plan.description)?;
    }
    if let Some(overlap) = overlap {
        writeln!(desk.session.out, "{:<22} {}", "overlap", overlap.text())?;
    }
    let state = status(&record, desk.now());
    Ok(writeln!(desk.session.out, "{:<22} {state}", "now")?)
}
