//! An origin that servers fetch from: plain HTTP. `/items/KEY` answers `{"of": "KEY"}`; keys that begin with `missing` are not
//! there, with `broken` it fails, with `slow` it takes its time.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::JoinSet};

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(800);

type Asked = Arc<Mutex<BTreeMap<String, u64>>>;

/// The origin. Its port is closed when it is dropped.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    asked: Asked,
    _serves: JoinSet<()>,
}

impl Origin {
    pub(crate) async fn start() -> Result<Self, String> {
        let text = |error: std::io::Error| format!("the origin cannot be started: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let asked = Asked::default();
        let router = Router::new().route("/items/{key}", get(item)).with_state(Arc::clone(&asked));
        let mut serves = JoinSet::new();
        serves.spawn(async move {
            // It serves until it is dropped.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { address, asked, _serves: serves })
    }

    /// How often it was asked for a key.
    pub(crate) fn asked(&self, key: &str) -> u64 {
        self.asked.lock().get(key).copied().unwrap_or_default()
    }
}

async fn item(State(asked): State<Asked>, Path(key): Path<String>) -> Response {
    *asked.lock().entry(key.clone()).or_default() += 1;
    if key.starts_with("missing") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if key.starts_with("broken") {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if key.starts_with("slow") {
        tokio::time::sleep(SLOW).await;
    }
    let body = serde_json::json!({ "of": key }).to_string();
    ([("content-type", "application/json")], body).into_response()
}
