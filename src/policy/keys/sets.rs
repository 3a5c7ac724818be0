//! Distinct scope sets, each with what it may do under the policy of the moment, and how often under
//! one plan and limits of its keys' own.
//!
//! A key holds a number; a thousand keys with the same scopes, plan and limits share one set and one
//! bitset. As with keys, nothing is changed in place: a new set copies the chunk and the shard that it
//! falls into, and what refers to the others.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::record::KeyEntry;
use crate::policy::compiled::{Grants, Policy};
use crate::policy::limits::KeyLimits;
use crate::policy::scope::ScopeSet;

/// Sets that lie together. They are held here and not referred to, so that a request finds what it may do as
/// soon as in one row of references. With as many again a new set costs no less among a million.
const PER_CHUNK: usize = 64;

/// Parts of the table that finds a set's number: among a million sets one is 40 KiB.
const SHARDS: usize = 256;

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

    fn asked(&self) -> Asked<'_> {
        Asked { scopes: &self.scopes, plan: self.plan.as_deref(), limits: self.limits.as_deref() }
    }
}

/// The same, borrowed: what a set is found by.
#[derive(PartialEq, Eq, Hash)]
struct Asked<'a> {
    scopes: &'a ScopeSet,
    plan: Option<&'a str>,
    limits: Option<&'a KeyLimits>,
}

/// Terms with what they come to.
#[derive(Clone, Debug)]
struct Set {
    terms: Terms,
    grants: Grants,
}

/// Sets by their numbers; only the last chunk has room left.
#[derive(Clone, Debug, Default)]
struct Chunks(Vec<Arc<[Option<Set>; PER_CHUNK]>>);

impl Chunks {
    #[inline]
    fn get(&self, number: usize) -> Option<&Set> {
        self.0.get(number / PER_CHUNK)?.get(number % PER_CHUNK)?.as_ref()
    }

    fn put(&mut self, number: usize, set: Set) {
        if number / PER_CHUNK == self.0.len() {
            self.0.push(Arc::new([const { None }; PER_CHUNK]));
        }
        let chunk = self.0.get_mut(number / PER_CHUNK).map(Arc::make_mut);
        if let Some(place) = chunk.and_then(|chunk| chunk.get_mut(number % PER_CHUNK)) {
            *place = Some(set);
        }
    }
}

/// Every distinct set in use, and those that were until lately.
#[derive(Clone, Debug)]
pub struct ScopeSets {
    sets: Chunks,
    count: usize,
    /// Numbers by the hash of their terms.
    numbers: Box<[Arc<HashTable<ScopeSetId>>]>,
    seed: RandomState,
}

impl Default for ScopeSets {
    fn default() -> Self {
        Self {
            sets: Chunks::default(),
            count: 0,
            // One empty shard stands for all: none is ever changed in place.
            numbers: std::iter::repeat_n(Arc::default(), SHARDS).collect(),
            seed: RandomState::default(),
        }
    }
}

/// Which shard; the table in it goes by the lowest bits and the highest.
fn shard_of(hash: u64) -> usize {
    (hash >> 32) as usize % SHARDS
}

impl ScopeSets {
    /// What the set may do.
    #[inline]
    pub fn grants(&self, id: ScopeSetId) -> Option<&Grants> {
        self.sets.get(id.0 as usize).map(|set| &set.grants)
    }

    /// The set itself, with its plan and limits.
    pub fn terms(&self, id: ScopeSetId) -> Option<&Terms> {
        self.sets.get(id.0 as usize).map(|set| &set.terms)
    }

    /// The number of what a key has, given a new one if there is none; only then are shared sets copied.
    pub fn intern(self: &mut Arc<Self>, key: &KeyEntry, policy: &Policy) -> ScopeSetId {
        let KeyEntry { scopes, plan, limits, .. } = key;
        let asked = Asked { scopes, plan: plan.as_deref(), limits: limits.as_deref() };
        if let Some(id) = self.number(&asked) {
            return id;
        }
        let terms = Terms { scopes: scopes.clone(), plan: plan.clone(), limits: limits.clone() };
        let grants = terms.grants(policy);
        Arc::make_mut(self).add(Set { terms, grants })
    }

    fn number(&self, asked: &Asked<'_>) -> Option<ScopeSetId> {
        let hash = self.seed.hash_one(asked);
        let is_it = |id: &ScopeSetId| self.terms(*id).is_some_and(|terms| terms.asked() == *asked);
        self.numbers.get(shard_of(hash))?.find(hash, is_it).copied()
    }

    fn add(&mut self, set: Set) -> ScopeSetId {
        // More than 2^32 sets do not fit in memory; the last number would then be shared by
        // sets that grant nothing, as `grants` finds none for it.
        let id = ScopeSetId(u32::try_from(self.count).unwrap_or(u32::MAX));
        let hash = self.seed.hash_one(set.terms.asked());
        self.sets.put(self.count, set);
        self.count += 1;
        let (sets, seed) = (&self.sets, &self.seed);
        let hash_of =
            |id: &ScopeSetId| sets.get(id.0 as usize).map_or(0, |set| seed.hash_one(set.terms.asked()));
        if let Some(shard) = self.numbers.get_mut(shard_of(hash)) {
            Arc::make_mut(shard).insert_unique(hash, id, hash_of);
        }
        id
    }

    fn all(&self) -> impl Iterator<Item = &Set> {
        self.sets.0.iter().flat_map(|chunk| chunk.iter()).flatten()
    }

    /// How much of this generation's sets is that of another: chunks, and shards of numbers.
    #[cfg(test)]
    pub(super) fn shared_with(&self, other: &Self) -> (usize, usize) {
        let chunks = self.sets.0.iter().zip(&other.sets.0).filter(|(own, others)| Arc::ptr_eq(own, others));
        let shards = self.numbers.iter().zip(&other.numbers).filter(|(own, others)| Arc::ptr_eq(own, others));
        (chunks.count(), shards.count())
    }

    /// The same numbers under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let mut next = Self::default();
        for Set { terms, .. } in self.all() {
            next.add(Set { terms: terms.clone(), grants: terms.grants(policy) });
        }
        next
    }

    /// Those that are in use, and for each number that there was the one that it is now; those that
    /// are not have a number of which nothing is known.
    pub fn only(&self, used: &[bool]) -> (Self, Vec<ScopeSetId>) {
        let mut next = Self::default();
        let numbers = self
            .all()
            .zip(used)
            .map(|(set, used)| if *used { next.add(set.clone()) } else { ScopeSetId(u32::MAX) });
        let numbers = numbers.collect();
        (next, numbers)
    }

    /// How many distinct sets there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}
