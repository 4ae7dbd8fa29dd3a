//! The only place that starts tasks: those of connections, which end with their process.

use tokio_util::task::TaskTracker;

/// The connections of one worker.
#[derive(Debug, Default)]
pub(super) struct Connections(TaskTracker);

impl Connections {
    /// Serves one more, on the runtime this is called on.
    pub(super) fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(connection);
    }
}
