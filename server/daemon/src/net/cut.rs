//! Ends calls from outside. While a peer takes nothing of what it is sent, HTTP/2 asks the body of a response for nothing, so
//! that cannot end itself. Which calls are to end is not known here.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;

thread_local! {
    /// Made while a call was polled, and not taken by the call yet.
    static NEW: Cell<Option<Cut>> = const { Cell::new(None) };
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

    /// Whether the call is to end; it is woken when it is.
    fn is_made(&self, cx: &Context<'_>) -> bool {
        self.0.waker.register(cx.waker());
        self.0.made.load(Ordering::Acquire)
    }
}

/// Runs a call to its end, or until it is cut.
pub(super) async fn unless_cut(work: impl Future) {
    let (mut work, mut cut) = (pin!(work), None::<Cut>);
    poll_fn(|cx| {
        if cut.as_ref().is_some_and(|cut| cut.is_made(cx)) {
            return Poll::Ready(());
        }
        let polled = work.as_mut().poll(cx);
        let Some(new) = NEW.take() else { return polled.map(drop) };
        // It may have been made already.
        if new.is_made(cx) {
            cx.waker().wake_by_ref();
        }
        cut = Some(new);
        polled.map(drop)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test]
    async fn a_call_that_hangs_is_cut_and_others_are_not() {
        let mut made = None;
        let mut call = Box::pin(unless_cut(async {
            made = Some(Cut::of_this_call());
            pending::<()>().await;
        }));
        assert!(futures::poll!(call.as_mut()).is_pending());
        let mut other = pin!(unless_cut(pending::<()>()));
        assert!(futures::poll!(other.as_mut()).is_pending());
        drop(call);
        let cut = made.expect("it was made");
        let mut again = Box::pin(unless_cut(async {
            NEW.set(Some(cut.clone()));
            pending::<()>().await;
        }));
        assert!(futures::poll!(again.as_mut()).is_pending());
        cut.make();
        assert!(futures::poll!(again.as_mut()).is_ready());
        assert!(futures::poll!(other.as_mut()).is_pending());
    }
}
