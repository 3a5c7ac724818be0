//! Distinct scope sets, each with what it may do under the policy of the moment, and how often under
//! one plan and limits of its keys' own.
//!
//! A key holds a number; a thousand keys with the same scopes, plan and limits share one set and one
//! bitset.

use std::hash::{Hash, Hasher};
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

impl Equivalent<Set> for Asked<'_> {
    fn equivalent(&self, set: &Set) -> bool {
        let terms = &set.0.0;
        *self.scopes == terms.scopes
            && self.plan == terms.plan.as_deref()
            && self.limits == terms.limits.as_deref()
    }
}

/// Terms with what they come to; found by the terms, and one for all generations that have it.
#[derive(Clone, Debug)]
struct Set(Arc<(Terms, Grants)>);

impl Hash for Set {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.0.hash(state);
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.0.0 == other.0.0
    }
}

impl Eq for Set {}

/// Every distinct set in use, and those that were until lately.
#[derive(Clone, Debug, Default)]
pub struct ScopeSets {
    sets: Vec<Set>,
    numbers: HashMap<Set, ScopeSetId, RandomState>,
}

impl ScopeSets {
    /// What the set may do.
    #[inline]
    pub fn grants(&self, id: ScopeSetId) -> Option<&Grants> {
        self.sets.get(id.0 as usize).map(|set| &set.0.1)
    }

    /// The set itself, with its plan and limits.
    pub fn terms(&self, id: ScopeSetId) -> Option<&Terms> {
        self.sets.get(id.0 as usize).map(|set| &set.0.0)
    }

    /// The number of what a key has, given a new one if there is none; only then are shared sets copied.
    pub fn intern(self: &mut Arc<Self>, key: &KeyEntry, policy: &Policy) -> ScopeSetId {
        let KeyEntry { scopes, plan, limits, .. } = key;
        let asked = Asked { scopes, plan: plan.as_deref(), limits: limits.as_deref() };
        if let Some(id) = self.numbers.get(&asked) {
            return *id;
        }
        let terms = Terms { scopes: scopes.clone(), plan: plan.clone(), limits: limits.clone() };
        let grants = terms.grants(policy);
        Arc::make_mut(self).add(Set(Arc::new((terms, grants))))
    }

    fn add(&mut self, set: Set) -> ScopeSetId {
        // More than 2^32 sets do not fit in memory; the last number would then be shared by
        // sets that grant nothing, as `grants` finds none for it.
        let id = ScopeSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.sets.push(set.clone());
        self.numbers.insert(set, id);
        id
    }

    /// The same numbers under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let mut next = Self::default();
        for Set(set) in &self.sets {
            next.add(Set(Arc::new((set.0.clone(), set.0.grants(policy)))));
        }
        next
    }

    /// Those that are in use, and for each number that there was the one that it is now; those that
    /// are not have a number of which nothing is known.
    pub fn only(&self, used: &[bool]) -> (Self, Vec<ScopeSetId>) {
        let mut next = Self::default();
        let numbers = self
            .sets
            .iter()
            .zip(used)
            .map(|(set, used)| if *used { next.add(set.clone()) } else { ScopeSetId(u32::MAX) });
        let numbers = numbers.collect();
        (next, numbers)
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
