//! How the outside learns what happened: one event per thing that happened, and the port that hears them.

use std::{sync::Arc, time::Duration};

/// Why a Get found nothing that may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MissReason {
    /// Nothing is known of this key.
    NeverStored,
    /// TTL or idle TTL ran out.
    Expired,
    /// It made room for others.
    Evicted,
    /// An Invalidate dropped it.
    Invalidated,
    /// A Put was refused because it cannot fit.
    NotAdmitted,
    /// Older than the request's `max_age`.
    TooOld,
    /// A tier that might have it could not be asked.
    TierUnavailable,
}

impl MissReason {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::NeverStored,
        Self::Expired,
        Self::Evicted,
        Self::Invalidated,
        Self::NotAdmitted,
        Self::TooOld,
        Self::TierUnavailable,
    ];
}

/// Why an entry was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RemovalReason {
    /// TTL ran out.
    Expired,
    /// Not read for its idle TTL.
    Idle,
    /// It made room for others.
    Evicted,
    /// An Invalidate dropped it.
    Invalidated,
    /// A Put with other content took its place.
    Replaced,
}

impl RemovalReason {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 5] = [Self::Expired, Self::Idle, Self::Evicted, Self::Invalidated, Self::Replaced];
}

/// How it goes on with a key's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseTurn {
    /// A caller got it.
    Granted,
    /// Its holder keeps it for longer.
    Extended,
    /// Its holder gave it back without a value.
    Released,
    /// Its time was over.
    Lapsed,
    /// An Invalidate took it away.
    Revoked,
    /// A Put came under one that was not held any more, and nothing was stored.
    Lost,
    /// A Get was told to come back, because another had it.
    Pending,
}

impl LeaseTurn {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Granted, Self::Extended, Self::Released, Self::Lapsed, Self::Revoked, Self::Lost, Self::Pending];
}

/// How a Get was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadOutcome {
    /// Fresh value (or not modified).
    Hit,
    /// Stale value that the caller means to serve.
    Stale,
    /// Remembered absence or failure.
    Negative,
    /// Nothing, or a stale value as a fall-back only.
    Miss(MissReason),
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// A Get was answered.
    Read {
        /// The namespace.
        namespace: Arc<str>,
        /// How.
        outcome: ReadOutcome,
        /// Time it took in the engine.
        elapsed: Duration,
    },
    /// An entry was removed.
    Removed {
        /// The namespace.
        namespace: Arc<str>,
        /// Why.
        reason: RemovalReason,
        /// Bytes given back.
        charged_bytes: u64,
    },
    /// A fill came too late and was stored nowhere.
    FillRefused {
        /// The namespace.
        namespace: Arc<str>,
    },
    /// A watch lost changes and was told so.
    WatchDiscontinued {
        /// The namespace.
        namespace: Arc<str>,
    },
    /// An origin was asked for a key.
    OriginCalled {
        /// The origin's name.
        origin: Arc<str>,
        /// Whether it gave a usable answer.
        usable: bool,
        /// Time it took.
        elapsed: Duration,
    },
}

/// Hears events. Called on the path of requests: must be quick and must not block.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn observe(&self, event: &Event);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _event: &Event) {}
}
