//! The one place that reads the time: tokio's clock, so that tests can pause and move it.

use tokio::time::Instant;

/// Now, on tokio's clock.
#[expect(clippy::disallowed_methods, reason = "this is the client's clock: everything else asks here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
