//! The only place of the server that starts tasks: each is tracked, so that its owner can wait for all of them. What
//! they do is not known here.

use std::{future::Future, time::Duration};

use tokio::{runtime::Handle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long tasks that were stopped have to end.
const STOPPING: Duration = Duration::from_millis(100);

/// Tasks. Cheap to clone; clones track the same tasks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(TaskTracker);

impl Tasks {
    /// Starts a task on the runtime of the caller.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(work);
    }

    /// Waits until every task has ended.
    pub(crate) async fn ended(&self) {
        self.0.close();
        self.0.wait().await;
    }
}

/// Tasks of one runtime, whoever starts them, and what stops them.
#[derive(Clone, Debug)]
pub(crate) struct Lasting {
    tasks: TaskTracker,
    on: Handle,
    stop: CancellationToken,
}

impl Lasting {
    /// None yet, on the runtime of the caller.
    pub(crate) fn here() -> Self {
        Self { tasks: TaskTracker::new(), on: Handle::current(), stop: CancellationToken::new() }
    }

    /// Starts a task there.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let work = async move {
            let _ = stop.run_until_cancelled(work).await;
        };
        self.tasks.spawn_on(work, &self.on);
    }

    /// Does work that takes long without waiting for anything on a thread of its own.
    pub(crate) fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.tasks.spawn_blocking_on(work, &self.on);
    }

    /// Waits until every task has ended; false: some had not in this time, and were stopped.
    pub(crate) async fn ended(&self, time: Duration) -> bool {
        self.tasks.close();
        let in_time = timeout(time, self.tasks.wait()).await.is_ok();
        self.stop.cancel();
        if !in_time {
            // What is at work on a thread of its own ends by itself, and holds nobody up.
            let _ = timeout(STOPPING, self.tasks.wait()).await;
        }
        in_time
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    };

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_waited_for_and_stopped_when_its_time_is_over() {
        let (lasting, done, go) = (Lasting::here(), Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (own, gone) = (Arc::clone(&done), Arc::clone(&go));
        lasting.spawn(async move {
            gone.notified().await;
            own.store(true, SeqCst);
        });
        let mut ended = Box::pin(lasting.ended(Duration::from_secs(5)));
        assert!(futures::poll!(ended.as_mut()).is_pending());
        go.notify_one();
        assert!(ended.await && done.load(SeqCst), "it was waited for");

        let (lasting, held) = (Lasting::here(), Arc::new(()));
        let own = Arc::clone(&held);
        lasting.spawn(async move {
            let _own = own;
            std::future::pending().await
        });
        assert!(!lasting.ended(Duration::from_secs(5)).await);
        assert_eq!(Arc::strong_count(&held), 1, "it was stopped");
    }

    #[tokio::test]
    async fn what_lasts_does_so_beyond_the_runtime_that_started_it() {
        let (lasting, done) = (Lasting::here(), Arc::new(AtomicBool::new(false)));
        let (own, other) = (Arc::clone(&done), lasting.clone());
        let later = async move {
            tokio::task::yield_now().await;
            own.store(true, SeqCst);
        };
        let start = async move { other.spawn(later) };
        let worker = std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(start);
        });
        tokio::task::spawn_blocking(move || worker.join()).await.unwrap().unwrap();
        assert!(lasting.ended(Duration::from_secs(20)).await && done.load(SeqCst));
    }
}
