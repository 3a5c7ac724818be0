//! What of a call's arguments may be written down, as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::defaults;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RuleAudit {
    /// What of a call's arguments the audit log holds: "none"; "redacted" for names and types; "full" for values too. Secrets are never written.
    #[schemars(extend("enum" = ["none", "redacted", "full"]))]
    pub(in crate::config) inputs: String,
    /// JSON pointers (RFC 6901) to arguments whose values may stand where others are redacted, with all that is in them; "*" stands for every element of an array.
    #[schemars(example = vec!["/region", "/items/*/sku"])]
    pub(in crate::config) allow: Vec<String>,
}

impl Default for RuleAudit {
    fn default() -> Self {
        Self { inputs: defaults::INPUTS.into(), allow: Vec::new() }
    }
}
