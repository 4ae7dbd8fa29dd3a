//! The one place of the client that starts tasks: all are tracked, and end when their client is gone.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tasks of a client.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Tasks {
    /// Runs a task until it ends or its client does.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let cancelled = self.cancel.clone().cancelled_owned();
        self.tracker.spawn(async move {
            tokio::select! {
                // What fails because the client ends is not told as a failure.
                biased;
                () = cancelled => {}
                () = task => {}
            }
        });
    }

    /// Runs a task that is told when its client ends, and ends soon after by itself.
    pub(crate) fn spawn_until<F>(&self, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task(self.cancel.clone()));
    }

    /// Runs a task that has to be told to the server even when the client ends now. It ends by itself, within the time of
    /// a call. May be called outside of the runtime, such as from a drop.
    pub(crate) fn last_word(&self, word: impl Future<Output = ()> + Send + 'static, runtime: &Handle) {
        self.tracker.spawn_on(word, runtime);
    }

    /// Whether all tasks were told to end.
    pub(crate) fn is_over(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Ends all tasks, lets last words be said, and waits for all of them.
    pub(crate) async fn close(&self) {
        self.cancel.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
