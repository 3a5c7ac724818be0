//! All buckets of keys, in shards, bounded.
//!
//! A key's own bucket and those that it has with tools lie in one shard, so that a call takes one
//! lock for all of them, and only to read: the buckets are atomics. A bucket that is full says the same
//! as none, so it can be dropped whenever there is time.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::gcra::Bucket;
use crate::base::{KeyId, Nanos};

/// Shards: of a million buckets each holds four thousand, and is gone through in some 20 µs.
pub const SHARDS: usize = 256;

/// Buckets that each shard has room for: those of one call, some times.
const LEAST: usize = 8;

/// Which bucket: a key's for a kind of request, or what a key may do with one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketId {
    /// The key.
    pub key: KeyId,
    /// The limit, by what stays the same over reloads.
    pub limit: u64,
}

type Shard = HashMap<BucketId, Bucket, RandomState>;

/// The table.
pub(super) struct Table {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
    /// Buckets that a shard may hold.
    most: usize,
    /// The shard that is looked through next.
    next: AtomicU64,
}

/// There is no room for another bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Table {
    /// For at most so many buckets, rounded up to a multiple of the shards, of which each has room for
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

    /// Does something with a key's buckets, which are made where they are not there. All `ids` must be
    /// of one key.
    #[inline]
    pub(super) fn with<const N: usize, T>(
        &self,
        ids: &[Option<BucketId>; N],
        now: Nanos,
        what: impl FnOnce([Option<&Bucket>; N]) -> T,
    ) -> Result<T, Full> {
        let Some(key) = ids.iter().flatten().next().map(|id| id.key) else { return Ok(what([None; N])) };
        let Some(shard) = self.shard(key) else { return Err(Full) };
        let held = read(shard);
        if let Some(buckets) = find(&held, ids) {
            return Ok(what(buckets));
        }
        drop(held);
        self.add(shard, ids, now)?;
        // Between the two locks another may have dropped a bucket that is full again: a rare turn more.
        let held = read(shard);
        match find(&held, ids) {
            Some(buckets) => Ok(what(buckets)),
            None => Err(Full),
        }
    }

    #[cold]
    fn add<const N: usize>(
        &self,
        shard: &RwLock<Shard>,
        ids: &[Option<BucketId>; N],
        now: Nanos,
    ) -> Result<(), Full> {
        let mut held = write(shard);
        let missing = |held: &Shard| ids.iter().flatten().filter(|id| !held.contains_key(*id)).count();
        if held.len() + missing(&held) > self.most {
            held.retain(|_, bucket| !bucket.is_full(now));
        }
        if held.len() + missing(&held) > self.most {
            return Err(Full);
        }
        for id in ids.iter().flatten() {
            held.entry(*id).or_default();
        }
        Ok(())
    }

    /// Drops buckets that are full, in one shard after the other; to be called now and then.
    pub(super) fn collect(&self, now: Nanos) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
        let Some(shard) = self.shards.get(turn) else { return };
        if read(shard).values().any(|bucket| bucket.is_full(now)) {
            let mut held = write(shard);
            held.retain(|_, bucket| !bucket.is_full(now));
            // A burst of keys that are gone must not be kept in mind for ever.
            if held.capacity() > 4 * held.len().max(64) {
                held.shrink_to_fit();
            }
        }
    }

    /// Buckets that there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn shard(&self, key: KeyId) -> Option<&RwLock<Shard>> {
        // The upper bits: the tables inside use the lower ones.
        let hash = self.hasher.hash_one(key) >> 48;
        self.shards.get(hash as usize % SHARDS)
    }
}

#[inline]
fn find<'a, const N: usize>(
    shard: &'a Shard,
    ids: &[Option<BucketId>; N],
) -> Option<[Option<&'a Bucket>; N]> {
    let mut found = [None; N];
    for (place, id) in found.iter_mut().zip(ids) {
        if let Some(id) = id {
            *place = Some(shard.get(id)?);
        }
    }
    Some(found)
}

#[inline]
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    // Nothing is done under the lock that could break off half way.
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{BucketId, Full, LEAST, SHARDS, Table};
    use crate::base::{KeyId, Limit, Nanos};
    use std::time::Duration;

    const NOW: Nanos = Nanos(1_000_000_000_000);

    fn id(number: u64) -> BucketId {
        let key: KeyId = format!("mcp_live_{number:016}").parse().unwrap();
        BucketId { key, limit: 1 }
    }

    fn limit() -> Limit {
        Limit::new(1, Duration::from_secs(1), 1).unwrap()
    }

    fn take(table: &Table, number: u64, now: Nanos) -> Result<bool, Full> {
        table.with(&[Some(id(number))], now, |[bucket]| bucket.unwrap().take(limit(), now, 1).is_ok())
    }

    #[test]
    fn a_key_has_its_bucket_and_none_is_given_to_nothing() {
        let table = Table::new(1_000);
        assert_eq!(
            (take(&table, 1, NOW), take(&table, 1, NOW), take(&table, 2, NOW)),
            (Ok(true), Ok(false), Ok(true))
        );
        assert_eq!(table.with(&[None, None], NOW, |[a, b]| a.is_none() && b.is_none()), Ok(true));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn there_are_no_more_than_it_may_hold_and_full_ones_make_room() {
        let table = Table::new(1);
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
        let capacity: usize = table.shards.iter().map(|shard| super::read(shard).capacity()).sum();
        assert!(capacity < 2 * most, "what was held for them is given back: {capacity}");
    }
}
