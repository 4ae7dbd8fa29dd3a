//! Whether a connection is still used. What follows when it is not is the connection's business.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::cut::unless_cut;
use crate::task::Tasks;

/// Looks without a call in a row that make a connection idle.
pub(crate) const LOOKS: u32 = 4;

/// Starts the calls of one connection, as hyper's executor, and counts them.
#[derive(Clone)]
pub(crate) struct Calls {
    tasks: Tasks,
    /// Time after which a call ends whose reader takes nothing of its answer.
    stall: Duration,
    /// Open calls in the lower half, begun ones in the upper.
    counted: Arc<AtomicU64>,
}

impl Calls {
    /// None yet.
    pub(crate) fn new(tasks: Tasks, stall: Duration) -> Self {
        Self { tasks, stall, counted: Arc::default() }
    }
}

struct Open(Arc<AtomicU64>);

/// One call that has begun.
const BEGUN: u64 = 1 << 32;

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<F> hyper::rt::Executor<F> for Calls
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, work: F) {
        self.counted.fetch_add(BEGUN + 1, Ordering::Relaxed);
        let (open, stall) = (Open(Arc::clone(&self.counted)), self.stall);
        self.tasks.execute(async move {
            let _open = open;
            unless_cut(stall, work).await;
        });
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
        let now = self.calls.counted.load(Ordering::Relaxed);
        let used = now != self.seen || !now.is_multiple_of(BEGUN);
        self.quiet = if used { 0 } else { self.quiet + 1 };
        self.seen = now;
        self.quiet >= LOOKS
    }
}
