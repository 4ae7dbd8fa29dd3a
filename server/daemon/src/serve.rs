//! The life of a server: start, listen, and the way out in order and in time. What it serves is put together in
//! `compose`.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hotplate_engine::{Cache, clock::Clock, tier::TierName};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{
    compose::{Composed, compose},
    config::{ConfigError, Settings},
    grpc::{blob::service::BlobRpcs, health::HealthSwitch},
    http::{HttpState, serve as serve_http},
    limits::connections_max,
    net::{Ends, Port, Workers},
    snapshot::Snapshot,
    task::Tasks,
    telemetry::{Telemetry, owed},
    tls::TlsError,
};

/// Time kept for the end itself: closing the HTTP port and sending the last traces.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Time in which calls are refused before connections are told to go: most clients blame a call that they never sent
/// on the network, but understand a refusal.
const REFUSING: Duration = Duration::from_millis(200);

/// Why a server cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The cache does not take its configuration.
    Cache(hotplate_engine::Error),
    /// An origin cannot be set up.
    Config(ConfigError),
    /// What lies besides memory cannot be set up.
    Tier(String),
    /// TLS cannot be set up.
    Tls(TlsError),
    /// The reflection service does not take the contract.
    Reflection(tonic_reflection::server::Error),
    /// An address cannot be listened on.
    Listen(SocketAddr, io::Error),
    /// A worker thread cannot be started.
    Worker(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cache(error) => write!(f, "the cache cannot be set up: {error}"),
            Self::Config(error) => write!(f, "an origin cannot be set up: {error}"),
            Self::Tier(problem) => f.write_str(problem),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Reflection(error) => write!(f, "reflection cannot be set up: {error}"),
            Self::Listen(address, error) => write!(f, "cannot listen on {address}: {error}"),
            Self::Worker(error) => write!(f, "cannot start a worker thread: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// How long the start waits for what other servers share, so that it begins with what they know.
const FIRST_NEWS: Duration = Duration::from_secs(2);

/// A server that runs. [`Running::shutdown`] ends it in order; dropping it ends it at once.
#[derive(Debug)]
pub struct Running {
    grpc: SocketAddr,
    http: SocketAddr,
    http_state: HttpState,
    cache: Arc<Cache>,
    telemetry: Arc<Telemetry>,
    health: HealthSwitch,
    drain_delay: Duration,
    deadline: Duration,
    tasks: Tasks,
    blobs: BlobRpcs,
    workers: Workers,
    draining: CancellationToken,
    ends: Ends,
    http_stop: CancellationToken,
    snapshot: Option<Snapshot>,
}

/// Starts a server that logs and traces nowhere: for tests and for embedding. Needs a tokio runtime that lives as long
/// as the server; gRPC is served by threads of its own.
///
/// # Errors
/// Settings that contradict themselves, files that cannot be used, addresses that are taken.
pub async fn start(settings: Settings, clock: Clock) -> Result<Running, StartError> {
    let telemetry = Telemetry::detached(clock.clone());
    start_with(settings, clock, telemetry).await
}

/// Starts a server with telemetry that was set up before.
///
/// # Errors
/// As [`start`].
pub async fn start_with(settings: Settings, clock: Clock, telemetry: Arc<Telemetry>) -> Result<Running, StartError> {
    let composed = Box::pin(compose(&settings, clock.clone(), Arc::clone(&telemetry))).await?;
    let Composed { cache, setup, http: http_state, health, blobs, draining } = composed;
    let (ends, tasks, http_stop) = (Ends::default(), Tasks::default(), CancellationToken::new());
    let most = connections_max(settings.limits.connections_max);
    let listen = |address| move |error| StartError::Listen(address, error);
    let on_grpc = listen(settings.grpc.listen);
    let port = Port::bind(settings.grpc.listen, most, Arc::clone(&telemetry), &ends).await.map_err(on_grpc)?;
    let on_http = listen(settings.http.listen);
    let http_port = TcpListener::bind(settings.http.listen).await.map_err(on_http)?;
    let (grpc, http) = (port.address().map_err(on_grpc)?, http_port.local_addr().map_err(on_http)?);
    let mut workers = Workers::start(&settings, &setup, &ends).map_err(StartError::Worker)?;
    tasks.spawn(serve_http(http_port, http_state.clone(), settings.http.clone(), http_stop.clone()));
    let snapshot = Snapshot::new(&settings, &cache, &clock);
    if let Some(warming) = snapshot.clone().and_then(Snapshot::warming) {
        if settings.snapshot.before_ready { warming.await } else { tasks.spawn(warming) }
    }
    tasks.spawn(port.accept(workers.take_senders()));
    tasks.spawn(Arc::clone(&cache).run_maintenance());
    tasks.spawn(Arc::clone(&cache).follow_fleet());
    tasks.spawn(blobs.clone().run(http_stop.clone()));
    if !settings.shared.url.is_empty() {
        tasks.spawn(owed::watch(Arc::clone(&cache), http_stop.clone()));
    }
    if !cache.caught_up(FIRST_NEWS).await {
        let shared = cache.tier_states().into_iter().find(|(name, _)| *name == TierName::Shared);
        let state = shared.map(|(_, state)| state).unwrap_or_default();
        let (place, why) = (state.place.unwrap_or_default(), state.why.unwrap_or_default());
        let message = "the tier that servers share does not answer yet: this server begins alone and keeps trying";
        tracing::warn!(place, why, "{message}");
    }
    health.set_ready(true).await;
    http_state.ready.store(true, Ordering::Release);
    let (drain_delay, deadline) = (settings.shutdown.drain_delay, settings.shutdown.deadline);
    Ok(Running {
        grpc,
        http,
        http_state,
        cache,
        telemetry,
        health,
        drain_delay,
        deadline,
        tasks,
        blobs,
        workers,
        draining,
        ends,
        http_stop,
        snapshot,
    })
}

impl Running {
    /// Where gRPC is served.
    #[must_use]
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc
    }

    /// Where probes and metrics are served.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// The cache, for tests that move its clock.
    #[must_use]
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Ends the server in order: not ready, then no new calls, then every stream with its last word, then every
    /// connection with its last call. Returns within the configured deadline, whatever peers do.
    #[expect(clippy::disallowed_methods, reason = "the deadline of the way out is one of timers, not of entries")]
    pub async fn shutdown(mut self) {
        let end = tokio::time::Instant::now() + self.deadline;
        tracing::info!(delay = ?self.drain_delay, deadline = ?self.deadline, "shutting down");
        self.http_state.ready.store(false, Ordering::Release);
        self.health.set_ready(false).await;
        let kept = LAST_WORDS.min(self.deadline / 4);
        let leaving = self.snapshot.as_ref().map_or(Duration::ZERO, |snapshot| snapshot.time(self.deadline / 4));
        let last = end - kept - leaving;
        // A deadline that is shorter than the delay ends the delay.
        let _ = timeout_at(last, sleep(self.drain_delay)).await;
        self.draining.cancel();
        self.cache.close();
        let _ = timeout_at(last, sleep(REFUSING.min(self.deadline / 10))).await;
        self.ends.going.cancel();
        let mut ended = pin!(self.workers.take_ended());
        let mut quiet = timeout_at(last, ended.as_mut()).await.is_ok();
        self.ends.abort.cancel();
        if !quiet {
            tracing::warn!("some connections did not end in time and were cut");
            quiet = timeout(kept, ended).await.is_ok();
        }
        // Who sent a value to its end may be gone, and have it stored all the same.
        if !self.blobs.ended(last.saturating_duration_since(tokio::time::Instant::now())).await {
            tracing::warn!("some values that had arrived were not stored in time");
        }
        // While anybody may still be answered, what is written now may be invalidated.
        if let Some(snapshot) = self.snapshot.take().filter(|_| quiet) {
            snapshot.leaving(leaving).await;
        }
        self.http_stop.cancel();
        let tasks = self.tasks.clone();
        let leaves = self.cache.leave_fleet(kept);
        let (owed, _, _) = tokio::join!(leaves, timeout(kept, tasks.ended()), self.telemetry.flush(kept));
        if owed > 0 {
            tracing::warn!(
                owed,
                "the tier that servers share was not told what was replaced and invalidated here: other servers may serve that"
            );
        }
        if timeout_at(end.max(tokio::time::Instant::now() + kept), self.cache.close_tiers()).await.is_err() {
            tracing::warn!("the disk did not write all it was handed in time: that is missing after the next start");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cache.close();
        self.cache.stop_following();
        self.draining.cancel();
        self.ends.going.cancel();
        self.ends.abort.cancel();
        self.http_stop.cancel();
    }
}
