//! `tollgate key …`: the registry's keys, one subcommand a function.

mod change;
mod confirm;
mod limits;
mod overlap;
mod show;
mod transfer;

use std::time::Duration;

use super::args::KeyCommand;
use super::own_limits::{Lack, Misfit};
use super::{CommandFault, Common, Session, config_file};
use crate::base::UnixSeconds;
use crate::base::digest::Hasher;
use crate::config::{KeySettings, load_keys, units};
use crate::control::{Opened, open};
use crate::policy::{Scope, ScopePattern};
use crate::registry::{Registry, Timestamp};

/// Limits that a person gives a key and that do not fit.
fn unfit(misfit: &Misfit) -> CommandFault {
    let so = match misfit.lack {
        Lack::Call => ", so that it could never be called",
        Lack::Share => "",
    };
    CommandFault::said(format!("the key would have {}{so}; accepted: {}", misfit.found, misfit.accepted))
}

/// What every subcommand works on.
struct Desk<'a, 's> {
    opened: Opened,
    settings: KeySettings,
    hasher: Hasher,
    json: bool,
    session: &'a mut Session<'s>,
}

/// Runs a subcommand.
pub(super) fn run(
    command: KeyCommand,
    common: &Common,
    session: &mut Session<'_>,
) -> Result<(), CommandFault> {
    if let KeyCommand::Limits { id } = command {
        return limits::limits(id, common, session);
    }
    let settings = load_keys(&config_file(common.config.as_deref()), &session.environment)?;
    let opened = open(&settings.registry)?;
    let hasher = Hasher::new(&settings.registry.peppers);
    let mut desk = Desk { opened, settings, hasher, json: common.json, session };
    match command {
        KeyCommand::Issue(wish) => change::issue(&mut desk, wish),
        KeyCommand::List => show::list(&mut desk),
        KeyCommand::Show { id } => show::show(&mut desk, id),
        // It asks the gateway, not the registry.
        KeyCommand::Limits { .. } => Ok(()),
        KeyCommand::Set(what) => change::set(&mut desk, what),
        KeyCommand::Rotate { id, overlap, wait } => change::rotate(&mut desk, id, overlap, &wait),
        KeyCommand::EndOverlap { id, wait } => change::end_overlap(&mut desk, id, &wait),
        KeyCommand::Revoke { id, durable, wait } => change::revoke(&mut desk, id, durable, &wait),
        KeyCommand::Purge { revoked_before } => change::purge(&mut desk, &revoked_before),
        KeyCommand::Import { file, skip_bad, force } => transfer::import(&mut desk, &file, skip_bad, force),
        KeyCommand::Export => transfer::export(&mut desk),
    }
}

impl Desk<'_, '_> {
    fn registry(&mut self) -> &mut dyn Registry {
        self.opened.registry()
    }

    fn now(&self) -> UnixSeconds {
        self.session.clock.now()
    }

    /// A plan that the configuration defines.
    fn check_plan(&self, plan: Option<&str>) -> Result<(), CommandFault> {
        let Some(plan) = plan.filter(|plan| !plan.is_empty()) else { return Ok(()) };
        if self.settings.plans.contains_key(plan) {
            return Ok(());
        }
        let known = self.settings.plans.keys().cloned().collect::<Vec<_>>().join(", ");
        let accepted =
            if known.is_empty() { "none, as the configuration has no [plans]".into() } else { known };
        Err(CommandFault::said(format!("there is no plan {plan:?}; accepted: {accepted}")))
    }

    /// Scopes that mean something: where the configuration lists scopes, each must grant at
    /// least one of them.
    fn check_scopes(&self, scopes: &[String]) -> Result<(), CommandFault> {
        for text in scopes {
            let pattern = ScopePattern::parse(text).map_err(|error| {
                CommandFault::said(format!("the scope {text:?} is not accepted: {error}"))
            })?;
            if let Some(known) =
                self.settings.scopes.as_ref().filter(|known| !known.iter().any(|scope| pattern.grants(scope)))
            {
                let known = known.iter().map(Scope::as_str).collect::<Vec<_>>().join(", ");
                return Err(CommandFault::said(format!(
                    "the scope {text:?} grants nothing that [scopes] defines; accepted: {known}, or a pattern over them"
                )));
            }
        }
        Ok(())
    }

    /// A time to come: an age from now, or a time.
    fn future(&self, text: &str) -> Result<Timestamp, CommandFault> {
        let now = self.now();
        let time =
            units::duration(text).map(|age| Timestamp(now.plus(age))).or_else(|| Timestamp::parse(text));
        match time {
            Some(time) if time.0 > now => Ok(time),
            Some(_) => Err(CommandFault::said(format!("{text} has passed; accepted: a time to come"))),
            None => Err(CommandFault::said(format!(
                "{text:?} is no time; accepted: an age such as 90d, or a time such as 2027-01-01T00:00:00Z"
            ))),
        }
    }

    /// A time gone by: an age before now, or a time.
    fn past(&self, text: &str) -> Result<UnixSeconds, CommandFault> {
        let ago = |age: Duration| self.now().minus(age);
        let time = units::duration(text).map(ago).or_else(|| Timestamp::parse(text).map(|time| time.0));
        time.ok_or_else(|| {
            CommandFault::said(format!(
                "{text:?} is no time; accepted: an age such as 30d, or a time such as 2026-11-23T08:00:00Z"
            ))
        })
    }
}
