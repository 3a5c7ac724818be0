//! The log's levels, and the collector: where it is, what it gets, and how it is known.

use std::net::IpAddr;
use std::time::Duration;

use super::Check;
use super::redis::machine;
use super::servers::parse_url;
use crate::config::raw::{Log, Otlp, OtlpMetrics, Traces};
use crate::config::settings::{RegistrySettings, Store, UpstreamUrl};
use crate::config::tls::read_authorities;
use crate::telemetry::log::{LEVELS, Levels};
use crate::telemetry::otlp::{Endpoint, OtlpParams, OtlpProtocol};
use crate::telemetry::trace::Sampler;

const URL: &str = "a URL such as http://127.0.0.1:4318 or https://collector.example.com, without user information, query or fragment";
/// Most headers of a request to a collector.
const HEADERS: usize = 16;
const MIB: usize = 1 << 20;

impl Check<'_> {
    pub(super) fn levels(&mut self, raw: &Log) -> Levels {
        raw.level.parse().unwrap_or_else(|_| {
            if !self.faults.touches("log.level") {
                let levels = LEVELS.join(", ");
                self.faults.add(
                    "log.level",
                    format!("the string {:?}", raw.level.chars().take(200).collect::<String>()),
                    format!(
                        "one of {levels}, and behind it levels of modules, e.g. info,tollgate::net=debug"
                    ),
                );
            }
            Levels::default()
        })
    }

    /// What is exported; `None` where nothing is.
    pub(super) fn otlp(&mut self, raw: &Otlp, registry: &RegistrySettings) -> Option<OtlpParams> {
        let traces = raw.traces.as_ref().map(|traces| self.traces(traces));
        let metrics = raw.metrics.as_ref().map(|metrics| self.interval(metrics));
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(300));
        let timeout = self.duration("otlp.timeout", &raw.timeout, least, most);
        let queue = self.size("otlp.queue", &raw.queue, MIB..=1024 * MIB);
        let ca = raw.ca.as_ref().map(|file| self.file_of(file));
        if let Some(file) = &ca {
            read_authorities(file, "otlp.ca", &mut self.faults);
        }
        let headers = self.otlp_headers(raw);
        let nothing = traces.is_none() && metrics.is_none() && !raw.logs;
        let Some(url) = &raw.endpoint else {
            if !nothing && !self.faults.touches("otlp.endpoint") {
                self.faults.add("otlp.endpoint", "nothing, so that nothing can be sent", URL);
            }
            return None;
        };
        if nothing && !self.faults.touches("otlp") {
            self.faults.add(
                "otlp",
                "an endpoint, and nothing that is sent there",
                "traces = {}, metrics = {} or logs = true",
            );
        }
        let protocol = if raw.protocol == "grpc" { OtlpProtocol::Grpc } else { OtlpProtocol::Http };
        let endpoint = self.endpoint(url, protocol)?;
        if !endpoint.tls && !headers.is_empty() && !is_loopback(&endpoint.host) {
            self.faults.add(
                "otlp.headers",
                "headers for another machine without TLS, which anybody on the way can read",
                "an https endpoint, or none of them",
            );
        }
        let instance = match &registry.store {
            Store::Redis(redis) => redis.replica.clone(),
            Store::Embedded { .. } => machine(),
        };
        let logs = raw.logs;
        Some(OtlpParams { endpoint, protocol, headers, ca, timeout, traces, metrics, logs, queue, instance })
    }

    fn endpoint(&mut self, url: &str, protocol: OtlpProtocol) -> Option<Endpoint> {
        let sound = |url: &UpstreamUrl| url.path.query().is_none();
        let Some(parsed) = parse_url(url).filter(sound) else {
            // Before an '@' there may be a password, which is not shown.
            let found = if url.contains('@') {
                "a URL with user information".into()
            } else {
                format!("the string {:?}", url.chars().take(100).collect::<String>())
            };
            self.faults.add("otlp.endpoint", found, URL);
            return None;
        };
        let path = parsed.path.path().trim_end_matches('/').to_owned();
        if protocol == OtlpProtocol::Grpc && !path.is_empty() {
            self.faults.add("otlp.endpoint", format!("the path {path:?}"), "no path, as gRPC has its own");
        }
        let UpstreamUrl { tls, host, port, authority, .. } = parsed;
        Some(Endpoint { tls, host, port, authority, path })
    }

    fn otlp_headers(&mut self, raw: &Otlp) -> Vec<(http::HeaderName, http::HeaderValue)> {
        if raw.headers.len() > HEADERS {
            let found = format!("{} headers", raw.headers.len());
            self.faults.add("otlp.headers", found, format!("at most {HEADERS}"));
        }
        let headers = raw.headers.iter().enumerate();
        headers
            .filter_map(|(index, header)| self.credential(&format!("otlp.headers[{index}]"), header))
            .collect()
    }

    fn traces(&mut self, raw: &Traces) -> Sampler {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(86_400));
        let slow = raw.slow.as_ref().map(|slow| self.duration("otlp.traces.slow", slow, least, most));
        Sampler { ratio: raw.ratio, refusals: raw.refusals, slow }
    }

    fn interval(&mut self, raw: &OtlpMetrics) -> Duration {
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(86_400));
        self.duration("otlp.metrics.interval", &raw.interval, least, most)
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
