//! A limit in numbers: how many tokens a bucket holds and how fast they come, and what follows from
//! that for a bucket of which only the arrival time is kept.
//!
//! The arithmetic of the generic cell rate algorithm (ITU-T I.371, 2004, annex A; virtual scheduling).
//! Pure: no clock, no bucket.

use std::time::Duration;

/// Nanoseconds since some moment before the process served anything; never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// What a bucket holds and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Nanoseconds in which one token comes.
    interval: u64,
    /// The same for a whole bucket.
    whole: u64,
}

/// Most tokens that come in a second, and that a bucket holds: at the highest rate one comes in a
/// microsecond, and at the lowest of one an hour a whole bucket takes 114 years.
const MOST_PER_SECOND: u64 = 1_000_000;
const MOST_BURST: u32 = 1_000_000;
const SECOND: u128 = 1_000_000_000;
const HOUR: u64 = 3_600_000_000_000;
/// A bucket that fills in less has to be told the time more exactly than the kernel's note of it does:
/// ten milliseconds of what comes would be more than a tenth of what it holds.
const FINE: u64 = 100_000_000;

impl Limit {
    /// So many tokens in a time, and a bucket that holds `burst`. `None` for a rate of none, above a
    /// million a second or below one an hour, and for a burst of none or above a million. The interval
    /// is rounded up, so that a limit is never exceeded: by a nanosecond at most.
    pub fn new(tokens: u32, time: Duration, burst: u32) -> Option<Self> {
        let time = u64::try_from(time.as_nanos()).ok()?;
        let interval = time.checked_add(u64::from(tokens).checked_sub(1)?)? / u64::from(tokens);
        // Compared before rounding.
        let slow_enough = u128::from(tokens) * SECOND <= u128::from(MOST_PER_SECOND) * u128::from(time);
        let legal = slow_enough && interval <= HOUR && (1..=MOST_BURST).contains(&burst);
        legal.then(|| Self { interval, whole: interval * u64::from(burst) })
    }

    /// How many tokens a full bucket holds.
    pub fn burst(self) -> u32 {
        u32::try_from(self.whole / self.interval).unwrap_or(u32::MAX)
    }

    /// Nanoseconds in which one token comes.
    pub fn interval(self) -> u64 {
        self.interval
    }

    /// What one of so many has of the limit; a bucket that holds `weight` tokens at the least, so that a
    /// call which takes so many can be made at all.
    #[must_use]
    pub fn share(self, of: u32, weight: u32) -> Self {
        let of = of.max(1);
        let interval = self.interval.saturating_mul(u64::from(of));
        let burst = (self.burst() / of).max(weight).max(1);
        Self { interval, whole: interval.saturating_mul(u64::from(burst)) }
    }

    /// The time in which an empty bucket fills.
    pub fn window(self) -> Duration {
        Duration::from_nanos(self.whole)
    }

    /// Whether the time has to be exact.
    #[inline]
    pub fn is_fine(self) -> bool {
        self.whole < FINE
    }

    /// The time in which so many tokens come, in nanoseconds.
    #[inline]
    pub fn time_of(self, weight: u32) -> u64 {
        self.interval.saturating_mul(u64::from(weight))
    }

    /// The arrival time after `weight` tokens are taken, or how long until there are so many.
    #[inline]
    pub fn after(self, arrival: Nanos, now: Nanos, weight: u32) -> Result<Nanos, Duration> {
        let next = arrival.0.max(now.0).saturating_add(self.time_of(weight));
        let ahead = next - now.0;
        if ahead <= self.whole { Ok(Nanos(next)) } else { Err(Duration::from_nanos(ahead - self.whole)) }
    }

    /// Tokens in a bucket with this arrival time.
    pub fn tokens(self, arrival: Nanos, now: Nanos) -> u32 {
        let ahead = arrival.0.saturating_sub(now.0);
        u32::try_from(self.whole.saturating_sub(ahead) / self.interval).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn only_limits_that_can_be_kept_are_made() {
        assert!(Limit::new(0, SECOND, 1).is_none() && Limit::new(1, SECOND, 0).is_none());
        assert!(Limit::new(1_000_001, SECOND, 1).is_none() && Limit::new(1, SECOND, 1_000_001).is_none());
        assert!(
            Limit::new(1, Duration::from_secs(3_601), 1).is_none()
                && Limit::new(1, Duration::ZERO, 1).is_none()
        );
        let three = Limit::new(3, SECOND, 10).unwrap();
        assert_eq!((three.burst(), three.window()), (10, Duration::from_nanos(3_333_333_340)));
        assert!(
            Limit::new(1_000_000, SECOND, 1_000_000).is_some()
                && Limit::new(1, SECOND * 3_600, 1_000_000).is_some()
        );
    }
}
