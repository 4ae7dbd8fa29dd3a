//! The client: what all namespaces of one connection pool share.

use std::sync::Arc;

use crate::{Builder, Calls, Result, calls::Wire};

/// What typed reads and writes do when the cache is away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// A read is a miss with its reason, a write is dropped and counted. The default: a cache is never load-bearing.
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
}

/// A cache, wherever it runs. Cheap to clone; clones share connections, retry budget and breaker.
#[derive(Clone, Debug)]
pub struct Client {
    calls: Calls,
    namespace: Arc<str>,
    setup: Arc<Setup>,
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
        Self { calls: Calls::new(wire), namespace: namespace.into(), setup: Arc::new(setup) }
    }

    /// The RPCs as they are, without codecs or degradation.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Name of the default namespace: as set, else the path of the address, else `default`.
    #[must_use]
    pub fn namespace_name(&self) -> &str {
        &self.namespace
    }

    /// The name this client writes under.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.setup.client_id
    }
}
