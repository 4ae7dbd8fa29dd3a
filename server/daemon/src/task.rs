//! The only place of the server that starts tasks: each is tracked, so that its owner can wait for all of them. What
//! they do is not known here.

use std::future::Future;

use tokio_util::task::TaskTracker;

/// Tasks of one runtime. Cheap to clone; clones track the same tasks. As hyper's executor it tracks calls as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Starts a task on the runtime of the caller.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Does work that takes long without waiting for anything on a thread of its own.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.0.spawn_blocking(work);
    }

    /// Waits until every task has ended.
    pub(crate) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.0.spawn(work);
    }
}
