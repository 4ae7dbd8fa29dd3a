//! What happened since the start. What is to be made of it is not known here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::trouble::Step;

/// Why an entry is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Too much waits to be written.
    QueueFull,
    /// The value is larger than is stored here.
    TooLarge,
    /// The disk fails or is full, or the tier is closed.
    Away,
    /// There is no room within the limit, and none can be made.
    Full,
    /// Writing it failed.
    Failed,
    /// It cannot be written as a record.
    Refused,
    /// It has ended already.
    Ended,
}

impl Dropped {
    const ALL: [Self; 7] =
        [Self::QueueFull, Self::TooLarge, Self::Away, Self::Full, Self::Failed, Self::Refused, Self::Ended];

    fn word(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::TooLarge => "too_large",
            Self::Away => "away",
            Self::Full => "full",
            Self::Failed => "write_failed",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

const STEPS: [Step; 5] = [Step::Opening, Step::Reading, Step::Writing, Step::Syncing, Step::Removing];

/// Counters.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) puts: AtomicU64,
    pub(super) corrupt: AtomicU64,
    /// Entries carried over to another segment.
    pub(super) carried: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    failed: [AtomicU64; STEPS.len()],
}

impl Counters {
    pub(super) fn dropped(&self, why: Dropped) {
        self.dropped[why as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self, step: Step) {
        self.failed[step as usize].fetch_add(1, Relaxed);
    }

    /// Those that are not zero.
    pub(super) fn all_dropped(&self) -> Vec<(&'static str, u64)> {
        let counts = Dropped::ALL.iter().map(|why| (why.word(), self.dropped[*why as usize].load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Those that are not zero.
    pub(super) fn all_failed(&self) -> Vec<(&'static str, u64)> {
        let counts = STEPS.iter().map(|step| (step.word(), self.failed[*step as usize].load(Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

/// Adds to a counter.
pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Relaxed);
}
