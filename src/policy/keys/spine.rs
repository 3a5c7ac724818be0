//! The spine: which shard a key lives in, and how a change makes the next generation.
//!
//! Nothing is ever changed in place: [`Keys::with`] copies the shards that changes fall into,
//! their groups and the row of groups, and shares the rest with the generation before.

use std::hash::BuildHasher;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;
use http::HeaderValue;

use super::record::{KeyEntry, Record, Rotation};
use super::sets::{ScopeSetId, ScopeSets, Terms};
use super::shard::{Edit, MOST, Shard};
use crate::base::KeyId;
use crate::base::digest::Hasher;
use crate::policy::compiled::{Grants, Policy};
use crate::policy::scope::ScopeSet;

/// Records that a shard is laid out for. A change copies one shard, 32 KiB: twice as many took
/// half as long again, half as many no less among a million keys, and a lookup longer.
const PER_SHARD: usize = 512;

/// Shards that stand together on the spine. A change copies one group and the row of groups:
/// 96 references for a million keys, instead of two thousand that lie on as many cache lines.
const PER_GROUP: usize = 32;

/// Sets that may be left over from what keys had before they changed, beside one for each key and as
/// many again: who changes a key's limits each minute must not be kept in mind for ever.
const SPARE_SETS: usize = 1_024;

/// A row of shards.
type Group = Arc<[Arc<Shard>]>;

/// One seed per process, so that ids cannot be chosen to collide.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A key added or replaced, or removed.
pub type Change = (KeyId, Option<KeyEntry>);

/// All keys of one generation.
#[derive(Clone)]
pub struct Keys {
    groups: Box<[Group]>,
    /// Shards in all groups; a power of two.
    shards: usize,
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
    const NOTHING: Self =
        Self { record: &Record::DUMMY, rotation: &Rotation::NONE, known: false, shard: None };

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
        // One empty shard stands for all: none is ever changed in place.
        let group: Group = std::iter::repeat_n(Arc::default(), shards.min(PER_GROUP)).collect();
        Self {
            groups: std::iter::repeat_n(group, shards.div_ceil(PER_GROUP)).collect(),
            shards,
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
        self.terms(id).map(|terms| &terms.scopes)
    }

    /// A set with its plan and limits.
    pub fn terms(&self, id: ScopeSetId) -> Option<&Terms> {
        self.sets.terms(id)
    }

    /// How many distinct sets are kept.
    pub fn sets(&self) -> usize {
        self.sets.len()
    }

    /// Whether most of this generation is that of another.
    pub fn shares_with(&self, other: &Self) -> bool {
        self.groups.len() == other.groups.len()
            && (self.groups.len() < 2
                || self.groups.iter().zip(&other.groups).any(|(own, others)| Arc::ptr_eq(own, others)))
    }

    /// Looks a key up. For an id that is not there, some record of the same shard stands in:
    /// what is compared, and where it lies, does not tell.
    #[inline]
    pub fn find(&self, id: KeyId) -> Found<'_> {
        let hash = self.hash(id);
        let Some(shard) = self.shard(self.shard_of(hash)) else { return Found::NOTHING };
        let own = shard.find(id, hash);
        let stand_in = shard.stand_in(hash);
        match own.or(stand_in) {
            Some(record) => {
                Found { record, rotation: shard.rotation(record), known: own.is_some(), shard: Some(shard) }
            }
            None => Found::NOTHING,
        }
    }

    /// The next generation: keys added or replaced, and keys removed. The order matters only
    /// where one key occurs twice: the last word counts.
    #[must_use]
    pub fn with(&self, changes: &[Change], policy: &Policy) -> Self {
        let expected = self.count + changes.len();
        let full = expected > self.shards * PER_SHARD * 2 || self.sets.len() > 2 * self.count + SPARE_SETS;
        let mut next = if full { self.resized(expected) } else { self.clone() };
        // Changes of one shard together, so that each shard is copied and laid out once.
        let mut by_shard: Vec<(usize, &Change)> =
            changes.iter().map(|change| (next.shard_of(next.hash(change.0)), change)).collect();
        by_shard.sort_by_key(|(shard, change)| (*shard, change.0));
        for same_group in by_shard.chunk_by(|a, b| a.0 / PER_GROUP == b.0 / PER_GROUP) {
            next.change_group(same_group, policy);
        }
        next
    }

    /// The same keys under another policy.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let mut next = self.clone();
        next.sets = Arc::new(self.sets.under(policy));
        next
    }

    /// Changes that fall into one group of shards, sorted by shard and key.
    fn change_group(&mut self, changes: &[(usize, &Change)], policy: &Policy) {
        let Some(index) = changes.first().map(|(shard, _)| shard / PER_GROUP) else { return };
        let Some(mut shards) = self.groups.get(index).map(|group| group.to_vec()) else { return };
        for same_shard in changes.chunk_by(|a, b| a.0 == b.0) {
            if let Some(place) = same_shard.first().and_then(|(at, _)| shards.get_mut(at % PER_GROUP)) {
                let changed = self.changed(place, same_shard, policy);
                self.count = self.count - place.len() + changed.len();
                *place = Arc::new(changed);
            }
        }
        if let Some(group) = self.groups.get_mut(index) {
            *group = shards.into();
        }
    }

    /// A shard with its changes, sorted by key; the sort was stable, so the last of equals is
    /// the last word.
    fn changed(&mut self, shard: &Shard, changes: &[(usize, &Change)], policy: &Policy) -> Shard {
        let mut edit = shard.edit();
        for same_key in changes.chunk_by(|a, b| a.1.0 == b.1.0) {
            let Some((_, (id, entry))) = same_key.last() else { continue };
            let put = entry.as_ref().map(|entry| {
                let scopes = self.sets.intern(entry, policy);
                edit.put(entry, self.hash(*id), scopes, &self.hasher)
            });
            // A full shard denies the key. The spine grows long before (see MOST), and ids
            // hash evenly.
            if !matches!(put, Some(Ok(()))) {
                edit.remove(*id);
            }
        }
        edit.finish(|id| self.hash(id))
    }

    /// The same keys laid out anew, with the sets that they have and no others.
    fn resized(&self, expected: usize) -> Self {
        let old = || self.groups.iter().flat_map(|group| group.iter()).map(|shard| &**shard);
        let mut used = vec![false; self.sets.len()];
        for record in old().flat_map(Shard::records) {
            if let Some(used) = used.get_mut(record.scopes.0 as usize) {
                *used = true;
            }
        }
        let (sets, numbers) = self.sets.only(&used);
        let number = |old: ScopeSetId| numbers.get(old.0 as usize).copied().unwrap_or(old);
        Self::laid_out(old(), expected, Arc::new(sets), Arc::clone(&self.hasher), number)
    }

    /// A table for `expected` keys of the records of other shards, with `number` for the number of a
    /// set there; the later of two records of one key counts. Each shard gets the room that it needs at once: grown step by step, a
    /// million records would leave as much memory torn as they take.
    pub(super) fn laid_out<'s>(
        from: impl Iterator<Item = &'s Shard>,
        expected: usize,
        sets: Arc<ScopeSets>,
        hasher: Arc<Hasher>,
        number: impl Fn(ScopeSetId) -> ScopeSetId,
    ) -> Self {
        let mut next = Self::empty(hasher, expected);
        next.sets = sets;
        let from: Vec<&Shard> = from.collect();
        let shards: Vec<_> = next
            .by_shard(&from)
            .iter()
            .map(|places| {
                let mut edit = Edit::with_room(places.len());
                for (shard, place) in places {
                    if let Some(shard) = from.get(*shard as usize)
                        && let Some(record) = shard.records().get(*place as usize)
                    {
                        edit.adopt(&Record { scopes: number(record.scopes), ..*record }, shard);
                    }
                }
                Arc::new(edit.finish(|id| next.hash(id)))
            })
            .collect();
        next.count = shards.iter().map(|shard| shard.len()).sum();
        next.groups = shards.chunks(PER_GROUP).map(Group::from).collect();
        next
    }

    /// For each shard to be, where its records lie, in their order: gathered first, so that one
    /// shard is filled after the other. Two thousand that are filled at once stand in no cache.
    fn by_shard(&self, from: &[&Shard]) -> Vec<Vec<(u32, u32)>> {
        let mut counts = vec![0_usize; self.shards];
        let numbers: Vec<u32> = from
            .iter()
            .flat_map(|shard| shard.records())
            .map(|record| {
                let number = self.shard_of(self.hash(record.id));
                if let Some(count) = counts.get_mut(number) {
                    *count += 1;
                }
                number as u32
            })
            .collect();
        let mut places: Vec<Vec<(u32, u32)>> = counts.into_iter().map(Vec::with_capacity).collect();
        let all =
            (0_u32..).zip(from).flat_map(|(at, shard)| (0..shard.len() as u32).map(move |place| (at, place)));
        for (number, place) in numbers.into_iter().zip(all) {
            if let Some(places) = places.get_mut(number as usize) {
                places.push(place);
            }
        }
        places
    }

    #[inline]
    fn shard(&self, index: usize) -> Option<&Shard> {
        self.groups.get(index / PER_GROUP)?.get(index % PER_GROUP).map(|shard| &**shard)
    }

    #[inline]
    fn hash(&self, id: KeyId) -> u64 {
        self.seed.hash_one(id.bits())
    }

    #[inline]
    fn shard_of(&self, hash: u64) -> usize {
        (hash as usize) & (self.shards - 1)
    }
}

const _: () = assert!(MOST >= PER_SHARD * 32);
