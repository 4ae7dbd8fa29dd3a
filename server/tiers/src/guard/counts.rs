//! What a guard counts: failures by kind, how long calls took. Nothing is decided by it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use hotplate_engine::tier::{LATENCY_BUCKETS, Latency, TierErrorKind};

/// Counters of one tier since the start.
#[derive(Debug, Default)]
pub(super) struct Counts {
    errors: [AtomicU64; TierErrorKind::ALL.len()],
    buckets: [AtomicU64; LATENCY_BUCKETS],
    calls: AtomicU64,
    nanos: AtomicU64,
    /// Reads sent a second time.
    pub(super) hedged: AtomicU64,
    /// Entries that were not handed down, because it is away.
    pub(super) not_put: AtomicU64,
}

impl Counts {
    pub(super) fn failed(&self, kind: TierErrorKind) {
        let counter = TierErrorKind::ALL.iter().zip(&self.errors).find(|(of, _)| **of == kind);
        if let Some((_, counter)) = counter {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn took(&self, time: Duration) {
        self.calls.fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        if let Some(bucket) = Latency::bucket(time) {
            self.buckets[bucket].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn latency(&self) -> Latency {
        let mut latency = Latency {
            count: self.calls.load(Relaxed),
            sum: Duration::from_nanos(self.nanos.load(Relaxed)),
            ..Latency::default()
        };
        for (told, counted) in latency.buckets.iter_mut().zip(&self.buckets) {
            *told = counted.load(Relaxed);
        }
        latency
    }

    /// Adds what was counted here to what the tier counted: a failure that both saw counts once.
    pub(super) fn add_errors(&self, errors: &mut Vec<(&'static str, u64)>) {
        for (kind, counter) in TierErrorKind::ALL.iter().zip(&self.errors) {
            let count = counter.load(Relaxed);
            match errors.iter_mut().find(|(word, _)| *word == kind.word()) {
                Some((_, known)) => *known = count.max(*known),
                None if count > 0 => errors.push((kind.word(), count)),
                None => {}
            }
        }
    }
}
