//! What this replica may spend of a bucket that all replicas share: tokens that were taken from the
//! ledger before they were needed, and a little credit until the ledger was asked.
//!
//! A call takes one number down and waits for nobody. Who asks the ledger is the keeper. It must never
//! spend more credit than was left when the ledger last said that there are tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::lease::Ahead;
use crate::base::{Limit, Nanos};
use crate::state::limiter::gcra::{Bucket, Level};
use crate::state::limiter::table::Kept;

/// How long a call waits that finds no tokens while the ledger is being asked.
const SOON: Duration = Duration::from_millis(20);

/// The level of a bucket of which the ledger has said nothing yet.
const UNTOLD: i64 = i64::MAX;

/// One bucket's lease.
#[derive(Debug)]
pub struct Lease {
    /// What is left of what was leased; below zero what was spent on credit.
    tokens: AtomicI64,
    /// How far below zero it may go, at most; 0 since the ledger said that there is nothing.
    credit: AtomicI64,
    /// Below this the keeper wants to know.
    low: AtomicI64,
    /// Tokens that were asked for and not there, since the keeper looked.
    missed: AtomicU64,
    /// Tokens that the ledger had left when it was asked last.
    level: AtomicI64,
    /// When that was.
    told: AtomicU64,
    /// When there are tokens again, as far as the ledger knows.
    ready: AtomicU64,
    /// Whether the keeper was told and has not looked yet.
    noted: AtomicBool,
    /// What counts while the ledger cannot be asked.
    pub(in crate::state::limiter) share: Bucket,
}

impl Default for Lease {
    fn default() -> Self {
        Self {
            tokens: AtomicI64::new(0),
            credit: AtomicI64::new(i64::MAX),
            low: AtomicI64::new(0),
            missed: AtomicU64::new(0),
            level: AtomicI64::new(UNTOLD),
            told: AtomicU64::new(0),
            ready: AtomicU64::new(0),
            noted: AtomicBool::new(false),
            share: Bucket::default(),
        }
    }
}

/// For calls.
impl Lease {
    #[inline]
    fn floor(&self, ahead: Ahead) -> i64 {
        -self.credit.load(Ordering::Acquire).min(i64::from(ahead.credit))
    }

    /// Whether a call's tokens are there, without taking them; else how long that may take.
    #[inline]
    pub(in crate::state::limiter) fn has(
        &self,
        ahead: Ahead,
        now: Nanos,
        weight: u32,
    ) -> Result<(), Duration> {
        let left = self.tokens.load(Ordering::Acquire) - i64::from(weight);
        if left >= self.floor(ahead) { Ok(()) } else { Err(self.wait(now)) }
    }

    /// Takes tokens: all or none.
    #[inline]
    pub(in crate::state::limiter) fn take(
        &self,
        ahead: Ahead,
        now: Nanos,
        weight: u32,
    ) -> Result<(), Duration> {
        let mut tokens = self.tokens.load(Ordering::Acquire);
        loop {
            let left = tokens - i64::from(weight);
            if left < self.floor(ahead) {
                return Err(self.wait(now));
            }
            match self.tokens.compare_exchange_weak(tokens, left, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(other) => tokens = other,
            }
        }
    }

    /// Gives back what a call took a moment ago and did not need.
    pub(in crate::state::limiter) fn give_back(&self, weight: u32) {
        self.tokens.fetch_add(i64::from(weight), Ordering::AcqRel);
    }

    /// A call did not find its tokens.
    pub(in crate::state::limiter) fn miss(&self, weight: u32) {
        self.missed.fetch_add(u64::from(weight), Ordering::SeqCst);
        self.low.store(i64::MAX, Ordering::SeqCst);
    }

    /// Whether the keeper has to be told; true once until it has looked.
    #[inline]
    pub(in crate::state::limiter) fn wants_keeper(&self) -> bool {
        // In one order with the taking before it and with what the keeper does in `watch`: either it sees what
        // was taken, or what it wrote is seen here.
        let low = self.tokens.load(Ordering::SeqCst) < self.low.load(Ordering::SeqCst);
        low && !self.noted.load(Ordering::SeqCst) && !self.noted.swap(true, Ordering::SeqCst)
    }

    /// The keeper could not be told.
    pub(in crate::state::limiter) fn unnoted(&self) {
        self.noted.store(false, Ordering::Release);
    }

    #[cold]
    fn wait(&self, now: Nanos) -> Duration {
        let ready = self.ready.load(Ordering::Relaxed);
        Duration::from_nanos(ready.saturating_sub(now.0)).max(SOON)
    }

    /// Tokens that may be spent without asking anybody.
    pub fn tokens(&self) -> i64 {
        self.tokens.load(Ordering::Relaxed)
    }

    /// How full the bucket is: what the ledger had left when it was asked last, what of it is here, and
    /// what has come since if nobody else called; nothing where it was never asked.
    pub(in crate::state::limiter) fn level(&self, limit: Limit, now: Nanos) -> Option<Level> {
        let level = self.level.load(Ordering::Relaxed);
        if level == UNTOLD {
            return None;
        }
        let came = now.0.saturating_sub(self.told.load(Ordering::Relaxed)) / limit.interval();
        let known = level.saturating_add(self.tokens()).saturating_add_unsigned(came);
        let tokens = u32::try_from(known.max(0)).unwrap_or(u32::MAX).min(limit.burst());
        Some(Level { tokens, full_in: Duration::from_nanos(limit.time_of(limit.burst() - tokens)) })
    }
}

/// For the keeper, which is one.
impl Lease {
    /// Tokens that were asked for and not there since the last look.
    pub(super) fn take_missed(&self) -> u64 {
        self.missed.swap(0, Ordering::Relaxed)
    }

    /// Whether calls may be let through before the ledger was asked.
    pub(super) fn has_credit(&self) -> bool {
        self.credit.load(Ordering::Relaxed) > 0
    }

    /// Withdraws up to so many tokens from what is left: how many it got.
    pub(super) fn withdraw(&self, most: i64) -> u32 {
        let mut tokens = self.tokens.load(Ordering::Acquire);
        loop {
            let taken = most.min(tokens);
            let Ok(count) = u32::try_from(taken) else { return 0 };
            match self.tokens.compare_exchange(tokens, tokens - taken, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return count,
                Err(other) => tokens = other,
            }
        }
    }

    /// What the ledger gave, debts that it took included, and whether it has more. Credit ends before the
    /// debt is paid: in the other order it would be there twice for a moment.
    pub(super) fn fill(&self, tokens: i64, level: i64, more: bool, ready: Nanos, now: Nanos) {
        self.level.store(level, Ordering::Relaxed);
        self.told.store(now.0, Ordering::Relaxed);
        self.ready.store(ready.0, Ordering::Relaxed);
        if !more {
            self.credit.store(0, Ordering::Release);
        }
        self.tokens.fetch_add(tokens, Ordering::AcqRel);
        if more {
            self.credit.store(i64::MAX, Ordering::Release);
        }
    }

    /// From here on the keeper wants to know; whether that is so already.
    pub(super) fn watch(&self, low: i64) -> bool {
        self.low.store(low, Ordering::SeqCst);
        self.noted.store(false, Ordering::SeqCst);
        self.tokens.load(Ordering::SeqCst) < low || self.missed.load(Ordering::SeqCst) > 0
    }

    /// What another lease of the same bucket had when it was given up: what it owes is owed here.
    pub(super) fn inherit(&self, other: &Self) {
        let credit = other.credit.swap(0, Ordering::AcqRel);
        let tokens = other.tokens.swap(0, Ordering::AcqRel);
        self.credit.fetch_min(credit, Ordering::AcqRel);
        self.tokens.fetch_add(tokens, Ordering::AcqRel);
    }

    /// The keeper looks by itself, and need not be told.
    pub(super) fn unwatch(&self) {
        self.noted.store(true, Ordering::Release);
    }
}

/// A lease in the table, which the keeper may hold as well.
#[derive(Debug, Default)]
pub(in crate::state::limiter) struct Leased(pub(in crate::state::limiter) Arc<Lease>);

impl Kept for Leased {
    /// The keeper has let it go, and it is as when it was made: no tokens, no debt, credit.
    fn is_idle(&self, now: Nanos) -> bool {
        Arc::strong_count(&self.0) == 1
            && self.0.tokens() == 0
            && self.0.has_credit()
            && !self.0.noted.load(Ordering::Acquire)
            && self.0.share.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use super::Lease;
    use crate::base::lease::Ahead;
    use crate::base::{Limit, Nanos};
    use std::sync::atomic::{AtomicI64, Ordering};

    const AHEAD: Ahead = Ahead { dearest: 1, credit: 3, lease: 10 };
    const NOW: Nanos = Nanos(1_000_000_000);

    fn taken(lease: &Lease, calls: usize) -> i64 {
        (0..calls).map(|_| i64::from(lease.take(AHEAD, NOW, 1).is_ok())).sum()
    }

    #[test]
    fn credit_is_spent_once_until_the_ledger_says_that_there_is_more() {
        let lease = Lease::default();
        assert_eq!((taken(&lease, 5), lease.tokens()), (3, -3));
        assert!(lease.wants_keeper() && !lease.wants_keeper(), "the keeper is told once");
        lease.fill(3, -3, false, NOW, NOW);
        assert_eq!(taken(&lease, 5), 0, "nothing was there");
        lease.fill(4, 9, true, NOW, NOW);
        assert_eq!((taken(&lease, 20), lease.tokens()), (7, -3));
        lease.give_back(2);
        assert_eq!(taken(&lease, 5), 2);
    }

    #[test]
    fn how_full_it_is_is_what_the_ledger_said_with_what_is_here_and_what_came() {
        let lease = Lease::default();
        let limit = Limit::parse("2/s", 20).unwrap();
        let level = |ms: u64| {
            let level = lease.level(limit, Nanos(NOW.0 + ms * 1_000_000))?;
            Some((level.tokens, level.full_in.as_millis()))
        };
        assert_eq!(taken(&lease, 2), 2);
        assert_eq!(level(0), None, "nobody has said anything");
        lease.fill(2 + 3, 10, true, NOW, NOW);
        assert_eq!(
            [level(0), level(999), level(1_000)],
            [Some((13, 3_500)), Some((14, 3_000)), Some((15, 2_500))]
        );
        assert_eq!(level(3_600_000), Some((20, 0)));
        lease.fill(0, -30, false, NOW, NOW);
        assert_eq!(level(0), Some((0, 10_000)));
    }

    #[test]
    fn what_is_withdrawn_is_what_was_left() {
        let lease = Lease::default();
        lease.fill(10, 0, false, NOW, NOW);
        let (calls, drawn) = (AtomicI64::new(0), AtomicI64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| calls.fetch_add(taken(&lease, 4), Ordering::Relaxed));
            }
            scope.spawn(|| drawn.fetch_add(i64::from(lease.withdraw(6)), Ordering::Relaxed));
        });
        assert_eq!(calls.load(Ordering::Relaxed) + drawn.load(Ordering::Relaxed) + lease.tokens(), 10);
        let left = lease.tokens();
        assert_eq!((i64::from(lease.withdraw(100)), lease.tokens(), lease.withdraw(1)), (left, 0, 0));
    }
}
