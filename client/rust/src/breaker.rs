//! Knows whether the cache is worth asking: after a run of failures calls are refused at once, and one at a time is
//! let through to find out whether it is back.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::{sync::watch, time::Instant};

use crate::{clock, retry};

/// Failures in a row after which the cache counts as away.
pub(crate) const FAILURES_MAX: u32 = 5;
/// Time between two calls that are let through while it is away, before jitter.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Counts failures in a row.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
    available: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next call is let through; set while the cache counts as away.
    probe_at: Option<Instant>,
    opened: u64,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: Mutex::default(), available: watch::Sender::new(true) }
    }
}

impl Breaker {
    /// Whether a call may go out now. While away, one call a probe interval may; it need not report back, so a caller
    /// that gives up leaves nothing stuck.
    pub(crate) fn admits(&self) -> bool {
        let mut state = self.state.lock();
        match state.probe_at {
            None => true,
            Some(at) if clock::now() >= at => {
                state.probe_at = Some(next_probe());
                true
            }
            Some(_) => false,
        }
    }

    /// Records an answer, whatever it said.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state.lock();
        state.failures = 0;
        if state.probe_at.take().is_some() {
            self.available.send_replace(true);
        }
    }

    /// Records that no answer came.
    pub(crate) fn failed(&self) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures < FAILURES_MAX {
            return;
        }
        if state.probe_at.replace(next_probe()).is_none() {
            state.opened += 1;
            self.available.send_replace(false);
        }
    }

    /// Whether the cache counts as there.
    pub(crate) fn available(&self) -> bool {
        *self.available.borrow()
    }

    /// Tells each change of [`Breaker::available`].
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.available.subscribe()
    }

    /// Times the cache was found to be away.
    pub(crate) fn opened(&self) -> u64 {
        self.state.lock().opened
    }
}

fn next_probe() -> Instant {
    clock::now() + retry::jittered(PROBE_INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        (0..FAILURES_MAX).for_each(|_| breaker.failed());
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_at_the_fifth_failure_in_a_row_not_before() {
        let breaker = Breaker::default();
        for _ in 0..10 {
            (1..FAILURES_MAX).for_each(|_| breaker.failed());
            assert!(breaker.admits() && breaker.available());
            breaker.succeeded();
        }
        assert!(!opened().available());
        assert!(!opened().admits());
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_an_interval_is_let_through_until_one_succeeds() {
        let breaker = opened();
        tokio::time::advance(Duration::from_millis(790)).await;
        assert!(!breaker.admits(), "no probe before the shortest interval");
        tokio::time::advance(Duration::from_millis(420)).await;
        assert!(breaker.admits(), "a probe after the longest interval");
        assert!(!breaker.admits(), "only one");
        tokio::time::advance(Duration::from_millis(1_210)).await;
        assert!(breaker.admits(), "a probe that never reports back does not block the next");
        breaker.failed();
        assert!(!breaker.admits());
        tokio::time::advance(Duration::from_millis(1_210)).await;
        assert!(breaker.admits());
        breaker.succeeded();
        assert!(breaker.available() && breaker.admits() && breaker.admits());
        assert_eq!(breaker.opened(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_are_told_once_each() {
        let breaker = Breaker::default();
        let mut changes = breaker.subscribe();
        (0..FAILURES_MAX * 2).for_each(|_| breaker.failed());
        assert!(changes.has_changed().expect("alive") && !*changes.borrow_and_update());
        breaker.failed();
        assert!(!changes.has_changed().expect("alive"));
        breaker.succeeded();
        assert!(changes.has_changed().expect("alive") && *changes.borrow_and_update());
    }
}
