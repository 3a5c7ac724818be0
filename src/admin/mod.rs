//! The admin listener: is the process alive, is it ready, what are its numbers, and what a key has left
//! of its limits.
//!
//! Loopback only, on its own thread and runtime: a slow reader of metrics costs no request
//! anything, and for who names it as loopback alone. It must never show a key, a scope or a name that a client
//! chose.

mod host;
mod limits;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json};
use axum::routing::get;
use serde_json::json;

use crate::base::Clock;
use crate::state::{Limiter, SnapshotCell};
use crate::telemetry::{Metrics, exposition};

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
        .route("/livez", get(|| async { Json(json!({ "status": "alive" })) }))
        .route("/readyz", get(readyz))
        .route(
            "/version",
            get(|| async { Json(json!({ "name": "tollgate", "version": env!("CARGO_PKG_VERSION") })) }),
        )
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

async fn readyz(State(params): State<AdminParams>) -> impl IntoResponse {
    let serving = params.ready.load(Ordering::Relaxed);
    let snapshot = params.snapshot.load();
    let unconfirmed = params.metrics.registry_unconfirmed.load(Ordering::Relaxed);
    let stale = !unconfirmed && snapshot.fresh.is_over(params.clock.now(), &params.clock);
    let reasons: Vec<&str> = [
        (!serving, "it is not serving"),
        (stale, "the registry was not reached for longer than registry.max_staleness"),
        (unconfirmed, "nobody vouched that the registry is whole; see 'tollgate registry status'"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect();
    let ready = reasons.is_empty();
    let age_ms =
        params.clock.now_ms().saturating_sub(params.metrics.registry_seen_ms.load(Ordering::Relaxed));
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "keys": snapshot.keys.len(),
        "registry_lost": params.metrics.registry_lost.load(Ordering::Relaxed),
        "servers": snapshot.policy.servers().len(),
        "snapshot_version": snapshot.version,
        "snapshot_age_ms": age_ms,
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}

async fn metrics(State(params): State<AdminParams>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, exposition::CONTENT_TYPE)], exposition::page(&params.metrics, &params.clock))
}
