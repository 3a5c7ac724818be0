//! What is counted by something that clients bring, in shards, bounded: buckets of keys, for one.
//!
//! All that belongs together, as a key's own bucket and those that it has with tools, lies in one shard,
//! so that a call takes one lock for all of it, and only to read: what is kept are atomics. What is as
//! it was when it was made says the same as none, so it can be dropped whenever there is time.

use std::hash::{BuildHasher as _, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

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
pub(super) trait Id: Copy + Eq {
    /// What keeps it together with others, in one shard.
    type Home: Copy + Hash;
    /// What tells it from others of its home: chosen by no client, as all of it goes into one shard.
    type Apart: Copy + Into<u64>;

    /// The id of something.
    fn new(home: Self::Home, apart: Self::Apart) -> Self;

    /// Which home.
    fn home(&self) -> Self::Home;

    /// Which one of its home.
    fn apart(&self) -> Self::Apart;
}

/// There is but one in a home.
#[derive(Clone, Copy)]
pub(super) struct Alone;

impl From<Alone> for u64 {
    fn from(_: Alone) -> Self {
        0
    }
}

impl Id for BucketId {
    type Home = KeyId;
    type Apart = u64;

    #[inline]
    fn new(key: KeyId, limit: u64) -> Self {
        Self { key, limit }
    }

    #[inline]
    fn home(&self) -> KeyId {
        self.key
    }

    #[inline]
    fn apart(&self) -> u64 {
        self.limit
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
    kept: HashTable<(I, V)>,
    /// When a call looked through it for room, if one did.
    looked: Option<Nanos>,
}

impl<I, V> Default for Shard<I, V> {
    fn default() -> Self {
        Self { kept: HashTable::default(), looked: None }
    }
}

impl<I: Id, V: Kept> Shard<I, V> {
    /// Whether so much more would be too much, and it was looked through a moment ago.
    fn is_full<const N: usize>(
        &self,
        home: Hashed<I>,
        ids: &[Option<I::Apart>; N],
        most: usize,
        now: Nanos,
    ) -> bool {
        let looked = self.looked.is_some_and(|looked| now.0 < looked.0.saturating_add(LOOK));
        looked && !self.has_room(home, ids, most)
    }

    fn has_room<const N: usize>(&self, home: Hashed<I>, ids: &[Option<I::Apart>; N], most: usize) -> bool {
        let missing = ids.iter().flatten().filter(|apart| self.get(home, **apart).is_none()).count();
        self.kept.len() + missing <= most
    }

    #[inline]
    fn get(&self, home: Hashed<I>, apart: I::Apart) -> Option<&V> {
        let id = I::new(home.home, apart);
        self.kept.find(home.hash(apart), |(known, _)| *known == id).map(|(_, kept)| kept)
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

    /// Does something with what is kept under `ids` of one home, which is made where it is not there.
    #[inline]
    pub(super) fn with<const N: usize, T>(
        &self,
        home: I::Home,
        ids: &[Option<I::Apart>; N],
        now: Nanos,
        what: impl FnOnce([Option<&V>; N]) -> T,
    ) -> Result<T, Full> {
        if ids.iter().all(Option::is_none) {
            return Ok(what([None; N]));
        }
        let home = self.hashed(home);
        let shard = self.shard(home).ok_or(Full)?;
        let mut held = read(shard);
        // Between the two locks another may have dropped what is idle: a rare turn more.
        for _ in 0..TURNS {
            if let Some(kept) = find(&held, home, ids) {
                return Ok(what(kept));
            }
            drop(held);
            self.add(shard, home, ids, now)?;
            held = read(shard);
        }
        find(&held, home, ids).map(what).ok_or(Full)
    }

    /// Looks at what is kept under an id, if it is there; makes nothing.
    pub(super) fn look<T>(&self, id: &I, what: impl FnOnce(&V) -> T) -> Option<T> {
        let home = self.hashed(id.home());
        read(self.shard(home)?).get(home, id.apart()).map(what)
    }

    #[cold]
    fn add<const N: usize>(
        &self,
        shard: &RwLock<Shard<I, V>>,
        home: Hashed<I>,
        ids: &[Option<I::Apart>; N],
        now: Nanos,
    ) -> Result<(), Full> {
        if read(shard).is_full(home, ids, self.most, now) {
            return Err(Full);
        }
        let mut held = write(shard);
        if !held.has_room(home, ids, self.most) && !held.is_full(home, ids, self.most, now) {
            held.kept.retain(|(_, kept)| !kept.is_idle(now));
            held.looked = Some(now);
        }
        if !held.has_room(home, ids, self.most) {
            return Err(Full);
        }
        for apart in ids.iter().flatten() {
            let id = I::new(home.home, *apart);
            let entry = held.kept.entry(home.hash(*apart), |(known, _)| *known == id, |kept| self.hash(kept));
            entry.or_insert_with(|| (id, V::default()));
        }
        Ok(())
    }

    /// Drops what is idle, in one shard after the other; to be called now and then.
    pub(super) fn collect(&self, now: Nanos) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
        let Some(shard) = self.shards.get(turn) else { return };
        if read(shard).kept.iter().any(|(_, kept)| kept.is_idle(now)) {
            let held = &mut write(shard).kept;
            held.retain(|(_, kept)| !kept.is_idle(now));
            // A burst of keys that are gone must not be kept in mind for ever.
            if held.capacity() > 4 * held.len().max(64) {
                held.shrink_to_fit(|kept| self.hash(kept));
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
    fn hashed(&self, home: I::Home) -> Hashed<I> {
        Hashed { home, hash: self.hasher.hash_one(home) }
    }

    fn hash(&self, (id, _): &(I, V)) -> u64 {
        self.hashed(id.home()).hash(id.apart())
    }

    #[inline]
    fn shard(&self, home: Hashed<I>) -> Option<&RwLock<Shard<I, V>>> {
        // Bits in the middle: the tables inside use the lowest and the highest.
        self.shards.get((home.hash >> 40) as usize % SHARDS)
    }
}

/// A home with its hash, so that a call hashes its key once for all of its buckets.
#[derive(Clone, Copy)]
struct Hashed<I: Id> {
    home: I::Home,
    hash: u64,
}

impl<I: Id> Hashed<I> {
    /// The hash of an id in this home.
    #[inline]
    fn hash(self, apart: I::Apart) -> u64 {
        // Fibonacci hashing (Knuth, The Art of Computer Programming, volume 3, 6.4): 2^64 by the golden ratio.
        let mixed = (self.hash ^ apart.into()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    }
}

#[inline]
fn find<'a, I: Id, V: Kept, const N: usize>(
    shard: &'a Shard<I, V>,
    home: Hashed<I>,
    ids: &[Option<I::Apart>; N],
) -> Option<[Option<&'a V>; N]> {
    let mut found = [None; N];
    for (place, apart) in found.iter_mut().zip(ids) {
        if let Some(apart) = apart {
            *place = Some(shard.get(home, *apart)?);
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
        table.with(id(number).key, &[Some(1)], now, |[bucket]| bucket.unwrap().take(limit(), now, 1).is_ok())
    }

    #[test]
    fn a_full_shard_is_looked_through_now_and_then_and_not_by_every_call() {
        let table = Table::<BucketId, Bucket>::new(1);
        let shard_of = |number| std::ptr::from_ref(table.shard(table.hashed(id(number).key)).unwrap());
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
        assert_eq!(table.with(id(1).key, &[None, None], NOW, |[a, b]| a.is_none() && b.is_none()), Ok(true));
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
