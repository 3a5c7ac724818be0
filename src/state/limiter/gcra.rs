//! One token bucket as one number: the theoretical arrival time of the generic cell rate algorithm
//! (ITU-T I.371, 2004, annex A; virtual scheduling).
//!
//! A bucket is full when its number lies in the past, and a number is all that is kept, so taking is
//! one compare-and-swap. Pure but for the atomic: time is passed in, nothing is logged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::table::Kept;
use crate::base::{Limit, Nanos};

/// A bucket; full when it is made.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Whether there are tokens, without taking them.
    #[inline]
    pub fn has(&self, limit: Limit, now: Nanos, weight: u32) -> Result<(), Duration> {
        limit.after(Nanos(self.0.load(Ordering::Relaxed)), now, weight).map(drop)
    }

    /// Takes tokens: all or none; else how long until there are so many.
    #[inline]
    pub fn take(&self, limit: Limit, now: Nanos, weight: u32) -> Result<(), Duration> {
        let mut arrival = self.0.load(Ordering::Relaxed);
        loop {
            let next = limit.after(Nanos(arrival), now, weight)?.0;
            // Nothing else is published with it, so no order is needed.
            match self.0.compare_exchange_weak(arrival, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => arrival = other,
            }
        }
    }

    /// Gives back what was taken a moment ago. Who took it and no other may.
    #[inline]
    pub fn give_back(&self, limit: Limit, weight: u32) {
        self.0.fetch_sub(limit.time_of(weight), Ordering::Relaxed);
    }

    /// Tokens in it.
    pub fn tokens(&self, limit: Limit, now: Nanos) -> u32 {
        limit.tokens(Nanos(self.0.load(Ordering::Relaxed)), now)
    }

    /// How long until it is full.
    pub fn full_in(&self, now: Nanos) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed).saturating_sub(now.0))
    }

    /// Whether it is full.
    #[inline]
    pub fn is_full(&self, now: Nanos) -> bool {
        self.0.load(Ordering::Relaxed) <= now.0
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
