//! The one place that reads the time: tokio's clock, so that tests can pause and move it, and the machine's own, which
//! goes on while the machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The clock that counts from the start of the machine, sleep included.
#[cfg(target_os = "linux")]
const SINCE_BOOT: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// Now, on tokio's clock.
#[expect(clippy::disallowed_methods, reason = "this is the client's clock: everything else asks here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// What is too long to be told ends in 30 years.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// So long from now, [`FAR`] at most.
pub(crate) fn after(long: Duration) -> Instant {
    now() + long.min(FAR)
}

/// Time since the machine was started, with the time it slept: what was known before a sleep is old after it.
pub(crate) fn since_boot() -> Duration {
    Duration::try_from(clock_gettime(SINCE_BOOT)).unwrap_or_default()
}
