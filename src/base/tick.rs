//! Time for limits: monotonic, exact to a few milliseconds, and read for next to nothing.
//!
//! The kernel notes this time at each of its timer interrupts (`CLOCK_MONOTONIC_COARSE`), so that
//! reading it asks no hardware: some 5 ns instead of 25 to 40, several times in every request.
//! It must never measure a latency.

use std::ops::{Add, Sub};
use std::time::Duration;

use super::limit::Nanos;
use rustix::time::{ClockId, clock_gettime};

/// By how much a tick may be behind: the kernel has at least 100 timer interrupts a second.
pub(super) const BEHIND: Duration = Duration::from_millis(10);

/// A moment, since some fixed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tick(Duration);

impl Tick {
    /// Now, or up to 10 ms ago.
    #[inline]
    pub fn now() -> Self {
        Self::read(ClockId::MonotonicCoarse)
    }

    /// So long ago; the fixed moment at the earliest.
    #[must_use]
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(ago))
    }

    /// Milliseconds since the fixed moment.
    #[inline]
    pub fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Now, exactly: 25 to 40 ns instead of 5, for what ten milliseconds are too much for.
    #[inline]
    pub fn exact() -> Self {
        Self::read(ClockId::Monotonic)
    }

    #[inline]
    fn read(clock: ClockId) -> Self {
        let now = clock_gettime(clock);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default()))
    }

    /// As a limiter reckons.
    #[inline]
    pub fn nanos(self) -> Nanos {
        Nanos(u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX))
    }

    /// What is left of a limit that began at this tick: up to 20 ms too much and never too little.
    /// This tick may be behind what it stands for, so that more seems to have passed than has.
    #[inline]
    pub fn left(self, limit: Duration) -> Duration {
        (limit + BEHIND).saturating_sub(Self::now() - self)
    }
}

impl Add<Duration> for Tick {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

impl Sub for Tick {
    type Output = Duration;

    /// The time from `earlier` to this, or nothing where it is later.
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND, Tick};
    use std::time::{Duration, Instant};

    #[test]
    fn ticks_keep_up_with_the_clock() {
        let (begun, exact) = (Tick::now(), Instant::now());
        while exact.elapsed() < Duration::from_millis(30) {}
        let (ticks, exact) = (Tick::now() - begun, exact.elapsed());
        assert!(ticks + BEHIND >= exact && ticks <= exact + BEHIND, "{ticks:?} {exact:?}");
        assert_eq!(begun - (begun + BEHIND), Duration::ZERO);
    }

    #[test]
    fn what_is_left_of_a_limit_is_never_too_little() {
        let limit = Duration::from_millis(30);
        for _ in 0..200 {
            let (exact, begun) = (Instant::now(), Tick::now());
            // So that the ticks meet the kernel's interrupts in every way.
            while exact.elapsed() < Duration::from_micros(1_300) {}
            let left = begun.left(limit);
            let truly = limit.saturating_sub(exact.elapsed());
            assert!(left >= truly && left <= truly + 2 * BEHIND, "{left:?} {truly:?}");
        }
    }
}
