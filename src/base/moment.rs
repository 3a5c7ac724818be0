//! A moment to measure latencies by: exact to tens of nanoseconds, read for less than the system's clock.
//!
//! It reads the processor's own counter where that counts at one rate on all cores, and the system's
//! clock elsewhere (the `quanta` crate decides). It must never decide anything: limits go by
//! [`super::Tick`].

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use quanta::Clock;

/// Measured once against the system's clock, which takes up to 200 ms where the processor does not tell its
/// counter's rate.
static CLOCK: LazyLock<Clock> = LazyLock::new(Clock::new);

/// A moment of this process, as its counter stood: what that is in nanoseconds is worked out for differences
/// alone, of which a request has fewer than moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Now.
    #[inline]
    pub fn now() -> Self {
        Self(CLOCK.raw())
    }

    /// The time from `earlier` to this in nanoseconds, or nothing where it is later.
    #[inline]
    pub fn since(self, earlier: Self) -> u64 {
        CLOCK.delta_as_nanos(earlier.0, self.0)
    }
}

/// Tells what time a moment was, for whom writes many of them down.
///
/// The system's clock may be set or slewed while the process runs, so the two are held together anew
/// with [`Calendar::new`], now and then.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    at: Moment,
    unix: Duration,
}

impl Calendar {
    /// Both clocks as they stand now.
    #[expect(clippy::new_without_default, reason = "it reads clocks")]
    pub fn new() -> Self {
        Self { at: Moment::now(), unix: since_1970() }
    }

    /// Nanoseconds from 1970 to a moment.
    pub fn unix_nanos(&self, moment: Moment) -> u64 {
        let at = u64::try_from(self.unix.as_nanos()).unwrap_or(u64::MAX);
        if moment >= self.at {
            at.saturating_add(moment.since(self.at))
        } else {
            at.saturating_sub(self.at.since(moment))
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "to tell the time of a moment is to read both clocks")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Calendar, Moment};
    use std::time::{Duration, Instant};

    #[test]
    fn moments_keep_up_with_the_clock() {
        let (moment, instant) = (Moment::now(), Instant::now());
        while instant.elapsed() < Duration::from_millis(30) {}
        let (measured, truly) = (Moment::now().since(moment), instant.elapsed().as_nanos() as u64);
        assert!(measured.abs_diff(truly) < 1_000_000, "{measured} {truly}");
        assert_eq!(moment.since(Moment::now()), 0);
    }

    #[test]
    fn a_moment_is_told_as_a_time() {
        let before = Moment::now();
        let calendar = Calendar::new();
        let after = Moment::now();
        let [before, at, after] = [before, calendar.at, after].map(|moment| calendar.unix_nanos(moment));
        assert!(before <= at && at <= after && after - before < 1_000_000_000);
        // 2020 at the earliest, so that it is nanoseconds.
        assert!(at > 1_577_836_800_000_000_000);
    }
}
