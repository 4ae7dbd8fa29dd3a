//! Whether a connection is still used. What follows when it is not is the connection's business.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use super::cut::{UnlessCut, unless_cut};
use crate::task::Tasks;

/// Looks without a call in a row that make a connection idle.
pub(crate) const LOOKS: u32 = 4;

/// Starts the calls of one connection, as hyper's executor, and counts them.
///
/// Each call has one of its own: a pointer.
#[derive(Clone)]
pub(crate) struct Calls(Arc<Shared>);

struct Shared {
    tasks: Tasks,
    /// Time after which a call ends whose reader takes nothing of its answer.
    stall: Duration,
    /// Open calls in the lower half, begun ones in the upper.
    counted: AtomicU64,
}

impl Calls {
    /// None yet.
    pub(crate) fn new(tasks: Tasks, stall: Duration) -> Self {
        Self(Arc::new(Shared { tasks, stall, counted: AtomicU64::new(0) }))
    }
}

/// One call, which counts as open until it is dropped.
struct Call<F> {
    work: UnlessCut<F>,
    calls: Calls,
}

/// One call that has begun.
const BEGUN: u64 = 1 << 32;

impl<F: Future + Unpin> Future for Call<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.work).poll(cx)
    }
}

impl<F> Drop for Call<F> {
    fn drop(&mut self) {
        self.calls.0.counted.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<F> hyper::rt::Executor<F> for Calls
where
    F: Future + Unpin + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.0.counted.fetch_add(BEGUN + 1, Ordering::Relaxed);
        self.0.tasks.spawn(Call { work: unless_cut(self.0.stall, work), calls: self.clone() });
    }
}

/// Looks at the calls of one connection from time to time.
pub(crate) struct Idle {
    calls: Calls,
    seen: u64,
    quiet: u32,
}

impl Idle {
    /// Watches these calls.
    pub(crate) fn new(calls: Calls) -> Self {
        Self { calls, seen: 0, quiet: 0 }
    }

    /// Looks once; whether no call was open or began since the looks before.
    pub(crate) fn look(&mut self) -> bool {
        let now = self.calls.0.counted.load(Ordering::Relaxed);
        let used = now != self.seen || !now.is_multiple_of(BEGUN);
        self.quiet = if used { 0 } else { self.quiet + 1 };
        self.seen = now;
        self.quiet >= LOOKS
    }
}
