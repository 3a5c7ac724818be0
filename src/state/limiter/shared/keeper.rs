//! Keeps leases filled: decides, for each bucket that is in use, what to ask of the ledger and when.
//!
//! A lease holds what its calls take in 0.4 s, as they went of late, and no more than a replica may be ahead,
//! so that its size follows this replica's share of the traffic; it is renewed when half of it is spent,
//! made smaller when fewer calls come, and given back when none do. Pure: no clock, no Redis, no thread; it
//! never waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::lease::Lease;
use super::sharing::Note;
use crate::base::lease::{Ahead, Ask, LeaseId, Told};
use crate::base::{Limit, Nanos};

const MS: u64 = 1_000_000;
/// Time that a lease is meant to last, in seconds, where it may hold so much: a replica with a small share of
/// a limit's calls asks five times a second, one with all of them when half of what it may be ahead is
/// spent.
const LASTS: f64 = 0.4;
/// Time over which the traffic of a bucket is looked at.
const SEEN: u64 = 200 * MS;
/// A bucket is in use for so long after its last call.
const IDLE: u64 = 250 * MS;
/// A bucket in use is looked at so often, whatever happens.
const LOOK: u64 = 100 * MS;
/// At least so long between two questions about one bucket: while there are tokens, and while there are
/// none and every replica waits for the next.
const GAP: u64 = 10 * MS;
const EMPTY_GAP: u64 = 40 * MS;
/// At most so long between two questions about a bucket that is empty and that calls wait for: what
/// others give back is there sooner than what comes.
const LONGEST: u64 = 1_000 * MS;

/// One bucket in use.
struct InUse {
    lease: Arc<Lease>,
    limit: Limit,
    ahead: Ahead,
    /// Tokens in the lease when it was looked at last: what is missing was spent.
    mark: i64,
    /// Tokens a second, as far as calls asked for them.
    rate: f64,
    looked: Nanos,
    /// What calls asked for too short a time before that.
    early: u64,
    /// When calls came last.
    used: Nanos,
    /// When it is looked at next; `None` while the ledger is asked.
    due: Option<Nanos>,
    /// No question before this.
    earliest: Nanos,
}

/// What a look at a bucket leads to.
enum Next {
    Ask(Ask),
    Look(Nanos),
    /// It is not in use, and as it was before it was.
    Rest,
}

/// Keeps the leases of one replica.
#[derive(Default)]
pub struct Keeper {
    in_use: HashMap<LeaseId, InUse, RandomState>,
    due: BTreeSet<(Nanos, LeaseId)>,
}

impl Keeper {
    /// Buckets in use.
    pub fn len(&self) -> usize {
        self.in_use.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.in_use.is_empty()
    }

    /// Tokens that are leased and not spent.
    pub fn leased(&self) -> u64 {
        let left = self.in_use.values().map(|bucket| bucket.lease.tokens());
        left.fold(0, |sum, tokens| sum + u64::try_from(tokens).unwrap_or(0))
    }

    /// Takes note of a bucket that needs looking at.
    pub fn note(&mut self, note: Note, now: Nanos) {
        let Note { id, lease, limit, ahead } = note;
        let bucket = self.in_use.entry(id).or_insert_with(|| InUse {
            lease: Arc::clone(&lease),
            limit,
            ahead,
            mark: 0,
            rate: 0.0,
            // One call alone is no traffic yet.
            looked: Nanos(now.0.saturating_sub(SEEN)),
            early: 0,
            used: now,
            due: Some(now),
            earliest: now,
        });
        (bucket.limit, bucket.ahead) = (limit, ahead);
        if !Arc::ptr_eq(&bucket.lease, &lease) {
            // A reload took the limit away and another brought it back, while it was in use.
            lease.inherit(&bucket.lease);
            bucket.mark = lease.tokens();
            bucket.lease = lease;
        }
        // While the ledger is asked, its answer is what comes next.
        if let Some(due) = bucket.due {
            let at = bucket.earliest.max(now).min(due);
            self.date(id, at);
        }
    }

    /// When something is to be asked next.
    pub fn next(&self) -> Option<Nanos> {
        self.due.first().map(|(at, _)| *at)
    }

    /// What is to be asked now, at most so many questions. Each of them has to be followed by
    /// [`Keeper::told`] or [`Keeper::lost`].
    pub fn asks(&mut self, now: Nanos, most: usize) -> Vec<Ask> {
        let mut asks = Vec::new();
        while asks.len() < most {
            let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.due.pop_first();
            let Some(bucket) = self.in_use.get_mut(&id) else { continue };
            bucket.due = None;
            match bucket.look(id, now) {
                Next::Ask(ask) => asks.push(ask),
                Next::Look(at) => self.date(id, at),
                Next::Rest => drop(self.in_use.remove(&id)),
            }
        }
        asks
    }

    /// The ledger has answered.
    pub fn told(&mut self, ask: &Ask, told: Told, now: Nanos) {
        let Some(bucket) = self.in_use.get_mut(&ask.id) else { return };
        let at = bucket.told(ask, told, now);
        self.date(ask.id, at);
    }

    /// Nobody knows whether the ledger got the question: what it may have given is lost, and so is what
    /// was given back; what was spent is told again.
    pub fn lost(&mut self, ask: &Ask, now: Nanos) {
        self.date(ask.id, Nanos(now.0 + LOOK));
    }

    /// The ledger is out of reach: what was leased of it is not spent any more.
    pub fn cut(&mut self) {
        for bucket in self.in_use.values_mut() {
            bucket.lease.withdraw(i64::MAX);
            bucket.mark = bucket.lease.tokens();
        }
    }

    /// Everything is to be looked at, as the ledger can be reached again.
    pub fn look_at_all(&mut self, now: Nanos) {
        let ids: Vec<LeaseId> = self.in_use.keys().copied().collect();
        for id in ids {
            self.date(id, now);
        }
    }

    /// What is left to be settled when this replica stops: nothing will be spent any more.
    pub fn close(&mut self) -> Vec<Ask> {
        self.due.clear();
        let settle = |(id, bucket): (LeaseId, InUse)| {
            let back = bucket.lease.withdraw(i64::MAX);
            let debt = u32::try_from(-bucket.lease.tokens()).unwrap_or(0);
            (back > 0 || debt > 0).then_some(Ask { id, limit: bucket.limit, debt, back, want: 0 })
        };
        self.in_use.drain().filter_map(settle).collect()
    }

    fn date(&mut self, id: LeaseId, at: Nanos) {
        let Some(bucket) = self.in_use.get_mut(&id) else { return };
        if let Some(before) = bucket.due.replace(at) {
            self.due.remove(&(before, id));
        }
        self.due.insert((at, id));
    }
}

impl InUse {
    fn look(&mut self, id: LeaseId, now: Nanos) -> Next {
        self.lease.unwatch();
        let tokens = self.lease.tokens();
        self.see(tokens, now);
        let (idle, wanted) = (self.is_idle(now), self.wanted(now));
        let back = if tokens > 2 * wanted { self.lease.withdraw(tokens - wanted) } else { 0 };
        let debt = u32::try_from(-tokens).unwrap_or(0);
        let renew = debt > 0 || tokens < self.low(wanted);
        let want = if renew { u32::try_from(wanted - tokens.max(0)).unwrap_or(0) } else { 0 };
        self.mark = tokens - i64::from(back);
        // Until the ledger says that there is something, there is no credit either.
        let asks_in_vain = idle && !self.lease.has_credit();
        if debt > 0 || back > 0 || want > 0 || asks_in_vain {
            return Next::Ask(Ask { id, limit: self.limit, debt, back, want });
        }
        if idle {
            self.lease.watch(0);
            return if self.lease.tokens() == 0 { Next::Rest } else { Next::Look(Nanos(now.0 + GAP)) };
        }
        Next::Look(self.watch(now, now.0 + LOOK))
    }

    /// What calls asked for since the last look, as a rate.
    fn see(&mut self, tokens: i64, now: Nanos) {
        let spent = u64::try_from(self.mark - tokens).unwrap_or(0);
        let asked = spent + self.lease.take_missed();
        let passed = now.0.saturating_sub(self.looked.0);
        if asked > 0 {
            self.used = now;
        }
        // Of so short a time no rate can be told: it counts with the next.
        if passed < MS {
            self.early += asked;
            return;
        }
        self.looked = now;
        let asked = asked + std::mem::take(&mut self.early);
        #[expect(
            clippy::cast_precision_loss,
            reason = "tokens and nanoseconds of moments are far below 2^52"
        )]
        let (rate, share) = (asked as f64 * 1e9 / passed as f64, passed as f64 / (passed + SEEN) as f64);
        self.rate = if self.rate == 0.0 { rate } else { self.rate + (rate - self.rate) * share };
    }

    /// Whether nobody called for a while.
    fn is_idle(&self, now: Nanos) -> bool {
        now.0.saturating_sub(self.used.0) >= IDLE
    }

    /// Tokens that the lease is meant to hold.
    fn wanted(&self, now: Nanos) -> i64 {
        if self.is_idle(now) {
            return 0;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a float is cut to what an integer holds")]
        let lasting = (self.rate * LASTS) as i64;
        // Where there is no credit, a call needs a lease, however few they are.
        let least = if self.lease.has_credit() { 0 } else { i64::from(self.ahead.dearest) };
        lasting.max(least).min(i64::from(self.ahead.lease))
    }

    /// Below this a lease is renewed: half spent; or, where there is no credit for it, too little for the
    /// dearest call.
    fn low(&self, wanted: i64) -> i64 {
        let least = if self.lease.has_credit() { 0 } else { i64::from(self.ahead.dearest) };
        (wanted / 2).max(least).min(wanted)
    }

    fn told(&mut self, ask: &Ask, told: Told, now: Nanos) -> Nanos {
        let more = told.level >= i64::from(self.ahead.credit);
        let given = i64::from(ask.debt) + i64::from(told.granted);
        let held = (self.lease.tokens() + given).max(0);
        let lacks = u64::try_from(i64::from(self.ahead.dearest) - held - told.level).unwrap_or(0);
        let comes = self.limit.interval().saturating_mul(lacks);
        self.lease.fill(given, told.level, more, Nanos(now.0.saturating_add(comes)), now);
        self.mark += given;
        let empty = told.granted < ask.want;
        let gap = if empty { comes.clamp(EMPTY_GAP, LONGEST) } else { GAP };
        self.earliest = Nanos(now.0 + gap);
        if self.is_idle(now) && !more {
            // Nobody calls here, and who does will tell: it is asked again when there can be credit.
            let lacks = u64::try_from(i64::from(self.ahead.credit) - told.level).unwrap_or(0);
            let full = self.limit.interval().saturating_mul(lacks).max(LOOK);
            let low = self.lease.watch(0);
            return if low { self.earliest } else { Nanos(now.0.saturating_add(full)) };
        }
        self.watch(now, now.0 + if empty { gap } else { LOOK })
    }

    /// Lets calls tell when the lease is low; what they took before they could is seen here.
    fn watch(&self, now: Nanos, at: u64) -> Nanos {
        let low = self.low(self.wanted(now));
        if self.lease.watch(low) { Nanos(at.min(self.earliest.0.max(now.0))) } else { Nanos(at) }
    }
}
