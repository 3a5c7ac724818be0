//! Distinct scope sets, each with what it may do under the policy of the moment, and how often under
//! one plan.
//!
//! A key holds a number; a thousand keys with the same scopes and plan share one set and one bitset.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::policy::compiled::{Grants, Policy};
use crate::policy::scope::ScopeSet;

/// A set's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeSetId(pub u32);

/// Scopes under a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Terms {
    scopes: ScopeSet,
    plan: Option<Box<str>>,
}

/// The same, borrowed; hashes as that does.
#[derive(Hash)]
struct Asked<'a> {
    scopes: &'a ScopeSet,
    plan: Option<&'a str>,
}

impl Equivalent<Terms> for Asked<'_> {
    fn equivalent(&self, terms: &Terms) -> bool {
        *self.scopes == terms.scopes && self.plan == terms.plan.as_deref()
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

    /// The set itself.
    pub fn set(&self, id: ScopeSetId) -> Option<&ScopeSet> {
        self.sets.get(id.0 as usize).map(|set| &set.0.scopes)
    }

    /// The set's number under a plan, given a new one if it has none; only then are shared sets copied.
    pub fn intern(
        self: &mut Arc<Self>,
        scopes: &ScopeSet,
        plan: Option<&str>,
        policy: &Policy,
    ) -> ScopeSetId {
        if let Some(id) = self.numbers.get(&Asked { scopes, plan }) {
            return *id;
        }
        let terms = Terms { scopes: scopes.clone(), plan: plan.map(Into::into) };
        Arc::make_mut(self).add(terms, policy)
    }

    fn add(&mut self, terms: Terms, policy: &Policy) -> ScopeSetId {
        // More than 2^32 sets do not fit in memory; the last number would then be shared by
        // sets that grant nothing, as `grants` finds none for it.
        let id = ScopeSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        let grants = policy.grants(&terms.scopes, terms.plan.as_deref());
        self.sets.push(Arc::new((terms.clone(), grants)));
        self.numbers.insert(terms, id);
        id
    }

    /// The same numbers under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let again = |(terms, _): &(Terms, Grants)| {
            let grants = policy.grants(&terms.scopes, terms.plan.as_deref());
            Arc::new((terms.clone(), grants))
        };
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
