//! Token buckets: a call takes from all that apply to it, or from none; and places for what is under way
//! at once.
//!
//! Bounded, whatever clients send: a bucket belongs to a key and to a rule of the configuration, never
//! to what a client spelt, and there is a most. Nothing here waits: the only lock is held to read, for
//! as long as a few numbers take.

mod addresses;
mod concurrency;
mod gcra;
mod left;
mod peek;
mod place;
mod shared;
mod table;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use addresses::Addresses;
pub use concurrency::{Counts, Crowded, Entering, Places, ServerCounts};
pub use gcra::{Bucket, Level};
pub use left::Left;
pub use shared::{Keeper, Lease, Note, Sharing};
pub use table::{BucketId, SHARDS};
pub use tools::{ToolBucket, ToolBuckets};

use crate::base::lease::{LeaseId, WhenGone};
use crate::base::{KeyId, Limit, Nanos, Tick};
use crate::policy::Applied;
use place::{Lack, Place, tell};
use shared::{Footing, Leased};
use table::{Full, Table};

/// All buckets and places of a process.
pub struct Limiter {
    table: Table<BucketId, Bucket>,
    /// Leases of buckets of keys that replicas share.
    leases: Table<BucketId, Leased>,
    /// How the keeper of leases is told, where there is one.
    sharing: Option<Arc<Sharing>>,
    /// Keys with something under way that is limited.
    under_way: Table<KeyId, Arc<Counts>>,
    /// Calls that found no room.
    full: AtomicU64,
    /// Calls beyond a limit that is counted only.
    warned: AtomicU64,
    /// Buckets of addresses.
    pub addresses: Addresses,
}

/// The limits that apply to one call.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Whose call it is.
    pub key: KeyId,
    /// Of the key.
    pub of_key: Option<&'a Applied>,
    /// Of the key with the tool.
    pub of_pair: Option<&'a Applied>,
    /// Of the tool, with its bucket.
    pub of_tool: Option<(&'a Applied, &'a ToolBucket)>,
    /// Tokens that the call takes from each.
    pub cost: u32,
    /// What holds for those that replicas share while the ledger is out of reach.
    pub when_gone: WhenGone,
}

/// Which limit it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The key's: its own, or its plan's.
    Key,
    /// The key's with this tool.
    KeyAndTool,
    /// The tool's, of all keys together.
    Tool,
    /// There is no room for another bucket.
    Room,
    /// Replicas share it, and what they share it through is out of reach.
    Unknown,
}

impl Which {
    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::KeyAndTool => "key_and_tool",
            Self::Tool => "tool",
            Self::Room => "room",
            Self::Unknown => "unknown",
        }
    }
}

/// A call beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which one; of several the one that takes longest.
    pub which: Which,
    /// The limit, where it was one.
    pub limit: Option<Limit>,
    /// How long until the same call is within all of its limits, if no other comes.
    pub wait: Duration,
}

/// How long a call waits that found no room: a shard is looked through in that time.
const NO_ROOM: Duration = Duration::from_secs(1);
/// After how long a call may be sent again whose limit nobody can look up.
const AGAIN: Duration = Duration::from_secs(1);

/// One limit with where its tokens are.
/// References, so that a call carries a hundred bytes about and not four hundred.
type Held<'a> = (Which, &'a Applied, Place<'a>);

impl Limiter {
    /// For at most so many buckets of keys, as many leases, and as many keys with something under way.
    pub fn new(buckets: usize) -> Self {
        Self {
            table: Table::new(buckets),
            leases: Table::new(buckets),
            sharing: None,
            under_way: Table::new(buckets),
            addresses: Addresses::new(0),
            full: AtomicU64::new(0),
            warned: AtomicU64::new(0),
        }
    }

    /// The same, for at most so many buckets of addresses.
    #[must_use]
    pub fn with_addresses(self, most: usize) -> Self {
        Self { addresses: Addresses::new(most), ..self }
    }

    /// The same, with limits that replicas share.
    #[must_use]
    pub fn shared_by(self, sharing: Arc<Sharing>) -> Self {
        Self { sharing: Some(sharing), ..self }
    }

    /// Takes what a call costs from all of its buckets, or nothing; says whether it was beyond a limit that
    /// only warns.
    #[inline]
    pub fn take(&self, asked: &Asked<'_>) -> Result<bool, Exceeded> {
        let limits = [asked.of_key, asked.of_pair, asked.of_tool.map(|(applied, _)| applied)];
        if limits.iter().all(Option::is_none) {
            return Ok(false);
        }
        let fine = limits.iter().flatten().any(|applied| applied.limit.is_fine());
        let now = if fine { Tick::exact() } else { Tick::now() };
        self.take_at(asked, now.nanos())
    }

    /// The same at a time.
    #[inline]
    pub fn take_at(&self, asked: &Asked<'_>, now: Nanos) -> Result<bool, Exceeded> {
        let taken = self.with_places(asked, now, |held| self.take_all(held, asked, now));
        taken.unwrap_or_else(|Full| self.without_room(asked, now))
    }

    /// A call of which not every bucket finds room is refused, unless those of its key only warn: then what
    /// is left is the tool's.
    #[cold]
    fn without_room(&self, asked: &Asked<'_>, now: Nanos) -> Result<bool, Exceeded> {
        self.full.fetch_add(1, Ordering::Relaxed);
        if [asked.of_key, asked.of_pair].iter().flatten().any(|applied| applied.enforced) {
            return Err(Exceeded { which: Which::Room, limit: None, wait: NO_ROOM });
        }
        self.take_all(&[None, None, asked.of_tool.map(of_tool)], asked, now)
    }

    /// Does something with all places that a call takes from.
    #[inline]
    fn with_places<T>(
        &self,
        asked: &Asked<'_>,
        now: Nanos,
        what: impl FnOnce(&[Option<Held<'_>>; 3]) -> T,
    ) -> Result<T, Full> {
        let id = |applied: Option<&Applied>, shared: bool| {
            let applied = applied.filter(|applied| applied.shared.is_some() == shared);
            applied.map(|applied| applied.bucket)
        };
        let own = [id(asked.of_key, false), id(asked.of_pair, false)];
        let shared = [id(asked.of_key, true), id(asked.of_pair, true)];
        let done = self.table.with(asked.key, &own, now, |[key, pair]| {
            self.leases.with(asked.key, &shared, now, |[key_lease, pair_lease]| {
                what(&[
                    held(Which::Key, asked.of_key, key, key_lease),
                    held(Which::KeyAndTool, asked.of_pair, pair, pair_lease),
                    asked.of_tool.map(of_tool),
                ])
            })
        });
        done.and_then(|done| done)
    }

    /// Looks first and takes then, so that a call that one limit refuses costs the others nothing, not
    /// even for a moment; what another call took in between is given back.
    #[inline]
    fn take_all(
        &self,
        held: &[Option<Held<'_>>; 3],
        asked: &Asked<'_>,
        now: Nanos,
    ) -> Result<bool, Exceeded> {
        let (by, cost, mut warned) = (self.footing(held, asked, now), asked.cost, false);
        let mut exceeded: Option<Exceeded> = None;
        for (which, applied, place) in held.iter().flatten() {
            let Err(lack) = place.has(applied, by, now, cost) else { continue };
            if applied.enforced {
                let other = Exceeded::by(*which, applied.limit, lack);
                exceeded = exceeded.filter(|known| known.wait >= other.wait).or(Some(other));
                self.missed((*which, applied, *place), asked, by);
            }
        }
        if let Some(exceeded) = exceeded {
            return Err(exceeded);
        }
        for (number, (which, applied, place)) in held.iter().flatten().enumerate() {
            let Err(lack) = place.take(applied, by, now, cost) else {
                self.tell((*which, applied, *place), asked, by);
                continue;
            };
            self.missed((*which, applied, *place), asked, by);
            if !applied.enforced {
                self.warned.fetch_add(1, Ordering::Relaxed);
                warned = true;
                continue;
            }
            let before = held.iter().flatten().take(number).filter(|(_, before, _)| before.enforced);
            before.for_each(|(_, applied, place)| place.give_back(applied, by, cost));
            return Err(Exceeded::by(*which, applied.limit, lack));
        }
        Ok(warned)
    }

    /// By what shared limits are kept now; nobody asks where there is none.
    #[inline]
    fn footing(&self, held: &[Option<Held<'_>>; 3], asked: &Asked<'_>, now: Nanos) -> Footing {
        let shares = held.iter().flatten().any(|(_, applied, _)| applied.shared.is_some());
        match &self.sharing {
            Some(sharing) if shares => sharing.footing(now, asked.when_gone),
            _ => Footing::Share(1),
        }
    }

    #[cold]
    fn missed(&self, held: Held<'_>, asked: &Asked<'_>, by: Footing) {
        held.2.miss(by, asked.cost);
        self.tell(held, asked, by);
    }

    /// Tells the keeper of leases where a lease wants it; a bucket of this process wants nobody.
    #[inline]
    fn tell(&self, (which, applied, place): Held<'_>, asked: &Asked<'_>, by: Footing) {
        if let (Place::Shared(lease, ahead), Footing::Ledger, Some(sharing)) = (place, by, &self.sharing) {
            let id = LeaseId { key: (which != Which::Tool).then_some(asked.key), limit: applied.bucket };
            tell(lease, id, (applied.limit, *ahead), sharing);
        }
    }

    /// Drops what is as when it was made, buckets that are full and keys with nothing under way: a part
    /// at a time.
    pub fn collect(&self) {
        let now = Tick::now().nanos();
        self.table.collect(now);
        self.leases.collect(now);
        self.under_way.collect(now);
        self.addresses.collect(now);
    }

    /// Buckets and leases of keys that there are.
    pub fn len(&self) -> usize {
        self.table.len() + self.leases.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty() && self.leases.is_empty()
    }

    /// Calls that found no room: refused, where a limit of theirs refuses.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Requests beyond a limit that is counted only.
    pub fn warned(&self) -> u64 {
        self.warned.load(Ordering::Relaxed) + self.addresses.warned()
    }
}

impl Exceeded {
    fn by(which: Which, limit: Limit, lack: Lack) -> Self {
        match lack {
            Lack::Wait(wait) => Self { which, limit: Some(limit), wait },
            Lack::Unknown => Self { which: Which::Unknown, limit: None, wait: AGAIN },
        }
    }
}

/// The limit of a tool, with its bucket or its lease.
#[inline]
fn of_tool<'a>((applied, bucket): (&'a Applied, &'a ToolBucket)) -> Held<'a> {
    (Which::Tool, applied, bucket.place(applied))
}

/// One limit of a key's, with its bucket or its lease.
#[inline]
fn held<'a>(
    which: Which,
    applied: Option<&'a Applied>,
    bucket: Option<&'a Bucket>,
    lease: Option<&'a Leased>,
) -> Option<Held<'a>> {
    let applied = applied?;
    let place = match &applied.shared {
        Some(ahead) => Place::Shared(&lease?.0, ahead),
        None => Place::Own(bucket?),
    };
    Some((which, applied, place))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Exceeded, Limiter, ToolBucket, Which};
    use crate::base::lease::WhenGone;
    use crate::base::{KeyId, Limit, Nanos};
    use crate::policy::Applied;
    use proptest::prelude::{prop_assert, proptest};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    const NOW: Nanos = Nanos(1_000_000_000_000);

    fn applied(name: &str, rate: u32, burst: u32, enforced: bool) -> Applied {
        Applied::new(&[name], Limit::new(rate, Duration::from_secs(1), burst).unwrap(), enforced)
    }

    fn key(number: u32) -> KeyId {
        format!("mcp_live_{number:016}").parse().unwrap()
    }

    #[test]
    fn a_call_takes_from_all_buckets_or_from_none() {
        let (limiter, tool) = (Limiter::new(1_000), ToolBucket::default());
        let (of_key, of_pair) = (applied("key", 1, 10, true), applied("pair", 1, 2, true));
        let of_tool = applied("tool", 1, 3, true);
        let asked = |number, cost| Asked {
            key: key(number),
            of_key: Some(&of_key),
            of_pair: Some(&of_pair),
            of_tool: Some((&of_tool, &tool)),
            cost,
            when_gone: WhenGone::default(),
        };
        let which = |number, cost| {
            limiter.take_at(&asked(number, cost), NOW).map(drop).map_err(|exceeded| exceeded.which)
        };
        assert_eq!([which(1, 1), which(1, 1), which(1, 1)], [Ok(()), Ok(()), Err(Which::KeyAndTool)]);
        // The refused one took nothing of the tool: another key has the last token.
        assert_eq!([which(2, 2), which(2, 1), which(2, 1)], [Err(Which::Tool), Ok(()), Err(Which::Tool)]);
        assert_eq!(tool.bucket().tokens(of_tool.limit, NOW), 0);
        let Err(Exceeded { wait, .. }) = limiter.take_at(&asked(1, 2), NOW) else { panic!() };
        assert_eq!(wait, Duration::from_secs(2), "the longest of them");
        assert_eq!(limiter.len(), 4);
    }

    #[test]
    fn a_limit_that_warns_refuses_nothing_and_counts() {
        let limiter = Limiter::new(1_000);
        let (of_key, of_pair) = (applied("key", 1, 5, true), applied("pair", 1, 1, false));
        let asked = Asked {
            key: key(1),
            of_key: Some(&of_key),
            of_pair: Some(&of_pair),
            of_tool: None,
            cost: 1,
            when_gone: WhenGone::default(),
        };
        let taken: Vec<_> = (0..10).map_while(|_| limiter.take_at(&asked, NOW).ok()).collect();
        assert_eq!(taken, [false, true, true, true, true]);
        assert_eq!((limiter.warned(), limiter.full()), (4, 0));
    }

    #[test]
    fn without_room_a_limit_that_warns_refuses_nothing_and_any_other_does() {
        let (limiter, tool) = (Limiter::new(1), ToolBucket::default());
        // Each shard is filled with buckets that are not full again.
        let filler = applied("filler", 1, 1, true);
        let asked = |number, of_key, of_pair, of_tool| Asked {
            key: key(number),
            of_key,
            of_pair,
            of_tool,
            cost: 1,
            when_gone: WhenGone::default(),
        };
        let took =
            |asked: &Asked<'_>| limiter.take_at(asked, NOW).map(drop).map_err(|exceeded| exceeded.which);
        let refused = (0..20_000).find(|number| took(&asked(*number, Some(&filler), None, None)).is_err());
        let without = refused.unwrap();
        let (full, len) = (limiter.full(), limiter.len());
        let (warns, refuses) = (applied("warns", 1, 1, false), applied("refuses", 1, 1, true));
        let (warns, refuses) = (Some(&warns), Some(&refuses));
        for (of_key, of_pair, comes_to) in [
            (warns, None, Ok(())),
            (None, warns, Ok(())),
            (warns, warns, Ok(())),
            (refuses, None, Err(Which::Room)),
            (warns, refuses, Err(Which::Room)),
            (refuses, warns, Err(Which::Room)),
        ] {
            assert_eq!(took(&asked(without, of_key, of_pair, None)), comes_to);
        }
        // The tool's bucket is not in the table, and counts.
        let of_tool = applied("tool", 1, 2, true);
        let of_tool = Some((&of_tool, &tool));
        let calls: Vec<_> = (0..3).map(|_| took(&asked(without, warns, None, of_tool))).collect();
        assert_eq!(calls, [Ok(()), Ok(()), Err(Which::Tool)]);
        assert_eq!((limiter.full(), limiter.len()), (full + 9, len));
    }

    proptest! {
        /// However calls of several keys and costs come together: no bucket gives more than its limit,
        /// and what all of them would have allowed is allowed.
        #[test]
        fn no_interleaving_gets_more_than_the_limits_say(
            calls in proptest::collection::vec((0_u32..3, 1_u32..4, 0_u64..300_000_000), 1..300),
        ) {
            let (limiter, tool) = (Limiter::new(1_000), ToolBucket::default());
            let (of_key, of_pair, of_tool) =
                (applied("key", 5, 6, true), applied("pair", 4, 5, true), applied("tool", 8, 9, true));
            let (mut now, mut taken) = (NOW.0, [0_u32; 3]);
            for (number, cost, gap) in calls {
                now += gap;
                let asked = Asked {
                    key: key(number),
                    of_key: Some(&of_key),
                    of_pair: Some(&of_pair),
                    of_tool: Some((&of_tool, &tool)),
                    cost,
                    when_gone: WhenGone::default(),
                };
                if limiter.take_at(&asked, Nanos(now)).is_ok() {
                    taken[number as usize] += cost;
                }
                let seconds = Duration::from_nanos(now - NOW.0).as_secs_f64();
                for taken in taken {
                    prop_assert!(f64::from(taken) <= 5.0 + 4.0 * seconds + 1e-6);
                }
                prop_assert!(f64::from(taken.iter().sum::<u32>()) <= 9.0 + 8.0 * seconds + 1e-6);
            }
        }
    }

    #[test]
    fn workers_together_get_what_there_is() {
        let (limiter, tool) = (Limiter::new(1_000), ToolBucket::default());
        let of_tool = applied("tool", 1_000, 100, true);
        let (clock, admitted) = (AtomicU64::new(NOW.0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let (limiter, tool, clock, admitted) = (&limiter, &tool, &clock, &admitted);
                scope.spawn(move || {
                    let of_key = applied("key", 100_000, 100_000, true);
                    let asked = Asked {
                        key: key(worker),
                        of_key: Some(&of_key),
                        of_pair: None,
                        of_tool: Some((&of_tool, tool)),
                        cost: 1,
                        when_gone: WhenGone::default(),
                    };
                    for _ in 0..50_000 {
                        let now = Nanos(clock.fetch_add(10_000, Ordering::Relaxed));
                        let taken = limiter.take_at(&asked, now).is_ok();
                        admitted.fetch_add(u64::from(taken), Ordering::Relaxed);
                    }
                });
            }
        });
        // Two seconds went by.
        let (most, admitted) = (100 + 2_000, admitted.load(Ordering::Relaxed));
        assert!(admitted <= most && admitted * 1_000 >= most * 999, "{admitted} of {most}");
    }
}
