//! Tells all watches that changes have arrived: one task, woken by writers, wakes the readers. So a change costs its
//! writer the same however many follow, and readers are woken the less often the more they are.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch::{Receiver, Sender};

use crate::{
    changes::{Batch, Change, History},
    task::Tasks,
};

/// Changes that one round hands to all; who is further behind reads the history itself.
const NEWS_MAX: usize = 1024;
/// Time between two rounds at least, for each watch: as long as waking it may take.
const PAUSE_PER_WATCH: Duration = Duration::from_micros(10);
/// Time between two rounds at least and at most, however many watches there are.
const PAUSE_MIN: Duration = Duration::from_millis(1);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// What has arrived since the round before, shared by all who are told.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Where in the history the first of them is.
    pub from: u64,
    /// They, in order.
    pub changes: Arc<[Arc<Change>]>,
}

impl News {
    /// Where in the history they end.
    #[must_use]
    pub fn until(&self) -> u64 {
        self.from + self.changes.len() as u64
    }
}

/// Who tells.
#[derive(Debug)]
pub struct Crier {
    history: Arc<History>,
    news: Sender<News>,
    tasks: Tasks,
    crying: Arc<AtomicBool>,
}

impl Crier {
    /// Silent until somebody listens.
    #[must_use]
    pub fn new(history: Arc<History>) -> Self {
        Self { history, news: Sender::default(), tasks: Tasks::new(), crying: Arc::default() }
    }

    /// For one watch.
    #[must_use]
    pub fn listen(&self) -> Receiver<News> {
        self.news.subscribe()
    }

    /// Begins to cry unless it does. Call it before waiting for news, on a tokio runtime.
    pub fn wake(&self) {
        if self.crying.swap(true, Ordering::AcqRel) {
            return;
        }
        let place = Place(self.crying.clone());
        let (history, news) = (self.history.clone(), self.news.clone());
        self.tasks.spawn("watch_crier", async move {
            let _place = place;
            cry(&history, &news).await;
        });
    }
}

/// Taken by the task that cries. When its runtime goes, the next who listens has another one started.
struct Place(Arc<AtomicBool>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn cry(history: &History, news: &Sender<News>) {
    let (_, mut cursor) = history.now();
    loop {
        // The first round is for what arrived before.
        let fresh = read(history, cursor);
        cursor = fresh.until();
        news.send_replace(fresh);
        tokio::time::sleep(pause(news.receiver_count())).await;
        history.arrived().await;
    }
}

fn read(history: &History, cursor: u64) -> News {
    let (_, end) = history.now();
    let from = cursor.max(end.saturating_sub(NEWS_MAX as u64));
    match history.read(from, NEWS_MAX) {
        Batch::Changes(changes, _) => News { from, changes: changes.into() },
        Batch::Trimmed => News { from: end, changes: Arc::default() },
    }
}

fn pause(watches: usize) -> Duration {
    let all = PAUSE_PER_WATCH.saturating_mul(u32::try_from(watches).unwrap_or(u32::MAX));
    all.clamp(PAUSE_MIN, PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        changes::{Author, What},
        clock::Clock,
        position::LogId,
        selector::Selector,
    };

    fn history() -> Arc<History> {
        Arc::new(History::new(1, (4096, 1 << 20), Clock::manual()))
    }

    fn append(history: &History) {
        let what = What::SetInvalidated(vec![Selector::Everything]);
        history.append(&"n".into(), LogId::SELECTOR, what, &Author::default());
    }

    #[tokio::test(start_paused = true)]
    async fn many_changes_are_one_round_and_none_is_left_out() {
        let history = history();
        let crier = Crier::new(history.clone());
        let mut listener = crier.listen();
        crier.wake();
        crier.wake();
        listener.changed().await.unwrap();
        assert!(listener.borrow_and_update().changes.is_empty());
        for round in 0..5 {
            (0..100).for_each(|_| append(&history));
            listener.changed().await.unwrap();
            let news = listener.borrow_and_update().clone();
            assert_eq!((news.from, news.until()), (round * 100, (round + 1) * 100));
        }
    }

    #[test]
    fn when_its_runtime_goes_the_next_listener_starts_it_again() {
        let history = history();
        let crier = Crier::new(history.clone());
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                let mut listener = crier.listen();
                crier.wake();
                listener.changed().await.unwrap();
                append(&history);
                listener.changed().await.unwrap();
            });
        }
    }

    #[test]
    fn the_more_listen_the_longer_it_rests_within_bounds() {
        assert_eq!([0, 1000, 1_000_000].map(pause), [PAUSE_MIN, Duration::from_millis(10), PAUSE_MAX]);
    }
}
