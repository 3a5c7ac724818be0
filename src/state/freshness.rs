//! Until when the keys may be decided by: the last look at the registry and the age that is
//! allowed, by two clocks. The wall's goes on while the machine sleeps, the other is never set back;
//! whichever says first that it is over is believed.
//!
//! Two numbers, written by the control side and read by every request; never a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::base::{Clock, Tick, UnixSeconds};

/// No limit.
const FOR_EVER: u64 = u64::MAX;

/// How long what is known of the keys holds.
#[derive(Debug)]
pub struct Freshness {
    /// In milliseconds since 1970.
    until: AtomicU64,
    /// In milliseconds of ticks.
    tick: AtomicU64,
}

impl Default for Freshness {
    /// For ever, until the registry was looked at.
    fn default() -> Self {
        Self { until: AtomicU64::new(FOR_EVER), tick: AtomicU64::new(FOR_EVER) }
    }
}

impl Freshness {
    /// The registry was seen at a time, in milliseconds since 1970 and by the other clock, and what it
    /// showed holds for so long; `None` for ever.
    pub fn renew(&self, seen_ms: u64, seen: Tick, holds: Option<Duration>) {
        let (until, tick) = match holds {
            Some(holds) => {
                let most = u64::try_from(holds.as_millis()).unwrap_or(FOR_EVER);
                (seen_ms.saturating_add(most), seen.ms().saturating_add(most))
            }
            None => (FOR_EVER, FOR_EVER),
        };
        self.until.store(until, Ordering::Relaxed);
        self.tick.store(tick, Ordering::Relaxed);
    }

    /// Nothing that is known holds, until it is renewed.
    pub fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    /// Whether it holds no more. `now` is the clock's second; only in the last one that holds does
    /// the clock have to say more, which costs a request some 30 ns.
    #[inline]
    pub fn is_over(&self, now: UnixSeconds, clock: &Clock) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        if until == FOR_EVER {
            return false;
        }
        // The clock's second may be one that ended up to 10 ms ago.
        let latest = (u64::from(now.0) + 1) * 1_000 + 10;
        (latest > until && clock.now_ms() > until) || Tick::now().ms() > self.tick.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Freshness;
    use crate::base::{Clock, Tick, UnixSeconds};
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
        let (at, tick) = (1_800_000_000, Tick::now());
        assert!(!over(&fresh, u64::from(UnixSeconds::NEVER.0)));
        fresh.renew(at * 1_000, tick, Some(Duration::from_secs(300)));
        assert!(!over(&fresh, at + 299) && !over(&fresh, at + 300));
        assert!(over(&fresh, at + 301));
        // Not for the rest of the second in which it ends.
        fresh.renew(at * 1_000, tick, Some(Duration::from_millis(299_999)));
        assert!(!over(&fresh, at + 299) && over(&fresh, at + 300));
        fresh.renew(at * 1_000, tick, None);
        assert!(!over(&fresh, u64::from(UnixSeconds::NEVER.0)));
        fresh.end();
        assert!(over(&fresh, at));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_it_hold_no_longer() {
        let clock = Clock::manual(Arc::new(AtomicU64::new(1_800_000_000)));
        let fresh = Freshness::default();
        let ago = |ms| Tick::now().before(Duration::from_millis(ms));
        let holds = Some(Duration::from_secs(2));
        // Two seconds went by, and the wall clock shows what it showed.
        fresh.renew(1_800_000_000_000, ago(1_900), holds);
        assert!(!fresh.is_over(clock.now(), &clock));
        fresh.renew(1_800_000_000_000, ago(2_020), holds);
        assert!(fresh.is_over(clock.now(), &clock));
    }
}
