//! The configuration as the program uses it: every value resolved and checked.
//!
//! Plain data without defaults of its own. It is never serialised: it holds credentials.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::tls::CertificateChain;
use crate::base::Limit;
use crate::base::lease::WhenGone;
use crate::base::redis::RedisParams;
use crate::base::secret::Secret;
use crate::policy::{AddressSource, Concurrent, Scope};
use crate::telemetry::audit::{FileParams, Signer};
use crate::telemetry::log::Levels;
use crate::telemetry::otlp::OtlpParams;
use crate::wire::inputs::InputRule;

/// Everything.
#[derive(Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: ListenSettings,
    /// Where keys live and how they are issued.
    pub keys: KeySettings,
    /// Address of the admin listener.
    pub admin: SocketAddr,
    /// What is written down of requests.
    pub audit: AuditSettings,
    /// What holds for limits that replicas share while Redis is out of reach.
    pub when_gone: WhenGone,
    /// Limits of time and size.
    pub bounds: Bounds,
    /// How much is logged.
    pub log_level: Levels,
    /// Whether each request is logged.
    pub log_requests: bool,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// What is sent to a collector of OpenTelemetry.
    pub otlp: Option<OtlpParams>,
    /// The servers, in the order of the file.
    pub servers: Vec<ServerSettings>,
    /// Files that the configuration names and a reload reads again.
    pub files: Vec<PathBuf>,
}

/// The audit log.
#[derive(Debug)]
pub struct AuditSettings {
    /// What it calls this gateway.
    pub replica: String,
    /// Its files, where any are kept.
    pub files: Option<FileParams>,
    /// Who signs it.
    pub signer: Option<Arc<Signer>>,
    /// Whether a request is refused that could not be written down.
    pub refuse: bool,
    /// Whether a record is safe before its request is forwarded.
    pub sync: bool,
    /// Records of each worker that may wait.
    pub queue: usize,
    /// Refusals of one address in a second that each worker tells one by one.
    pub refusals: u32,
    /// How long a record may be unsafe.
    pub fsync: Duration,
    /// How often there is a checkpoint.
    pub checkpoint: Duration,
    /// Where records go besides.
    pub sinks: Vec<SinkKind>,
}

impl AuditSettings {
    /// Whether anything is written down.
    pub fn is_kept(&self) -> bool {
        self.files.is_some() || !self.sinks.is_empty()
    }
}

/// Where records go beside the files.
#[derive(Debug, Clone)]
pub enum SinkKind {
    /// Standard output.
    Stdout,
    /// A stream in the registry's Redis.
    Redis {
        /// How it is reached.
        params: Box<RedisParams>,
        /// Records that the stream holds.
        length: u32,
    },
}

/// Where the audit log is, for who reads it.
#[derive(Debug, Clone, Default)]
pub struct AuditPlace {
    /// The folder, where there is one.
    pub folder: Option<PathBuf>,
    /// Where the public half of its key should lie.
    pub public_key: Option<PathBuf>,
}

/// What administering keys needs of the configuration, and nothing that serving needs: the
/// operator's shell has neither the upstreams' credentials nor the private key at hand.
#[derive(Debug)]
pub struct KeySettings {
    /// Where keys live.
    pub registry: RegistrySettings,
    /// Plan of keys issued without one.
    pub default_plan: Option<String>,
    /// How long an old secret works on after a rotation.
    pub overlap: Duration,
    /// Scopes that may be named; `None` for any.
    pub scopes: Option<BTreeSet<Scope>>,
    /// Plans by name.
    pub plans: BTreeMap<String, PlanSettings>,
    /// Rules whose calls cost more than one token, the dearest first.
    pub costly: Vec<Costly>,
}

/// A rule whose calls cost more than one token.
#[derive(Debug, Clone)]
pub struct Costly {
    /// The server's name.
    pub server: String,
    /// Name, pattern or URI.
    pub rule: String,
    /// All of these are needed.
    pub scopes: Vec<Scope>,
    /// What a call costs, in tokens.
    pub cost: u32,
}

/// A plan: how often each of its keys may do what.
#[derive(Debug, Clone, Default)]
pub struct PlanSettings {
    /// What it is for.
    pub description: String,
    /// Of calls.
    pub calls: Option<LimitSettings>,
    /// Of what is no call.
    pub other: Option<LimitSettings>,
    /// Of what is under way.
    pub concurrent: Concurrent,
}

/// A limit, and whether what exceeds it is refused.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// How much and how fast.
    pub limit: Limit,
    /// Whether it is more than counted.
    pub enforced: bool,
    /// Whether all replicas count together.
    pub shared: bool,
}

/// Whose calls a rule's limit counts together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Those of each key.
    Key,
    /// All.
    Tool,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The listener.
#[derive(Debug)]
pub struct ListenSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// TLS, or plaintext on loopback.
    pub transport: Transport,
    /// Served hosts, lower case, loopback names included where they apply.
    pub hosts: Vec<String>,
    /// Number of workers; at least 1.
    pub workers: usize,
    /// Where a client's address is found.
    pub client_address: AddressSource,
    /// How many requests without a right key an address may send.
    pub failed_keys: LimitSettings,
}

/// What is spoken on the listener.
#[derive(Debug)]
pub enum Transport {
    /// TLS with this certificate.
    Tls(CertificateChain),
    /// Plaintext; the address is loopback.
    Plaintext,
}

/// The registry.
#[derive(Debug, Clone)]
pub struct RegistrySettings {
    /// Where keys live.
    pub store: Store,
    /// How old keys may be that are decided by; `None` for any age.
    pub max_staleness: Option<Duration>,
    /// Peppers by id; the first hashes new keys.
    pub peppers: Vec<(Box<str>, Secret)>,
}

/// Where keys live.
#[derive(Debug, Clone)]
pub enum Store {
    /// In a file.
    Embedded {
        /// Which.
        path: PathBuf,
        /// How often its change log is looked at.
        poll: Duration,
    },
    /// In Redis.
    Redis(Box<RedisSettings>),
}

/// Redis, and this replica of what it holds.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// How it is reached.
    pub params: RedisParams,
    /// What this replica is called.
    pub replica: String,
    /// Its own copy of the keys.
    pub path: PathBuf,
}

/// Limits of time and size.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Largest request body, in bytes.
    pub body: usize,
    /// Time for a TLS handshake.
    pub handshake: Duration,
    /// Time for the head of a request.
    pub head: Duration,
    /// Longest pause inside a request body.
    pub body_idle: Duration,
    /// Time for a whole request body.
    pub body_total: Duration,
    /// Bytes of large request bodies that the process holds.
    pub bodies: usize,
    /// Largest head of a request, in bytes.
    pub head_size: usize,
    /// Time that a client's connection may be open without a request.
    pub idle: Duration,
    /// Longest pause of a client that reads an answer.
    pub write_idle: Duration,
    /// Longest pause of an answer that is no stream.
    pub answer_idle: Duration,
    /// Longest pause of a stream of events.
    pub stream_idle: Duration,
    /// After how long a pause of a stream a comment is sent.
    pub stream_comment: Duration,
    /// How long a session of the legacy era lives.
    pub session: Duration,
    /// Connections of clients.
    pub connections: usize,
    /// Requests in flight.
    pub requests: usize,
    /// Streamed answers.
    pub streams: usize,
    /// Buckets of limits that count keys one by one.
    pub buckets: usize,
    /// Addresses that are counted one by one.
    pub addresses: usize,
    /// Resident memory, in bytes.
    pub memory: usize,
    /// Time to connect to an upstream.
    pub connect: Duration,
    /// Time until an upstream's answer begins.
    pub first_byte: Duration,
    /// Time that an idle upstream connection is kept.
    pub upstream_idle: Duration,
}

/// One server.
#[derive(Debug)]
pub struct ServerSettings {
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub upstream: UpstreamUrl,
    /// Certificate authorities for TLS, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Allowed origins, lower case.
    pub origins: Vec<String>,
    /// The gateway's credential, marked sensitive.
    pub credential: Option<(HeaderName, HeaderValue)>,
    /// Header for the key id.
    pub identity_key_id: Option<HeaderName>,
    /// Header for the owner.
    pub identity_owner: Option<HeaderName>,
    /// Headers that pass besides.
    pub forward_headers: Vec<HeaderName>,
    /// Whether denied calls are answered with status 200.
    pub deny_with_ok: bool,
    /// How much may be under way towards it at once.
    pub concurrent: Concurrent,
    /// Whether answers tell what is left of the caller's limits.
    pub limit_headers: bool,
    /// Rules over tools.
    pub tools: Vec<RuleSettings>,
    /// Rules over prompts.
    pub prompts: Vec<RuleSettings>,
    /// Rules over resources.
    pub resources: Vec<RuleSettings>,
}

impl ServerSettings {
    /// All its rules.
    pub fn rules(&self) -> impl Iterator<Item = &RuleSettings> {
        [&self.tools, &self.prompts, &self.resources].into_iter().flatten()
    }
}

/// One rule.
#[derive(Debug)]
pub struct RuleSettings {
    /// Name, pattern or URI.
    pub text: String,
    /// All of these are needed.
    pub scopes: Vec<Scope>,
    /// Time until an answer begins, where it is another than `bounds.first_byte`.
    pub first_byte: Option<Duration>,
    /// How often it may be called.
    pub limits: Vec<(Per, LimitSettings)>,
    /// What a call costs, in tokens.
    pub cost: u32,
    /// What may be written down of its calls' arguments, where it says so.
    pub inputs: Option<InputRule>,
}

/// A URL of an MCP endpoint, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamUrl {
    /// Whether the scheme is https.
    pub tls: bool,
    /// Host, brackets for IPv6.
    pub host: String,
    /// Port, the scheme's own where none was given.
    pub port: u16,
    /// Path and query.
    pub path: http::uri::PathAndQuery,
    /// The authority as written, for `Host`.
    pub authority: String,
}
