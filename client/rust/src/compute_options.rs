//! What a caller may ask of a computation: whether and how it is looked up, shared with other processes, stored, and
//! what becomes of its failure. What it means is carried out in `compute`.

use std::time::Duration;

use crate::{Ttl, WriteOptions};

/// How long a caller waits for another process, when nothing is said.
const WAIT: Duration = Duration::from_secs(30);

/// How one call of [`crate::Namespace::get_or_compute`] uses the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheMode {
    /// Reads, computes on a miss, stores.
    #[default]
    Use,
    /// Computes; neither reads nor stores.
    Bypass,
    /// Computes and stores; does not read.
    Refresh,
    /// Reads; never computes. A miss is an error of kind `NotFound` with reason `NOT_CACHED`.
    Only,
}

/// How [`crate::Namespace::get_or_compute`] reads, computes and stores.
#[derive(Clone, Debug)]
pub struct ComputeOptions {
    pub(crate) write: WriteOptions,
    pub(crate) mode: CacheMode,
    pub(crate) stale_if_error: bool,
    pub(crate) stale_while_revalidate: bool,
    pub(crate) max_age: Option<Duration>,
    pub(crate) per_process: bool,
    pub(crate) wait: Duration,
    pub(crate) failure_ttl: Option<Ttl>,
    pub(crate) hold_off: Option<Duration>,
}

impl Default for ComputeOptions {
    fn default() -> Self {
        Self {
            write: WriteOptions::default(),
            mode: CacheMode::Use,
            stale_if_error: false,
            stale_while_revalidate: false,
            max_age: None,
            per_process: false,
            wait: WAIT,
            failure_ttl: None,
            hold_off: None,
        }
    }
}

impl ComputeOptions {
    /// The namespace's defaults, mode [`CacheMode::Use`].
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How the result is stored.
    #[must_use]
    pub fn write(mut self, options: WriteOptions) -> Self {
        self.write = options;
        self
    }

    /// How the result's lifetime is set; short for [`ComputeOptions::write`] with a TTL.
    #[must_use]
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.write = self.write.ttl(ttl);
        self
    }

    /// How this call uses the cache.
    #[must_use]
    pub fn mode(mut self, mode: CacheMode) -> Self {
        self.mode = mode;
        self
    }

    /// When the computation fails and a stale value is there, returns that; the failure is then not remembered. It needs
    /// entries stored with [`WriteOptions::stale_for`].
    #[must_use]
    pub fn stale_if_error(mut self, accept: bool) -> Self {
        self.stale_if_error = accept;
        self
    }

    /// Returns a stale value at once, and has one caller of all processes compute the next one behind it. It needs
    /// entries stored with [`WriteOptions::stale_for`].
    #[must_use]
    pub fn stale_while_revalidate(mut self, accept: bool) -> Self {
        self.stale_while_revalidate = accept;
        self
    }

    /// Computes anew when the stored value is older than this.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How long to wait for a value that another process computes; then the caller computes it for itself, and that is
    /// not stored. Zero: never waits. Default: 30 s.
    #[must_use]
    pub fn wait(mut self, longest: Duration) -> Self {
        self.wait = longest;
        self
    }

    /// Asks for no lease: each process computes for itself. For computations that are cheaper than two calls.
    #[must_use]
    pub fn per_process(mut self) -> Self {
        self.per_process = true;
        self
    }

    /// When the computation fails, remembers that for so long: until then every caller, of whichever process, gets the
    /// same failure at once. Its text, up to 1,024 bytes of it, is stored. Default: a failure is not remembered, and the
    /// next who waits computes.
    #[must_use]
    pub fn remember_failure(mut self, ttl: impl Into<Ttl>) -> Self {
        self.failure_ttl = Some(ttl.into());
        self
    }

    /// When the computation fails, keeps all processes from trying again for so long, at most 60 s: who asks meanwhile
    /// waits. Has no effect on a failure that is remembered.
    #[must_use]
    pub fn hold_off(mut self, pause: Duration) -> Self {
        self.hold_off = Some(pause);
        self
    }
}

impl From<WriteOptions> for ComputeOptions {
    fn from(write: WriteOptions) -> Self {
        Self::new().write(write)
    }
}
