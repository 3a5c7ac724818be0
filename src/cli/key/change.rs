//! Changes of one key. `issue` and `rotate` print the raw key, once; nobody can print it
//! again.

use std::time::Duration;

use serde_json::json;

use super::Desk;
use crate::base::KeyId;
use crate::base::key::Env;
use crate::cli::args::{EnvArgument, IssueArguments, SetArguments};
use crate::cli::{CommandFault, output};
use crate::registry::operations::{self, Amendment, Issued, Wish};
use crate::registry::{KeyRecord, Registry as _};

pub(super) fn issue(desk: &mut Desk<'_, '_>, wish: IssueArguments) -> Result<(), CommandFault> {
    let plan = wish.plan.or_else(|| desk.settings.default_plan.clone());
    desk.check_plan(plan.as_deref())?;
    desk.check_scopes(&wish.scopes)?;
    let expires_at = wish.expires.as_deref().map(|text| desk.future(text)).transpose()?;
    let env = match wish.env {
        EnvArgument::Live => Env::Live,
        EnvArgument::Test => Env::Test,
    };
    let wish = Wish { env, name: wish.name, owner: wish.owner, scopes: wish.scopes, plan, expires_at };
    let now = desk.now();
    let issued = operations::issue(&mut desk.registry, &desk.hasher, wish, now)?;
    reveal(desk, issued, "It is shown this once; only its hash is kept.")
}

pub(super) fn rotate(
    desk: &mut Desk<'_, '_>,
    id: KeyId,
    overlap: Option<Duration>,
) -> Result<(), CommandFault> {
    let overlap = overlap.unwrap_or(desk.settings.overlap);
    let now = desk.now();
    let issued = operations::rotate(&mut desk.registry, &desk.hasher, id, overlap, now)?;
    let until = issued.record.previous_until;
    let note = match until {
        Some(until) => format!(
            "It is shown this once. The old secret works until {until}; its last use stands in 'tollgate key show {id}'."
        ),
        None => "It is shown this once. The old secret works no more.".into(),
    };
    reveal(desk, issued, &note)
}

fn reveal(desk: &mut Desk<'_, '_>, issued: Issued, note: &str) -> Result<(), CommandFault> {
    let mut shown = output::shown(&issued.record, None);
    if !desk.json {
        writeln!(desk.session.out, "{}", issued.key.reveal())?;
        writeln!(desk.session.out, "\n{note}\n")?;
        return Ok(output::members(desk.session.out, &shown)?);
    }
    if let Some(members) = shown.as_object_mut() {
        members.insert("key".into(), json!(issued.key.reveal()));
    }
    Ok(output::json_line(desk.session.out, &shown)?)
}

pub(super) fn set(desk: &mut Desk<'_, '_>, what: SetArguments) -> Result<(), CommandFault> {
    desk.check_plan(what.plan.as_deref())?;
    desk.check_scopes(what.scopes.as_deref().unwrap_or_default())?;
    let expires_at = match what.expires.as_deref() {
        None => None,
        Some("never") => Some(None),
        Some(text) => Some(Some(desk.future(text)?)),
    };
    let amendment =
        Amendment { name: what.name, owner: what.owner, scopes: what.scopes, plan: what.plan, expires_at };
    let record = operations::set(&mut desk.registry, what.id, &amendment)?;
    changed(desk, &record)
}

pub(super) fn end_overlap(desk: &mut Desk<'_, '_>, id: KeyId) -> Result<(), CommandFault> {
    let record = operations::end_overlap(&mut desk.registry, id)?;
    changed(desk, &record)
}

pub(super) fn revoke(desk: &mut Desk<'_, '_>, id: KeyId) -> Result<(), CommandFault> {
    let now = desk.now();
    let record = operations::revoke(&mut desk.registry, id, now)?;
    changed(desk, &record)
}

fn changed(desk: &mut Desk<'_, '_>, record: &KeyRecord) -> Result<(), CommandFault> {
    let used = desk.registry.used(Some(record.key_id))?;
    let shown = output::shown(record, used.first());
    if desk.json {
        return Ok(output::json_line(desk.session.out, &shown)?);
    }
    Ok(output::members(desk.session.out, &shown)?)
}

pub(super) fn purge(desk: &mut Desk<'_, '_>, revoked_before: &str) -> Result<(), CommandFault> {
    let time = desk.past(revoked_before)?;
    let ids = operations::revoked_before(&mut desk.registry, time)?;
    desk.registry.purge(&ids)?;
    if desk.json {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        return Ok(output::json_line(desk.session.out, &json!({ "purged": ids }))?);
    }
    Ok(writeln!(desk.session.out, "{} keys purged", ids.len())?)
}
