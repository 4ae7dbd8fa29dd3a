//! Ends calls from outside. While a peer takes nothing of what it is sent, HTTP/2 asks the body of a response for nothing, so
//! that cannot end itself. A call whose answer waits for its reader says so, and is ended when that takes too long. Which other
//! calls are to end is not known here.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::task::AtomicWaker;
use tokio::time::{Sleep, sleep};

thread_local! {
    /// Made while a call was polled, and not taken by the call yet.
    static NEW: Cell<Option<Cut>> = const { Cell::new(None) };
    /// What the answer of the call that is being polled said last: whether it waits for its reader.
    static WAITS: Cell<Option<bool>> = const { Cell::new(None) };
}

/// Says of the call that is being polled on this thread whether its answer, as far as it was handed out, waits for its reader.
pub(crate) fn waits_for_reader(waits: bool) {
    WAITS.set(Some(waits));
}

/// Ends one call, once it is made.
#[derive(Clone, Debug)]
pub(crate) struct Cut(Arc<State>);

#[derive(Debug, Default)]
struct State {
    made: AtomicBool,
    waker: AtomicWaker,
}

impl Cut {
    /// Of the call that is being polled on this thread.
    pub(crate) fn of_this_call() -> Self {
        let cut = Self(Arc::default());
        NEW.set(Some(cut.clone()));
        cut
    }

    /// Ends the call.
    pub(crate) fn make(&self) {
        self.0.made.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// Whether it was made.
    #[cfg(test)]
    pub(crate) fn was_made(&self) -> bool {
        self.0.made.load(Ordering::Acquire)
    }

    /// Whether the call is to end; it is woken when it is.
    fn is_made(&self, cx: &Context<'_>) -> bool {
        self.0.waker.register(cx.waker());
        self.0.made.load(Ordering::Acquire)
    }
}

/// Runs a call to its end, or until it is cut, or until its reader took nothing for so long.
///
/// By hand, because it is moved several times before it is polled: an async block would keep the work twice, as what it was given
/// and as what it runs, and each block around it as often again.
pub(super) struct UnlessCut<F> {
    work: F,
    stall: Duration,
    cut: Option<Cut>,
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Runs a call.
pub(super) fn unless_cut<F: Future + Unpin>(stall: Duration, work: F) -> UnlessCut<F> {
    UnlessCut { work, stall, cut: None, stalled: None }
}

impl<F: Future + Unpin> Future for UnlessCut<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { work, stall, cut, stalled } = &mut *self;
        if cut.as_ref().is_some_and(|cut| cut.is_made(cx)) {
            return Poll::Ready(());
        }
        let polled = Pin::new(work).poll(cx).map(drop);
        match WAITS.take() {
            None => {}
            Some(false) => *stalled = None,
            // Most answers are taken at once.
            Some(true) => *stalled = polled.is_pending().then(|| Box::pin(sleep(*stall))),
        }
        if let Some(new) = NEW.take() {
            // It may have been made already.
            if new.is_made(cx) {
                cx.waker().wake_by_ref();
            }
            *cut = Some(new);
        }
        match stalled {
            Some(stalled) if polled.is_pending() => stalled.as_mut().poll(cx),
            _ => polled,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(1000);

    async fn answers(said: [Option<bool>; 3]) {
        for said in said {
            WAITS.set(said);
            sleep(LONG / 2).await;
        }
        pending::<()>().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_of_an_answer_ends_its_call_and_who_asks_again_does_not() {
        let ends = async |said| tokio::time::timeout(LONG * 3, unless_cut(LONG, Box::pin(answers(said)))).await.is_ok();
        assert!(ends([Some(true), None, None]).await, "it was handed out once, and never taken");
        assert!(ends([Some(true), Some(true), None]).await, "some was taken, and then nothing");
        assert!(!ends([Some(true), Some(false), None]).await, "all was taken: it waits for itself");
        assert!(!ends([None, None, None]).await);
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_cut_and_others_are_not() {
        let mut made = None;
        let mut call = unless_cut(
            LONG,
            Box::pin(async {
                made = Some(Cut::of_this_call());
                pending::<()>().await;
            }),
        );
        assert!(futures::poll!(&mut call).is_pending());
        let mut other = unless_cut(LONG, pending::<()>());
        assert!(futures::poll!(&mut other).is_pending());
        drop(call);
        let cut = made.expect("it was made");
        let mut again = unless_cut(
            LONG,
            Box::pin(async {
                NEW.set(Some(cut.clone()));
                pending::<()>().await;
            }),
        );
        assert!(futures::poll!(&mut again).is_pending());
        cut.make();
        assert!(futures::poll!(&mut again).is_ready());
        assert!(futures::poll!(&mut other).is_pending());
    }
}
