//! How full buckets are, for who administers keys.
//!
//! It only looks: it makes no bucket and takes nothing, so that asking about keys neither fills the
//! memory of buckets nor costs a key a call. The state is that of this process; of a limit that replicas share,
//! what the ledger said last and what of it is here.

use std::time::Duration;

use super::place::Place;
use super::sharing::Footing;
use super::{BucketId, Limiter, ToolBucket};
use crate::base::lease::{LeaseId, WhenGone};
use crate::base::{KeyId, Limit, Nanos, Tick};
use crate::policy::Applied;

/// How full a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// Whole tokens in it.
    pub tokens: u32,
    /// How long until it is full, if nobody takes any; zero for a full one.
    pub full_in: Duration,
}

impl Level {
    /// That of a full bucket, as every one is that is not there.
    pub fn full(limit: Limit) -> Self {
        Self { tokens: limit.burst(), full_in: Duration::ZERO }
    }
}

impl Limiter {
    /// How full a key's bucket of a limit is; nothing where it is full, or not there, which is the same.
    pub fn level(&self, key: KeyId, applied: Applied) -> Option<Level> {
        self.level_at(key, applied, Tick::exact().nanos())
    }

    /// How full the bucket of a rule's limit is.
    pub fn tool_level(&self, bucket: &ToolBucket, applied: &Applied) -> Level {
        let now = Tick::exact().nanos();
        bucket.place(applied).level(applied.limit, self.kept_by(now), now)
    }

    fn level_at(&self, key: KeyId, applied: Applied, now: Nanos) -> Option<Level> {
        let id = BucketId { key, limit: applied.bucket };
        let level = |place: Place<'_>| place.level(applied.limit, self.kept_by(now), now);
        let level = match applied.shared {
            None => self.table.look(&id, |bucket| level(Place::Own(bucket))),
            Some(ahead) => {
                let lease = LeaseId { key: Some(key), limit: applied.bucket };
                self.leases.look(&id, |leased| level(Place::Shared(&leased.0, lease, ahead)))
            }
        };
        level.filter(|level| !level.full_in.is_zero())
    }

    fn kept_by(&self, now: Nanos) -> Footing {
        match &self.sharing {
            Some(sharing) => sharing.footing(now, WhenGone::LocalShare),
            None => Footing::Share(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Level;
    use crate::base::lease::WhenGone;
    use crate::base::{Limit, Nanos};
    use crate::policy::Applied;
    use crate::state::limiter::{Asked, Limiter};
    use std::time::Duration;

    #[test]
    fn looking_makes_no_bucket_and_takes_nothing() {
        let limiter = Limiter::new(1_000);
        let applied = Applied::of_key("calls", Limit::parse("10/s", 5).unwrap(), true);
        let (key, now) = ("mcp_live_0123456789abcdef".parse().unwrap(), Nanos(1_000_000_000_000));
        assert_eq!((limiter.level_at(key, applied, now), limiter.len()), (None, 0));
        let asked = Asked {
            key,
            of_key: Some(applied),
            of_pair: None,
            of_tool: None,
            cost: 3,
            when_gone: WhenGone::default(),
        };
        limiter.take_at(&asked, now).unwrap();
        let level = Some(Level { tokens: 2, full_in: Duration::from_millis(300) });
        assert_eq!([limiter.level_at(key, applied, now), limiter.level_at(key, applied, now)], [level; 2]);
        let later = |ms: u64| limiter.level_at(key, applied, Nanos(now.0 + ms * 1_000_000));
        assert_eq!(later(250), Some(Level { tokens: 4, full_in: Duration::from_millis(50) }));
        assert_eq!(later(300), None);
    }
}
