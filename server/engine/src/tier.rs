//! The ports to where entries lie besides memory: what a slower tier is handed, what it gives back, and in which order that
//! takes effect. How it is kept is the business of `hotplate-tiers`.

pub mod local;
pub mod shared;
pub mod steps;

use std::{fmt, sync::Arc, time::Duration};

use self::{local::LocalTier, shared::SharedTier};
pub use crate::compress::CodecState;
use crate::{
    ahead::RefreshAhead,
    compress::Compress,
    entry::{Description, Payload},
};

/// Where an entry can lie, from fast to slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TierName {
    /// This process's memory.
    Memory,
    /// This machine's disk.
    Disk,
    /// What replicas share.
    Shared,
}

impl TierName {
    /// All of them, from fast to slow.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Disk, Self::Shared];

    /// As settings, statistics and metrics write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Shared => "shared",
        }
    }
}

/// The tiers that a cache has besides its memory, and what makes values smaller in that.
#[derive(Clone, Default)]
pub struct Tiers {
    /// One of this machine.
    pub local: Option<Arc<dyn LocalTier>>,
    /// What that is handed.
    pub takes: Takes,
    /// What replicas share.
    pub shared: Option<Arc<dyn SharedTier>>,
    /// What holds values smaller in memory, for namespaces that ask for it.
    pub memory: Option<Arc<dyn Compress>>,
}

/// Which entries a tier of this machine is handed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Takes {
    /// Everything that is stored, behind the answer: what is in memory is there after a restart.
    #[default]
    Written,
    /// What makes room in memory and is worth keeping, and what memory has no room for: less is written.
    Evicted,
}

impl Tiers {
    /// Whether there is memory alone.
    #[must_use]
    pub fn none(&self) -> bool {
        self.local.is_none() && self.shared.is_none()
    }

    /// How each is, from fast to slow.
    #[must_use]
    pub fn states(&self) -> Vec<(TierName, TierState)> {
        let local = self.local.iter().map(|tier| (tier.name(), tier.state()));
        let shared = self.shared.iter().map(|tier| (TierName::Shared, tier.state()));
        local.chain(shared).collect()
    }
}

impl fmt::Debug for Tiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (local, shared) = (self.local.is_some(), self.shared.is_some());
        f.debug_struct("Tiers").field("local", &local).field("shared", &shared).finish()
    }
}

/// An entry as slower tiers keep it: all that is needed to serve it again, in times that mean the same to every process.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What was stored.
    pub payload: Payload,
    /// What the writer said of it; never with a compute cost, which is beside it.
    pub description: Arc<Description>,
    /// What identifies the value, see [`crate::chunks::digest_of_value`]; for a negative result the SHA-256 of its reason and
    /// message.
    pub digest: [u8; 32],
    /// What computing it cost, if that is known.
    pub cost: Option<Duration>,
    /// Whether that was measured, and not said by the writer.
    pub cost_measured: bool,
    /// When it was stored or last confirmed: wall-clock time since the Unix epoch, like the next two.
    pub stored: Duration,
    /// When it stops being fresh.
    pub fresh_until: Duration,
    /// When it stops being usable; not before it stops being fresh.
    pub usable_until: Duration,
    /// Ends when unread for this long.
    pub idle_ttl: Option<Duration>,
    /// When it is due to be renewed before its end; `None`: as the namespace says.
    pub refresh_ahead: Option<RefreshAhead>,
    /// Whether it was marked stale: then its fresh time may not be made longer, except by storing it anew.
    pub marked: bool,
}

impl Kept {
    /// Bytes of its value; none for a negative result.
    #[must_use]
    pub fn value_bytes(&self) -> u64 {
        self.payload.value_bytes()
    }

    /// Whether both are the same entry, whatever life is left to each: content, how it is read, and what is said of it. Not
    /// what its dependencies inherited, which each server knows for itself.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let negative = |kept: &Self| matches!(kept.payload, Payload::Negative(_));
        let (mine, theirs) = (&self.description, &other.description);
        self.digest == other.digest
            && negative(self) == negative(other)
            && (&mine.content_type, &mine.encoding, &mine.kind)
                == (&theirs.content_type, &theirs.encoding, &theirs.kind)
            && (&mine.tags, &mine.labels) == (&theirs.tags, &theirs.labels)
            && mine.made_from() == theirs.made_from()
    }
}

/// Why a tier gave no usable answer. Its cause is named without keys, values, passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierError {
    /// What sort of failure.
    pub kind: TierErrorKind,
    /// A sentence for people: what happened and what to do.
    pub message: String,
}

/// What sort of failure of a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TierErrorKind {
    /// It did not answer in its time. Whether it did what it was asked is not known.
    TimedOut,
    /// It is not asked at present, because it failed before: nothing was done.
    Away,
    /// It cannot be reached, or broke off. Whether it did what it was asked is not known.
    Unreachable,
    /// As many calls as are allowed are on their way: nothing was done.
    Busy,
    /// It is full: nothing was stored.
    Full,
    /// It refuses: rights, read-only, a key of another type. Nothing was stored.
    Refused,
    /// What it gave back is not what was put in: it was dropped.
    Corrupt,
}

impl TierErrorKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::TimedOut, Self::Away, Self::Unreachable, Self::Busy, Self::Full, Self::Refused, Self::Corrupt];

    /// As metrics and logs write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Away => "away",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Full => "full",
            Self::Refused => "refused",
            Self::Corrupt => "corrupt",
        }
    }
}

impl fmt::Display for TierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TierError {}

/// How a tier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TierHealth {
    /// It answers.
    #[default]
    Up,
    /// It opens: what it holds is being read, or it has not caught up with what was invalidated meanwhile. Not read until
    /// then.
    CatchingUp,
    /// It answers in part: what that means is said.
    Degraded,
    /// It is not asked, except to see whether it is back.
    Away,
}

impl TierHealth {
    /// As statistics, metrics and probes write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::CatchingUp => "catching_up",
            Self::Degraded => "degraded",
            Self::Away => "away",
        }
    }
}

/// A tier's state and counters since the start, for statistics, metrics and probes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TierState {
    /// How it is.
    pub health: TierHealth,
    /// Why, when it is not up: a sentence without keys, values, passwords.
    pub why: Option<String>,
    /// Where it is, for people: an address without credentials, or a directory. `None`: nowhere that has a name.
    pub place: Option<String>,
    /// Entries it holds; `None`: not known.
    pub entries: Option<u64>,
    /// Bytes it takes there; `None`: not known.
    pub bytes: Option<u64>,
    /// Bytes it may take there; `None`: not known here.
    pub bytes_max: Option<u64>,
    /// Bytes of this process's memory it takes.
    pub memory_bytes: u64,
    /// Entries found.
    pub hits: u64,
    /// Entries not found.
    pub misses: u64,
    /// Entries stored.
    pub puts: u64,
    /// Entries not stored, by why.
    pub dropped: Vec<(&'static str, u64)>,
    /// Entries removed to make room or because of their age.
    pub evicted: u64,
    /// Records found damaged: dropped, never served.
    pub corrupt: u64,
    /// Calls that failed, by why.
    pub errors: Vec<(&'static str, u64)>,
    /// What compressing came to.
    pub codec: CodecState,
    /// Invalidations that it has still to be told.
    pub debt: u64,
    /// How long opening it took.
    pub recovery: Option<Duration>,
    /// What its guard saw of it; `None`: it has none.
    pub calls: Option<CallsState>,
}

/// Whether a tier is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BreakerState {
    /// It is.
    #[default]
    Closed,
    /// It is not, and was found to answer again: it has to do so once more.
    HalfOpen,
    /// It is not.
    Open,
}

impl BreakerState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];

    /// As statistics, metrics and probes write it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// What calls of a tier came to since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallsState {
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// Times it stopped being asked.
    pub opened: u64,
    /// Calls on their way.
    pub in_flight: u64,
    /// How many may be.
    pub in_flight_max: u64,
    /// Reads that were sent a second time, because the first took long.
    pub hedged: u64,
    /// How long calls took that reached it.
    pub latency: Latency,
}

/// Buckets of a [`Latency`].
pub const LATENCY_BUCKETS: usize = 16;

/// How long something took, counted by size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many took at most [`Latency::upper`] of their bucket, and more than that of the one before; what took longer than
    /// the last is in none.
    pub buckets: [u64; LATENCY_BUCKETS],
    /// How many there were.
    pub count: u64,
    /// How long they took together.
    pub sum: Duration,
}

impl Latency {
    /// The longest that a bucket counts: 64 microseconds for the first, twice that for each next.
    #[must_use]
    pub fn upper(bucket: usize) -> Duration {
        Duration::from_micros(64 << bucket.min(LATENCY_BUCKETS - 1))
    }

    /// The bucket of something that took so long; `None`: longer than the last.
    #[must_use]
    pub fn bucket(took: Duration) -> Option<usize> {
        (0..LATENCY_BUCKETS).find(|bucket| took <= Self::upper(*bucket))
    }
}
