//! What a replica and the ledger that all replicas share say to each other about one bucket, and how
//! far a replica may run ahead of that ledger.
//!
//! Plain data and its arithmetic: no clock, no Redis.

use super::{KeyId, Limit};

/// Whose bucket: one key's, or, without a key, that of a rule that counts all keys together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId {
    /// The key.
    pub key: Option<KeyId>,
    /// The limit, by the number under which its buckets are kept.
    pub limit: u64,
}

/// Nanoseconds of a limit's rate that one replica may be ahead of the ledger. Where as many calls come to it as
/// the limit lets through, its lease lasts 80 ms and is renewed when half of it is spent: 25 questions a
/// second, and with four replicas one for each hundred calls at 10,000 calls a second.
const AHEAD: u64 = 100_000_000;
/// The part of that which is spent before the ledger was asked at all.
const CREDIT: u32 = 5;

/// How many tokens one replica may be ahead of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ahead {
    /// What the dearest call takes.
    pub dearest: u32,
    /// Spent before the ledger was asked: the first calls do not wait for its answer.
    pub credit: u32,
    /// Taken from the ledger and not yet spent.
    pub lease: u32,
}

impl Ahead {
    /// By what comes in a tenth of a second, and never less than what two of the dearest calls take.
    pub fn of(limit: Limit, dearest: u32) -> Self {
        let dearest = dearest.max(1);
        let most = Self::least_burst(limit).max(dearest.saturating_mul(2));
        // A bucket that holds less could never say that there is so much.
        let credit = dearest.max(most / CREDIT).min(limit.burst());
        Self { dearest, credit, lease: (most - credit).min(limit.burst()) }
    }

    /// Both together: what one replica can add to a limit, once.
    pub fn most(self) -> u32 {
        self.credit + self.lease
    }

    /// Whether a bucket holds enough that replicas which ask for tokens now and then get all that come.
    pub fn fits(self, limit: Limit) -> bool {
        limit.burst() >= Self::least_burst(limit).max(self.credit)
    }

    /// What a bucket that is shared holds at the least: what comes in a tenth of a second.
    pub fn least_burst(limit: Limit) -> u32 {
        u32::try_from(AHEAD.div_ceil(limit.interval())).unwrap_or(u32::MAX)
    }
}

/// What a replica asks of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which bucket.
    pub id: LeaseId,
    /// How much it holds and how fast it fills.
    pub limit: Limit,
    /// Tokens that were spent on credit: taken whether or not they are there.
    pub debt: u32,
    /// Tokens that come back unspent.
    pub back: u32,
    /// Tokens that are asked for.
    pub want: u32,
}

/// What the bucket says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Tokens that were given, at most those asked for.
    pub granted: u32,
    /// Whole tokens that are left; below zero where credit was spent that was not there.
    pub level: i64,
}

/// What happens to a limit that replicas share while Redis cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenGone {
    /// Each replica counts for itself: the limit divided by the replicas that there were.
    #[default]
    LocalShare,
    /// Calls that have such a limit are refused.
    Refuse,
    /// The limit does not hold.
    Allow,
}

#[cfg(test)]
mod tests {
    use super::Ahead;
    use crate::base::Limit;
    use std::time::Duration;

    #[test]
    fn a_replica_is_ahead_by_a_tenth_of_a_second_or_two_calls() {
        let ahead =
            |rate, dearest| Ahead::of(Limit::new(rate, Duration::from_secs(1), 1_000).unwrap(), dearest);
        assert_eq!(ahead(10_000, 1), Ahead { dearest: 1, credit: 200, lease: 800 });
        assert_eq!(ahead(10, 1), Ahead { dearest: 1, credit: 1, lease: 1 });
        assert_eq!(ahead(100, 7), Ahead { dearest: 7, credit: 7, lease: 7 });
        assert_eq!(ahead(1_000, 7).most(), 100);
        for (burst, fits) in [(999, false), (1_000, true)] {
            let limit = Limit::new(10_000, Duration::from_secs(1), burst).unwrap();
            assert_eq!((Ahead::of(limit, 1).fits(limit), Ahead::least_burst(limit)), (fits, 1_000));
        }
    }
}
