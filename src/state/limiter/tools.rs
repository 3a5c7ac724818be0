//! Buckets of rules that count all keys together: one for each such rule, found by the rule's number.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::gcra::Bucket;
use crate::policy::{Policy, RuleId};

/// Laid out like the rules of a policy.
#[derive(Debug, Default)]
pub struct ToolBuckets(Box<[Option<Kept>]>);

/// A bucket, and the number under which it is found again after a reload.
#[derive(Debug)]
struct Kept {
    number: u64,
    bucket: Arc<Bucket>,
}

impl ToolBuckets {
    /// Buckets for a policy; those that it has in common with the one before are as they were.
    #[must_use]
    pub fn under(&self, policy: &Policy) -> Self {
        let before: HashMap<u64, &Arc<Bucket>, RandomState> =
            self.0.iter().flatten().map(|kept| (kept.number, &kept.bucket)).collect();
        let buckets = policy.rules().iter().map(|rule| {
            let number = rule.limits.per_tool?.bucket;
            let bucket = before.get(&number).map(|bucket| Arc::clone(bucket)).unwrap_or_default();
            Some(Kept { number, bucket })
        });
        Self(buckets.collect())
    }

    /// The bucket of a rule, where it has one.
    #[inline]
    pub fn get(&self, rule: RuleId) -> Option<&Bucket> {
        self.0.get(rule.0 as usize)?.as_ref().map(|kept| &*kept.bucket)
    }
}
