//! What is told of each server: requests, refusals, times, connections to its upstream.
//!
//! Servers and tools are told by their configured names.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Page;
use crate::telemetry::histogram::{BOUNDS, Observed};

/// Nanoseconds of a second.
const SECOND: f64 = 1e9;

impl Page {
    pub(super) fn servers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(encoder)?;
        self.denials(encoder)?;
        self.times(encoder)?;
        self.under_way(encoder)?;
        self.upstream_connections(encoder)
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests that reached a server's rules";
        let mut family = Family::begin(encoder, "tollgate_requests", help, MetricType::Counter)?;
        self.metrics.each_request(|server, tool, how, count| {
            let labels = [("server", server), ("tool", tool), ("outcome", how.label())];
            family.put(&labels, |cell| ConstCounter::new(count).encode(cell));
        });
        family.outcome
    }

    fn denials(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            Family::begin(encoder, "tollgate_denials", "Refusals by reason", MetricType::Counter)?;
        self.metrics.each_denial(|server, denial, count| {
            let labels = [("server", server), ("reason", denial.row().reason)];
            family.put(&labels, |cell| ConstCounter::new(count).encode(cell));
        });
        family.outcome
    }

    fn times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How long requests took, in all, in the gateway itself, and at the upstream";
        let mut family = Family::begin(encoder, "tollgate_request_seconds", help, MetricType::Histogram)?;
        self.metrics.each_stage(|server, stage, observed| {
            let labels = [("server", server), ("stage", stage.label())];
            family.put(&labels, |mut cell| tell(&mut cell, observed));
        });
        family.outcome
    }

    fn under_way(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Requests that are under way towards a server";
        let mut family = Family::begin(encoder, "tollgate_under_way", help, MetricType::Gauge)?;
        self.metrics.each_under_way(|server, what, count| {
            let labels = [("server", server), ("kind", what.label())];
            family.put(&labels, |cell| ConstGauge::new(count.cast_signed()).encode(cell));
        });
        family.outcome
    }

    fn upstream_connections(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help =
            "Connections to a server's upstream; servers of one address share them, and each tells all";
        let mut family = Family::begin(encoder, "tollgate_upstream_connections", help, MetricType::Gauge)?;
        self.metrics.each_upstream(|server, state, count| {
            let labels = [("server", server), ("state", state.label())];
            family.put(&labels, |cell| ConstGauge::new(count.cast_signed()).encode(cell));
        });
        family.outcome
    }
}

/// A family that is being written from within a loop over cells.
struct Family<'e> {
    encoder: MetricEncoder<'e>,
    outcome: fmt::Result,
}

impl<'e> Family<'e> {
    fn begin(
        encoder: &'e mut DescriptorEncoder<'_>,
        name: &'e str,
        help: &str,
        kind: MetricType,
    ) -> Result<Self, fmt::Error> {
        Ok(Self { encoder: encoder.encode_descriptor(name, help, None, kind)?, outcome: Ok(()) })
    }

    /// Writes one series; nothing behind one that failed.
    fn put<const N: usize>(
        &mut self,
        labels: &[(&str, &str); N],
        write: impl FnOnce(MetricEncoder<'_>) -> fmt::Result,
    ) {
        if self.outcome.is_ok() {
            self.outcome = self.encoder.encode_family(labels).and_then(write);
        }
    }
}

/// A histogram in seconds. Its count is what its buckets hold, so that the two never differ.
#[expect(clippy::cast_precision_loss, reason = "seconds are told to within 2^-52 of their sum")]
fn tell(cell: &mut MetricEncoder<'_>, observed: &Observed) -> fmt::Result {
    let bounds = BOUNDS.iter().map(|bound| *bound as f64 / SECOND).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(observed.buckets).collect();
    let sum = observed.nanos as f64 / SECOND;
    cell.encode_histogram::<NoLabelSet>(sum, observed.buckets.iter().sum(), &buckets, None)
}
