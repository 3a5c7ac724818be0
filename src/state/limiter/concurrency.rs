//! What is under way at once, of a key and towards a server: a place for each request, given back when
//! the request ends, however it ends.
//!
//! A place is taken by one compare-and-swap and given back without a lock. Bounded like buckets: a key is
//! kept for as long as it has something under way, and there is a most. It must never make a request
//! wait for a place.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::Limiter;
use super::table::{Alone, Full, Id, Kept};
use crate::base::{KeyId, Nanos, Tick, UnderWay};
use crate::policy::{Most, Policy, ServerId};

/// How much is under way.
#[derive(Debug, Default)]
pub struct Counts {
    calls: AtomicU32,
    streams: AtomicU32,
}

impl Counts {
    fn of(&self, what: UnderWay) -> &AtomicU32 {
        match what {
            UnderWay::Call => &self.calls,
            UnderWay::Stream => &self.streams,
        }
    }

    /// How much of a kind is under way.
    pub fn now(&self, what: UnderWay) -> u32 {
        self.of(what).load(Ordering::Relaxed)
    }

    /// One more, where that makes no more than `most`.
    fn enter(&self, what: UnderWay, most: u32) -> bool {
        let count = self.of(what);
        let mut now = count.load(Ordering::Relaxed);
        while now < most {
            // Nothing else is published with it, so no order is needed.
            match count.compare_exchange_weak(now, now + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) => now = other,
            }
        }
        false
    }
}

impl Id for KeyId {
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

impl Kept for Arc<Counts> {
    /// Whoever counts holds a reference for as long, and gets it under the shard's lock to read: where
    /// the lock to write is held and there is no other, nothing is under way and nothing can begin.
    fn is_idle(&self, _now: Nanos) -> bool {
        Arc::strong_count(self) == 1
    }
}

/// The places of one request; dropping them gives them back.
#[derive(Debug)]
pub struct Places {
    what: UnderWay,
    of_key: Option<Arc<Counts>>,
    of_server: Option<Arc<Counts>>,
    /// Whether a limit that only warns is exceeded by it.
    warned: bool,
}

impl Places {
    /// What is under way in them.
    pub fn what(&self) -> UnderWay {
        self.what
    }

    /// Whether a limit that only warns is exceeded by it.
    pub fn are_beyond(&self) -> bool {
        self.warned
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for counts in [&self.of_key, &self.of_server].into_iter().flatten() {
            counts.of(self.what).fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request that wants places.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a> {
    /// What it is.
    pub what: UnderWay,
    /// Whether something else that is under way may be waiting for it: then there are as many places again.
    pub awaited: bool,
    /// Whose it is.
    pub key: KeyId,
    /// The key's limit.
    pub of_key: Option<Most>,
    /// The server's limit, with what is under way there.
    pub of_server: Option<(Most, &'a Arc<Counts>)>,
}

/// Where there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// The key has as much under way as it may.
    Key,
    /// The server has.
    Server,
    /// There is no room to count for another key.
    Room,
}

impl Crowded {
    /// In words.
    pub fn word(self, what: UnderWay) -> &'static str {
        match (self, what) {
            (Self::Key, UnderWay::Call) => "key_concurrency",
            (Self::Key, UnderWay::Stream) => "key_streams",
            (Self::Server, UnderWay::Call) => "server_concurrency",
            (Self::Server, UnderWay::Stream) => "server_streams",
            (Self::Room, _) => "room",
        }
    }
}

impl Limiter {
    /// Takes the places of a request, all or none. Without limits that is nothing, and costs nothing.
    #[inline]
    pub fn enter(&self, entering: &Entering<'_>) -> Result<Places, Crowded> {
        // What was taken before a refusal is given back as this is dropped.
        let mut places = Places { what: entering.what, of_key: None, of_server: None, warned: false };
        if let Some(limit) = entering.of_key {
            self.enter_key(entering, limit, &mut places)?;
        }
        if let Some((limit, counts)) = entering.of_server {
            let (counts, warned) = self.one_more(counts, limit, entering).ok_or(Crowded::Server)?;
            places.of_server = Some(counts);
            places.warned |= warned;
        }
        Ok(places)
    }

    fn enter_key(&self, entering: &Entering<'_>, limit: Most, places: &mut Places) -> Result<(), Crowded> {
        let now = Tick::now().nanos();
        let entered = self.under_way.with(entering.key, &[Some(Alone)], now, |[counts]| {
            counts.and_then(|counts| self.one_more(counts, limit, entering))
        });
        match entered {
            Ok(Some((counts, warned))) => {
                (places.of_key, places.warned) = (Some(counts), warned);
                Ok(())
            }
            Ok(None) => Err(Crowded::Key),
            Err(Full) => {
                self.full.fetch_add(1, Ordering::Relaxed);
                if limit.enforced { Err(Crowded::Room) } else { Ok(()) }
            }
        }
    }

    /// One more, and whether it is beyond a limit that only warns; `None` where that is too much.
    fn one_more(
        &self,
        counts: &Arc<Counts>,
        limit: Most,
        entering: &Entering<'_>,
    ) -> Option<(Arc<Counts>, bool)> {
        let most = if entering.awaited { limit.most.saturating_mul(2) } else { limit.most };
        let within = counts.enter(entering.what, most);
        if !within {
            if limit.enforced {
                return None;
            }
            self.warned.fetch_add(1, Ordering::Relaxed);
            counts.of(entering.what).fetch_add(1, Ordering::Relaxed);
        }
        Some((Arc::clone(counts), !within))
    }

    /// Keys that have something under way that is counted, and those that had a moment ago.
    pub fn keys_under_way(&self) -> usize {
        self.under_way.len()
    }
}

/// What is under way towards each server, laid out like the servers of a policy.
#[derive(Debug, Default)]
pub struct ServerCounts(Box<[(Box<str>, Arc<Counts>)]>);

impl ServerCounts {
    /// Counts for a policy; servers that were there before go on where they were.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let before: HashMap<&str, &Arc<Counts>, RandomState> =
            self.0.iter().map(|(name, counts)| (&**name, counts)).collect();
        let counts = policy.servers().iter().map(|server| {
            let counts = before.get(&*server.name).map(|counts| Arc::clone(counts));
            (server.name.clone(), counts.unwrap_or_default())
        });
        Self(counts.collect())
    }

    /// The counts of a server.
    #[inline]
    pub fn get(&self, server: ServerId) -> Option<&Arc<Counts>> {
        self.0.get(server.0 as usize).map(|(_, counts)| counts)
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Crowded, Entering, ServerCounts};
    use crate::base::{KeyId, UnderWay};
    use crate::policy::{Most, Policy};
    use crate::state::limiter::{Limiter, SHARDS};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn key(number: u32) -> KeyId {
        format!("mcp_live_{number:016}").parse().unwrap()
    }

    fn most(most: u32) -> Most {
        Most { most, enforced: true }
    }

    fn call(number: u32, of_key: Option<Most>) -> Entering<'static> {
        Entering { what: UnderWay::Call, awaited: false, key: key(number), of_key, of_server: None }
    }

    #[test]
    fn places_are_taken_together_and_come_back() {
        let (limiter, counts) = (Limiter::new(1_000), Arc::new(Counts::default()));
        let entering =
            |number| Entering { of_server: Some((most(3), &counts)), ..call(number, Some(most(2))) };
        let mut held = vec![limiter.enter(&entering(1)).unwrap(), limiter.enter(&entering(1)).unwrap()];
        assert_eq!(limiter.enter(&entering(1)).err(), Some(Crowded::Key));
        held.push(limiter.enter(&entering(2)).unwrap());
        assert_eq!(limiter.enter(&entering(2)).err(), Some(Crowded::Server));
        // What the server refused took no place of the key's for good.
        let elsewhere = Entering { of_server: None, ..entering(2) };
        held.push(limiter.enter(&elsewhere).unwrap());
        assert_eq!(limiter.enter(&elsewhere).err(), Some(Crowded::Key));
        // Streams are counted apart, and what others wait for has as many places again.
        let stream = Entering { what: UnderWay::Stream, ..elsewhere };
        held.push(limiter.enter(&stream).unwrap());
        let awaited = Entering { awaited: true, ..elsewhere };
        held.extend([limiter.enter(&awaited).unwrap(), limiter.enter(&awaited).unwrap()]);
        assert_eq!(limiter.enter(&awaited).err(), Some(Crowded::Key));
        assert_eq!(counts.now(UnderWay::Call), 3);
        drop(held);
        assert_eq!((counts.now(UnderWay::Call), counts.now(UnderWay::Stream)), (0, 0));
        (0..SHARDS).for_each(|_| limiter.collect());
        assert_eq!(limiter.keys_under_way(), 0);
        assert!(limiter.enter(&call(3, None)).is_ok() && limiter.keys_under_way() == 0, "no limit, no count");
    }

    #[test]
    fn a_limit_that_warns_counts_on() {
        let limiter = Limiter::new(1_000);
        let warns = |count| call(1, Some(Most { most: count, enforced: false }));
        let held: Vec<_> = (0..5).map(|_| limiter.enter(&warns(2)).unwrap()).collect();
        assert_eq!(limiter.warned(), 3);
        assert_eq!(limiter.enter(&call(1, Some(most(5)))).err(), Some(Crowded::Key), "all are counted");
        drop(held);
        assert!(limiter.enter(&call(1, Some(most(1)))).is_ok());
    }

    #[test]
    fn there_is_room_for_so_many_keys_and_idle_ones_make_it() {
        let limiter = Limiter::new(1);
        let mut held = Vec::new();
        let mut refused = Vec::new();
        for number in 0..5_000 {
            match limiter.enter(&call(number, Some(most(1)))) {
                Ok(places) => held.push(places),
                Err(crowded) => {
                    assert_eq!(crowded, Crowded::Room);
                    refused.push(number);
                }
            }
        }
        assert!(!refused.is_empty() && limiter.full() == refused.len() as u64);
        assert_eq!(limiter.keys_under_way(), held.len());
        let warns = Most { most: 1, enforced: false };
        assert!(limiter.enter(&call(refused[0], Some(warns))).is_ok(), "a limit that warns refuses nothing");
        drop(held);
        // A shard that was full is looked through again a tenth of a second later.
        let begun = std::time::Instant::now();
        while limiter.enter(&call(refused[0], Some(most(1)))).is_err() {
            assert!(begun.elapsed() < std::time::Duration::from_millis(300), "no room though all are idle");
        }
        (0..SHARDS).for_each(|_| limiter.collect());
        assert_eq!(limiter.keys_under_way(), 0);
    }

    #[test]
    fn threads_together_have_no_more_than_the_limits_say_while_idle_keys_are_dropped() {
        const THREADS: u32 = 4;
        let (limiter, server) = (Limiter::new(1_000), Arc::new(Counts::default()));
        // What there truly is: counted after a place was taken, and until before it is given back.
        let (true_of_keys, true_of_server) = ([const { AtomicU32::new(0) }; 2], AtomicU32::new(0));
        let (admitted, refused) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (limiter, server, of_server) = (&limiter, &server, &true_of_server);
                let (of_keys, admitted, refused) = (&true_of_keys, &admitted, &refused);
                scope.spawn(move || {
                    for turn in 0..40_000_u32 {
                        let number = (turn / 3 + thread) % 2;
                        let entering =
                            Entering { of_server: Some((most(3), server)), ..call(number, Some(most(2))) };
                        let Ok(places) = limiter.enter(&entering) else {
                            refused.fetch_add(1, Ordering::Relaxed);
                            continue;
                        };
                        let of_key = &of_keys[number as usize];
                        assert!(of_key.fetch_add(1, Ordering::SeqCst) < 2);
                        assert!(of_server.fetch_add(1, Ordering::SeqCst) < 3);
                        admitted.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        of_key.fetch_sub(1, Ordering::SeqCst);
                        of_server.fetch_sub(1, Ordering::SeqCst);
                        drop(places);
                        if turn % 16 == 0 {
                            (0..SHARDS).for_each(|_| limiter.collect());
                        }
                    }
                });
            }
        });
        assert!(admitted.load(Ordering::Relaxed) > 0 && refused.load(Ordering::Relaxed) > 0);
        assert_eq!((server.now(UnderWay::Call), limiter.full()), (0, 0));
        (0..SHARDS).for_each(|_| limiter.collect());
        assert_eq!(limiter.keys_under_way(), 0);
    }

    #[test]
    fn without_a_server_there_are_no_counts() {
        let counts = ServerCounts::default().under(&Policy::default());
        assert!(counts.get(crate::policy::ServerId(0)).is_none());
    }
}
