//! What is told of the process: what runs, since when, and what it takes.
//!
//! Under the names that Prometheus' own libraries give it, so that dashboards of any service show it.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::time::{ClockId, clock_gettime};

use super::{Page, gauge, number};
use crate::telemetry::built;

impl Page {
    pub(super) fn process(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let process = &self.metrics.process;
        let help = "Whether requests are served, as /readyz says";
        gauge(encoder, "tollgate_ready", help, f64::from(u8::from(self.ready)))?;
        let help = "Resident memory beyond which new requests are refused";
        gauge(encoder, "tollgate_memory_ceiling_bytes", help, number(&process.memory_ceiling))?;
        gauge(encoder, "process_resident_memory_bytes", "Resident memory", number(&process.resident))?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^52")]
        let started = process.started_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        gauge(encoder, "process_start_time_seconds", "When it began to serve, since 1970", started)?;
        let help = "Processor time of all threads";
        let cpu = ConstCounter::new(cpu_time().as_secs_f64());
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?)?;
        let mut build =
            encoder.encode_descriptor("tollgate_build_info", "What is running", None, MetricType::Gauge)?;
        let labels = [("version", built::VERSION), ("commit", built::COMMIT), ("profile", built::PROFILE)];
        ConstGauge::new(1_i64).encode(build.encode_family(&labels)?)
    }
}

/// Processor time that the process has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let whole = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0));
    whole + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}
