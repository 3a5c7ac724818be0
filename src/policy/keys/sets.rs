//! Distinct scope sets, each with what it may do under the policy of the moment.
//!
//! A key holds a number; a thousand keys with the same scopes share one set and one bitset.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::policy::compiled::{Grants, Policy};
use crate::policy::scope::ScopeSet;

/// A set's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeSetId(pub u32);

/// Every distinct set in use.
#[derive(Clone, Debug, Default)]
pub struct ScopeSets {
    sets: Vec<Arc<(ScopeSet, Grants)>>,
    numbers: HashMap<ScopeSet, ScopeSetId, RandomState>,
}

impl ScopeSets {
    /// What the set may do.
    #[inline]
    pub fn grants(&self, id: ScopeSetId) -> Option<&Grants> {
        self.sets.get(id.0 as usize).map(|set| &set.1)
    }

    /// The set itself.
    pub fn set(&self, id: ScopeSetId) -> Option<&ScopeSet> {
        self.sets.get(id.0 as usize).map(|set| &set.0)
    }

    /// The set's number, given a new one if it has none; only then are shared sets copied.
    pub fn intern(self: &mut Arc<Self>, set: &ScopeSet, policy: &Policy) -> ScopeSetId {
        if let Some(id) = self.numbers.get(set) {
            return *id;
        }
        Arc::make_mut(self).add(set, policy)
    }

    fn add(&mut self, set: &ScopeSet, policy: &Policy) -> ScopeSetId {
        // More than 2^32 sets do not fit in memory; the last number would then be shared by
        // sets that grant nothing, as `grants` finds none for it.
        let id = ScopeSetId(u32::try_from(self.sets.len()).unwrap_or(u32::MAX));
        self.sets.push(Arc::new((set.clone(), policy.grants(set))));
        self.numbers.insert(set.clone(), id);
        id
    }

    /// The same numbers under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let sets = self.sets.iter().map(|set| Arc::new((set.0.clone(), policy.grants(&set.0)))).collect();
        Self { sets, numbers: self.numbers.clone() }
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
