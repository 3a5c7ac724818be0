//! Until when the keys may be decided by: the last look at the registry and the age that is
//! allowed.
//!
//! One number, written by the control side and read by every request; never a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{Clock, UnixSeconds};

/// No limit.
const FOR_EVER: u64 = u64::MAX;

/// How long what is known of the keys holds, in milliseconds since 1970.
#[derive(Debug)]
pub struct Freshness(AtomicU64);

impl Default for Freshness {
    /// For ever, until the registry was looked at.
    fn default() -> Self {
        Self(AtomicU64::new(FOR_EVER))
    }
}

impl Freshness {
    /// The registry was seen at a time, in milliseconds since 1970, and what it showed holds for so
    /// long; `None` for ever.
    pub fn renew(&self, seen_ms: u64, holds: Option<Duration>) {
        let most = |holds: Duration| u64::try_from(holds.as_millis()).unwrap_or(FOR_EVER);
        let until = holds.map_or(FOR_EVER, |holds| seen_ms.saturating_add(most(holds)));
        self.0.store(until, Ordering::Relaxed);
    }

    /// Nothing that is known holds, until it is renewed.
    pub fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether it holds no more. `now` is the clock's second; only in the last one that holds does
    /// the clock have to say more, which costs a request some 30 ns.
    #[inline]
    pub fn is_over(&self, now: UnixSeconds, clock: &Clock) -> bool {
        let until = self.0.load(Ordering::Relaxed);
        // The clock's second may be one that ended up to 10 ms ago.
        let latest = (u64::from(now.0) + 1) * 1_000 + 10;
        latest > until && clock.now_ms() > until
    }
}

#[cfg(test)]
mod tests {
    use super::Freshness;
    use crate::base::{Clock, UnixSeconds};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    #[test]
    fn it_holds_for_as_long_as_it_was_said_and_not_longer() {
        let hand = Arc::new(AtomicU64::new(0));
        let clock = Clock::manual(Arc::clone(&hand));
        let fresh = Freshness::default();
        let over = |fresh: &Freshness, second: u64| {
            hand.store(second, Ordering::Relaxed);
            fresh.is_over(clock.now(), &clock)
        };
        let at = 1_800_000_000;
        assert!(!over(&fresh, u64::from(UnixSeconds::NEVER.0)));
        fresh.renew(at * 1_000, Some(Duration::from_secs(300)));
        assert!(!over(&fresh, at + 299) && !over(&fresh, at + 300));
        assert!(over(&fresh, at + 301));
        // Not for the rest of the second in which it ends.
        fresh.renew(at * 1_000, Some(Duration::from_millis(299_999)));
        assert!(!over(&fresh, at + 299) && over(&fresh, at + 300));
        fresh.renew(at * 1_000, None);
        assert!(!over(&fresh, u64::from(UnixSeconds::NEVER.0)));
        fresh.end();
        assert!(over(&fresh, at));
    }
}
