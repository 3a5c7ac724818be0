//! Distinct scope sets, each with what it may do under the policy of the moment, and how often under
//! one plan and limits of its keys' own.
//!
//! A key holds a number; a thousand keys with the same scopes, plan and limits share one set and one
//! bitset.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use super::record::KeyEntry;
use crate::policy::compiled::{Grants, Policy};
use crate::policy::limits::KeyLimits;
use crate::policy::scope::ScopeSet;

/// A set's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeSetId(pub u32);

/// What keys that share a number have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Terms {
    /// What they may do.
    pub scopes: ScopeSet,
    /// The plan that says how often.
    pub plan: Option<Box<str>>,
    /// Limits of their own, over those of the plan; a pointer's room where they have none.
    pub limits: Option<Box<KeyLimits>>,
}

impl Terms {
    fn grants(&self, policy: &Policy) -> Grants {
        policy.grants(&self.scopes, self.plan.as_deref(), self.limits.as_deref())
    }
}

/// The same, borrowed; hashes as that does.
#[derive(Hash)]
struct Asked<'a> {
    scopes: &'a ScopeSet,
    plan: Option<&'a str>,
    limits: Option<&'a KeyLimits>,
}

impl Equivalent<Terms> for Asked<'_> {
    fn equivalent(&self, terms: &Terms) -> bool {
        *self.scopes == terms.scopes
            && self.plan == terms.plan.as_deref()
            && self.limits == terms.limits.as_deref()
    }
}

/// Every distinct set in use.
#[derive(Clone, Debug, Default)]
pub struct ScopeSets {
    sets: Vec<Arc<(Terms, Grants)>>,
    numbers: HashMap<Terms, ScopeSetId, RandomState>,
}

impl ScopeSets {
    /// What the set may do.
    #[inline]
    pub fn grants(&self, id: ScopeSetId) -> Option<&Grants> {
        self.sets.get(id.0 as usize).map(|set| &set.1)
    }

    /// The set itself, with its plan and limits.
    pub fn terms(&self, id: ScopeSetId) -> Option<&Terms> {
        self.sets.get(id.0 as usize).map(|set| &set.0)
    }

    /// The number of what a key has, given a new one if there is none; only then are shared sets copied.
    pub fn intern(self: &mut Arc<Self>, key: &KeyEntry, policy: &Policy) -> ScopeSetId {
        let KeyEntry { scopes, plan, limits, .. } = key;
        let asked = Asked { scopes, plan: plan.as_deref(), limits: limits.as_deref() };
        if let Some(id) = self.numbers.get(&asked) {
            return *id;
        }
        let terms = Terms { scopes: scopes.clone(), plan: plan.clone(), limits: limits.clone() };
        Arc::make_mut(self).add(terms, policy)
    }

    fn add(&mut self, terms: Terms, policy: &Policy) -> ScopeSetId {
        // More than 2^32 sets do not fit in memory; the last number would then be shared by
        // sets that grant nothing, as `grants` finds none for it.
        let id = ScopeSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        let grants = terms.grants(policy);
        self.sets.push(Arc::new((terms.clone(), grants)));
        self.numbers.insert(terms, id);
        id
    }

    /// The same numbers under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let again = |(terms, _): &(Terms, Grants)| Arc::new((terms.clone(), terms.grants(policy)));
        Self { sets: self.sets.iter().map(|set| again(set)).collect(), numbers: self.numbers.clone() }
    }

    /// How many distinct sets there are.
    pub fn len(&self) -> usize {
        self.sets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }
}
