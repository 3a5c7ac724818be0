//! What is told of what is sent to a collector; nothing where nothing is.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Page;
use crate::telemetry::otlp::Kind;

impl Page {
    pub(super) fn otlp(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let cells = &self.metrics.otlp;
        if !cells.is_in_use.load(Ordering::Relaxed) {
            return Ok(());
        }
        let help = "Spans, log records and data points that the collector took";
        let mut sent = encoder.encode_descriptor("tollgate_otlp_sent", help, None, MetricType::Counter)?;
        for kind in Kind::ALL {
            let count = ConstCounter::new(cells.of(kind).sent.load(Ordering::Relaxed));
            count.encode(sent.encode_family(&[("kind", kind.label())])?)?;
        }
        let help = "Spans, log records and data points that were lost";
        let mut lost = encoder.encode_descriptor("tollgate_otlp_lost", help, None, MetricType::Counter)?;
        for kind in Kind::ALL {
            let of = cells.of(kind);
            let reasons = [("full", &of.full), ("undelivered", &of.undelivered), ("rejected", &of.rejected)];
            for (reason, count) in reasons {
                let count = ConstCounter::new(count.load(Ordering::Relaxed));
                count.encode(lost.encode_family(&[("kind", kind.label()), ("reason", reason)])?)?;
            }
        }
        let help = "Whether the last request to the collector succeeded";
        let mut up = encoder.encode_descriptor("tollgate_otlp_up", help, None, MetricType::Gauge)?;
        for kind in Kind::ALL {
            let well = !cells.of(kind).is_failing.load(Ordering::Relaxed);
            ConstGauge::new(i64::from(well)).encode(up.encode_family(&[("kind", kind.label())])?)?;
        }
        Ok(())
    }
}
