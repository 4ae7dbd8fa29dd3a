//! Says in the log that this server owes the tier that replicas share what it changed, and when all of it was told. What is
//! owed, and how it is told, is the engine's.

use std::{sync::Arc, time::Duration};

use hotplate_engine::{Cache, clock::Moment};
use tokio_util::sync::CancellationToken;

/// How often it is looked at. What is told sooner is not worth a line.
const LOOK: Duration = Duration::from_secs(1);

/// Watches until it is stopped.
pub(crate) async fn watch(cache: Arc<Cache>, stop: CancellationToken) {
    let mut owed = Owed::default();
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        match owed.seen(cache.clock().now(), cache.fleet_debt()) {
            Some(News::Owes(changes)) => tracing::warn!(
                changes,
                "the shared tier could not be told what was changed here: other servers hear of it when it answers"
            ),
            Some(News::Told(changes, lasted)) => {
                let lasted_seconds = lasted.as_secs_f64();
                tracing::info!(changes, lasted_seconds, "the shared tier was told all that was owed");
            }
            None => {}
        }
    }
}

/// What is worth a line.
#[derive(Debug, PartialEq, Eq)]
enum News {
    /// So much is owed.
    Owes(usize),
    /// So much was, at most, and for so long.
    Told(usize, Duration),
}

#[derive(Debug, Default)]
struct Owed {
    since: Option<Moment>,
    most: usize,
    said: bool,
}

impl Owed {
    fn seen(&mut self, now: Moment, changes: usize) -> Option<News> {
        if changes == 0 {
            let Self { since, most, said } = std::mem::take(self);
            return since.filter(|_| said).map(|since| News::Told(most, now.since(since)));
        }
        let since = *self.since.get_or_insert(now);
        self.most = self.most.max(changes);
        let is_news = !self.said && now.since(since) >= LOOK;
        self.said |= is_news;
        is_news.then_some(News::Owes(changes))
    }
}

#[cfg(test)]
mod tests {
    use hotplate_engine::clock::Clock;

    use super::*;

    #[test]
    fn what_is_owed_for_longer_is_told_once_and_so_is_its_end() {
        let (clock, mut owed) = (Clock::manual(), Owed::default());
        let mut seen = |changes| {
            clock.advance(LOOK);
            owed.seen(clock.now(), changes)
        };
        assert_eq!([seen(0), seen(3), seen(0)], [None, None, None], "it was told soon");
        assert_eq!([seen(3), seen(5), seen(9), seen(2)], [None, Some(News::Owes(5)), None, None]);
        assert_eq!(seen(0), Some(News::Told(9, LOOK * 4)));
        assert_eq!(seen(0), None);
    }
}
