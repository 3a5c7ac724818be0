//! One token bucket as one number: the theoretical arrival time of the generic cell rate algorithm
//! (ITU-T I.371, 2004, annex A; virtual scheduling).
//!
//! A bucket is full when its number lies in the past, so taking is one compare-and-swap. Beside it stands what
//! it was reckoned with: where a limit changes, the tokens that were taken stay taken, and
//! not the time in which they would have come. Pure but for the atomics: time is passed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::table::Kept;
use crate::base::{Limit, Nanos};

/// A bucket; full when it is made.
#[derive(Debug, Default)]
pub struct Bucket {
    arrival: AtomicU64,
    /// [`Limit::terms`] of the limit that the arrival time was reckoned with; 0 before that.
    terms: AtomicU64,
}

impl Bucket {
    /// Whether there are tokens, without taking them.
    #[inline]
    pub fn has(&self, limit: Limit, now: Nanos, weight: u32) -> Result<(), Duration> {
        limit.after(self.arrival(limit, now), now, weight).map(drop)
    }

    /// Takes tokens: all or none; else how long until there are so many.
    #[inline]
    pub fn take(&self, limit: Limit, now: Nanos, weight: u32) -> Result<(), Duration> {
        let mut arrival = self.arrival(limit, now).0;
        loop {
            let next = limit.after(Nanos(arrival), now, weight)?.0;
            // Nothing else is published with it, so no order is needed.
            match self.arrival.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => arrival = other,
            }
        }
    }

    /// The arrival time, as the limit reckons.
    #[inline]
    fn arrival(&self, limit: Limit, now: Nanos) -> Nanos {
        if self.terms.load(Ordering::Relaxed) != limit.terms() {
            self.adopt(limit, now);
        }
        Nanos(self.arrival.load(Ordering::Relaxed))
    }

    /// Reckons with another limit from now on. Who takes in the same moment as the first that does may be
    /// reckoned by the old one.
    #[cold]
    fn adopt(&self, limit: Limit, now: Nanos) {
        let before = self.terms.swap(limit.terms(), Ordering::Relaxed);
        if before == 0 || before == limit.terms() {
            return;
        }
        let again = |arrival| Some(limit.instead_of(before, Nanos(arrival), now).0);
        let _ = self.arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, again);
    }

    /// Gives back what was taken a moment ago. Who took it and no other may.
    #[inline]
    pub fn give_back(&self, limit: Limit, weight: u32) {
        self.arrival.fetch_sub(limit.time_of(weight), Ordering::Relaxed);
    }

    /// Tokens in it.
    pub fn tokens(&self, limit: Limit, now: Nanos) -> u32 {
        limit.tokens(self.arrival(limit, now), now)
    }

    /// How long until it is full.
    pub fn full_in(&self, limit: Limit, now: Nanos) -> Duration {
        let ahead = self.arrival(limit, now).0.saturating_sub(now.0);
        Duration::from_nanos(ahead)
    }

    /// Whether it is full.
    #[inline]
    pub fn is_full(&self, now: Nanos) -> bool {
        self.arrival.load(Ordering::Relaxed) <= now.0
    }
}

impl Kept for Bucket {
    fn is_idle(&self, now: Nanos) -> bool {
        self.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use super::Bucket;
    use crate::base::{Limit, Nanos};
    use proptest::prelude::{prop_assert, proptest};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_comes() {
        let (limit, bucket) = (Limit::new(10, SECOND, 3).unwrap(), Bucket::default());
        let at = |ms: u64| Nanos(1_000_000_000 + ms * 1_000_000);
        assert_eq!(bucket.tokens(limit, at(0)), 3);
        assert!(bucket.take(limit, at(0), 2).is_ok() && bucket.take(limit, at(0), 1).is_ok());
        assert_eq!(bucket.take(limit, at(0), 1), Err(Duration::from_millis(100)));
        assert_eq!(bucket.take(limit, at(40), 2), Err(Duration::from_millis(160)));
        assert!(bucket.has(limit, at(100), 1).is_ok() && !bucket.is_full(at(100)));
        assert!(bucket.take(limit, at(100), 1).is_ok() && bucket.take(limit, at(100), 1).is_err());
        bucket.give_back(limit, 1);
        assert!(bucket.take(limit, at(100), 1).is_ok());
        assert!(bucket.is_full(at(401)) && bucket.tokens(limit, at(401)) == 3);
        // More than it ever holds is never there.
        assert!(bucket.take(limit, at(100_000), 4).is_err());
    }

    #[test]
    fn tokens_that_were_taken_stay_taken_when_the_limit_changes() {
        let limit = |tokens, time, burst| Limit::new(tokens, time, burst).unwrap();
        let hour = SECOND * 3_600;
        let at = |ms: u64| Nanos(1_000_000_000 + ms * 1_000_000);
        let (slow, fast) = (limit(1, hour, 3), limit(100, SECOND, 200));
        // From little to much: three of two hundred are taken, and back again.
        let bucket = Bucket::default();
        assert!(bucket.take(slow, at(0), 3).is_ok() && bucket.take(slow, at(0), 1).is_err());
        assert_eq!((bucket.tokens(fast, at(0)), bucket.full_in(fast, at(0))), (197, SECOND * 3 / 100));
        assert!(bucket.take(fast, at(0), 197).is_ok() && bucket.take(fast, at(0), 1).is_err());
        // From much to little: two hundred are taken of what holds three, and are so when there is much again.
        assert_eq!(bucket.take(slow, at(0), 1), Err(hour * 198));
        assert_eq!((bucket.full_in(slow, at(0)).as_secs() + 1) / 3_600, 200);
        assert!(bucket.take(fast, at(0), 1).is_err() && bucket.take(fast, at(11), 1).is_ok());
        assert!(bucket.take(fast, at(11), 1).is_err());
        // A smaller burst at the same rate.
        let (large, small, bucket) = (limit(1, hour, 200), limit(1, hour, 5), Bucket::default());
        assert!(bucket.take(large, at(0), 200).is_ok());
        assert_eq!((bucket.has(small, at(0), 1), bucket.tokens(small, at(0))), (Err(hour * 196), 0));
    }

    proptest! {
        /// Whatever comes when: never more than burst + rate × time, and with demand at every moment
        /// never less but for the rounding.
        #[test]
        fn what_is_admitted_is_what_the_limit_says(
            rate in 1_u32..20_000,
            burst in 1_u32..500,
            gaps in proptest::collection::vec((0_u64..50_000_000, 1_u32..4), 1..400),
        ) {
            let (limit, bucket) = (Limit::new(rate, SECOND, burst).unwrap(), Bucket::default());
            let (begin, mut now) = (1_000_u64, 1_000_u64);
            let mut admitted = 0_u32;
            for (gap, weight) in gaps {
                now += gap;
                // As much as there is, in bits of a weight, then in ones.
                while bucket.take(limit, Nanos(now), weight).is_ok() {
                    admitted += weight;
                }
                while bucket.take(limit, Nanos(now), 1).is_ok() {
                    admitted += 1;
                }
                let most = f64::from(burst) + f64::from(rate) * Duration::from_nanos(now - begin).as_secs_f64();
                prop_assert!(f64::from(admitted) <= most + 1e-6, "{admitted} of {most}");
                prop_assert!(bucket.tokens(limit, Nanos(now)) == 0);
            }
        }
    }

    #[test]
    fn threads_together_get_what_the_limit_says() {
        let (limit, bucket) = (Limit::new(1_000, SECOND, 50).unwrap(), Bucket::default());
        let (clock, admitted) = (AtomicU64::new(1_000_000_000), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50_000 {
                        // Each of them moves the time, and sees it as somebody moved it.
                        let now = Nanos(clock.fetch_add(10_000, Ordering::Relaxed));
                        admitted.fetch_add(u64::from(bucket.take(limit, now, 1).is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        // Two seconds went by.
        let most = 50 + 2_000;
        let admitted = admitted.load(Ordering::Relaxed);
        assert!(admitted <= most && admitted * 1_000 >= most * 999, "{admitted} of {most}");
    }
}
