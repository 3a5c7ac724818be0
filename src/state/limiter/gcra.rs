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

/// Terms while a worker reckons the arrival time anew; no limit has them, as their float is no number.
const BUSY: u64 = u64::MAX;
/// How often it is looked whether that is done; each sixteenth time the core is left to who does it.
const PATIENCE: u32 = 1_000;
/// When a call is sent again that looked in vain.
const SOON: Duration = Duration::from_millis(1);

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
        limit.after(self.arrival(limit, now).ok_or(SOON)?, now, weight).map(drop)
    }

    /// Takes tokens: all or none; else how long until there are so many.
    #[inline]
    pub fn take(&self, limit: Limit, now: Nanos, weight: u32) -> Result<(), Duration> {
        loop {
            let arrival = self.arrival(limit, now).ok_or(SOON)?;
            let next = limit.after(arrival, now, weight)?.0;
            // Nothing else is published with it, so no order is needed.
            if self
                .arrival
                .compare_exchange_weak(arrival.0, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                return Ok(());
            }
        }
    }

    /// The arrival time, as the limit reckons; nothing where another worker is reckoning it anew and has lost
    /// its core over it.
    #[inline]
    fn arrival(&self, limit: Limit, now: Nanos) -> Option<Nanos> {
        loop {
            if self.terms.load(Ordering::Acquire) != limit.terms() && !self.adopt(limit, now) {
                return None;
            }
            let arrival = self.arrival.load(Ordering::Acquire);
            // Reckoned anew after the first look, it would be of other terms.
            if self.terms.load(Ordering::Acquire) == limit.terms() {
                return Some(Nanos(arrival));
            }
        }
    }

    /// Reckons with another limit from now on. One worker does, and nobody uses the new terms before the
    /// arrival time is of them; it is changed in any case, so that whoever took it to be of the old
    /// ones finds it changed.
    #[cold]
    fn adopt(&self, limit: Limit, now: Nanos) -> bool {
        for turn in 0..PATIENCE {
            let before = self.terms.load(Ordering::Acquire);
            if before == limit.terms() {
                return true;
            }
            let claim = |terms| {
                let claimed = self.terms.compare_exchange(terms, BUSY, Ordering::Acquire, Ordering::Relaxed);
                claimed.is_ok()
            };
            if before != BUSY && claim(before) {
                let again = |arrival| {
                    let again = limit.instead_of(before, Nanos(arrival), now).0;
                    (before != 0).then_some(if again == arrival { arrival + 1 } else { again })
                };
                let _ = self.arrival.fetch_update(Ordering::AcqRel, Ordering::Relaxed, again);
                self.terms.store(limit.terms(), Ordering::Release);
                return true;
            }
            if turn % 16 == 15 {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
        false
    }

    /// Gives back what was taken a moment ago. Who took it and no other may.
    pub fn give_back(&self, limit: Limit, weight: u32) {
        // A limit that changed in between may have made the number smaller.
        let less = |arrival: u64| Some(arrival.saturating_sub(limit.time_of(weight)));
        let _ = self.arrival.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Tokens in it.
    pub fn tokens(&self, limit: Limit, now: Nanos) -> u32 {
        self.arrival(limit, now).map_or(0, |arrival| limit.tokens(arrival, now))
    }

    /// How long until it is full.
    pub fn full_in(&self, limit: Limit, now: Nanos) -> Duration {
        let ahead = self.arrival(limit, now).map(|arrival| arrival.0.saturating_sub(now.0));
        Duration::from_nanos(ahead.unwrap_or(0))
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
    use super::{Bucket, SOON};
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
        let wait = bucket.take(slow, at(0), 1).unwrap_err();
        assert!(wait.abs_diff(hour * 198) < SECOND, "{wait:?}");
        assert!(bucket.full_in(slow, at(0)).abs_diff(hour * 200) < SECOND);
        assert!(bucket.take(fast, at(0), 1).is_err() && bucket.take(fast, at(11), 1).is_ok());
        assert!(bucket.take(fast, at(11), 1).is_err());
        // A smaller burst at the same rate.
        let (large, small, bucket) = (limit(1, hour, 200), limit(1, hour, 5), Bucket::default());
        assert!(bucket.take(large, at(0), 200).is_ok());
        let wait = bucket.has(small, at(0), 1).unwrap_err();
        assert!(wait.abs_diff(hour * 196) < SECOND && bucket.tokens(small, at(0)) == 0, "{wait:?}");
    }

    #[test]
    fn workers_that_meet_a_changed_limit_together_reckon_once() {
        let (fast, slow) = (Limit::new(100, SECOND, 20).unwrap(), Limit::new(1, SECOND * 3_600, 20).unwrap());
        let now = Nanos(1_000_000_000_000);
        for _ in 0..2_000 {
            let bucket = Bucket::default();
            assert!(bucket.take(fast, now, 1).is_ok());
            let start = std::sync::Barrier::new(3);
            std::thread::scope(|scope| {
                for limit in [slow, slow, fast] {
                    let (start, bucket) = (&start, &bucket);
                    scope.spawn(move || {
                        start.wait();
                        // Whoever meets one that has lost its core over it comes again.
                        let taken = std::iter::repeat_with(|| bucket.take(limit, now, 1));
                        let taken = { taken }.find(|taken| *taken != Err(SOON));
                        assert_eq!(taken, Some(Ok(())));
                    });
                }
            });
            // One before and three of the threads'; rounding may show a token less.
            assert!((15..=16).contains(&bucket.tokens(slow, now)), "{}", bucket.tokens(slow, now));
        }
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
