//! The spine: which shard a key lives in, and how a change makes the next generation.
//!
//! Nothing is ever changed in place: [`Keys::with`] copies the shards that changes fall into
//! and the row of references, and shares the rest with the generation before.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use http::HeaderValue;

use super::record::{KeyEntry, Record, Rotation};
use super::sets::{ScopeSetId, ScopeSets};
use super::shard::{MOST, Shard};
use crate::base::KeyId;
use crate::base::digest::Hasher;
use crate::policy::compiled::{Grants, Policy};
use crate::policy::scope::ScopeSet;

/// Records that a shard is laid out for. A change copies one shard: 64 KiB, and a spine of
/// 1,000 references for a million keys; both in tens of microseconds.
const PER_SHARD: usize = 1_024;

/// One seed per process, so that ids cannot be chosen to collide.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A key added or replaced, or removed.
pub type Change = (KeyId, Option<KeyEntry>);

/// All keys of one generation.
#[derive(Clone)]
pub struct Keys {
    shards: Box<[Arc<Shard>]>,
    sets: Arc<ScopeSets>,
    hasher: Arc<Hasher>,
    seed: RandomState,
    count: usize,
}

/// What a lookup found: always a record and a rotation, so that both are always compared.
pub struct Found<'k> {
    /// The key's record, or the dummy.
    pub record: &'k Record,
    /// Its rotation, or the dummy.
    pub rotation: &'k Rotation,
    /// Whether the record is the key's own.
    pub known: bool,
    shard: Option<&'k Shard>,
}

impl Found<'_> {
    /// The key's owner.
    #[inline]
    pub fn owner(&self) -> Option<HeaderValue> {
        self.shard.and_then(|shard| shard.owner(self.record)).cloned()
    }
}

impl Keys {
    /// No keys yet. `expected` lays the spine out for that many.
    pub fn empty(hasher: Arc<Hasher>, expected: usize) -> Self {
        let shards = expected.div_ceil(PER_SHARD).next_power_of_two();
        Self {
            // One empty shard stands for all: none is ever changed in place.
            shards: std::iter::repeat_n(Arc::default(), shards).collect(),
            sets: Arc::default(),
            hasher,
            seed: SEED.clone(),
            count: 0,
        }
    }

    /// How many keys there are, revoked and expired ones included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How secrets are hashed for these keys.
    #[inline]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// The same hasher, for another set of keys.
    pub fn shared_hasher(&self) -> Arc<Hasher> {
        Arc::clone(&self.hasher)
    }

    /// What a set may do.
    #[inline]
    pub fn grants(&self, id: ScopeSetId) -> Option<&Grants> {
        self.sets.grants(id)
    }

    /// A set itself.
    pub fn scopes(&self, id: ScopeSetId) -> Option<&ScopeSet> {
        self.sets.set(id)
    }

    /// Looks a key up.
    #[inline]
    pub fn find(&self, id: KeyId) -> Found<'_> {
        let hash = self.hash(id);
        let shard = self.shards.get(self.shard_of(hash)).map(|shard| &**shard);
        match shard.and_then(|shard| shard.find(id, hash).map(|record| (shard, record))) {
            Some((shard, record)) => {
                Found { record, rotation: shard.rotation(record), known: true, shard: Some(shard) }
            }
            None => Found { record: &Record::DUMMY, rotation: &Rotation::NONE, known: false, shard: None },
        }
    }

    /// The next generation: keys added or replaced, and keys removed. The order matters only
    /// where one key occurs twice: the last word counts.
    #[must_use]
    pub fn with(&self, changes: &[Change], policy: &Policy) -> Self {
        let mut next = self.clone();
        let expected = self.count + changes.len();
        if expected > next.shards.len() * PER_SHARD * 2 {
            next = next.resized(expected);
        }
        let mut sets = (*next.sets).clone();
        // Changes of one shard together, so that each shard is copied and laid out once.
        let mut by_shard: Vec<(usize, &Change)> =
            changes.iter().map(|change| (next.shard_of(next.hash(change.0)), change)).collect();
        by_shard.sort_by_key(|(shard, change)| (*shard, change.0));
        for group in by_shard.chunk_by(|a, b| a.0 == b.0) {
            next.change_shard(group, &mut sets, policy);
        }
        next.count = next.shards.iter().map(|shard| shard.len()).sum();
        next.sets = Arc::new(sets);
        next
    }

    /// The same keys under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let mut next = self.clone();
        next.sets = Arc::new(self.sets.under(policy));
        next
    }

    /// `group` is sorted by key; the sort was stable, so the last of equals is the last word.
    fn change_shard(&mut self, group: &[(usize, &Change)], sets: &mut ScopeSets, policy: &Policy) {
        let (hasher, seed) = (Arc::clone(&self.hasher), self.seed.clone());
        let Some(place) = group.first().and_then(|(index, _)| self.shards.get_mut(*index)) else { return };
        let mut edit = place.edit();
        for same_key in group.chunk_by(|a, b| a.1.0 == b.1.0) {
            let Some((_, (id, entry))) = same_key.last() else { continue };
            let put = entry.as_ref().map(|entry| {
                let scopes = sets.intern(&entry.scopes, policy);
                edit.put(entry, seed.hash_one(id.bits()), scopes, &hasher)
            });
            // A full shard denies the key. The spine grows long before (see MOST), and ids
            // hash evenly.
            if !matches!(put, Some(Ok(()))) {
                edit.remove(*id);
            }
        }
        *place = Arc::new(edit.finish(|id| seed.hash_one(id.bits())));
    }

    fn resized(&self, expected: usize) -> Self {
        let mut next = Self::empty(Arc::clone(&self.hasher), expected);
        next.sets = Arc::clone(&self.sets);
        next.count = self.count;
        let mut edits: Vec<_> = next.shards.iter().map(|shard| shard.edit()).collect();
        for old in &self.shards {
            for record in old.records() {
                let target = next.shard_of(next.hash(record.id));
                if let Some(edit) = edits.get_mut(target) {
                    edit.adopt(record, old);
                }
            }
        }
        let shards = edits.into_iter().map(|edit| Arc::new(edit.finish(|id| next.hash(id)))).collect();
        next.shards = shards;
        next
    }

    #[inline]
    fn hash(&self, id: KeyId) -> u64 {
        self.seed.hash_one(id.bits())
    }

    #[inline]
    fn shard_of(&self, hash: u64) -> usize {
        (hash as usize) & (self.shards.len() - 1)
    }
}

const _: () = assert!(MOST >= PER_SHARD * 32);
