//! When a failed call is tried again: how often, how soon, and never more than a share of all calls. The numbers are
//! those of `client/service_config.json`, which every client shares; a test compares them.

use std::time::Duration;

use parking_lot::Mutex;

use crate::{Error, ErrorKind};

/// Tries of one call, the first included.
pub(crate) const ATTEMPTS_MAX: u32 = 3;
/// Wait before the second try.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(20);
/// Longest wait between tries that the client picks by itself.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_millis(200);
/// By what each wait is longer than the one before.
pub(crate) const BACKOFF_MULTIPLIER: u32 = 2;
/// Tokens in the budget when all is well.
pub(crate) const BUDGET_TOKENS: f64 = 100.0;
/// Tokens a success gives back; a failure takes one.
pub(crate) const BUDGET_RATIO: f64 = 0.1;

/// Whether a call may be repeated without changing what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Doing it twice is the same as once.
    Safe,
    /// Doing it twice may differ: it is tried once.
    Never,
}

/// Bounds what retries add to an overload: while more than one call in ten fails, the bucket drains, and below half
/// nothing is retried.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<f64>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(BUDGET_TOKENS))
    }
}

impl Budget {
    /// Records a call that the server answered.
    pub(crate) fn succeeded(&self) {
        let mut tokens = self.0.lock();
        *tokens = (*tokens + BUDGET_RATIO).min(BUDGET_TOKENS);
    }

    /// Records a call that found the server away, and tells whether it may be tried again.
    pub(crate) fn failed(&self) -> bool {
        let mut tokens = self.0.lock();
        *tokens = (*tokens - 1.0).max(0.0);
        *tokens > BUDGET_TOKENS / 2.0
    }
}

/// How long to wait before try number `next` (2 or more), or `None` when the failure is final.
pub(crate) fn wait_before(next: u32, attempts: u32, repeat: Repeat, error: &Error) -> Option<Duration> {
    if next > attempts || repeat == Repeat::Never || error.kind != ErrorKind::Unavailable || is_answer(error) {
        return None;
    }
    Some(error.retry_after.unwrap_or_else(|| jittered(backoff(next - 1, BACKOFF_FIRST, BACKOFF_MAX))))
}

/// Whether the server answered what it could: what is left is done by itself, and asking again at once changes nothing.
pub(crate) fn is_answer(error: &Error) -> bool {
    error.reason.as_deref() == Some("TIER_PENDING")
}

/// The full wait before retry number `retry` (1 or more): doubling from `first`, never above `max`.
pub(crate) fn backoff(retry: u32, first: Duration, max: Duration) -> Duration {
    let factor = BACKOFF_MULTIPLIER.saturating_pow(retry.saturating_sub(1));
    first.saturating_mul(factor).min(max)
}

/// A random 80 to 120 % of a wait, so that clients that failed together do not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unavailable() -> Error {
        Error::new(ErrorKind::Unavailable, "away")
    }

    #[test]
    fn only_unavailable_and_repeatable_calls_are_retried() {
        assert!(wait_before(2, ATTEMPTS_MAX, Repeat::Safe, &unavailable()).is_some());
        assert!(wait_before(2, ATTEMPTS_MAX, Repeat::Never, &unavailable()).is_none());
        for kind in [ErrorKind::Internal, ErrorKind::DeadlineExceeded, ErrorKind::ResourceExhausted] {
            assert!(wait_before(2, ATTEMPTS_MAX, Repeat::Safe, &Error::new(kind, "")).is_none(), "{kind}");
        }
    }

    #[test]
    fn what_is_done_in_part_is_not_repeated_by_itself() {
        let pending = Error { reason: Some("TIER_PENDING".to_owned()), ..unavailable() };
        assert!(is_answer(&pending) && wait_before(2, ATTEMPTS_MAX, Repeat::Safe, &pending).is_none());
    }

    #[test]
    fn tries_end_after_the_third() {
        assert!(wait_before(3, ATTEMPTS_MAX, Repeat::Safe, &unavailable()).is_some());
        assert!(wait_before(4, ATTEMPTS_MAX, Repeat::Safe, &unavailable()).is_none());
    }

    #[test]
    fn waits_grow_and_stay_within_their_bounds() {
        let wait = |retry| backoff(retry, BACKOFF_FIRST, BACKOFF_MAX).as_millis();
        assert_eq!([wait(1), wait(2), wait(3), wait(4), wait(5), wait(60)], [20, 40, 80, 160, 200, 200]);
        for _ in 0..200 {
            let jittered = jittered(Duration::from_millis(100)).as_millis();
            assert!((80..=120).contains(&jittered), "{jittered}");
        }
    }

    #[test]
    fn what_the_server_asks_for_wins_over_the_own_wait() {
        let mut error = unavailable();
        error.retry_after = Some(Duration::from_secs(7));
        assert_eq!(wait_before(2, ATTEMPTS_MAX, Repeat::Safe, &error), Some(Duration::from_secs(7)));
    }

    #[test]
    fn the_budget_stops_retries_at_half_and_refills_slowly() {
        let budget = Budget::default();
        let allowed = (0..200).filter(|_| budget.failed()).count();
        assert_eq!(allowed, 49);
        for _ in 0..500 {
            budget.succeeded();
        }
        assert!(!budget.failed(), "500 successes give back 50 tokens, not more than half");
        for _ in 0..20 {
            budget.succeeded();
        }
        assert!(budget.failed());
    }

    #[test]
    fn the_shared_service_config_says_the_same() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../service_config.json");
        let text = std::fs::read_to_string(path).expect("client/service_config.json is part of the repository");
        let config: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        let policy = &config["methodConfig"][0]["retryPolicy"];
        assert_eq!(policy["maxAttempts"], ATTEMPTS_MAX);
        assert_eq!(policy["initialBackoff"], format!("{}s", BACKOFF_FIRST.as_secs_f64()));
        assert_eq!(policy["maxBackoff"], format!("{}s", BACKOFF_MAX.as_secs_f64()));
        assert_eq!(policy["backoffMultiplier"], BACKOFF_MULTIPLIER);
        assert_eq!(config["retryThrottling"]["maxTokens"], 100);
        assert_eq!(config["retryThrottling"]["tokenRatio"], BUDGET_RATIO);
        let codes: Vec<_> = policy["retryableStatusCodes"].as_array().expect("a list").iter().collect();
        assert_eq!(codes, ["UNAVAILABLE"]);
    }
}
