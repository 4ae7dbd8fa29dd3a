//! When the next message begins: at once when one has ended (closed loop), or by a schedule that waits for nobody (open loop).
//!
//! In the open loop, what is measured begins when the schedule says, not when the message could be sent: a server that
//! stalls is charged with every message that should have begun meanwhile. A generator that waits for the server and only
//! then looks at its watch hides just those ("coordinated omission": Gil Tene, "How NOT to Measure Latency", 2013; the
//! remedy is that of his wrk2).

use std::{cell::Cell, time::Duration};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::clock;

/// Timers are right to a millisecond or so: closer to its time than this, a message is waited for by looking at the clock.
const TIMER_ERROR: Duration = Duration::from_millis(2);

/// The schedule of one thread's lanes.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When it begins.
    begins: Instant,
    /// When no message begins any more; none: when all is done.
    ends: Option<Instant>,
    /// Time from one message to the next; none: closed loop.
    gap: Option<Duration>,
    /// Messages that have begun.
    begun: Cell<u32>,
    /// Those of them that had to wait until then.
    early: Cell<u32>,
    /// One lane waits for the clock, the others for that lane: in the order in which they became free.
    door: Semaphore,
    stop: CancellationToken,
}

impl Pace {
    /// Without a schedule.
    pub(crate) fn closed(begins: Instant, ends: Option<Instant>, stop: CancellationToken) -> Self {
        Self { begins, ends, gap: None, begun: Cell::new(0), early: Cell::new(0), door: Semaphore::new(1), stop }
    }

    /// A message every `gap`.
    pub(crate) fn open(begins: Instant, ends: Option<Instant>, gap: Duration, stop: CancellationToken) -> Self {
        Self { gap: Some(gap), ..Self::closed(begins, ends, stop) }
    }

    /// Waits for the next message's time and answers when it should begin. None: there is none any more.
    pub(crate) async fn next(&self, now: Instant) -> Option<Instant> {
        if self.stop.is_cancelled() {
            return None;
        }
        let Some(gap) = self.gap else { return self.ends.is_none_or(|ends| now < ends).then_some(now) };
        let _turn = self.door.acquire().await.ok()?;
        let due = self.begins + gap * self.begun.get();
        if self.ends.is_some_and(|ends| due >= ends || clock::now() >= ends) {
            return None;
        }
        self.early.set(self.early.get() + u32::from(clock::now() < due));
        self.reach(due).await?;
        self.begun.set(self.begun.get() + 1);
        Some(due)
    }

    /// The share of a schedule that had to be waited for: the rest was late already. None: no schedule.
    pub(crate) fn ahead(&self) -> Option<f64> {
        self.gap.map(|_| f64::from(self.early.get()) / f64::from(self.begun.get().max(1)))
    }

    async fn reach(&self, due: Instant) -> Option<()> {
        loop {
            let left = due.saturating_duration_since(clock::now());
            if self.stop.is_cancelled() {
                return None;
            }
            if left.is_zero() {
                return Some(());
            }
            if left > TIMER_ERROR {
                tokio::select! {
                    () = sleep_until(due - TIMER_ERROR) => {}
                    () = self.stop.cancelled() => {}
                }
            } else {
                tokio::task::yield_now().await;
            }
        }
    }

    /// When messages should have begun that nobody was free for, up to the end or until now: each has waited at least
    /// from then on.
    pub(crate) fn missed(&self, now: Instant) -> impl Iterator<Item = Instant> + '_ {
        let end = self.ends.map_or(now, |ends| ends.min(now));
        let due = self.gap.map(|gap| (self.begun.get()..).map(move |number| self.begins + gap * number));
        due.into_iter().flatten().take_while(move |due| *due < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn a_schedule_waits_for_nobody() {
        run(async {
            let (start, ms) = (clock::now(), Duration::from_millis);
            let pace = Pace::open(start, Some(start + ms(100)), ms(10), CancellationToken::new());
            assert_eq!(pace.next(start).await, Some(start));
            // The lane is held up for 45 ms: what should have begun meanwhile began then all the same.
            tokio::time::advance(ms(45)).await;
            for number in 1..=4 {
                assert_eq!(pace.next(clock::now()).await, Some(start + ms(10) * number));
            }
            // Held up to the end: five more should have begun.
            tokio::time::advance(ms(60)).await;
            assert_eq!(pace.next(clock::now()).await, None);
            // The first was due at once, then four were late.
            assert_eq!(pace.ahead(), Some(0.0));
            let missed: Vec<Instant> = pace.missed(clock::now()).collect();
            assert_eq!(missed, (5..10).map(|number| start + ms(10) * number).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_closed_loop_begins_at_once_until_its_end() {
        run(async {
            let (start, ms) = (clock::now(), Duration::from_millis);
            let pace = Pace::closed(start, Some(start + ms(10)), CancellationToken::new());
            assert_eq!(pace.next(start + ms(9)).await, Some(start + ms(9)));
            assert_eq!(pace.next(start + ms(10)).await, None);
            assert_eq!(pace.missed(start + ms(10)).count(), 0);
        });
    }

    #[test]
    fn who_is_told_to_stop_begins_nothing() {
        run(async {
            let (start, stop) = (clock::now(), CancellationToken::new());
            let pace = Pace::open(start, None, Duration::from_secs(3600), stop.clone());
            assert_eq!(pace.next(start).await, Some(start));
            let (next, ()) = tokio::join!(pace.next(start), async { stop.cancel() });
            assert_eq!(next, None);
        });
    }
}
