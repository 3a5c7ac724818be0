//! Every default, in one place, each with its reason.
//!
//! The generated `config/tollgate.toml` and the JSON Schema show the same values, since the
//! raw configuration takes them from here.

/// Loopback: a gateway that nobody has configured is reachable from this machine alone.
pub const ADDRESS: &str = "127.0.0.1:8443";
/// Loopback: metrics tell what the gateway fronts.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:9443";
/// 0 means one worker for each core that the process may use.
pub const WORKERS: u32 = 0;
/// Beside the configuration file.
pub const REGISTRY_PATH: &str = "tollgate.db";
/// Needs nothing beside the gateway.
pub const REGISTRY_KIND: &str = "embedded";
/// The name of the product; two installations on one Redis need two.
pub const REDIS_PREFIX: &str = "tollgate";
/// Beside the configuration file.
pub const REPLICA_PATH: &str = "tollgate.replica";
/// Longer than a failover of Sentinel or Cluster takes, short enough to promise.
pub const MAX_STALENESS: &str = "5m";
/// A promise about revocation is worth more than calls during an outage of minutes.
pub const WHEN_STALE: &str = "refuse";
/// A change is seen within this time and a little; one look costs a few microseconds.
pub const POLL: &str = "10ms";
/// The official SDKs accept 4 MiB; a smaller bound would break calls that servers accept.
pub const BODY: &str = "4MiB";
/// A TLS handshake takes milliseconds on any working network.
pub const HANDSHAKE: &str = "10s";
/// The head of a request arrives in one or two packets.
pub const HEAD: &str = "10s";
/// Longer than any pause of a working client in the middle of a body.
pub const BODY_IDLE: &str = "30s";
/// Long enough for a lost SYN and its retry.
pub const CONNECT: &str = "5s";
/// Tools may think for minutes; the Python SDK waits 300 s for an answer.
pub const FIRST_BYTE: &str = "300s";
/// A day is time enough to roll a new key out to every client.
pub const OVERLAP: &str = "24h";
/// What an operator reads in ordinary operation.
pub const LOG_LEVEL: &str = "info";
/// For people; `json` for collectors.
pub const LOG_FORMAT: &str = "text";
/// What every collector speaks, and every proxy lets through.
pub const OTLP_PROTOCOL: &str = "http/protobuf";
/// What the SDKs of OpenTelemetry wait.
pub const OTLP_TIMEOUT: &str = "10s";
/// Some ten thousand spans, or half a minute of 300 requests a second that are all recorded.
pub const OTLP_QUEUE: &str = "8MiB";
/// One trace of a hundred is enough to see what is usual.
pub const TRACES_RATIO: f64 = 0.01;
/// What was refused is what people look for.
pub const TRACES_REFUSALS: bool = true;
/// What the SDKs of OpenTelemetry do.
pub const METRICS_INTERVAL: &str = "60s";
/// The specification's reading of a denial.
pub const DENIED_CALLS: &str = "http";
/// Below the 5 s after which Node.js and uvicorn close an idle connection: a request must not
/// meet a connection that its server is closing.
pub const UPSTREAM_IDLE: &str = "4s";
/// Four MiB at 14 KB/s: slower than any link that agents use.
pub const BODY_TOTAL: &str = "5m";
/// Eight bodies of the largest size at once; bodies up to 64 KiB are not counted.
pub const BODIES: &str = "32MiB";
/// Room for a URI of 8 KiB in base64, twice, and the rest of a head.
pub const HEAD_SIZE: &str = "64KiB";
/// What nginx keeps; a client that pauses longer pays for a handshake.
pub const IDLE: &str = "75s";
/// A client that reads nothing for so long has gone or means harm.
pub const WRITE_IDLE: &str = "30s";
/// An answer of JSON that has begun is only being sent.
pub const ANSWER_IDLE: &str = "60s";
/// Subscriptions wait for what may happen once in a while.
pub const STREAM_IDLE: &str = "1h";
/// What the Python SDK's server does, and below the idle limits of common proxies.
pub const STREAM_COMMENT: &str = "15s";
/// A week is longer than any session of an agent, and short enough to forget keys.
pub const SESSION: &str = "7d";
/// At 24 KiB each, 384 MiB. The limit of open files is raised to what the system allows.
pub const CONNECTIONS: u32 = 16_384;
/// As many as connections: HTTP/1.1 has one request on each.
pub const REQUESTS: u32 = 16_384;
/// As many as connections; streams pin one each.
pub const STREAMS: u32 = 16_384;
/// Ten times what a million keys and ten thousand connections take.
pub const MEMORY: &str = "2GiB";
/// Limits of a rule are per key where they do not say: one agent must not use up what all have.
pub const LIMIT_PER: &str = "key";
/// What is not written down cannot be read by the wrong person.
pub const INPUTS: &str = "none";
/// A call takes one token.
pub const COST: u32 = 1;
/// 60 MB of buckets at most: of a million keys each with one that is not full.
pub const BUCKETS: u32 = 1_000_000;
/// Nobody is turned away for what happens to Redis, and what is allowed stays close to the limit.
pub const WHEN_REDIS_IS_GONE: &str = "local-share";
/// 3 MB at most: of as many networks as an office, a cloud or a small botnet comes from.
pub const ADDRESSES: u32 = 65_536;
/// Nobody's word is believed who was not named.
pub const CLIENT_ADDRESS: &str = "connection";
/// A client that retries every second, five times; a flood gets as little of a worker.
pub const FAILED_KEYS_RATE: &str = "5/s";
/// A dozen agents behind one address whose key has expired, each with the four requests with which an SDK
/// tries both eras: all of them read why.
pub const FAILED_KEYS_BURST: u32 = 50;
/// A call of which nothing is known afterwards is worse than one that has to be made again.
pub const WHEN_FULL: &str = "refuse";
/// A third of a second of one worker at its fastest, longer than a disk takes to sync; 3 MB.
pub const AUDIT_QUEUE: u32 = 8_192;
/// A client that is told why, and tries again a few times; what is more is a flood.
pub const AUDIT_REFUSALS: u32 = 10;
/// 100 MB at most of the Redis that holds the keys, and time enough for a consumer that is started again.
pub const STREAM_LENGTH: u32 = 100_000;
/// What a machine that loses its power may lose; a sync costs some milliseconds of the disk.
pub const AUDIT_FSYNC: &str = "200ms";
/// What somebody who takes the machine over may write anew without its being seen.
pub const AUDIT_CHECKPOINT: &str = "1m";
/// 100,000 calls: read in a second at a start, and some 10 MB once it is compressed.
pub const ROTATE_SIZE: &str = "64MiB";
/// A day, so that files can be told by their day where little happens.
pub const ROTATE_AGE: &str = "24h";
