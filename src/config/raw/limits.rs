//! Limits as they are written, of plans, of rules, and of addresses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::defaults;

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Plan {
    /// What the plan is for; shown with its keys.
    #[schemars(example = &"agents of the sales team")]
    pub(in crate::config) description: String,
    /// How often each of its keys may call: tools, prompts and resources together.
    #[schemars(example = serde_json::json!({"rate": "100/s", "burst": 200, "warn_only": false}))]
    pub(in crate::config) calls: Option<PlanLimit>,
    /// How often each of its keys may do what is no call: lists, discover, ping, notifications. Counted apart, so that a client that asks what there is is not kept from calling.
    #[schemars(example = serde_json::json!({"rate": "10/s", "burst": 50}))]
    pub(in crate::config) other: Option<PlanLimit>,
    /// How much of each of its keys may be under way at once: all that is sent with POST and that has an end. No limit where it is not set.
    #[schemars(range(min = 1, max = 1_000_000), example = 50)]
    pub(in crate::config) concurrent: Option<u32>,
    /// How many streams each of its keys may have open at once: GET in the older revisions, subscriptions/listen in the present one. No limit where it is not set.
    #[schemars(range(min = 1, max = 1_000_000), example = 10)]
    pub(in crate::config) streams: Option<u32>,
    /// Count what exceeds `concurrent` and `streams`, and refuse nothing.
    pub(in crate::config) concurrent_warn_only: bool,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct PlanLimit {
    /// How many in a second, minute, hour or day: from 1/h to 1000000/s.
    #[schemars(extend("format" = "rate"), example = &"100/s")]
    pub(in crate::config) rate: String,
    /// How many at once, from 1 to 1,000,000.
    #[schemars(example = 200)]
    pub(in crate::config) burst: u32,
    /// Count what exceeds the limit, and refuse nothing.
    pub(in crate::config) warn_only: bool,
    /// Count the calls on all replicas together, through the registry's Redis. A burst has to hold what comes in a tenth of a second then.
    pub(in crate::config) shared: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RuleLimit {
    /// How many in a second, minute, hour or day: from 1/h to 1000000/s.
    #[schemars(extend("format" = "rate"), example = &"5/s")]
    pub(in crate::config) rate: String,
    /// How many at once, from 1 to 1,000,000.
    #[schemars(example = 10)]
    pub(in crate::config) burst: u32,
    /// Whose calls are counted together: "key" for those of each key by itself, "tool" for those of all.
    #[schemars(extend("enum" = ["key", "tool"]))]
    pub(in crate::config) per: String,
    /// Count what exceeds the limit, and refuse nothing.
    pub(in crate::config) warn_only: bool,
    /// Count the calls on all replicas together, through the registry's Redis. A burst has to hold what comes in a tenth of a second then.
    pub(in crate::config) shared: bool,
}

// Serialised for the documents, which show its default.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct FailedKeys {
    /// How many in a second, minute, hour or day: from 1/h to 1000000/s.
    #[schemars(extend("format" = "rate"))]
    pub(in crate::config) rate: String,
    /// How many at once, from 1 to 1,000,000.
    pub(in crate::config) burst: u32,
    /// Count what exceeds the limit, and answer 401 all the same.
    pub(in crate::config) warn_only: bool,
}

impl Default for FailedKeys {
    fn default() -> Self {
        Self { rate: defaults::FAILED_KEYS_RATE.into(), burst: defaults::FAILED_KEYS_BURST, warn_only: false }
    }
}

impl Default for RuleLimit {
    fn default() -> Self {
        Self {
            rate: String::new(),
            burst: 0,
            per: defaults::LIMIT_PER.into(),
            warn_only: false,
            shared: false,
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Limits {
    /// What happens to limits with `shared = true` while Redis cannot be reached: "local-share" counts on each replica by itself, the limit divided by the replicas that there were; "refuse" refuses calls that have such a limit; "allow" lets them through.
    #[schemars(extend("enum" = ["local-share", "refuse", "allow"]))]
    pub(in crate::config) when_redis_is_gone: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self { when_redis_is_gone: defaults::WHEN_REDIS_IS_GONE.into() }
    }
}
