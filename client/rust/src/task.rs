//! The one place of the client that starts tasks: all are tracked, and end when their client is gone.

use std::future::Future;

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
                () = cancelled => {}
                () = task => {}
            }
        });
    }

    /// Ends all tasks and waits for them.
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
