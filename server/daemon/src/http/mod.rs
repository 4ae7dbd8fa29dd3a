//! The HTTP port: probes and metrics. Nothing of the cache's contents is reachable here.

mod probes;
mod serve;

use std::sync::{Arc, atomic::AtomicBool};

use axum::{
    Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use hotplate_engine::Cache;

use crate::telemetry::Telemetry;

pub use serve::serve;

/// What the HTTP port tells about.
#[derive(Clone, Debug)]
pub struct HttpState {
    /// Whether calls are accepted: false before the start is done and from the first moment of the shutdown.
    pub ready: Arc<AtomicBool>,
    /// The cache whose counters are told.
    pub cache: Arc<Cache>,
    /// The server's own counters.
    pub telemetry: Arc<Telemetry>,
    /// How callers prove who they are: `none` or `token`.
    pub access: &'static str,
}

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const HINT: &str =
    "This port has /livez, /readyz, /healthz and /metrics. The cache itself speaks gRPC on its own port.\n";

/// The routes.
pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .route("/healthz", get(probes::health))
        .route("/metrics", get(metrics))
        .fallback(not_found)
        .method_not_allowed_fallback(only_get)
        .with_state(state)
}

async fn metrics(axum::extract::State(state): axum::extract::State<HttpState>) -> Response {
    let text = state.telemetry.scrape(&state.cache);
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}

async fn not_found() -> Response {
    (StatusCode::NOT_FOUND, HINT).into_response()
}

async fn only_get() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "Use GET or HEAD.\n").into_response()
}

#[cfg(test)]
mod tests;
