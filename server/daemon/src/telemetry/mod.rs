//! What the server tells about itself: logs, traces, metrics. Keys and values never leave through here.

mod calls;
mod log;
mod metrics;
mod names;
pub(crate) mod owed;
mod tiers;
mod trace;
mod view;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt,
    io::IsTerminal,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use hotplate_engine::{
    Cache,
    clock::Clock,
    event::{Event, Observer},
    key::namespace_name,
};
use http::HeaderMap;
use parking_lot::Mutex;
use tonic::Code;
use tracing::{Dispatch, Level, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::fmt::MakeWriter;

pub use names::{METRICS, Metric, metrics_markdown};

use crate::{config::LogSettings, ledger::Ledger};
use calls::code_name;
use log::Output;
use metrics::Metrics;
use trace::{Sampling, Traces};

/// Target of the spans that become traces.
const SPAN_TARGET: &str = "hotplate::trace";
/// Target of the lines that tell of calls.
const CALL_TARGET: &str = "hotplate::call";

/// Why logs or traces cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryError(String);

impl TelemetryError {
    fn new(message: String) -> Self {
        Self(message)
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TelemetryError {}

/// Logs, traces and metrics of one server. Share it with `Arc`; it is the engine's [`Observer`] as well.
#[derive(Debug)]
pub struct Telemetry {
    metrics: Metrics,
    key_seed: u64,
    connections: AtomicU64,
    counting_calls: AtomicBool,
    /// Unset when no traces are asked for.
    sampling: Option<Sampling>,
    traces: Mutex<Option<Traces>>,
    ledger: OnceLock<Arc<Ledger>>,
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
    pub code: Code,
    /// Why it failed (`OVERLOADED`); empty for OK.
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
    /// Sets up the process: log lines to standard error, traces when `OTEL_*` variables ask for them. Needs a tokio
    /// runtime around it that lives as long as the server. Once per process.
    ///
    /// # Errors
    /// A bad filter, a bad endpoint, or logs that somebody else has set up.
    pub fn install(
        settings: &LogSettings,
        clock: Clock,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Arc<Self>, TelemetryError> {
        let output = Output { writer: std::io::stderr, terminal: std::io::stderr().is_terminal() };
        let (telemetry, dispatch) = Self::build(settings, output, clock, environment)?;
        tracing::dispatcher::set_global_default(dispatch)
            .map_err(|_set_before| TelemetryError::new("logs are already set up in this process".to_owned()))?;
        Ok(telemetry)
    }

    /// Metrics and the hash of keys, without touching the process's log output: for tests and for embedding.
    #[must_use]
    pub fn detached(clock: Clock) -> Arc<Self> {
        Arc::new(Self::new(clock, None))
    }

    fn new(clock: Clock, traces: Option<Traces>) -> Self {
        Self {
            metrics: Metrics::new(clock),
            key_seed: rand::random(),
            connections: AtomicU64::new(0),
            counting_calls: AtomicBool::new(true),
            ledger: OnceLock::new(),
            sampling: traces.as_ref().map(Traces::sampling),
            traces: Mutex::new(traces),
        }
    }

    fn build<W>(
        settings: &LogSettings,
        output: Output<W>,
        clock: Clock,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(Arc<Self>, Dispatch), TelemetryError>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let readable =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let variables: BTreeMap<String, String> = environment.into_iter().filter_map(readable).collect();
        let traces = trace::wanted(&variables)?.map(Traces::start).transpose()?;
        let dispatch = log::dispatch(settings, output, traces.as_ref().map(Traces::tracer))?;
        Ok((Arc::new(Self::new(clock, traces)), dispatch))
    }

    /// Whether calls are counted from now on. They are, unless this says otherwise.
    pub fn count_calls(&self, counting: bool) {
        self.counting_calls.store(counting, Ordering::Relaxed);
    }

    /// Counts and logs a call that has ended. Run it inside the call's span, so that a trace tells the same.
    pub fn call(&self, record: &CallRecord<'_>) {
        if self.counting_calls.load(Ordering::Relaxed) {
            self.metrics.call(record);
        }
        match record.code {
            Code::Internal | Code::Unknown | Code::DataLoss => self.log_error(record),
            Code::Unauthenticated | Code::PermissionDenied => self.log_refusal(record),
            _ if tracing::enabled!(target: CALL_TARGET, Level::DEBUG) => self.log_call(record),
            _ => {}
        }
        if self.sampling.is_some() {
            let span = Span::current();
            if !span.is_none() {
                self.tell_span(&span, record);
            }
        }
    }

    /// Counts so many calls that went well and ended together, and logs each with its key. They have no spans of their own.
    pub fn calls<'k>(&self, record: &CallRecord<'_>, (keys, times): (impl Iterator<Item = &'k str>, u64)) {
        self.metrics.calls(record, times);
        if tracing::enabled!(target: CALL_TARGET, Level::DEBUG) {
            keys.for_each(|key| self.log_call(&CallRecord { key: Some(key), ..record.clone() }));
        }
    }

    /// The span of a call, continuing the caller's trace when its headers carry a W3C `traceparent`. Run the call
    /// inside with `tracing::Instrument`. There is none of a call that is not traced.
    #[must_use]
    pub fn call_span(&self, rpc: &'static str, headers: &HeaderMap) -> Span {
        let Some(context) = self.sampling.as_ref().and_then(|sampling| sampling.traced(headers)) else {
            return Span::none();
        };
        let service = if blob_rpc(rpc) { "hotplate.v1.BlobService" } else { "hotplate.v1.CacheService" };
        let span = tracing::info_span!(
            target: SPAN_TARGET,
            parent: None,
            "call",
            otel.name = format!("{service}/{rpc}"),
            otel.kind = "server",
            otel.status_code = Empty,
            rpc.system = "grpc",
            rpc.service = service,
            rpc.method = rpc,
            rpc.grpc.status_code = Empty,
            hotplate.namespace = Empty,
            hotplate.outcome = Empty,
            hotplate.tier = Empty,
            hotplate.reason = Empty,
            hotplate.key_hash = Empty,
        );
        // Fails only for a span that nobody follows, which needs no parent.
        let _ = span.set_parent(context);
        span
    }

    /// Counts a connection until the guard is dropped.
    #[must_use]
    pub fn connection(self: &Arc<Self>) -> ConnectionGuard {
        self.connections.fetch_add(1, Ordering::Relaxed);
        ConnectionGuard(Arc::clone(self))
    }

    /// Tells of this ledger from now on; the first that is given stays.
    pub(crate) fn tell_of(&self, ledger: Arc<Ledger>) {
        self.ledger.get_or_init(|| ledger);
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
        let ledger = self.ledger.get().map(Arc::as_ref);
        self.metrics.scrape(cache, self.connections.load(Ordering::Relaxed), ledger)
    }

    /// Time since this was made.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        self.metrics.uptime()
    }

    /// Sends what traces are still waiting, taking at most `patience`, and sends no more afterwards.
    pub async fn flush(&self, patience: Duration) {
        let traces = self.traces.lock().take();
        if let Some(traces) = traces {
            traces.stop(patience).await;
        }
    }

    fn log_call(&self, record: &CallRecord<'_>) {
        let told = Told::of(self, record);
        tracing::debug!(
            target: CALL_TARGET,
            rpc = record.rpc,
            namespace = told.namespace,
            outcome = record.outcome,
            tier = record.tier,
            code = told.code,
            reason = record.reason,
            caller = record.caller,
            key_hash = told.key_hash,
            elapsed_us = told.elapsed_us,
            "call"
        );
    }

    fn log_refusal(&self, record: &CallRecord<'_>) {
        let told = Told::of(self, record);
        tracing::warn!(
            target: CALL_TARGET,
            rpc = record.rpc,
            namespace = told.namespace,
            code = told.code,
            reason = record.reason,
            caller = record.caller,
            elapsed_us = told.elapsed_us,
            "call refused"
        );
    }

    fn log_error(&self, record: &CallRecord<'_>) {
        let told = Told::of(self, record);
        tracing::error!(
            target: CALL_TARGET,
            rpc = record.rpc,
            namespace = told.namespace,
            outcome = record.outcome,
            tier = record.tier,
            code = told.code,
            reason = record.reason,
            caller = record.caller,
            key_hash = told.key_hash,
            elapsed_us = told.elapsed_us,
            "call failed"
        );
    }

    fn tell_span(&self, span: &Span, record: &CallRecord<'_>) {
        let told = Told::of(self, record);
        span.record("rpc.grpc.status_code", record.code as i32);
        span.record("hotplate.namespace", told.namespace);
        let optional = [
            ("hotplate.outcome", record.outcome),
            ("hotplate.tier", record.tier),
            ("hotplate.reason", record.reason),
            ("hotplate.key_hash", &told.key_hash),
        ];
        for (name, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
            span.record(name, value);
        }
        if is_fault(record.code) {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Whether an RPC is one of large values.
fn blob_rpc(rpc: &str) -> bool {
    matches!(rpc, "ReadValue" | "WriteValue" | "QueryWrite")
}

/// The server's own failures, as OpenTelemetry's conventions for gRPC servers count them.
fn is_fault(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

/// What may be told of a call.
struct Told<'a> {
    namespace: &'a str,
    code: &'static str,
    key_hash: String,
    elapsed_us: u64,
}

impl<'a> Told<'a> {
    fn of(telemetry: &Telemetry, record: &CallRecord<'a>) -> Self {
        // A name that breaks the rules may hold anything, of any length.
        let namespace = if namespace_name(record.namespace).is_ok() { record.namespace } else { "(bad name)" };
        Self {
            namespace,
            code: code_name(record.code),
            key_hash: record.key.map_or_else(String::new, |key| telemetry.key_hash(key)),
            elapsed_us: u64::try_from(record.elapsed.as_micros()).unwrap_or(u64::MAX),
        }
    }
}

impl Observer for Telemetry {
    fn observe(&self, event: &Event) {
        self.metrics.observe(event);
    }
}

#[cfg(test)]
mod tests;
