//! What is told of the gateway's work, and where to, as it is typed.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Credential;
use crate::config::defaults;

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Log {
    /// off, error, warn, info, debug or trace; behind it others for modules, as in `info,tollgate::net=debug`. A reload changes it.
    pub(in crate::config) level: String,
    /// text for people, json for collectors.
    #[schemars(extend("enum" = ["text", "json"]))]
    pub(in crate::config) format: String,
    /// Whether each request is told in a line, at the level info of `tollgate::requests`. A reload changes it.
    pub(in crate::config) requests: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Otlp {
    /// URL of the collector: http or https, with a path before /v1/traces and the others if need be. Nothing is sent where it is not set.
    #[schemars(example = &"http://127.0.0.1:4318")]
    pub(in crate::config) endpoint: Option<String>,
    /// What the collector speaks there: "http/protobuf" (usually on port 4318) or "grpc" (4317).
    #[schemars(extend("enum" = ["http/protobuf", "grpc"]))]
    pub(in crate::config) protocol: String,
    /// Headers of every request to the collector, such as its API key; over https, or to this machine.
    #[schemars(example = serde_json::json!([{"header": "Authorization", "value": "Bearer ${OTLP_TOKEN}"}]))]
    pub(in crate::config) headers: Vec<Credential>,
    /// PEM file of certificate authorities for an https endpoint, instead of the system's.
    #[schemars(example = &"collector-ca.pem")]
    pub(in crate::config) ca: Option<String>,
    /// Time for one request to the collector, its connection included.
    #[schemars(extend("format" = "duration"))]
    pub(in crate::config) timeout: String,
    /// Requests as spans; none where it is not set.
    pub(in crate::config) traces: Option<Traces>,
    /// The numbers of /metrics; none where it is not set.
    pub(in crate::config) metrics: Option<OtlpMetrics>,
    /// Whether the records of the audit log are sent as log records.
    pub(in crate::config) logs: bool,
    /// Spans that wait to be sent, and as much again of log records; beyond it they are counted and lost.
    #[schemars(extend("format" = "size"))]
    pub(in crate::config) queue: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct Traces {
    /// Share of the traces that begin here which are recorded, from 0 to 1. Where a client says whether its trace is recorded, that holds.
    #[schemars(range(min = 0.0, max = 1.0), example = defaults::TRACES_RATIO)]
    pub(in crate::config) ratio: f64,
    /// Whether every refusal is recorded.
    #[schemars(example = defaults::TRACES_REFUSALS)]
    pub(in crate::config) refusals: bool,
    /// Requests that take as long as this are always recorded; none where it is not set.
    #[schemars(extend("format" = "duration"), example = &"1s")]
    pub(in crate::config) slow: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct OtlpMetrics {
    /// How often they are sent.
    #[schemars(extend("format" = "duration"), example = defaults::METRICS_INTERVAL)]
    pub(in crate::config) interval: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: defaults::LOG_LEVEL.into(), format: defaults::LOG_FORMAT.into(), requests: false }
    }
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            protocol: defaults::OTLP_PROTOCOL.into(),
            headers: Vec::new(),
            ca: None,
            timeout: defaults::OTLP_TIMEOUT.into(),
            traces: None,
            metrics: None,
            logs: false,
            queue: defaults::OTLP_QUEUE.into(),
        }
    }
}

impl Default for Traces {
    fn default() -> Self {
        Self { ratio: defaults::TRACES_RATIO, refusals: defaults::TRACES_REFUSALS, slow: None }
    }
}

impl Default for OtlpMetrics {
    fn default() -> Self {
        Self { interval: defaults::METRICS_INTERVAL.into() }
    }
}
