//! The admin listener: is the process alive, is it ready, what are its numbers, and what a key has left
//! of its limits.
//!
//! Loopback only, on its own thread and runtime: a slow reader of metrics costs no request
//! anything, and for who names it as loopback alone. It must never show a key, a scope or a name that a client
//! chose.

mod health;
mod host;
mod limits;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde_json::json;

use crate::base::Clock;
use crate::state::{Limiter, SnapshotCell};
use crate::telemetry::Metrics;
use crate::telemetry::exposition::{self, Format};

/// What the listener shows.
#[derive(Clone)]
pub struct AdminParams {
    /// Metrics of the process.
    pub metrics: Arc<Metrics>,
    /// The snapshot, for the keys.
    pub snapshot: SnapshotCell,
    /// The buckets of limits.
    pub limiter: Arc<Limiter>,
    /// True while requests are taken.
    pub ready: Arc<AtomicBool>,
    /// The time.
    pub clock: Clock,
}

/// The routes.
pub fn router(params: AdminParams) -> Router {
    Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/version", get(health::version))
        .route("/metrics", get(metrics))
        .route("/limits", get(limits::limits))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                Json(json!({ "error": "no such page; there are /livez, /readyz, /version, /metrics and /limits" })),
            )
        })
        .layer(middleware::from_fn(host::check))
        .with_state(params)
}

async fn metrics(State(params): State<AdminParams>, headers: HeaderMap) -> impl IntoResponse {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let format = Format::accepted(&accepted.collect::<Vec<_>>().join(","));
    ([(header::CONTENT_TYPE, format.content_type())], page(&params, format))
}

/// The page of metrics.
pub fn page(params: &AdminParams, format: Format) -> String {
    let ready = health::reasons(params).is_empty();
    exposition::page(&params.metrics, &params.clock, ready, format)
}
