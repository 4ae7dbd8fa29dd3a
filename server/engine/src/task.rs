//! The only spawn of the engine: tasks are named, tracked and cancelled with their owner. What they do is not known here.

use std::future::Future;

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// Tasks that end with their owner: dropping it, or [`Tasks::close`], cancels them all.
#[derive(Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self { tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Cancelled when the owner closes.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task. It is dropped at its next await when the owner closes; what must be done even then belongs into
    /// the destructors of what it holds. Does nothing after closing.
    pub fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        if self.stop.is_cancelled() {
            return;
        }
        let stop = self.stop.clone();
        let task = async move {
            let _ended = stop.run_until_cancelled(work).await;
        };
        self.tracker.spawn(task.instrument(tracing::debug_span!("task", name)));
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Cancels all tasks and takes no new ones.
    pub fn close(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Waits until every task has ended. Call [`Tasks::close`] before.
    pub async fn ended(&self) {
        self.tracker.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.close();
    }
}
