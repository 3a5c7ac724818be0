//! How full buckets are and how much is under way, for who administers keys.
//!
//! It only looks: it makes no entry and takes nothing, so that asking about keys neither fills the
//! memory of buckets nor costs a key a call. The state is that of this process; of a limit that replicas share,
//! what the ledger said last and what of it is here, and nothing where the key did not call here of late.

use super::place::Place;
use super::shared::Footing;
use super::{BucketId, Level, Limiter, ToolBucket};
use crate::base::{KeyId, Nanos, Tick, UnderWay};
use crate::policy::Applied;

impl Limiter {
    /// How full a key's bucket of a limit is. Nothing where it is full, or not there, which is the same; of
    /// a limit that replicas share, where it is not known here.
    pub fn level(&self, key: KeyId, applied: Applied) -> Option<Level> {
        self.level_at(key, applied, Tick::exact().nanos())
    }

    /// How full the bucket of a rule's limit is; nothing where replicas share it and it is not known here.
    pub fn tool_level(&self, bucket: &ToolBucket, applied: &Applied) -> Option<Level> {
        let now = Tick::exact().nanos();
        let by = if applied.shared.is_some() { self.kept_by(now)? } else { Footing::Share(1) };
        bucket.place(applied).level(applied.limit, by, now)
    }

    fn level_at(&self, key: KeyId, applied: Applied, now: Nanos) -> Option<Level> {
        let id = BucketId { key, limit: applied.bucket };
        let level = |place: Place<'_>, by| place.level(applied.limit, by, now);
        match &applied.shared {
            None => {
                let level = self.table.look(&id, |bucket| level(Place::Own(bucket), Footing::Share(1)))?;
                level.filter(|level| !level.full_in.is_zero())
            }
            Some(ahead) => {
                let by = self.kept_by(now)?;
                self.leases.look(&id, |leased| level(Place::Shared(&leased.0, ahead), by))?
            }
        }
    }

    /// By what shared limits are kept, where there is anything to tell: while the ledger is out of reach,
    /// nobody knows how full its buckets are.
    fn kept_by(&self, now: Nanos) -> Option<Footing> {
        match &self.sharing {
            Some(sharing) => sharing.is_reached(now).then_some(Footing::Ledger),
            None => Some(Footing::Share(1)),
        }
    }

    /// How much of a kind a key has under way that is counted; only what is limited is.
    pub fn under_way(&self, key: KeyId, what: UnderWay) -> u32 {
        self.under_way.look(&key, |counts| counts.now(what)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Level;
    use crate::base::lease::WhenGone;
    use crate::base::{Limit, Nanos, UnderWay};
    use crate::policy::{Applied, Most};
    use crate::state::limiter::{Asked, Entering, Limiter, SHARDS};
    use std::time::Duration;

    #[test]
    fn looking_at_what_is_under_way_makes_no_entry() {
        let limiter = Limiter::new(1_000);
        let key = "mcp_live_0123456789abcdef".parse().unwrap();
        let looked = || UnderWay::ALL.map(|what| limiter.under_way(key, what));
        assert_eq!((looked(), limiter.keys_under_way()), ([0, 0], 0));
        let of_key = Some(Most { most: 3, enforced: true });
        let entering = |what| Entering { what, awaited: false, key, of_key, of_server: None };
        let enter = |what| limiter.enter(&entering(what)).unwrap();
        let held = [enter(UnderWay::Call), enter(UnderWay::Call), enter(UnderWay::Stream)];
        assert_eq!([looked(), looked()], [[2, 1]; 2]);
        drop(held);
        assert_eq!(looked(), [0, 0]);
        (0..SHARDS).for_each(|_| limiter.collect());
        assert_eq!(limiter.keys_under_way(), 0);
    }

    #[test]
    fn looking_makes_no_bucket_and_takes_nothing() {
        let limiter = Limiter::new(1_000);
        let applied = Applied::of_key("calls", Limit::parse("10/s", 5).unwrap(), true);
        let (key, now) = ("mcp_live_0123456789abcdef".parse().unwrap(), Nanos(1_000_000_000_000));
        assert_eq!((limiter.level_at(key, applied, now), limiter.len()), (None, 0));
        let asked = Asked {
            key,
            of_key: Some(&applied),
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
