//! The three kinds of what is exported, and what became of each.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A kind of what is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Spans.
    Spans,
    /// Log records.
    Logs,
    /// Data points of metrics.
    Metrics,
}

impl Kind {
    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 3] = [Self::Spans, Self::Logs, Self::Metrics];

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Spans => "spans",
            Self::Logs => "logs",
            Self::Metrics => "metrics",
        }
    }

    /// Behind the endpoint's path, over HTTP.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Spans => "/v1/traces",
            Self::Logs => "/v1/logs",
            Self::Metrics => "/v1/metrics",
        }
    }

    /// The method of gRPC.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Spans => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        }
    }
}

/// What became of one kind.
#[derive(Debug, Default)]
pub struct KindCells {
    /// Taken by the collector.
    pub sent: AtomicU64,
    /// Of requests that it took, rejected by the collector.
    pub rejected: AtomicU64,
    /// Lost, as so much waited already.
    pub full: AtomicU64,
    /// Lost, as the collector would not have them, or could not be reached for so long.
    pub undelivered: AtomicU64,
    /// Whether the last request failed.
    pub is_failing: AtomicBool,
}

/// What became of everything, by kind.
#[derive(Debug, Default)]
pub struct OtlpCells {
    kinds: [KindCells; 3],
    /// Whether anything is exported.
    pub is_in_use: AtomicBool,
}

impl OtlpCells {
    /// What became of a kind.
    pub fn of(&self, kind: Kind) -> &KindCells {
        let [spans, logs, metrics] = &self.kinds;
        match kind {
            Kind::Spans => spans,
            Kind::Logs => logs,
            Kind::Metrics => metrics,
        }
    }
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
