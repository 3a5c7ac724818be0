//! The metrics page, in the `OpenMetrics` text format.
//!
//! Read on request only; it sums the workers' cells and keeps nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::cells::{Metrics, Protocol, Shut};
use crate::base::Clock;

/// The page's media type.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page.
pub fn page(metrics: &Arc<Metrics>, clock: &Clock) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page { metrics: Arc::clone(metrics), clock: clock.clone() }));
    let mut page = String::new();
    // Writing into a String has no way to fail.
    let _ = text::encode(&mut page, &registry);
    page
}

struct Page {
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(&mut encoder)?;
        self.denials(&mut encoder)?;
        let mut connections =
            encoder.encode_descriptor("tollgate_connections", "Open connections", None, MetricType::Gauge)?;
        for protocol in Protocol::ALL {
            let open = ConstGauge::new(self.metrics.connections.sum(protocol as usize).cast_signed());
            open.encode(connections.encode_family(&[("protocol", protocol.label())])?)?;
        }
        self.shut(&mut encoder)?;
        let m = &self.metrics;
        #[expect(clippy::cast_precision_loss, reason = "counts of keys are far below 2^52")]
        gauge(&mut encoder, "tollgate_keys", "Keys in the snapshot", m.keys.load(Ordering::Relaxed) as f64)?;
        gauge(
            &mut encoder,
            "tollgate_snapshot_age_seconds",
            "Time since the registry was last known to have nothing newer",
            self.age(),
        )?;
        #[expect(clippy::cast_precision_loss, reason = "counts of keys are far below 2^52")]
        gauge(
            &mut encoder,
            "tollgate_registry_lost_keys",
            "Keys in force that the registry has lost",
            m.registry_lost.load(Ordering::Relaxed) as f64,
        )?;
        self.limits(&mut encoder)?;
        self.leases(&mut encoder)?;
        self.under_way(&mut encoder)?;
        m.revocation.encode(encoder.encode_descriptor(
            "tollgate_revocation_seconds",
            "Time from a change in the registry to its being in force here",
            None,
            MetricType::Histogram,
        )?)?;
        counter(
            &mut encoder,
            "tollgate_snapshot_swaps",
            "Snapshots published",
            m.swaps.load(Ordering::Relaxed),
        )?;
        counter(
            &mut encoder,
            "tollgate_used_dropped",
            "Last-used times that were not kept",
            m.used_dropped.load(Ordering::Relaxed),
        )?;
        let mut build =
            encoder.encode_descriptor("tollgate_build_info", "What is running", None, MetricType::Gauge)?;
        ConstGauge::new(1_i64).encode(build.encode_family(&[("version", env!("CARGO_PKG_VERSION"))])?)
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

impl Page {
    fn limits(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let m = &self.metrics;
        #[expect(clippy::cast_precision_loss, reason = "counts of buckets are far below 2^52")]
        let buckets = m.limiter_buckets.load(Ordering::Relaxed) as f64;
        gauge(encoder, "tollgate_limiter_buckets", "Buckets of keys that the limiter holds", buckets)?;
        let full = m.limiter_full.load(Ordering::Relaxed);
        counter(encoder, "tollgate_limiter_full", "Calls that found no room for a bucket", full)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of buckets are far below 2^52")]
        let addresses = m.limiter_addresses.load(Ordering::Relaxed) as f64;
        gauge(encoder, "tollgate_limiter_addresses", "Addresses that the limiter counts", addresses)?;
        let full = m.limiter_addresses_full.load(Ordering::Relaxed);
        let help = "Requests without a right key that were counted together for want of room";
        counter(encoder, "tollgate_limiter_addresses_full", help, full)?;
        let warned = m.limits_warned.load(Ordering::Relaxed);
        counter(encoder, "tollgate_limits_warned", "Requests beyond a limit with warn_only", warned)
    }

    fn shut(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Connections closed as no proxy of the configuration announced them";
        let mut family =
            encoder.encode_descriptor("tollgate_connections_shut", help, None, MetricType::Counter)?;
        for why in Shut::ALL {
            let count = ConstCounter::new(self.metrics.shut.sum(why as usize));
            count.encode(family.encode_family(&[("reason", why.label())])?)?;
        }
        Ok(())
    }

    /// Where no limit is shared there is nothing to tell.
    fn leases(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (m, limits) = (&self.metrics.leases, self.metrics.leases.overshoot());
        if limits.is_empty() {
            return Ok(());
        }
        let up = f64::from(u8::from(m.is_reached.load(Ordering::Relaxed)));
        gauge(encoder, "tollgate_lease_redis_up", "Whether Redis keeps the limits that replicas share", up)?;
        let replicas = f64::from(m.replicas.load(Ordering::Relaxed));
        gauge(encoder, "tollgate_lease_replicas", "Replicas that share limits", replicas)?;
        #[expect(clippy::cast_precision_loss, reason = "counts of tokens are far below 2^52")]
        let tokens = m.tokens.load(Ordering::Relaxed) as f64;
        gauge(encoder, "tollgate_lease_tokens", "Tokens that are leased here and not spent", tokens)?;
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

    fn under_way(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "tollgate_under_way",
            "Requests that are under way towards a server",
            None,
            MetricType::Gauge,
        )?;
        let mut outcome = Ok(());
        self.metrics.each_under_way(|server, what, count| {
            if outcome.is_ok() {
                let labels = [("server", server), ("kind", what.label())];
                let now = ConstGauge::new(count.cast_signed());
                outcome = family.encode_family(&labels).and_then(|cell| now.encode(cell));
            }
        });
        outcome
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "tollgate_requests",
            "Requests that reached a server's rules",
            None,
            MetricType::Counter,
        )?;
        let mut outcome = Ok(());
        self.metrics.each_request(|server, tool, how, count| {
            if outcome.is_ok() {
                let labels = [("server", server), ("tool", tool), ("outcome", how.label())];
                outcome =
                    family.encode_family(&labels).and_then(|cell| ConstCounter::new(count).encode(cell));
            }
        });
        outcome
    }

    fn denials(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("tollgate_denials", "Refusals by reason", None, MetricType::Counter)?;
        let mut outcome = Ok(());
        self.metrics.each_denial(|server, denial, count| {
            if outcome.is_ok() {
                let labels = [("server", server), ("reason", denial.row().reason)];
                outcome =
                    family.encode_family(&labels).and_then(|cell| ConstCounter::new(count).encode(cell));
            }
        });
        outcome
    }

    fn age(&self) -> f64 {
        let seen = self.metrics.registry_seen_ms.load(Ordering::Relaxed);
        let now = self.clock.now_ms();
        #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is far below 2^52")]
        let age = now.saturating_sub(seen) as f64 / 1_000.0;
        age
    }
}
