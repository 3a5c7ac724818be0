//! Whether a key's own limits fit the configuration: that of calls holds what the dearest call costs that
//! its scopes reach, and what replicas share by its plan is large enough to be shared.
//!
//! A call that costs more than the burst is refused for ever, and a shared bucket that runs over between two
//! questions never gives all that is allowed. It only says so, where a person sets them: a gateway takes
//! such a record all the same.

use crate::base::lease::Ahead;
use crate::config::KeySettings;
use crate::policy::{Scope, ScopePattern, ScopeSet};
use crate::registry::{KeyRecord, LimitName, OwnLimits};

/// What a limit does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// A call that the key may make.
    Call,
    /// What replicas ask for at a time.
    Share,
}

/// A limit of a key's own that does not fit.
pub(super) struct Misfit {
    /// Which.
    pub limit: LimitName,
    /// What it does not fit.
    pub lack: Lack,
    /// What is there, to stand behind "has".
    pub found: String,
    /// What would fit.
    pub accepted: String,
}

impl Misfit {
    /// For who did not ask for it: whose it is, and what to do.
    pub(super) fn of(&self, key: impl std::fmt::Display) -> String {
        format!("{key} has {} (accepted: {})", self.found, self.accepted)
    }
}

/// What of a record's limits does not fit.
pub(super) fn misfits(settings: &KeySettings, record: &KeyRecord) -> Vec<Misfit> {
    let KeyRecord { scopes, plan, limits, .. } = record;
    limits.as_ref().map_or_else(Vec::new, |own| of_limits(settings, scopes, plan.as_deref(), own))
}

/// The same of limits that are to be a key's, with these scopes and this plan.
pub(super) fn of_limits(
    settings: &KeySettings,
    scopes: &[String],
    plan: Option<&str>,
    own: &OwnLimits,
) -> Vec<Misfit> {
    // Scopes that are none are somebody else's fault to tell.
    let patterns = scopes.iter().filter_map(|scope| ScopePattern::parse(scope).ok());
    let scopes = ScopeSet::new(patterns.collect());
    let shared = LimitName::ALL.into_iter().filter_map(|name| beyond_sharing(settings, plan, own, name));
    beyond_burst(settings, &scopes, own).into_iter().chain(shared).collect()
}

/// Nothing where every call fits, or the limit refuses nothing.
fn beyond_burst(settings: &KeySettings, scopes: &ScopeSet, own: &OwnLimits) -> Option<Misfit> {
    let calls = own.calls.as_ref().filter(|calls| !calls.warn_only)?;
    let reached = |needed: &[Scope]| needed.iter().all(|scope| scopes.grants(scope));
    let dearest = settings.costly.iter().find(|rule| reached(&rule.scopes))?;
    (dearest.cost > calls.burst).then(|| Misfit {
        limit: LimitName::Calls,
        lack: Lack::Call,
        found: format!(
            "a burst of {} calls, less than the cost of {:?} of the server {}, which is {}",
            calls.burst, dearest.rule, dearest.server, dearest.cost
        ),
        accepted: "a burst that every call fits into, or a limit that only warns".into(),
    })
}

/// Nothing where replicas do not share it, or it is as large as the configuration asks of a plan's.
fn beyond_sharing(
    settings: &KeySettings,
    plan: Option<&str>,
    own: &OwnLimits,
    name: LimitName,
) -> Option<Misfit> {
    let (plan, settings_of_plan) = settings.plans.get_key_value(plan?)?;
    let (instead_of, dearest) = match name {
        LimitName::Calls => (settings_of_plan.calls, settings.costly.first().map_or(1, |rule| rule.cost)),
        LimitName::Other => (settings_of_plan.other, 1),
    };
    instead_of.filter(|limit| limit.shared)?;
    let limit = own.get(name)?.limit(name).ok()?;
    (!Ahead::of(limit, dearest).fits(limit)).then(|| Misfit {
        limit: name,
        lack: Lack::Share,
        found: format!(
            "a limit of {} of {} with a burst of {}, which replicas share as they do that of its plan {plan:?}",
            name.word(),
            limit.rate(),
            limit.burst()
        ),
        accepted: format!(
            "a burst of at least {}, which is what comes in a tenth of a second",
            Ahead::least_burst(limit)
        ),
    })
}
