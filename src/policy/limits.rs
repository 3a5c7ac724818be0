//! What limits apply to a call: that of its key, by the key's own or its plan's; that of its tool; that of
//! the key with the tool; and how much may be under way at once.
//!
//! Each knows the number under which its buckets are kept, made of what it is called: a reload that
//! changes a rate finds the buckets as they were.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use ring::digest::{Context, SHA256};

use crate::base::lease::{Ahead, WhenGone};
use crate::base::{Limit, UnderWay};

/// A limit as it applies somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Applied {
    /// What its buckets are kept under; the same for the same name, for as long as the process runs.
    pub bucket: u64,
    /// How much and how fast.
    pub limit: Limit,
    /// Whether what exceeds it is refused; else it is counted only.
    pub enforced: bool,
    /// How far a replica may run ahead of the others, where they share it.
    pub shared: Option<Ahead>,
}

impl Applied {
    /// A limit that is called so: where it stands in the configuration.
    pub fn new(name: &[&str], limit: Limit, enforced: bool) -> Self {
        // The same at each reload, in each version and on each replica.
        let mut digest = Context::new(&SHA256);
        for part in name {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let digest = digest.finish();
        let bucket = digest.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Self { bucket, limit, enforced, shared: None }
    }

    /// The same, shared by all replicas; the dearest call takes so many tokens of it.
    #[must_use]
    pub fn shared(self, dearest: u32) -> Self {
        Self { shared: Some(Ahead::of(self.limit, dearest)), ..self }
    }

    /// The same in the place of another, whose reach it has: replicas share it where they shared that.
    #[must_use]
    fn instead_of(self, other: Option<Self>) -> Self {
        match other.and_then(|other| other.shared) {
            // A call that costs more than the whole bucket is refused, whatever is asked for it.
            Some(ahead) => self.shared(ahead.dearest.min(self.limit.burst())),
            None => self,
        }
    }

    /// A limit of each key, of what is called so. Its name is no plan's and no key's: a key that gets
    /// another plan, or a limit of its own, keeps its buckets.
    pub fn of_key(what: &str, limit: Limit, enforced: bool) -> Self {
        Self::new(&["key", what], limit, enforced)
    }
}

/// How much may be under way at once: of one key, or towards one server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Concurrent {
    /// Of calls; any number where there is none.
    pub calls: Option<u32>,
    /// Of streams; any number where there is none.
    pub streams: Option<u32>,
    /// Whether what exceeds it is counted only.
    pub warn_only: bool,
}

/// How much of one kind may be under way at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// So many.
    pub most: u32,
    /// Whether what exceeds it is refused; else it is counted only.
    pub enforced: bool,
}

impl Concurrent {
    /// A key's own limits over those of its plan; whether they are enforced is the plan's affair.
    fn over(self, plan: Self) -> Self {
        Self { calls: self.calls.or(plan.calls), streams: self.streams.or(plan.streams), ..plan }
    }

    /// The limit of a kind, where there is one.
    #[inline]
    pub fn of(&self, what: UnderWay) -> Option<Most> {
        let most = match what {
            UnderWay::Call => self.calls,
            UnderWay::Stream => self.streams,
        };
        most.map(|most| Most { most, enforced: !self.warn_only })
    }
}

/// Limits of a key: its own, and where it has none its plan's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyLimits {
    /// Of calls: what names a tool, a prompt or a resource.
    pub calls: Option<Applied>,
    /// Of what is no call: lists, discover, ping, notifications.
    pub other: Option<Applied>,
    /// Of what is under way.
    pub concurrent: Concurrent,
}

impl KeyLimits {
    /// No limits.
    pub const NONE: Self = Self {
        calls: None,
        other: None,
        concurrent: Concurrent { calls: None, streams: None, warn_only: false },
    };

    /// A key's own limits over those of its plan: each that is there counts instead of the plan's.
    #[must_use]
    pub fn over(self, plan: Self) -> Self {
        let over = |own: Option<Applied>, plan: Option<Applied>| own.map(|own| own.instead_of(plan)).or(plan);
        Self {
            calls: over(self.calls, plan.calls),
            other: over(self.other, plan.other),
            concurrent: self.concurrent.over(plan.concurrent),
        }
    }
}

/// Limits of a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleLimits {
    /// Of each key by itself.
    pub per_key: Option<Applied>,
    /// Of all keys together.
    pub per_tool: Option<Applied>,
    /// How many tokens a call takes, from all of its buckets; at least 1.
    pub cost: u32,
}

impl RuleLimits {
    /// No limit; a call costs one token of its key's.
    pub const NONE: Self = Self { per_key: None, per_tool: None, cost: 1 };
}

/// Limits that replicas share.
#[derive(Debug, Default)]
pub struct SharedLimits {
    /// What holds while they cannot be looked up.
    pub when_gone: WhenGone,
    /// Where each stands in the configuration.
    pub named: Vec<(Box<str>, Applied)>,
}

/// Plans by name, with their limits.
pub type Plans = HashMap<Box<str>, KeyLimits, RandomState>;

#[cfg(test)]
mod tests {
    use super::{Applied, Concurrent, KeyLimits};
    use crate::base::Limit;
    use std::time::Duration;

    #[test]
    fn a_keys_own_places_take_the_place_of_its_plans_which_says_whether_they_warn() {
        let places = |calls, streams, warn_only| Concurrent { calls, streams, warn_only };
        let plan = places(Some(5), Some(6), true);
        assert_eq!(places(Some(50), None, false).over(plan), places(Some(50), Some(6), true));
        assert_eq!(places(None, Some(1), false).over(plan), places(Some(5), Some(1), true));
        let own = places(Some(2), None, false);
        assert_eq!(own.over(Concurrent::default()), own, "without a plan's they refuse");
    }

    #[test]
    fn a_name_has_one_number_and_other_names_have_others() {
        let limit = |rate| Limit::new(rate, Duration::from_secs(1), 10).unwrap();
        let number = |name: &[&str], rate| Applied::new(name, limit(rate), true).bucket;
        assert_eq!(number(&["crm", "tools", "a"], 1), number(&["crm", "tools", "a"], 2));
        // Names are not run together.
        assert_ne!(number(&["crm", "a", "b"], 1), number(&["crm", "ab", ""], 1));
    }

    #[test]
    fn a_keys_own_limit_takes_the_place_of_its_plans() {
        let applied = |what, burst| {
            Some(Applied::of_key(what, Limit::new(1, Duration::from_secs(1), burst).unwrap(), true))
        };
        let plan =
            KeyLimits { calls: applied("calls", 5), other: applied("other", 6), ..KeyLimits::default() };
        let own = KeyLimits { calls: applied("calls", 50), ..KeyLimits::default() };
        assert_eq!(own.over(plan), KeyLimits { calls: own.calls, other: plan.other, ..own });
        assert_eq!(own.over(KeyLimits::default()), own);
        assert_eq!(own.calls.unwrap().bucket, plan.calls.unwrap().bucket);
    }
}
