//! The one place that reads the time.

use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the clock: everything else asks here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since then.
pub(crate) fn millis_since(then: Instant) -> u64 {
    u64::try_from(now().saturating_duration_since(then).as_millis()).unwrap_or(u64::MAX)
}
