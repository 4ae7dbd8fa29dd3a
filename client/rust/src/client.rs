//! The client: what all namespaces of one connection pool share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    Builder, Calls, Namespace, Result,
    calls::Wire,
    codec::Json,
    flight::Flights,
    gate::{DegradationCounts, Gate},
    near::{NearSetup, Nears},
    task::Tasks,
};

/// What typed reads and writes do when the cache is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// A read is a miss with its reason, a write is dropped and counted, an invalidation is remembered. The default: a
    /// cache is never load-bearing.
    #[default]
    Miss,
    /// The failure is returned.
    Raise,
}

/// Settings of the typed layer.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) on_error: OnError,
    pub(crate) disabled: bool,
    pub(crate) journal_max: usize,
    pub(crate) computations_max: usize,
    pub(crate) client_id: String,
    /// Whether the name was made up, so that nobody else writes under it.
    pub(crate) client_id_is_own: bool,
    pub(crate) near: NearSetup,
}

/// A cache, wherever it runs. Cheap to clone; clones share connections, retry budget, breaker and computations.
///
/// When the last clone and the last [`Namespace`] are gone, so are its tasks; [`Client::close`] waits for that.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    calls: Calls,
    namespace: Arc<str>,
    setup: Arc<Setup>,
    gate: Arc<Gate>,
    flights: Arc<Flights>,
    nears: Nears,
    tasks: Tasks,
}

impl Client {
    /// Starts with default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A client set up by environment variables alone; see [`Builder::env`].
    ///
    /// # Errors
    /// `Configuration`, with the variable and what to change.
    pub fn from_env() -> Result<Self> {
        Builder::default().env()?.build()
    }

    pub(crate) fn new(wire: Arc<Wire>, namespace: String, setup: Setup) -> Self {
        let setup = Arc::new(setup);
        Self(Arc::new(Inner {
            gate: Arc::new(Gate::new(Arc::clone(&setup), Arc::clone(&wire))),
            calls: Calls::new(wire),
            namespace: namespace.into(),
            flights: Arc::new(Flights::new(setup.computations_max)),
            nears: Nears::new(setup.near.clone(), setup.client_id_is_own.then(|| setup.client_id.clone())),
            tasks: Tasks::default(),
            setup,
        }))
    }

    /// A namespace whose values are JSON; [`Namespace::codec`] changes that. An empty name means `default`.
    pub fn namespace(&self, name: impl Into<Arc<str>>) -> Namespace<Json> {
        Namespace::new(self.clone(), name.into(), Json)
    }

    /// The namespace this client was set up with.
    #[must_use]
    pub fn default_namespace(&self) -> Namespace<Json> {
        self.namespace(Arc::clone(&self.0.namespace))
    }

    /// Name of the default namespace: as set, else the path of the address, else `default`.
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        &self.0.namespace
    }

    /// The RPCs as they are, without codecs or degradation.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.0.calls.clone()
    }

    /// The name this client writes under.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.0.setup.client_id
    }

    /// Whether the cache is worth asking: not turned off, and not found to be away.
    #[must_use]
    pub fn available(&self) -> bool {
        !self.0.setup.disabled && self.0.gate.breaker.available()
    }

    /// Follows whether the cache is there: the current state, then each change.
    #[must_use]
    pub fn availability(&self) -> watch::Receiver<bool> {
        self.0.gate.breaker.subscribe()
    }

    /// How often this client went on without the cache.
    #[must_use]
    pub fn degradation(&self) -> DegradationCounts {
        self.0.gate.counts()
    }

    /// Invalidations that wait for the server to come back.
    #[must_use]
    pub fn invalidations_waiting(&self) -> usize {
        self.0.gate.pending()
    }

    /// Ends what this client does, and waits until it has: each call, also one that is under way, is an error of kind
    /// `Cancelled`, and computations are cancelled and their leases given back. Calls that may bring a lease, and
    /// invalidations, have 200 ms to end by themselves. Invalidations that still wait for the cache to come back are tried
    /// once, for a second at most; what is lost then is logged.
    pub async fn close(&self) {
        self.0.calls.wire.closing.close();
        self.0.tasks.close().await;
        self.0.calls.close().await;
    }

    pub(crate) fn gate(&self) -> &Arc<Gate> {
        &self.0.gate
    }

    pub(crate) fn flights(&self) -> &Arc<Flights> {
        &self.0.flights
    }

    pub(crate) fn nears(&self) -> &Nears {
        &self.0.nears
    }

    pub(crate) fn tasks(&self) -> &Tasks {
        &self.0.tasks
    }

    pub(crate) fn raw(&self) -> &Calls {
        &self.0.calls
    }

    /// Starts carrying out remembered invalidations, unless that is under way.
    pub(crate) fn replay(&self) {
        if self.0.gate.begin_replay() {
            let (gate, calls) = (Arc::clone(&self.0.gate), self.0.calls.clone());
            self.0.tasks.spawn_until(|closed| async move { gate.replay(&calls, closed).await });
        }
    }
}
