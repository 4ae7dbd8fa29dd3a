//! The probes. Alive means that the process answers; ready means that it takes calls. Neither looks at anything else
//! than this process, so that a failing neighbour never takes a healthy server away.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use hotplate_engine::tier::{TierName, TierState};
use serde::Serialize;

use super::HttpState;

/// What `/healthz` and `/readyz?verbose` tell.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
    access: &'static str,
    uptime_seconds: f64,
    entries: u64,
    charged_bytes: u64,
    watches: u64,
    tiers: Vec<Tier>,
}

/// How a tier beside memory is. No readiness depends on it: without it, the cache goes on.
#[derive(Serialize)]
struct Tier {
    tier: &'static str,
    health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// An address or a directory, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breaker: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    debt: u64,
}

impl Tier {
    fn of((name, state): (TierName, TierState)) -> Self {
        let breaker = state.calls.map(|calls| calls.breaker.word());
        let TierState { health, why, place, entries, bytes, debt, .. } = state;
        Self { tier: name.word(), health: health.word(), why, place, breaker, entries, bytes, debt }
    }
}

/// `GET /livez`
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`, `GET /readyz?verbose`
pub(super) async fn ready(State(state): State<HttpState>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let code = if is_ready(&state) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if query.contains_key("verbose") {
        return (code, Json(of(&state))).into_response();
    }
    (code, format!("{}\n", status(&state))).into_response()
}

/// `GET /healthz`: always 200 while the process lives.
pub(super) async fn health(State(state): State<HttpState>) -> Response {
    Json(of(&state)).into_response()
}

fn is_ready(state: &HttpState) -> bool {
    state.ready.load(Ordering::Acquire)
}

fn status(state: &HttpState) -> &'static str {
    if is_ready(state) { "ready" } else { "not ready" }
}

fn of(state: &HttpState) -> Health {
    let counted = state.cache.stats(None, hotplate_engine::stats::GroupBy::Nothing).unwrap_or_default();
    Health {
        status: status(state),
        version: env!("CARGO_PKG_VERSION"),
        access: state.access,
        uptime_seconds: state.telemetry.uptime().as_secs_f64(),
        entries: counted.total.entry_count,
        charged_bytes: counted.total.charged_bytes,
        watches: counted.watch_count,
        tiers: state.cache.tier_states().into_iter().map(Tier::of).collect(),
    }
}
