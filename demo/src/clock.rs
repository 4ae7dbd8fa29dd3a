//! The one place of the demo that reads the time.

use tokio::time::Instant;

/// Now.
#[expect(clippy::disallowed_methods, reason = "the demo measures what callers wait; this is its clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
