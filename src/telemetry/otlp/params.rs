//! What is exported, where to, and how.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use crate::telemetry::trace::Sampler;

/// What is exported, where to, and how.
#[derive(Clone, Debug)]
pub struct OtlpParams {
    /// Where to.
    pub endpoint: Endpoint,
    /// What is spoken there.
    pub protocol: OtlpProtocol,
    /// Sent with every request; values are marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Certificate authorities for TLS, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Time for one request, its connection included.
    pub timeout: Duration,
    /// Which requests are told as spans; `None` for none.
    pub traces: Option<Sampler>,
    /// How often the metrics are told; `None` for never.
    pub metrics: Option<Duration>,
    /// Whether audit records are told as logs.
    pub logs: bool,
    /// Bytes of spans, and as many of log records, that wait to be sent.
    pub queue: usize,
    /// What this replica is called.
    pub instance: String,
}

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether over TLS.
    pub tls: bool,
    /// Host, brackets for IPv6.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The authority as written, for `Host`.
    pub authority: String,
    /// What stands before `/v1/traces` and the others: empty, or a path without a slash at its end.
    pub path: String,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtlpProtocol {
    /// Protocol Buffers over HTTP/1.1.
    Http,
    /// gRPC, over HTTP/2.
    Grpc,
}

impl OtlpProtocol {
    /// What it is called to people.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Grpc => "gRPC",
        }
    }
}
