//! What may be typed about the registry.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::defaults;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Registry {
    /// "embedded": a SQLite file that the command line and one gateway share; "redis": Redis or Valkey, which any number of gateways share.
    #[schemars(extend("enum" = ["embedded", "redis"]))]
    pub(in crate::config) kind: String,
    /// The embedded registry's file, beside the configuration unless absolute.
    pub(in crate::config) path: String,
    /// How often the embedded registry's change log is looked at.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) poll: String,
    /// Redis: `rediss://host:6379/0` with TLS, or `redis://host:6379/0` on a loopback address. In a Cluster the address of any node; with `sentinel`, only its scheme and database count. User and password have settings of their own.
    #[schemars(example = &"rediss://redis.internal:6379/0")]
    pub(in crate::config) url: Option<String>,
    /// The ACL user; docs/OPERATIONS.md has the rights that a gateway and an administrator need.
    #[schemars(example = &"gateway")]
    pub(in crate::config) user: Option<String>,
    /// File with the user's password; other users of the machine may not be able to read it.
    #[schemars(example = &"redis.password")]
    pub(in crate::config) password_file: Option<String>,
    /// PEM file with the certificate authority of Redis, where it is not one of the system's.
    #[schemars(example = &"redis-ca.pem")]
    pub(in crate::config) ca: Option<String>,
    /// Set to "trusted" to speak plaintext to Redis off loopback, on purpose: whoever is on the way reads hashes and can write keys.
    #[schemars(example = &"trusted")]
    pub(in crate::config) plaintext: Option<String>,
    /// Whether Redis is a Cluster.
    pub(in crate::config) cluster: bool,
    /// More nodes of the Cluster, asked where the one in `url` does not answer. A gateway that runs asks every node that it learnt of besides.
    #[schemars(example = serde_json::json!(["redis-2.internal:6379", "redis-3.internal:6379"]))]
    pub(in crate::config) nodes: Vec<String>,
    /// The primary's name and the sentinels that know where it is.
    #[schemars(example = serde_json::json!({"master": "tollgate", "nodes": ["sentinel-1:26379", "sentinel-2:26379"]}))]
    pub(in crate::config) sentinel: Option<Sentinel>,
    /// What the names of all keys in Redis begin with.
    pub(in crate::config) prefix: String,
    /// What this gateway calls itself among the replicas, and where it keeps its own copy of the keys.
    #[schemars(example = serde_json::json!({"name": "gateway-1", "path": "tollgate.replica"}))]
    pub(in crate::config) replica: Replica,
    /// How old the keys may be that a gateway decides by. A key is dead everywhere so long after it was revoked, even where a gateway cannot reach the registry.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) max_staleness: String,
    /// What happens then: "refuse" all calls, or "serve" on, which gives up the bound on revocation.
    #[schemars(extend("enum" = ["refuse", "serve"]))]
    pub(in crate::config) when_stale: String,
    /// File with at least 32 bytes that cannot be guessed, the same on every replica: session ids are sealed with keys that lie in Redis encrypted under it. The first pepper where it is not given.
    #[schemars(example = &"sealing.secret")]
    pub(in crate::config) sealing_file: Option<String>,
    /// Peppers by id, at most two: stored hashes are then HMACs, worthless without the pepper's file. The first hashes new keys; the second is for keys hashed before a change of pepper.
    #[schemars(with = "BTreeMap<String, Pepper>", example = serde_json::json!({"p1": {"file": "pepper.p1"}}))]
    pub(in crate::config) peppers: toml::map::Map<String, toml::Value>,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Sentinel {
    /// What the sentinels call the primary.
    pub(in crate::config) master: String,
    /// Addresses of the sentinels.
    pub(in crate::config) nodes: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Replica {
    /// A name that no other replica has; that of the machine where it is empty.
    pub(in crate::config) name: String,
    /// The file, beside the configuration unless absolute; each replica has its own.
    pub(in crate::config) path: String,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Pepper {
    /// File with at least 32 bytes of text that cannot be guessed.
    #[schemars(example = &"pepper.p1")]
    pub(in crate::config) file: String,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            kind: defaults::REGISTRY_KIND.into(),
            path: defaults::REGISTRY_PATH.into(),
            poll: defaults::POLL.into(),
            url: None,
            user: None,
            password_file: None,
            ca: None,
            plaintext: None,
            cluster: false,
            nodes: Vec::new(),
            sentinel: None,
            prefix: defaults::REDIS_PREFIX.into(),
            replica: Replica::default(),
            max_staleness: defaults::MAX_STALENESS.into(),
            when_stale: defaults::WHEN_STALE.into(),
            sealing_file: None,
            peppers: toml::map::Map::new(),
        }
    }
}

impl Default for Replica {
    fn default() -> Self {
        Self { name: String::new(), path: defaults::REPLICA_PATH.into() }
    }
}
