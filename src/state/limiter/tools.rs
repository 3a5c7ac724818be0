//! Buckets of rules that count all keys together: one for each such rule, found by the rule's number.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::gcra::Bucket;
use super::place::Place;
use super::shared::Lease;
use crate::policy::{Applied, Policy, RuleId};

/// Laid out like the rules of a policy.
#[derive(Debug, Default)]
pub struct ToolBuckets(Box<[Option<ToolBucket>]>);

/// A bucket, or a lease, and the number under which it is found again after a reload.
#[derive(Clone, Debug, Default)]
pub struct ToolBucket {
    number: u64,
    bucket: Arc<Bucket>,
    lease: Arc<Lease>,
}

impl ToolBuckets {
    /// Buckets for a policy; those that it has in common with the one before are as they were.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let before: HashMap<u64, &ToolBucket, RandomState> =
            self.0.iter().flatten().map(|kept| (kept.number, kept)).collect();
        let buckets = policy.rules().iter().map(|rule| {
            let number = rule.limits.per_tool?.bucket;
            let fresh = || ToolBucket { number, ..ToolBucket::default() };
            Some(before.get(&number).map_or_else(fresh, |kept| ToolBucket::clone(kept)))
        });
        Self(buckets.collect())
    }

    /// The bucket of a rule, where it has one.
    #[inline]
    pub fn get(&self, rule: RuleId) -> Option<&ToolBucket> {
        self.0.get(rule.0 as usize)?.as_ref()
    }
}

impl ToolBucket {
    #[inline]
    pub(super) fn place<'a>(&'a self, applied: &'a Applied) -> Place<'a> {
        match &applied.shared {
            Some(ahead) => Place::Shared(&self.lease, ahead),
            None => Place::Own(&self.bucket),
        }
    }

    /// Tokens in it.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }
}
