//! Buckets of addresses: how many requests without a right key each may send.
//!
//! Bounded, whoever comes from wherever: an address that finds no room shares one bucket with all others
//! that find none, so that it is neither refused for the others' sake nor counted by nobody. A request with a right key
//! must never come here.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::gcra::Bucket;
use super::table::{Alone, Full, Id, Table};
use crate::base::{Holder, Nanos, Tick};
use crate::policy::Applied;

impl Id for Holder {
    type Home = Self;
    type Apart = Alone;

    #[inline]
    fn new(home: Self, Alone: Alone) -> Self {
        home
    }

    #[inline]
    fn home(&self) -> Self {
        *self
    }

    #[inline]
    fn apart(&self) -> Alone {
        Alone
    }
}

/// The buckets of a process.
pub struct Addresses {
    table: Table<Holder, Bucket>,
    /// Of all those that find no room in the table.
    others: Bucket,
    /// Requests that were counted there.
    full: AtomicU64,
    /// Requests beyond a limit that is counted only.
    warned: AtomicU64,
}

impl Addresses {
    /// For at most so many addresses.
    pub fn new(most: usize) -> Self {
        let (full, warned) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { table: Table::new(most), others: Bucket::default(), full, warned }
    }

    /// Counts a request without a right key; beyond the limit, how long until the next is within it.
    pub fn count(&self, address: IpAddr, applied: Applied) -> Result<(), Duration> {
        let now = if applied.limit.is_fine() { Tick::exact() } else { Tick::now() };
        self.count_at(address, applied, now.nanos())
    }

    fn count_at(&self, address: IpAddr, applied: Applied, now: Nanos) -> Result<(), Duration> {
        let take = |bucket: &Bucket| bucket.take(applied.limit, now, 1);
        let taken =
            self.table.with(address.into(), &[Some(Alone)], now, |[bucket]| bucket.map_or(Ok(()), take));
        let taken = taken.unwrap_or_else(|Full| {
            self.full.fetch_add(1, Ordering::Relaxed);
            take(&self.others)
        });
        if taken.is_err() && !applied.enforced {
            self.warned.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        taken
    }

    pub(super) fn collect(&self, now: Nanos) {
        self.table.collect(now);
    }

    /// Addresses that have a bucket.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Requests that were counted together for want of room.
    pub fn full(&self) -> u64 {
        self.full.load(Ordering::Relaxed)
    }

    /// Requests beyond a limit that is counted only.
    pub(super) fn warned(&self) -> u64 {
        self.warned.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;
    use crate::base::{Limit, Nanos};
    use crate::policy::Applied;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::time::Duration;

    const NOW: Nanos = Nanos(1_000_000_000_000);

    fn applied(burst: u32, enforced: bool) -> Applied {
        Applied::new(&["address"], Limit::new(1, Duration::from_secs(1), burst).unwrap(), enforced)
    }

    fn within(addresses: &Addresses, address: IpAddr, applied: Applied, times: usize) -> usize {
        (0..times).filter(|_| addresses.count_at(address, applied, NOW).is_ok()).count()
    }

    #[test]
    fn each_address_has_its_own_and_a_64_is_one() {
        let addresses = Addresses::new(10_000);
        let v6 = |rest: u16| IpAddr::from(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, rest));
        assert_eq!(within(&addresses, Ipv4Addr::LOCALHOST.into(), applied(3, true), 5), 3);
        assert_eq!(within(&addresses, Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), applied(3, true), 5), 0);
        assert_eq!(within(&addresses, Ipv4Addr::new(127, 0, 0, 2).into(), applied(3, true), 5), 3);
        assert_eq!((0..5).filter(|rest| within(&addresses, v6(*rest), applied(3, true), 1) == 1).count(), 3);
        assert_eq!((addresses.len(), addresses.full()), (3, 0));
        let wait = addresses.count_at(v6(0), applied(3, true), NOW).unwrap_err();
        assert_eq!(wait, Duration::from_secs(1));
        // Full again, and dropped.
        (0..super::super::SHARDS).for_each(|_| addresses.collect(Nanos(NOW.0 + 4_000_000_000)));
        assert!(addresses.is_empty());
    }

    #[test]
    fn beyond_the_room_all_others_share_one_bucket() {
        let addresses = Addresses::new(1);
        let from = |number: u32| IpAddr::from(Ipv4Addr::from(number));
        let first = within(&addresses, from(0), applied(5, true), 5);
        let crowd: usize =
            (0..100_000).map(|number| within(&addresses, from(number), applied(5, true), 1)).sum();
        let (held, full) = (addresses.len(), addresses.full());
        // Eight in each shard at most. Each of those once, but the first, that had all of its; and five of the rest.
        assert!(first == 5 && held <= 2_048 && full == 100_000 - held as u64, "{held} {full}");
        assert_eq!(crowd, held - 1 + 5);
    }

    #[test]
    fn a_limit_that_warns_refuses_nothing_and_counts() {
        let addresses = Addresses::new(1);
        assert_eq!(within(&addresses, Ipv4Addr::LOCALHOST.into(), applied(3, false), 5), 5);
        assert_eq!(addresses.warned(), 2);
    }
}
