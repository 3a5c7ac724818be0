//! The metrics page, in the text format of Prometheus or of `OpenMetrics`.
//!
//! Read on request only; it sums the workers' cells and keeps nothing.

mod otlp;
mod plain;
mod process;
mod servers;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::labels::{Protocol, Shut};
use super::metrics::{AuditNumbers, Metrics};
use crate::base::{Clock, Tick};

/// How the page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, which everything reads that reads metrics, `promtool` too.
    Plain,
    /// `OpenMetrics`, where a counter's family is named without `_total`.
    OpenMetrics,
}

impl Format {
    /// What whoever sent this `Accept` reads: `OpenMetrics` where it is named, as Prometheus does.
    pub fn accepted(accept: &str) -> Self {
        let named = accept.to_ascii_lowercase().contains("application/openmetrics-text");
        if named { Self::OpenMetrics } else { Self::Plain }
    }

    /// The page's media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The page. `ready` is what `/readyz` says.
pub fn page(metrics: &Arc<Metrics>, clock: &Clock, ready: bool, format: Format) -> String {
    let mut registry = Registry::default();
    let page = Page { metrics: Arc::clone(metrics), clock: clock.clone(), ready };
    registry.register_collector(Box::new(page));
    let mut page = String::new();
    // Writing into a String has no way to fail.
    let _ = text::encode(&mut page, &registry);
    match format {
        Format::Plain => plain::plain(&page),
        Format::OpenMetrics => page,
    }
}

struct Page {
    metrics: Arc<Metrics>,
    clock: Clock,
    ready: bool,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.servers(&mut encoder)?;
        self.connections(&mut encoder)?;
        self.registry(&mut encoder)?;
        self.limits(&mut encoder)?;
        self.leases(&mut encoder)?;
        self.audit(&mut encoder)?;
        self.otlp(&mut encoder)?;
        self.process(&mut encoder)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

/// A number of things as a gauge tells it.
#[expect(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]
fn number(count: &AtomicU64) -> f64 {
    count.load(Ordering::Relaxed) as f64
}

/// 1 for yes.
fn yes(is: &AtomicBool) -> f64 {
    f64::from(u8::from(is.load(Ordering::Relaxed)))
}

impl Page {
    fn connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        let mut connections =
            encoder.encode_descriptor("tollgate_connections", "Open connections", None, MetricType::Gauge)?;
        for protocol in Protocol::ALL {
            let open = ConstGauge::new(m.connections.sum(protocol as usize).cast_signed());
            open.encode(connections.encode_family(&[("protocol", protocol.label())])?)?;
        }
        let help = "Connections beyond which new ones are refused";
        gauge(encoder, "tollgate_connections_ceiling", help, number(&m.process.connections_ceiling))?;
        let help = "Connections closed as no proxy of the configuration announced them";
        let mut shut =
            encoder.encode_descriptor("tollgate_connections_shut", help, None, MetricType::Counter)?;
        for why in Shut::ALL {
            let count = ConstCounter::new(m.shut.sum(why as usize));
            count.encode(shut.encode_family(&[("reason", why.label())])?)?;
        }
        Ok(())
    }

    fn registry(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        #[expect(clippy::cast_precision_loss, reason = "counts of keys are far below 2^52")]
        gauge(encoder, "tollgate_keys", "Keys in the snapshot", m.keys.load(Ordering::Relaxed) as f64)?;
        let help = "Time since the registry was last known to have nothing newer";
        gauge(encoder, "tollgate_snapshot_age_seconds", help, self.age())?;
        let swaps = m.swaps.load(Ordering::Relaxed);
        counter(encoder, "tollgate_snapshot_swaps", "Snapshots published", swaps)?;
        m.revocation.encode(encoder.encode_descriptor(
            "tollgate_revocation_seconds",
            "Time from a change in the registry to its being in force here",
            None,
            MetricType::Histogram,
        )?)?;
        let help = "Keys in force that the registry has lost";
        gauge(encoder, "tollgate_registry_lost_keys", help, number(&m.registry_lost))?;
        let dropped = m.used_dropped.load(Ordering::Relaxed);
        counter(encoder, "tollgate_used_dropped", "Last-used times that were not kept", dropped)?;
        if m.registry_in_redis.load(Ordering::Relaxed) {
            let help = "Whether the registry in Redis could be read at the last look";
            gauge(encoder, "tollgate_redis_up", help, yes(&m.registry_reached))?;
        }
        Ok(())
    }

    fn limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        let help = "Buckets of keys that the limiter holds";
        gauge(encoder, "tollgate_limiter_buckets", help, number(&m.limiter_buckets))?;
        let full = m.limiter_full.load(Ordering::Relaxed);
        counter(encoder, "tollgate_limiter_full", "Calls that found no room for a bucket", full)?;
        let help = "Addresses that the limiter counts";
        gauge(encoder, "tollgate_limiter_addresses", help, number(&m.limiter_addresses))?;
        let full = m.limiter_addresses_full.load(Ordering::Relaxed);
        let help = "Requests without a right key that were counted together for want of room";
        counter(encoder, "tollgate_limiter_addresses_full", help, full)?;
        let warned = m.limits_warned.load(Ordering::Relaxed);
        counter(encoder, "tollgate_limits_warned", "Requests beyond a limit with warn_only", warned)
    }

    /// Where no limit is shared there is nothing to tell.
    fn leases(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (m, limits) = (&self.metrics.leases, self.metrics.leases.overshoot());
        if limits.is_empty() {
            return Ok(());
        }
        let help = "Whether Redis keeps the limits that replicas share";
        gauge(encoder, "tollgate_lease_redis_up", help, yes(&m.is_reached))?;
        let replicas = f64::from(m.replicas.load(Ordering::Relaxed));
        gauge(encoder, "tollgate_lease_replicas", "Replicas that share limits", replicas)?;
        let help = "Tokens that are leased here and not spent";
        gauge(encoder, "tollgate_lease_tokens", help, number(&m.tokens))?;
        let questions = m.questions.load(Ordering::Relaxed);
        counter(encoder, "tollgate_lease_questions", "Questions to Redis about shared limits", questions)?;
        let lost = m.lost.load(Ordering::Relaxed);
        counter(encoder, "tollgate_lease_lost", "Questions about shared limits without an answer", lost)?;
        let mut overshoot = encoder.encode_descriptor(
            "tollgate_lease_overshoot_tokens",
            "By how much all replicas together can exceed a shared limit",
            None,
            MetricType::Gauge,
        )?;
        for (limit, tokens) in limits {
            let most = ConstGauge::new(tokens.cast_signed());
            most.encode(overshoot.encode_family(&[("limit", limit.as_str())])?)?;
        }
        Ok(())
    }

    /// Zeros where no log is kept, so that an alert on what grows sees it grow.
    fn audit(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let kept = self.metrics.audit.get();
        let of = |count: fn(&AuditNumbers) -> &AtomicU64| {
            kept.map_or(0, |numbers| count(numbers).load(Ordering::Relaxed))
        };
        let help = "Records of the audit log that wait to be written, in the fullest of the workers' queues";
        #[expect(clippy::cast_precision_loss, reason = "the queue is far shorter than 2^52")]
        let (waiting, capacity) = (
            kept.map_or(0, |numbers| numbers.standing.fullest()) as f64,
            kept.map_or(0, |numbers| numbers.capacity) as f64,
        );
        gauge(encoder, "tollgate_audit_queue", help, waiting)?;
        let help = "Records that can wait in one worker's queue before it counts as full";
        gauge(encoder, "tollgate_audit_queue_capacity", help, capacity)?;
        let failing = kept.is_some_and(|numbers| numbers.standing.unwritten(Tick::now()).is_some());
        let help = "Whether the audit log cannot be written, or its disk does not answer";
        gauge(encoder, "tollgate_audit_failing", help, f64::from(u8::from(failing)))?;
        let help = "Records of the audit log that were lost for want of room";
        counter(encoder, "tollgate_audit_dropped", help, of(|numbers| &numbers.standing.lost))?;
        let help = "Records of the audit log that were written";
        counter(encoder, "tollgate_audit_records", help, of(|numbers| &numbers.counters.records))?;
        let help = "Records of the audit log that a sink missed";
        counter(encoder, "tollgate_audit_missed", help, of(|numbers| &numbers.counters.missed))
    }

    fn age(&self) -> f64 {
        let seen = self.metrics.registry_seen_ms.load(Ordering::Relaxed);
        let now = self.clock.now_ms();
        #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is far below 2^52")]
        let age = now.saturating_sub(seen) as f64 / 1_000.0;
        age
    }
}

#[cfg(test)]
mod tests {
    use super::{Format, page};
    use crate::base::Clock;
    use crate::telemetry::{Metrics, Stage};
    use std::sync::Arc;

    #[test]
    fn times_are_told_in_seconds_and_buckets_add_up() {
        let metrics = Arc::new(Metrics::new(2));
        let cells = metrics.server("crm").seconds;
        cells.observe(0, Stage::Upstream, 7_000);
        cells.observe(1, Stage::Upstream, 2_000_000_000);
        cells.observe(1, Stage::Upstream, 3_600_000_000_000);
        let page = page(&metrics, &Clock::system(), true, Format::Plain);
        let told = |name: &str, le: &str| {
            let begin = format!("tollgate_request_seconds_{name}{{{le}server=\"crm\",stage=\"upstream\"}} ");
            let mut lines = page.lines().filter_map(|line| line.strip_prefix(&begin));
            lines.next().unwrap_or_else(|| panic!("{begin} in {page}")).parse::<f64>().unwrap().to_string()
        };
        let buckets =
            ["0.01", "1.0", "2.5", "60.0", "+Inf"].map(|le| told("bucket", &format!("le=\"{le}\",")));
        assert_eq!(buckets, ["1", "1", "2", "2", "3"]);
        assert_eq!([told("count", ""), told("sum", "")], ["3", "3602.000007"]);
        assert_eq!(page.matches("{le=\"").count(), 3 * 23 + 13, "and those of revocation");
    }

    #[test]
    fn who_names_openmetrics_gets_it() {
        for (accept, format) in [
            ("", Format::Plain),
            ("*/*", Format::Plain),
            ("text/plain;version=0.0.4", Format::Plain),
            ("Application/OpenMetrics-Text; version=1.0.0", Format::OpenMetrics),
            ("text/plain;q=0.3,application/openmetrics-text;q=0.5", Format::OpenMetrics),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept}");
        }
    }
}
