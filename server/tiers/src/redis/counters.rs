//! What the tier counts, and what it last knew of the server. What follows from it is not decided here.

use std::sync::atomic::{AtomicU64, Ordering};

use hotplate_engine::tier::{TierError, TierHealth};
use parking_lot::Mutex;

/// Counters since the start; each only rises.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) puts: AtomicU64,
    pub(super) too_large: AtomicU64,
    pub(super) too_late: AtomicU64,
    pub(super) no_room: AtomicU64,
    pub(super) corrupt: AtomicU64,
    pub(super) hints_dropped: AtomicU64,
    warnings: Mutex<Warnings>,
}

/// What is wrong with the server although it answers.
#[derive(Debug, Default)]
struct Warnings {
    /// Why it cannot be reached.
    away: Option<String>,
    /// What its memory policy does.
    policy: Option<String>,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether it can be reached.
    pub(super) fn reached(&self, error: Option<&TierError>) {
        self.warnings.lock().away = error.map(|error| error.message.clone());
    }

    /// Notes the policy; says so in the log when it is a bad one and was not before.
    pub(super) fn policy(&self, policy: &str, memory_max: u64) {
        let bad = memory_max > 0 && policy.starts_with("allkeys-");
        let said = bad.then(|| {
            format!(
                "Redis' maxmemory-policy {policy} may evict the logs of what was invalidated: nothing stale is served, \
                 but each time a 65th of the entries in Redis is forgotten, and each server drops what it holds of all that \
                 is shared; use noeviction or volatile-lfu"
            )
        });
        let mut warnings = self.warnings.lock();
        if let Some(said) = said.as_ref().filter(|said| warnings.policy.as_ref() != Some(said)) {
            tracing::warn!(policy, "{said}");
        }
        warnings.policy = said;
    }

    /// How it is, and why, when it is not up.
    pub(super) fn health(&self) -> (TierHealth, Option<String>) {
        let warnings = self.warnings.lock();
        match (&warnings.away, &warnings.policy) {
            (Some(why), _) => (TierHealth::Away, Some(why.clone())),
            (None, Some(why)) => (TierHealth::Degraded, Some(why.clone())),
            (None, None) => (TierHealth::Up, None),
        }
    }
}
