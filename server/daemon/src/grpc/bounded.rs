//! A call within its bounds: of time, and of what its bugs end. What a call is, is not known here.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use tokio::time::timeout;

use super::status::Failure;

/// Runs a call in bounded time. A panic ends this call and no other.
pub(super) async fn guarded<T>(time: Option<Duration>, work: impl Future<Output = T>) -> Result<T, Failure> {
    let caught = AssertUnwindSafe(work).catch_unwind();
    let ended = match time {
        Some(time) => timeout(time, caught).await.map_err(|_elapsed| Failure::deadline())?,
        None => caught.await,
    };
    ended.map_err(|_panic| panicked())
}

/// The answer to a call that met a bug.
pub(super) fn panicked() -> Failure {
    tracing::error!("a call panicked");
    Failure::bug("the server met a bug while it served this call; others go on")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let failed = guarded(None, async { panic!("on purpose") }).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(failed.reason(), "BUG");
        assert_eq!(guarded(None, async { 7 }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn time_ends_a_call_that_hangs() {
        let failed = guarded(Some(Duration::from_millis(1)), std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(failed.reason(), "DEADLINE_EXCEEDED");
    }
}
