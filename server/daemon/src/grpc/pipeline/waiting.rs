//! Operations of a stream that cannot be answered at once: so many are served, the others wait for their turn, and those that are
//! too many are told so, so that what is read behind them is not held up. What operations are is not known here.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    FutureExt, StreamExt,
    future::{AbortHandle, Abortable, Aborted, BoxFuture},
    stream::FuturesUnordered,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::results::Told;
use crate::grpc::status::Failure;

/// Operations of one stream that are served at once.
pub(super) const SERVED_MAX: usize = 256;
/// Operations of one stream that are served or wait for their turn; more are refused.
pub(super) const WAITING_MAX: usize = SERVED_MAX + 4096;
/// Bytes of their requests, from which on no message is taken: what fills these is on its way into the cache.
const BYTES_MAX: usize = 4 << 20;

/// What came of an operation that waited.
pub(super) struct Done {
    pub(super) call_id: u64,
    pub(super) told: Told,
    bytes: usize,
}

/// Those of one stream.
pub(super) struct Waiting {
    unanswered: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What ends each before its time.
    ends: HashMap<u64, AbortHandle>,
    bytes: usize,
    turns: Arc<Semaphore>,
}

/// When an operation is served.
pub(super) enum Turn {
    /// Now.
    Now(OwnedSemaphorePermit),
    /// As soon as one of these is free.
    Later(Arc<Semaphore>),
}

impl Waiting {
    /// None yet.
    pub(super) fn new() -> Self {
        let turns = Arc::new(Semaphore::new(SERVED_MAX));
        Self { unanswered: FuturesUnordered::new(), ends: HashMap::new(), bytes: 0, turns }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Whether no message is to be taken.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX
    }

    /// Whether an operation of this id is not answered yet.
    pub(super) fn has(&self, call_id: u64) -> bool {
        !self.ends.is_empty() && self.ends.contains_key(&call_id)
    }

    /// When one more operation is served.
    ///
    /// # Errors
    /// `OVERLOADED`: as many wait as may.
    pub(super) fn turn(&self) -> Result<Turn, Failure> {
        if self.unanswered.len() >= WAITING_MAX {
            return Err(Failure::new("OVERLOADED", "as many operations of the stream wait as may"));
        }
        let turn = Arc::clone(&self.turns).try_acquire_owned();
        Ok(turn.map_or_else(|_none_free| Turn::Later(Arc::clone(&self.turns)), Turn::Now))
    }

    /// Takes an operation up; its answer, if that is there already.
    pub(super) fn take_up(
        &mut self,
        call_id: u64,
        bytes: usize,
        served: BoxFuture<'static, Told>,
        cx: &mut Context<'_>,
    ) -> Option<Told> {
        let mut served = served;
        if let Poll::Ready(told) = served.as_mut().poll(cx) {
            return Some(told);
        }
        let (end, ends) = AbortHandle::new_pair();
        self.ends.insert(call_id, end);
        self.bytes += bytes;
        let done = Abortable::new(served, ends).map(move |told| {
            let told = told.unwrap_or_else(|Aborted| Told::plain(Failure::cancelled()));
            Done { call_id, told, bytes }
        });
        self.unanswered.push(done.boxed());
        None
    }

    /// The next that is answered.
    pub(super) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Option<Done>> {
        let done = self.unanswered.poll_next_unpin(cx);
        if let Poll::Ready(Some(done)) = &done {
            self.ends.remove(&done.call_id);
            self.bytes -= done.bytes;
        }
        done
    }

    /// Ends an operation, if it is not answered yet.
    pub(super) fn cancel(&self, call_id: u64) {
        if let Some(end) = self.ends.get(&call_id) {
            end.abort();
        }
    }
}
