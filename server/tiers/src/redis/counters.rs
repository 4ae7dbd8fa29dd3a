//! What the tier counts, and what it last knew of the server. What follows from it is not decided here.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hotplate_engine::{
    clock::Moment,
    tier::{TierError, TierHealth},
};
use parking_lot::Mutex;

use super::fail;

/// For how long it counts as full after there was no room for a value.
const FULL_FOR: Duration = Duration::from_secs(10);

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
    /// Whether it was ever reached.
    met: bool,
    /// Why it cannot be reached.
    away: Option<String>,
    /// What its memory policy does.
    policy: Option<String>,
    /// When there was no room for a value last.
    full: Option<Moment>,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes whether it can be reached.
    pub(super) fn reached(&self, error: Option<&TierError>) {
        let mut warnings = self.warnings.lock();
        warnings.met |= error.is_none();
        warnings.away = error.map(|error| error.message.clone());
    }

    /// Counts a value for which there was no room.
    pub(super) fn full(&self, now: Moment) {
        Self::count(&self.no_room);
        self.warnings.lock().full = Some(now);
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
    pub(super) fn health(&self, now: Moment) -> (TierHealth, Option<String>) {
        let warnings = self.warnings.lock();
        let full = warnings.full.is_some_and(|at| now.since(at) < FULL_FOR).then(|| fail::FULL.to_owned());
        match &warnings.away {
            Some(why) => (TierHealth::Away, Some(why.clone())),
            None if !warnings.met => (TierHealth::CatchingUp, Some("it has not been reached yet".to_owned())),
            None => match full.or_else(|| warnings.policy.clone()) {
                Some(why) => (TierHealth::Degraded, Some(why)),
                None => (TierHealth::Up, None),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use hotplate_engine::{clock::Clock, tier::TierErrorKind};

    use super::*;

    #[test]
    fn it_is_up_once_it_was_reached_and_not_while_it_is_full() {
        let (clock, counters) = (Clock::manual(), Counters::default());
        let health = || counters.health(clock.now()).0;
        assert_eq!(health(), TierHealth::CatchingUp);
        let error = TierError { kind: TierErrorKind::Unreachable, message: "no".to_owned() };
        counters.reached(Some(&error));
        assert_eq!(counters.health(clock.now()), (TierHealth::Away, Some("no".to_owned())));
        counters.reached(None);
        assert_eq!(health(), TierHealth::Up);
        counters.full(clock.now());
        let (health, why) = counters.health(clock.now());
        assert!(health == TierHealth::Degraded && why.as_ref().is_some_and(|why| why.contains("full")), "{why:?}");
        clock.advance(FULL_FOR);
        assert_eq!(counters.health(clock.now()), (TierHealth::Up, None));
    }
}
