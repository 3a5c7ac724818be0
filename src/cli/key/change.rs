//! Changes of one key. `issue` and `rotate` print the raw key, once; nobody can print it
//! again.

use std::time::Duration;

use serde_json::json;

use super::confirm::{self, Confirmed};
use super::{Desk, unfit};
use crate::base::KeyId;
use crate::base::key::Env;
use crate::cli::args::{EnvArgument, IssueArguments, LimitArgument, SetArguments, WaitArguments};
use crate::cli::{CommandFault, output, own_limits};
use crate::registry::operations::{self, Amendment, Issued, Wish};
use crate::registry::{KeyRecord, LimitChange, LimitsChange, Timestamp};

pub(super) fn issue(desk: &mut Desk<'_, '_>, wish: IssueArguments) -> Result<(), CommandFault> {
    let plan = wish.plan.or_else(|| desk.settings.default_plan.clone());
    desk.check_plan(plan.as_deref())?;
    desk.check_scopes(&wish.scopes)?;
    let expires_at = wish.expires.as_deref().map(|text| desk.future(text)).transpose()?;
    let env = match wish.env {
        EnvArgument::Live => Env::Live,
        EnvArgument::Test => Env::Test,
    };
    let mut limits = None;
    if let Some(change) = limits_change(wish.limits)? {
        change.apply(&mut limits);
    }
    if let Some(own) = &limits
        && let Some(misfit) =
            own_limits::of_limits(&desk.settings, &wish.scopes, plan.as_deref(), own).first()
    {
        return Err(unfit(misfit));
    }
    let wish =
        Wish { env, name: wish.name, owner: wish.owner, scopes: wish.scopes, plan, limits, expires_at };
    let now = desk.now();
    let issued = operations::issue(desk.opened.registry(), &desk.hasher, wish, now)?;
    reveal(desk, issued, "It is shown this once; only its hash is kept.", None)
}

pub(super) fn rotate(
    desk: &mut Desk<'_, '_>,
    id: KeyId,
    overlap: Option<Duration>,
    wait: &WaitArguments,
) -> Result<(), CommandFault> {
    let overlap = overlap.unwrap_or(desk.settings.overlap);
    let now = desk.now();
    let used = desk.registry().used(Some(id))?.first().and_then(|used| used.at);
    let issued = operations::rotate(desk.opened.registry(), &desk.hasher, id, overlap, now)?;
    // Whatever comes of waiting: the new secret is in the registry, and shown this once.
    let confirmed = confirm::wait(desk, wait);
    let until = issued.record.previous_until;
    let last = used.map_or("was never used".into(), |at| format!("was last used at {}", Timestamp(at)));
    let note = match until {
        Some(until) => format!(
            "It is shown this once. The old secret {last} and works until {until}; 'tollgate key show {id}' tells its last use, and when the overlap can be ended."
        ),
        None => "It is shown this once. The old secret works no more.".into(),
    };
    reveal(desk, issued, &note, confirmed.as_ref().ok().and_then(Option::as_ref))?;
    confirmed.map(drop)
}

fn reveal(
    desk: &mut Desk<'_, '_>,
    issued: Issued,
    note: &str,
    confirmed: Option<&Confirmed>,
) -> Result<(), CommandFault> {
    let mut shown = output::shown(&issued.record, None);
    if desk.json {
        if let Some(members) = shown.as_object_mut() {
            members.insert("key".into(), json!(issued.key.reveal()));
        }
    } else {
        writeln!(desk.session.out, "{}", issued.key.reveal())?;
        writeln!(desk.session.out, "\n{note}\n")?;
    }
    told(desk, shown, confirmed)
}

/// Shows a record and how the replicas took the change; a fault where one of them did not.
fn told(
    desk: &mut Desk<'_, '_>,
    mut shown: serde_json::Value,
    confirmed: Option<&Confirmed>,
) -> Result<(), CommandFault> {
    if desk.json {
        if let (Some(members), Some(confirmed)) = (shown.as_object_mut(), confirmed) {
            members.insert("replicas".into(), confirmed.json());
        }
        output::json_line(desk.session.out, &shown)?;
    } else {
        output::members(desk.session.out, &shown)?;
        if let Some(confirmed) = confirmed {
            confirmed.text(desk.session.out)?;
        }
    }
    confirmed.map_or(Ok(()), Confirmed::verdict)
}

pub(super) fn set(desk: &mut Desk<'_, '_>, what: SetArguments) -> Result<(), CommandFault> {
    desk.check_plan(what.plan.as_deref())?;
    desk.check_scopes(what.scopes.as_deref().unwrap_or_default())?;
    let expires_at = match what.expires.as_deref() {
        None => None,
        Some("never") => Some(None),
        Some(text) => Some(Some(desk.future(text)?)),
    };
    let amendment = Amendment {
        name: what.name,
        owner: what.owner,
        scopes: what.scopes,
        plan: what.plan,
        limits: limits_change(what.limits)?,
        expires_at,
    };
    let warnings = check_fit(desk, what.id, &amendment)?;
    let record = operations::set(desk.registry(), what.id, &amendment)?;
    for warning in warnings {
        desk.session.warn(&warning);
    }
    changed(desk, &record, &what.wait)
}

/// Refuses a change that makes limits of the key's own unfit. What did not fit before, by a change of the
/// configuration, is to be told and stands in nobody's way: taking a scope away is never refused for it.
fn check_fit(desk: &mut Desk<'_, '_>, id: KeyId, amendment: &Amendment) -> Result<Vec<String>, CommandFault> {
    if amendment.limits.is_none() && amendment.scopes.is_none() && amendment.plan.is_none() {
        return Ok(Vec::new());
    }
    // As it will be, if nobody else changes it at this moment.
    let stored = desk.registry().get(id)?.and_then(|stored| stored.record.ok());
    let Some(mut record) = stored else { return Ok(Vec::new()) };
    let before = own_limits::misfits(&desk.settings, &record);
    amendment.apply(&mut record);
    let mut told = Vec::new();
    for misfit in own_limits::misfits(&desk.settings, &record) {
        let is_old = before.iter().any(|old| (old.limit, old.lack) == (misfit.limit, misfit.lack));
        let sets = |change: &LimitChange| change.word() == misfit.limit.word();
        let is_set =
            matches!(&amendment.limits, Some(LimitsChange::Some(changes)) if changes.iter().any(sets));
        if is_set || !is_old {
            return Err(unfit(&misfit));
        }
        told.push(misfit.of(id));
    }
    Ok(told)
}

/// What was typed of limits; nothing where nothing was.
fn limits_change(typed: Vec<LimitArgument>) -> Result<Option<LimitsChange>, CommandFault> {
    let mut changes: Vec<LimitChange> = Vec::new();
    let alone = typed.len() == 1;
    for argument in typed {
        match argument {
            LimitArgument::None if alone => return Ok(Some(LimitsChange::None)),
            LimitArgument::None => {
                return Err(CommandFault::said(
                    "--limit none stands alone: it takes all of a key's limits away",
                ));
            }
            LimitArgument::Of(change) if changes.iter().any(|other| other.word() == change.word()) => {
                return Err(CommandFault::said(format!(
                    "--limit {} is there twice; a key has one of a name",
                    change.word()
                )));
            }
            LimitArgument::Of(change) => changes.push(change),
        }
    }
    Ok((!changes.is_empty()).then_some(LimitsChange::Some(changes)))
}

pub(super) fn end_overlap(
    desk: &mut Desk<'_, '_>,
    id: KeyId,
    wait: &WaitArguments,
) -> Result<(), CommandFault> {
    let record = operations::end_overlap(desk.registry(), id)?;
    changed(desk, &record, wait)
}

pub(super) fn revoke(
    desk: &mut Desk<'_, '_>,
    id: KeyId,
    durable: bool,
    wait: &WaitArguments,
) -> Result<(), CommandFault> {
    let now = desk.now();
    let record = operations::revoke(desk.registry(), id, now)?;
    let told = changed(desk, &record, wait);
    let stored = if durable { confirm::durable(desk, wait) } else { Ok(()) };
    told.and(stored)
}

fn changed(desk: &mut Desk<'_, '_>, record: &KeyRecord, wait: &WaitArguments) -> Result<(), CommandFault> {
    let confirmed = confirm::wait(desk, wait)?;
    let used = desk.registry().used(Some(record.key_id))?;
    told(desk, output::shown(record, used.first()), confirmed.as_ref())
}

pub(super) fn purge(desk: &mut Desk<'_, '_>, revoked_before: &str) -> Result<(), CommandFault> {
    let time = desk.past(revoked_before)?;
    let ids = operations::revoked_before(desk.registry(), time)?;
    desk.registry().purge(&ids)?;
    if desk.json {
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        return Ok(output::json_line(desk.session.out, &json!({ "purged": ids }))?);
    }
    Ok(writeln!(desk.session.out, "{} keys purged", ids.len())?)
}
