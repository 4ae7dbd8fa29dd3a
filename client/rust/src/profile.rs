//! Sets of timeouts for where a client runs. How a timeout is applied lives in `calls`.

use std::time::Duration;

use crate::{Error, Result};

/// The timeouts of a client. Pick the one for the place it runs in; each can be changed by itself on the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Profile {
    /// To establish a connection, TLS included.
    pub connect_timeout: Duration,
    /// For a call on one key, retries included; for a stream, to be opened.
    pub call_timeout: Duration,
    /// For a call on many entries (batches, listings, invalidations, statistics), retries included.
    pub bulk_timeout: Duration,
}

impl Profile {
    const fn of(connect_ms: u64, call_ms: u64, bulk_ms: u64) -> Self {
        Self {
            connect_timeout: Duration::from_millis(connect_ms),
            call_timeout: Duration::from_millis(call_ms),
            bulk_timeout: Duration::from_millis(bulk_ms),
        }
    }

    /// A developer's machine, with debuggers and cold starts: 2 s, 5 s, 15 s. The default.
    #[must_use]
    pub const fn local() -> Self {
        Self::of(2_000, 5_000, 15_000)
    }

    /// A service next to its cache: 500 ms, 1 s, 5 s.
    #[must_use]
    pub const fn in_cluster() -> Self {
        Self::of(500, 1_000, 5_000)
    }

    /// A service that would rather compute than wait: 250 ms, 250 ms, 1 s.
    #[must_use]
    pub const fn low_latency() -> Self {
        Self::of(250, 250, 1_000)
    }

    /// Jobs that move much and wait long: 10 s, 30 s, 120 s.
    #[must_use]
    pub const fn batch() -> Self {
        Self::of(10_000, 30_000, 120_000)
    }

    /// The profile with this name: `local`, `in_cluster`, `low_latency` or `batch`.
    ///
    /// # Errors
    /// Any other name is a configuration error.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "local" => Ok(Self::local()),
            "in_cluster" => Ok(Self::in_cluster()),
            "low_latency" => Ok(Self::low_latency()),
            "batch" => Ok(Self::batch()),
            _ => Err(Error::configuration("unknown profile: use `local`, `in_cluster`, `low_latency` or `batch`")),
        }
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::local()
    }
}
