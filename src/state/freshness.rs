//! Until when the keys may be decided by: the last look at the registry and the age that is
//! allowed.
//!
//! One number, written by the control side and read by every request; never a lock.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::base::UnixSeconds;

/// How long what is known of the keys holds.
#[derive(Debug)]
pub struct Freshness(AtomicU32);

impl Default for Freshness {
    /// For ever, until the registry was looked at.
    fn default() -> Self {
        Self(AtomicU32::new(UnixSeconds::NEVER.0))
    }
}

impl Freshness {
    /// The registry was seen at a time, and what it showed holds for so long; `None` for ever.
    pub fn renew(&self, seen: UnixSeconds, holds: Option<Duration>) {
        let until = holds.map_or(UnixSeconds::NEVER, |holds| seen.plus(holds));
        self.0.store(until.0, Ordering::Relaxed);
    }

    /// Whether it holds no more. A second has to be over before it does.
    #[inline]
    pub fn is_over(&self, now: UnixSeconds) -> bool {
        now.0 > self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Freshness;
    use crate::base::UnixSeconds;
    use std::time::Duration;

    #[test]
    fn it_holds_for_as_long_as_it_was_said_and_not_a_second_longer() {
        let fresh = Freshness::default();
        let at = UnixSeconds(1_800_000_000);
        assert!(!fresh.is_over(UnixSeconds::NEVER));
        fresh.renew(at, Some(Duration::from_secs(300)));
        assert!(!fresh.is_over(at.plus(Duration::from_secs(300))));
        assert!(fresh.is_over(at.plus(Duration::from_secs(301))));
        fresh.renew(at, None);
        assert!(!fresh.is_over(UnixSeconds::NEVER));
    }
}
