//! Whether a key's own limit of calls can hold what the dearest call costs that its scopes reach.
//!
//! A call that costs more than the burst is refused for ever. It only says so: a gateway takes such a
//! record all the same.

use crate::config::KeySettings;
use crate::policy::{Scope, ScopeSet};
use crate::registry::OwnLimits;

/// What is wrong with a burst, in words; nothing where every call fits, or the limit refuses nothing.
pub(super) fn beyond_burst(
    settings: &KeySettings,
    scopes: &ScopeSet,
    limits: Option<&OwnLimits>,
) -> Option<String> {
    let calls = limits?.calls.as_ref().filter(|calls| !calls.warn_only)?;
    let reached = |needed: &[Scope]| needed.iter().all(|scope| scopes.grants(scope));
    let dearest = settings.costly.iter().find(|rule| reached(&rule.scopes))?;
    (dearest.cost > calls.burst).then(|| {
        format!(
            "a burst of {} calls, less than the cost of {:?} of the server {}, which is {}",
            calls.burst, dearest.rule, dearest.server, dearest.cost
        )
    })
}
