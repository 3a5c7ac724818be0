//! Health, for who restarts processes and who sends them traffic: is it alive, is it to be sent
//! requests and if not why not, and what is it.
//!
//! It looks at what is there and never asks Redis, a file or an upstream: a probe comes often, and must
//! not fail for what another process does.

use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json};
use serde_json::{Value, json};

use super::AdminParams;
use crate::base::Tick;
use crate::telemetry::books::Unwritten;
use crate::telemetry::built;

/// `GET /livez`: the process runs; nothing else is claimed.
pub(super) async fn livez() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}

/// `GET /version`: what runs, and how it was built.
pub(super) async fn version() -> Json<Value> {
    let commit = Some(built::COMMIT).filter(|commit| !commit.is_empty());
    Json(json!({
        "name": "tollgate",
        "version": built::VERSION,
        "commit": commit,
        "profile": built::PROFILE,
        "target": built::target(),
    }))
}

/// Why requests should go elsewhere; none where it is ready.
pub(super) fn reasons(params: &AdminParams) -> Vec<&'static str> {
    let serving = params.ready.load(Ordering::Relaxed);
    let snapshot = params.snapshot.load();
    let unconfirmed = params.metrics.registry_unconfirmed.load(Ordering::Relaxed);
    let stale = !unconfirmed && snapshot.fresh.is_over(params.clock.now(), &params.clock);
    // Where records may be lost instead, calls are served whatever becomes of the log.
    let audit = params.metrics.audit.get().filter(|audit| audit.refuses);
    let unwritten = audit.and_then(|audit| audit.standing.unwritten(Tick::now()));
    [
        (!serving, "it is not serving: it is starting or stopping"),
        (stale, "the registry was not reached for longer than registry.max_staleness"),
        (
            unwritten == Some(Unwritten::Fails),
            "the audit log cannot be written, and requests are refused that cannot be written down",
        ),
        (
            unwritten == Some(Unwritten::Hangs),
            "the audit log's disk does not answer, and requests are refused that cannot be written down",
        ),
        (unconfirmed, "nobody vouched that the registry is whole; see 'tollgate registry status'"),
    ]
    .into_iter()
    .filter_map(|(holds, reason)| holds.then_some(reason))
    .collect()
}

/// `GET /readyz`: 200 while requests are served, 503 with the reasons otherwise.
pub(super) async fn readyz(State(params): State<AdminParams>) -> impl IntoResponse {
    let reasons = reasons(&params);
    let ready = reasons.is_empty();
    let (snapshot, metrics) = (params.snapshot.load(), &params.metrics);
    let age_ms = params.clock.now_ms().saturating_sub(metrics.registry_seen_ms.load(Ordering::Relaxed));
    let body = json!({
        "status": if ready { "ready" } else { "not ready" },
        "reasons": reasons,
        "keys": snapshot.keys.len(),
        "registry_lost": metrics.registry_lost.load(Ordering::Relaxed),
        "servers": snapshot.policy.servers().len(),
        "snapshot_version": snapshot.version,
        "snapshot_age_ms": age_ms,
    });
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(body))
}
