//! What is counted by something that clients bring, in shards, bounded: buckets of keys, for one.
//!
//! All that belongs together, as a key's own bucket and those that it has with tools, lies in one shard,
//! so that a call takes one lock for all of it, and only to read: what is kept are atomics. What is as
//! it was when it was made says the same as none, so it can be dropped whenever there is time.

use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{KeyId, Nanos};

/// Shards: of a million buckets each holds four thousand, and is gone through in some 20 µs.
pub const SHARDS: usize = 256;

/// Buckets that each shard has room for: those of one call, some times.
const LEAST: usize = 8;

/// How often what was dropped before it could be used is made anew.
const TURNS: usize = 4;

/// Which bucket: a key's for a kind of request, or what a key may do with one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketId {
    /// The key.
    pub key: KeyId,
    /// The limit, by what stays the same over reloads.
    pub limit: u64,
}

/// What something is kept under.
pub(super) trait Id: Copy + Eq + Hash {
    /// What keeps it together with others, in one shard.
    type Home: Copy + Hash;

    /// Which home.
    fn home(&self) -> Self::Home;
}

impl Id for BucketId {
    type Home = KeyId;

    #[inline]
    fn home(&self) -> KeyId {
        self.key
    }
}

/// What is kept; made when it is first asked for.
pub(super) trait Kept: Default {
    /// Whether it is as it was when it was made: then it need not be kept.
    fn is_idle(&self, now: Nanos) -> bool;
}

/// Nanoseconds between two looks through a shard that is full, by calls that find no room in it: what is idle
/// goes by itself, and a flood of such calls must not look through it each time.
const LOOK: u64 = 100_000_000;

/// A part of the table.
struct Shard<I, V> {
    kept: HashMap<I, V, RandomState>,
    /// When a call looked through it for room, if one did.
    looked: Option<Nanos>,
}

impl<I, V> Default for Shard<I, V> {
    fn default() -> Self {
        Self { kept: HashMap::default(), looked: None }
    }
}

impl<I: Id, V: Kept> Shard<I, V> {
    /// Whether so much more would be too much, and it was looked through a moment ago.
    fn is_full<const N: usize>(&self, ids: &[Option<I>; N], most: usize, now: Nanos) -> bool {
        let looked = self.looked.is_some_and(|looked| now.0 < looked.0.saturating_add(LOOK));
        looked && !self.has_room(ids, most)
    }

    fn has_room<const N: usize>(&self, ids: &[Option<I>; N], most: usize) -> bool {
        let missing = ids.iter().flatten().filter(|id| !self.kept.contains_key(*id)).count();
        self.kept.len() + missing <= most
    }
}

/// The table.
pub(super) struct Table<I, V> {
    shards: Box<[RwLock<Shard<I, V>>]>,
    hasher: RandomState,
    /// How much a shard may hold.
    most: usize,
    /// The shard that is looked through next.
    next: AtomicU64,
}

/// There is no room for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<I: Id, V: Kept> Table<I, V> {
    /// For at most so many, rounded up to a multiple of the shards, of which each has room for
    /// a few.
    pub(super) fn new(most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self {
            shards,
            hasher: RandomState::default(),
            most: most.div_ceil(SHARDS).max(LEAST),
            next: AtomicU64::new(0),
        }
    }

    /// Does something with what is kept under `ids`, which is made where it is not there. All of them must
    /// have one home.
    #[inline]
    pub(super) fn with<const N: usize, T>(
        &self,
        ids: &[Option<I>; N],
        now: Nanos,
        what: impl FnOnce([Option<&V>; N]) -> T,
    ) -> Result<T, Full> {
        let Some(home) = ids.iter().flatten().next().map(Id::home) else { return Ok(what([None; N])) };
        let Some(shard) = self.shard(home) else { return Err(Full) };
        let mut held = read(shard);
        // Between the two locks another may have dropped what is idle: a rare turn more.
        for _ in 0..TURNS {
            if let Some(kept) = find(&held, ids) {
                return Ok(what(kept));
            }
            drop(held);
            self.add(shard, ids, now)?;
            held = read(shard);
        }
        find(&held, ids).map(what).ok_or(Full)
    }

    /// Looks at what is kept under an id, if it is there; makes nothing.
    pub(super) fn look<T>(&self, id: &I, what: impl FnOnce(&V) -> T) -> Option<T> {
        read(self.shard(id.home())?).kept.get(id).map(what)
    }

    #[cold]
    fn add<const N: usize>(
        &self,
        shard: &RwLock<Shard<I, V>>,
        ids: &[Option<I>; N],
        now: Nanos,
    ) -> Result<(), Full> {
        if read(shard).is_full(ids, self.most, now) {
            return Err(Full);
        }
        let mut held = write(shard);
        if !held.has_room(ids, self.most) && !held.is_full(ids, self.most, now) {
            held.kept.retain(|_, kept| !kept.is_idle(now));
            held.looked = Some(now);
        }
        if !held.has_room(ids, self.most) {
            return Err(Full);
        }
        for id in ids.iter().flatten() {
            held.kept.entry(*id).or_default();
        }
        Ok(())
    }

    /// Drops what is idle, in one shard after the other; to be called now and then.
    pub(super) fn collect(&self, now: Nanos) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
        let Some(shard) = self.shards.get(turn) else { return };
        if read(shard).kept.values().any(|kept| kept.is_idle(now)) {
            let held = &mut write(shard).kept;
            held.retain(|_, kept| !kept.is_idle(now));
            // A burst of keys that are gone must not be kept in mind for ever.
            if held.capacity() > 4 * held.len().max(64) {
                held.shrink_to_fit();
            }
        }
    }

    /// How much there is.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).kept.len()).sum()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn shard(&self, home: I::Home) -> Option<&RwLock<Shard<I, V>>> {
        // The upper bits: the tables inside use the lower ones.
        let hash = self.hasher.hash_one(home) >> 48;
        self.shards.get(hash as usize % SHARDS)
    }
}

#[inline]
fn find<'a, I: Id, V, const N: usize>(
    shard: &'a Shard<I, V>,
    ids: &[Option<I>; N],
) -> Option<[Option<&'a V>; N]> {
    let mut found = [None; N];
    for (place, id) in found.iter_mut().zip(ids) {
        if let Some(id) = id {
            *place = Some(shard.kept.get(id)?);
        }
    }
    Some(found)
}

#[inline]
fn read<I, V>(shard: &RwLock<Shard<I, V>>) -> RwLockReadGuard<'_, Shard<I, V>> {
    // Nothing is done under the lock that could break off half way.
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<I, V>(shard: &RwLock<Shard<I, V>>) -> RwLockWriteGuard<'_, Shard<I, V>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{BucketId, Full, LEAST, SHARDS, Table};
    use crate::base::{KeyId, Limit, Nanos};
    use crate::state::limiter::Bucket;
    use std::time::Duration;

    const NOW: Nanos = Nanos(1_000_000_000_000);

    fn id(number: u64) -> BucketId {
        let key: KeyId = format!("mcp_live_{number:016}").parse().unwrap();
        BucketId { key, limit: 1 }
    }

    fn limit() -> Limit {
        Limit::new(1, Duration::from_secs(1), 1).unwrap()
    }

    fn take(table: &Table<BucketId, Bucket>, number: u64, now: Nanos) -> Result<bool, Full> {
        table.with(&[Some(id(number))], now, |[bucket]| bucket.unwrap().take(limit(), now, 1).is_ok())
    }

    #[test]
    fn a_full_shard_is_looked_through_now_and_then_and_not_by_every_call() {
        let table = Table::<BucketId, Bucket>::new(1);
        let shard_of = |number| std::ptr::from_ref(table.shard(id(number).key).unwrap());
        let alike: Vec<u64> =
            (0..).filter(|number| shard_of(*number) == shard_of(0)).take(LEAST + 2).collect();
        for number in &alike[..LEAST] {
            assert_eq!(take(&table, *number, NOW), Ok(true));
        }
        assert_eq!(take(&table, alike[LEAST], NOW), Err(Full));
        // A second later they are all idle, but it was looked through a moment before that.
        let after = |ms: u64| Nanos(NOW.0 + ms * 1_000_000);
        assert_eq!(take(&table, alike[LEAST], after(950)), Err(Full));
        assert_eq!(take(&table, alike[LEAST], after(1_000)), Err(Full));
        assert_eq!(take(&table, alike[LEAST], after(1_050)), Ok(true));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_key_has_its_bucket_and_none_is_given_to_nothing() {
        let table = Table::<BucketId, Bucket>::new(1_000);
        assert_eq!(
            (take(&table, 1, NOW), take(&table, 1, NOW), take(&table, 2, NOW)),
            (Ok(true), Ok(false), Ok(true))
        );
        assert_eq!(table.with(&[None, None], NOW, |[a, b]| a.is_none() && b.is_none()), Ok(true));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn there_are_no_more_than_it_may_hold_and_full_ones_make_room() {
        let table = Table::<BucketId, Bucket>::new(1);
        let most = SHARDS * LEAST;
        let offered = 5 * most as u64;
        let refused = (0..offered).filter(|number| take(&table, *number, NOW) == Err(Full)).count();
        assert!(table.len() <= most && refused >= offered as usize - most, "{} {refused}", table.len());
        // What is not full stays.
        (0..SHARDS).for_each(|_| table.collect(NOW));
        assert_eq!(table.len(), offered as usize - refused);
        let later = Nanos(NOW.0 + 2_000_000_000);
        assert_eq!(take(&table, offered, later), Ok(true), "a shard that is asked makes room by itself");
        (0..SHARDS).for_each(|_| table.collect(later));
        assert_eq!(table.len(), 1);
        let capacity: usize = table.shards.iter().map(|shard| super::read(shard).kept.capacity()).sum();
        assert!(capacity < 2 * most, "what was held for them is given back: {capacity}");
    }
}
