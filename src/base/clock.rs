//! The one place that reads the time, so that a test can hold the clock in its hand.
//!
//! Decisions never read the clock: they are given a time. Nothing else in `src/` may call
//! `SystemTime::now`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Whole seconds since 1970-01-01 UTC; 32 bits reach to 2106 and keep key records small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub u32);

impl UnixSeconds {
    /// The latest time that can be written, used as "never".
    pub const NEVER: Self = Self(u32::MAX);
    /// The earliest time that can be written.
    pub const EPOCH: Self = Self(0);

    /// The second in which `time` lies; before 1970 is 0, after 2106 is [`Self::NEVER`].
    pub fn from_system(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        Self(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    /// The beginning of this second.
    pub fn to_system(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(u64::from(self.0))
    }

    /// This time plus a duration, at most [`Self::NEVER`].
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Self(self.0.saturating_add(seconds))
    }

    /// This time minus a duration, at least the epoch.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        let seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        Self(self.0.saturating_sub(seconds))
    }
}

/// Where the time comes from: the system, or a test's hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that shows the seconds in `seconds` and moves only when the holder moves it.
    pub fn manual(seconds: Arc<AtomicU64>) -> Self {
        Self(Source::Manual(seconds))
    }

    /// The time now in Unix milliseconds, for ages and intervals.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Source::Manual(seconds) => seconds.load(Ordering::Relaxed).saturating_mul(1_000),
        }
    }

    /// The second now, or the last one for up to 10 ms after its end: the kernel's note of the
    /// time costs some 5 ns, the time itself 25 to 40.
    #[inline]
    pub fn now(&self) -> UnixSeconds {
        match &self.0 {
            Source::System => {
                let seconds = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
                UnixSeconds(u32::try_from(seconds.max(0)).unwrap_or(u32::MAX))
            }
            Source::Manual(seconds) => {
                UnixSeconds(u32::try_from(seconds.load(Ordering::Relaxed)).unwrap_or(u32::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, UnixSeconds};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn a_manual_clock_moves_only_by_hand() {
        let hand = Arc::new(AtomicU64::new(100));
        let clock = Clock::manual(Arc::clone(&hand));
        assert_eq!(clock.now(), UnixSeconds(100));
        hand.store(160, Ordering::Relaxed);
        assert_eq!(clock.now(), UnixSeconds(160));
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        assert_eq!(UnixSeconds(1).minus(Duration::from_secs(5)), UnixSeconds::EPOCH);
        assert_eq!(UnixSeconds(5).plus(Duration::MAX), UnixSeconds::NEVER);
        assert_eq!(UnixSeconds::from_system(UnixSeconds(77).to_system()), UnixSeconds(77));
    }
}
