//! One preload job: its items, its results so far, and the streams that follow it. Which jobs exist is not known here.

use std::sync::Arc;

use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    flow::{
        fill::{Checked, Ended, Filler},
        preload::{PreloadProgress, PreloadResult, PreloadState},
    },
    key::Key,
};

/// Results of one progress message at most.
const RESULTS_MAX: usize = 256;

/// A job, shared by its task and the streams that follow it.
pub(super) struct Job {
    pub(super) id: Arc<str>,
    pub(super) namespace: Arc<str>,
    pub(super) request_id: String,
    keys: Vec<Key>,
    cancel: CancellationToken,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    results: Vec<PreloadResult>,
    /// By item, so that those without a result can be told at the end.
    ended: Vec<bool>,
    loaded_bytes: u64,
    finished: bool,
    cancelled: bool,
}

impl Job {
    pub(super) fn new(id: Arc<str>, namespace: Arc<str>, request_id: String, items: &[Checked]) -> Self {
        let keys: Vec<_> = items.iter().map(|item| item.key.clone()).collect();
        let state = State { ended: vec![false; keys.len()], ..State::default() };
        let (cancel, changed) = (CancellationToken::new(), watch::Sender::new(()));
        Self { id, namespace, request_id, keys, cancel, state: Mutex::new(state), changed }
    }

    pub(super) fn finished(&self) -> bool {
        self.state.lock().finished
    }

    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    fn end(&self, index: usize, Ended { state, bytes, pinned }: Ended, elapsed: std::time::Duration) {
        let mut job = self.state.lock();
        job.ended[index] = true;
        job.loaded_bytes += bytes;
        job.cancelled |= state == PreloadState::Cancelled;
        job.results.push(PreloadResult { key: self.keys[index].text().clone(), state, elapsed, pinned });
        drop(job);
        self.changed.send_replace(());
    }

    /// What has no result by now gets none.
    fn finish(&self) {
        let mut job = self.state.lock();
        for index in 0..self.keys.len() {
            if !job.ended[index] {
                job.ended[index] = true;
                job.cancelled = true;
                let (key, elapsed) = (self.keys[index].text().clone(), std::time::Duration::ZERO);
                job.results.push(PreloadResult { key, state: PreloadState::Cancelled, elapsed, pinned: false });
            }
        }
        job.finished = true;
        drop(job);
        self.changed.send_replace(());
    }
}

/// Finishes the job when its task ends, however it ends.
struct Finish(Arc<Job>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Fetches all items, at most `parallelism` at once. The job ends even when this is dropped before it began.
pub(super) fn run(job: Arc<Job>, filler: Arc<Filler>, items: Vec<Checked>, how: How) -> impl Future<Output = ()> {
    let finish = Finish(job);
    work(finish, filler, items, how)
}

async fn work(finish: Finish, filler: Arc<Filler>, items: Vec<Checked>, how: How) {
    let job = &finish.0;
    let filler = &*filler;
    let one = |(index, item): (usize, Checked)| async move {
        let start = filler.clock.now();
        let ended = tokio::select! {
            biased;
            () = job.cancel.cancelled() => PreloadState::Cancelled.into(),
            ended = filler.fill(&item, how.force) => ended,
        };
        job.end(index, ended, filler.clock.now().since(start));
    };
    futures::stream::iter(items.into_iter().enumerate())
        .map(one)
        .buffer_unordered(how.parallelism)
        .for_each(|()| std::future::ready(()))
        .await;
}

/// How a job works.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// What is fresh as well.
    pub(super) force: bool,
    /// Items at once; at least one.
    pub(super) parallelism: usize,
}

/// Progress of one preload job as one caller sees it. Dropping it leaves the job running, unless it was asked to end
/// with its caller.
pub struct PreloadStream {
    job: Arc<Job>,
    changed: watch::Receiver<()>,
    shown: usize,
    started: bool,
    ended: bool,
    cancel_on_drop: bool,
}

impl std::fmt::Debug for PreloadStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreloadStream").field("job", &self.job.id).field("shown", &self.shown).finish_non_exhaustive()
    }
}

impl PreloadStream {
    pub(super) fn new(job: Arc<Job>, cancel_on_drop: bool) -> Self {
        let changed = job.changed.subscribe();
        Self { job, changed, shown: 0, started: false, ended: false, cancel_on_drop }
    }

    /// The next progress; `None` after the last one. The first comes at once and names the job. Nothing is lost when
    /// the future is dropped.
    pub async fn next(&mut self) -> Option<PreloadProgress> {
        loop {
            if self.ended {
                return None;
            }
            self.changed.borrow_and_update();
            if let Some(progress) = self.ready() {
                return Some(progress);
            }
            // Fails only when the job is gone, which this stream itself keeps.
            let _kept = self.changed.changed().await;
        }
    }

    fn ready(&mut self) -> Option<PreloadProgress> {
        let job = self.job.state.lock();
        let results: Vec<_> = job.results.iter().skip(self.shown).take(RESULTS_MAX).cloned().collect();
        let done_count = self.shown + results.len();
        let finished = job.finished && done_count == job.results.len();
        if self.started && results.is_empty() && !finished {
            return None;
        }
        (self.started, self.shown, self.ended) = (true, done_count, finished);
        Some(PreloadProgress {
            job_id: self.job.id.clone(),
            results,
            done_count: done_count as u64,
            total_count: self.job.keys.len() as u64,
            loaded_bytes: job.loaded_bytes,
            finished,
            cancelled: finished && job.cancelled,
        })
    }
}

impl Drop for PreloadStream {
    fn drop(&mut self) {
        if self.cancel_on_drop && !self.ended {
            self.job.cancel();
        }
    }
}
