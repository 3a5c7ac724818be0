//! What the user may type: names, types, defaults, and for each setting its reason.
//!
//! The documentation comments below are the descriptions in the JSON Schema and in
//! `config/tollgate.toml`. Nothing is resolved here, and nothing but `check` reads it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::defaults;

mod audit;
mod inputs;
mod limits;
mod registry;
mod telemetry;

pub(super) use audit::Audit;
pub(super) use inputs::RuleAudit;
pub(super) use limits::{FailedKeys, Limits, Plan, PlanLimit, RuleLimit};
pub(super) use registry::{Pepper, Registry};
pub(super) use telemetry::{Log, Otlp, OtlpMetrics, Traces};

/// Configuration of Tollgate, a gateway in front of MCP servers.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    /// Where clients connect.
    pub(super) listen: Listen,
    /// Where keys live.
    pub(super) registry: Registry,
    /// Health and metrics, on a listener of their own.
    pub(super) admin: Admin,
    /// What is written down of every request, in a chain that shows what was changed.
    pub(super) audit: Audit,
    /// Limits of time and size; each protects the other clients from one.
    pub(super) bounds: RawBounds,
    /// What is written to standard error.
    pub(super) log: Log,
    /// Where traces, metrics and audit records are sent to: a collector of OpenTelemetry.
    pub(super) otlp: Otlp,
    /// How keys are issued and rotated.
    pub(super) keys: Keys,
    /// Scopes that rules may name, with a word for people. When this table is there, a scope that is not in it is a fault, so that a typing error cannot make a rule that no key satisfies.
    #[schemars(example = serde_json::json!({"crm:read": "read customer records"}))]
    pub(super) scopes: BTreeMap<String, String>,
    /// Plans that keys may be issued under.
    pub(super) plans: BTreeMap<String, Plan>,
    /// What holds for all limits.
    pub(super) limits: Limits,
    /// The MCP servers behind the gateway, each served at `/<name>/mcp`.
    pub(super) servers: Vec<Server>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Listen {
    /// Address and port. Off loopback, `tls` and `hosts` are required.
    #[schemars(extend("format" = "address"))]
    pub(super) address: String,
    /// Certificate and key. A key is never accepted over plaintext from another machine.
    pub(super) tls: Option<Tls>,
    /// Set to "loopback" instead of `tls` to speak plaintext on a loopback address, on purpose.
    #[schemars(example = &"loopback")]
    pub(super) plaintext: Option<String>,
    /// Host names that clients use, without ports; other hosts are refused (DNS rebinding). Loopback names are served on a loopback address without being listed.
    #[schemars(example = vec!["gateway.example.com"])]
    pub(super) hosts: Vec<String>,
    /// Worker threads, each with its own listener and connections; 0 for one per core.
    #[schemars(range(min = 0, max = 1024))]
    pub(super) workers: u32,
    /// Where a client's address is found: `connection`, or, behind proxies, `proxy_protocol` (version 2, before TLS; nobody else may connect) or `x-forwarded-for`.
    #[schemars(extend("enum" = ["connection", "proxy_protocol", "x-forwarded-for"]))]
    pub(super) client_address: String,
    /// Addresses and networks of the proxies whose word about a client's address is believed; of no one else, so no client may be in them.
    #[schemars(example = vec!["10.0.0.7", "2001:db8:1::/64"])]
    pub(super) proxies: Vec<String>,
    /// How many requests without a right key each address may send (of IPv6 each /64); beyond it they are answered 429 instead of 401. A right key always passes.
    pub(super) failed_keys: FailedKeys,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tls {
    /// PEM file with the server's certificate, then its intermediates.
    #[schemars(example = &"server.pem")]
    pub(super) certificate: String,
    /// PEM file with the private key; other users of the machine may not be able to read it.
    #[schemars(example = &"server.key")]
    pub(super) private_key: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    /// Address of `/livez`, `/readyz`, `/metrics`, `/version` and `/limits`; loopback only.
    #[schemars(extend("format" = "address"))]
    pub(super) address: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBounds {
    /// Largest request body. The official SDKs accept 4 MiB; less breaks calls that servers accept.
    #[schemars(extend("format" = "size"))]
    pub(super) body: String,
    /// Time for a TLS handshake, and before it for the header of a proxy.
    #[schemars(extend("format" = "duration"))]
    pub(super) handshake: String,
    /// Time for the head of a request.
    #[schemars(extend("format" = "duration"))]
    pub(super) head: String,
    /// Longest pause inside a request body.
    #[schemars(extend("format" = "duration"))]
    pub(super) body_idle: String,
    /// Time to connect to an upstream, TLS included.
    #[schemars(extend("format" = "duration"))]
    pub(super) connect: String,
    /// Time until an upstream's answer begins. Tools may think for minutes.
    #[schemars(extend("format" = "duration"))]
    pub(super) first_byte: String,
    /// How long an idle upstream connection is kept. Node.js and uvicorn close theirs after 5 s; a request must not meet one that is closing.
    #[schemars(extend("format" = "duration"))]
    pub(super) upstream_idle: String,
    /// Time for a whole request body, from its first byte: a client that sends a byte now and then does not hold its place for ever.
    #[schemars(extend("format" = "duration"))]
    pub(super) body_total: String,
    /// Bytes of request bodies above 64 KiB that the process holds at a time, shared out evenly among workers; beyond it such requests are refused with 503.
    #[schemars(extend("format" = "size"))]
    pub(super) bodies: String,
    /// Largest head of a request: request line and headers.
    #[schemars(extend("format" = "size"))]
    pub(super) head_size: String,
    /// How long a client's connection may be open without a request.
    #[schemars(extend("format" = "duration"))]
    pub(super) idle: String,
    /// How long a client may read nothing of an answer that is ready for it.
    #[schemars(extend("format" = "duration"))]
    pub(super) write_idle: String,
    /// Longest pause inside an answer that is no stream of events.
    #[schemars(extend("format" = "duration"))]
    pub(super) answer_idle: String,
    /// Longest silence of a stream of events, after which it is ended.
    #[schemars(extend("format" = "duration"))]
    pub(super) stream_idle: String,
    /// After how long a silence of a stream a comment line is sent, so that proxies let it live and a client that vanished is noticed.
    #[schemars(extend("format" = "duration"))]
    pub(super) stream_comment: String,
    /// How long a session of the revisions up to 2025-11-25 may be used; afterwards the client is told to initialize again.
    #[schemars(extend("format" = "duration"))]
    pub(super) session: String,
    /// Resident memory of the process above which new requests are refused with 503; streams go on.
    #[schemars(extend("format" = "size"))]
    pub(super) memory: String,
    /// Connections of clients, at most two thirds of the files that the system lets the process open; beyond it new ones are told 503, and beyond an eighth more closed at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) connections: u32,
    /// Requests whose answer has not begun; beyond it new ones are refused with 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) requests: u32,
    /// Answers that are being streamed; beyond it answers that would be are refused with 503.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) streams: u32,
    /// Buckets of limits that count keys one by one, and beside them as many keys that have something under way under a limit of that; some 60 bytes each. A bucket that is full again is dropped, as is a key that has nothing under way, and calls that would need one more are refused.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub(super) buckets: u32,
    /// Addresses that are counted one by one for `listen.failed_keys`; some 50 bytes each. One that has been within its limit for long enough is dropped; those that find no room are counted together.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub(super) addresses: u32,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Keys {
    /// Plan of keys that are issued without one.
    #[schemars(example = &"standard")]
    pub(super) default_plan: Option<String>,
    /// How long the old secret works on after a rotation.
    #[schemars(extend("format" = "duration"))]
    pub(super) overlap: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    /// Lower-case letters, digits and dashes; the path is `/<name>/mcp`.
    #[schemars(example = &"crm")]
    pub(super) name: String,
    /// URL of the MCP endpoint; one for each server.
    #[schemars(example = vec!["http://127.0.0.1:9001/mcp"])]
    pub(super) upstreams: Vec<String>,
    /// PEM file of certificate authorities for an https upstream, instead of the system's.
    #[schemars(example = &"upstream-ca.pem")]
    pub(super) ca: Option<String>,
    /// Origins that browsers may call from; any other is refused.
    #[schemars(example = vec!["https://agent.example.com"])]
    pub(super) origins: Vec<String>,
    /// The gateway's own credential for the upstream; the client's key never goes there.
    pub(super) credential: Option<Credential>,
    /// Headers that tell the upstream who calls; copies sent by the client are removed.
    pub(super) identity: Option<Identity>,
    /// Request headers that pass beyond what the protocol needs.
    #[schemars(example = vec!["X-Request-Id"])]
    pub(super) forward_headers: Vec<String>,
    /// How a denied call is answered: "http" with status 403, "jsonrpc" with status 200 and the error in the body, for clients that show nothing else.
    #[schemars(extend("enum" = ["http", "jsonrpc"]))]
    pub(super) denied_calls: String,
    /// How much may be under way towards this server at once, of all keys and workers together: all that is sent with POST and that has an end. No limit where it is not set.
    #[schemars(range(min = 1, max = 1_000_000), example = 200)]
    pub(super) concurrent: Option<u32>,
    /// How many streams may be open towards this server at once, of all keys and workers together. No limit where it is not set.
    #[schemars(range(min = 1, max = 1_000_000), example = 500)]
    pub(super) streams: Option<u32>,
    /// Count what exceeds `concurrent` and `streams`, and refuse nothing.
    pub(super) concurrent_warn_only: bool,
    /// Whether successful answers tell what is left of the caller's limits, in `RateLimit` and `RateLimit-Policy`.
    pub(super) limit_headers: bool,
    /// Rules over tools, by name or pattern ("*" stands for anything). What no rule names is denied.
    #[schemars(example = serde_json::json!({"crm.read_*": {"scopes": ["crm:read"]}}))]
    pub(super) tools: BTreeMap<String, Rule>,
    /// Rules over prompts, by name or pattern.
    #[schemars(example = serde_json::json!({"*": {"scopes": ["crm:read"]}}))]
    pub(super) prompts: BTreeMap<String, Rule>,
    /// Rules over resources, by URI or pattern ("*" is one segment, "**" the rest).
    #[schemars(example = serde_json::json!({"crm://public/**": {"scopes": ["crm:read"]}}))]
    pub(super) resources: BTreeMap<String, Rule>,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Credential {
    /// Name of the header.
    #[schemars(example = &"Authorization")]
    pub(super) header: String,
    /// Its value, usually from the environment.
    #[schemars(example = &"Bearer ${CRM_TOKEN}")]
    pub(super) value: Option<String>,
    /// Or a file with its value.
    #[schemars(example = &"crm.token")]
    pub(super) file: Option<String>,
}

#[derive(Deserialize, JsonSchema, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Identity {
    /// Header that carries the key id.
    #[schemars(example = &"X-Tollgate-Key-Id")]
    pub(super) key_id: Option<String>,
    /// Header that carries the key's owner, percent-encoded outside visible ASCII.
    #[schemars(example = &"X-Tollgate-Owner")]
    pub(super) owner: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rule {
    /// Scopes that a key needs, all of them, literally named.
    #[schemars(example = vec!["crm:read"])]
    pub(super) scopes: Vec<String>,
    /// Time until an answer begins, instead of `bounds.first_byte`; for tools.
    #[schemars(extend("format" = "duration"), example = &"30s")]
    pub(super) first_byte: Option<String>,
    /// How often it may be called: a rate and a burst, per key or by all together.
    #[schemars(example = serde_json::json!({"rate": "5/s", "burst": 10, "per": "key"}))]
    pub(super) limit: Option<RuleLimit>,
    /// More of these: one per key and one per tool can be had.
    #[schemars(example = serde_json::json!([{"rate": "100/s", "burst": 100, "per": "tool"}]))]
    pub(super) limits: Vec<RuleLimit>,
    /// How many tokens a call takes from each of its buckets, that of the key's plan too.
    #[schemars(range(min = 1, max = 1_000_000), example = 1)]
    pub(super) cost: u32,
    /// What the audit log holds of a call's arguments; for tools and prompts. Nothing where it is not set.
    #[schemars(example = serde_json::json!({"inputs": "redacted", "allow": ["/region", "/items/*/sku"]}))]
    pub(super) audit: Option<RuleAudit>,
}

impl Default for Rule {
    fn default() -> Self {
        let (scopes, limits) = (Vec::new(), Vec::new());
        Self { scopes, first_byte: None, limit: None, limits, cost: defaults::COST, audit: None }
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: defaults::ADDRESS.into(),
            tls: None,
            plaintext: None,
            hosts: Vec::new(),
            workers: defaults::WORKERS,
            client_address: defaults::CLIENT_ADDRESS.into(),
            proxies: Vec::new(),
            failed_keys: FailedKeys::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: defaults::ADMIN_ADDRESS.into() }
    }
}

impl Default for RawBounds {
    fn default() -> Self {
        Self {
            body: defaults::BODY.into(),
            handshake: defaults::HANDSHAKE.into(),
            head: defaults::HEAD.into(),
            body_idle: defaults::BODY_IDLE.into(),
            connect: defaults::CONNECT.into(),
            first_byte: defaults::FIRST_BYTE.into(),
            upstream_idle: defaults::UPSTREAM_IDLE.into(),
            body_total: defaults::BODY_TOTAL.into(),
            bodies: defaults::BODIES.into(),
            head_size: defaults::HEAD_SIZE.into(),
            idle: defaults::IDLE.into(),
            write_idle: defaults::WRITE_IDLE.into(),
            answer_idle: defaults::ANSWER_IDLE.into(),
            stream_idle: defaults::STREAM_IDLE.into(),
            stream_comment: defaults::STREAM_COMMENT.into(),
            session: defaults::SESSION.into(),
            memory: defaults::MEMORY.into(),
            connections: defaults::CONNECTIONS,
            requests: defaults::REQUESTS,
            streams: defaults::STREAMS,
            buckets: defaults::BUCKETS,
            addresses: defaults::ADDRESSES,
        }
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self { default_plan: None, overlap: defaults::OVERLAP.into() }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: String::new(),
            upstreams: Vec::new(),
            ca: None,
            origins: Vec::new(),
            credential: None,
            identity: None,
            forward_headers: Vec::new(),
            denied_calls: defaults::DENIED_CALLS.into(),
            concurrent: None,
            streams: None,
            concurrent_warn_only: false,
            limit_headers: false,
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: BTreeMap::new(),
        }
    }
}
