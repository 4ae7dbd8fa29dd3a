//! The one place of the load that reads the time.

use std::time::Duration;

use tokio::time::Instant;

/// Now, on the clock that timers use.
#[expect(clippy::disallowed_methods, reason = "this is the load's clock: everything else asks here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A duration in nanoseconds; 584 years at most.
pub(crate) fn nanos(long: Duration) -> u64 {
    u64::try_from(long.as_nanos()).unwrap_or(u64::MAX)
}
