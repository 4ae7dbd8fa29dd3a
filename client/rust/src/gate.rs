//! Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
//! invalidation; what it remembers is carried out before anything is read or written again.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    Calls, Error, ErrorKind, MissReason, OnError, Result,
    breaker::{Breaker, PROBE_INTERVAL},
    client::Setup,
    retry, v1,
};

/// Selectors that fit one Invalidate.
const SELECTORS_PER_CALL: usize = 128;

/// What came of a guarded call.
pub(crate) enum Attempt<A> {
    /// The server answered.
    Answer(A),
    /// It was not asked or did not answer; the caller goes on without.
    Away(MissReason),
}

/// How often the typed layer went on without the cache, since the client was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DegradationCounts {
    /// Reads that were misses because the cache was away.
    pub reads_without_cache: u64,
    /// Writes that were dropped.
    pub writes_dropped: u64,
    /// Invalidations that were remembered for later.
    pub invalidations_queued: u64,
    /// Remembered invalidations that were carried out.
    pub invalidations_replayed: u64,
    /// Times the cache was found to be away.
    pub outages: u64,
}

/// The guard of a client.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) breaker: Breaker,
    setup: Arc<Setup>,
    journal: Mutex<Journal>,
    reads: AtomicU64,
    writes: AtomicU64,
    queued: AtomicU64,
    replayed: AtomicU64,
}

/// Invalidations that wait for the server, oldest first.
#[derive(Debug, Default)]
struct Journal {
    waiting: VecDeque<(Arc<str>, v1::Selector)>,
    replaying: bool,
}

impl Gate {
    pub(crate) fn new(setup: Arc<Setup>) -> Self {
        Self {
            breaker: Breaker::default(),
            setup,
            journal: Mutex::default(),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            replayed: AtomicU64::new(0),
        }
    }

    /// A read; its absence is counted.
    pub(crate) async fn read<A>(&self, call: impl Future<Output = Result<A>>) -> Result<Attempt<A>> {
        self.counted(&self.reads, call).await
    }

    /// A write; its absence is counted.
    pub(crate) async fn write<A>(&self, call: impl Future<Output = Result<A>>) -> Result<Attempt<A>> {
        self.counted(&self.writes, call).await
    }

    async fn counted<A>(&self, away: &AtomicU64, call: impl Future<Output = Result<A>>) -> Result<Attempt<A>> {
        let result = if self.setup.disabled {
            Ok(Attempt::Away(MissReason::Disabled))
        } else if self.pending() > 0 || !self.breaker.admits() {
            // What this client invalidated may still be stored: reading it would undo the invalidation.
            self.degraded(Error::new(ErrorKind::Unavailable, "the cache was away a moment ago"))
        } else {
            match self.observed(call).await {
                Ok(answer) => Ok(Attempt::Answer(answer)),
                Err(error) => self.degraded(error),
            }
        };
        if matches!(result, Ok(Attempt::Away(_))) {
            away.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// Makes a call and tells the breaker whether anyone answered.
    async fn observed<A>(&self, call: impl Future<Output = Result<A>>) -> Result<A> {
        let result = call.await;
        match &result {
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded) => {
                self.breaker.failed();
            }
            Ok(_) | Err(_) => self.breaker.succeeded(),
        }
        result
    }

    fn degraded<A>(&self, error: Error) -> Result<Attempt<A>> {
        if self.setup.on_error == OnError::Raise || !error.kind.is_outage() {
            return Err(error);
        }
        let timed_out = error.kind == ErrorKind::DeadlineExceeded;
        Ok(Attempt::Away(if timed_out { MissReason::Timeout } else { MissReason::Unavailable }))
    }

    /// An invalidation. `None` means that it was remembered and a replay has to be started by the caller when
    /// [`Gate::begin_replay`] says so.
    pub(crate) async fn invalidate(
        &self,
        calls: &Calls,
        request: v1::InvalidateRequest,
    ) -> Result<Option<v1::InvalidateResponse>> {
        let direct = self.pending() == 0 && self.breaker.admits();
        let kept = (Arc::from(request.namespace.as_str()), request.selectors.clone());
        let error = match direct {
            true => match self.observed(Box::pin(calls.invalidate(request))).await {
                Ok(response) => return Ok(Some(response)),
                Err(error) => error,
            },
            false => Error::new(ErrorKind::Unavailable, "the cache was away a moment ago"),
        };
        if self.setup.on_error == OnError::Raise || !error.kind.is_outage() {
            return Err(error);
        }
        self.remember(kept.0, kept.1)?;
        Ok(None)
    }

    fn remember(&self, namespace: Arc<str>, selectors: Vec<v1::Selector>) -> Result<()> {
        let mut journal = self.journal.lock();
        if journal.waiting.len() + selectors.len() > self.setup.journal_max {
            let full = "the cache is away and no more invalidations can be remembered: raise `journal_max`";
            return Err(Error::new(ErrorKind::ResourceExhausted, full).with_reason("JOURNAL_FULL"));
        }
        self.queued.fetch_add(selectors.len() as u64, Ordering::Relaxed);
        journal.waiting.extend(selectors.into_iter().map(|selector| (Arc::clone(&namespace), selector)));
        Ok(())
    }

    /// Invalidations that wait.
    pub(crate) fn pending(&self) -> usize {
        self.journal.lock().waiting.len()
    }

    /// Whether the caller is the one to start the replay.
    pub(crate) fn begin_replay(&self) -> bool {
        let mut journal = self.journal.lock();
        !journal.waiting.is_empty() && !std::mem::replace(&mut journal.replaying, true)
    }

    /// Carries out what waits, oldest first, trying once a probe interval while the server is away. Ends when nothing
    /// waits any more.
    pub(crate) async fn replay(&self, calls: &Calls) {
        loop {
            let Some((namespace, selectors)) = self.next_batch() else { return };
            let count = selectors.len();
            match self
                .observed(calls.invalidate(replay_request(&self.setup.client_id, &namespace, selectors.clone())))
                .await
            {
                Ok(_) => self.replayed(count),
                Err(error) if error.kind.is_outage() => tokio::time::sleep(retry::jittered(PROBE_INTERVAL)).await,
                Err(error) if count == 1 => {
                    tracing::error!(%error, "the server refused an invalidation made while it was away");
                    self.forget(1);
                }
                Err(_) => self.replay_one(calls, &namespace, selectors).await,
            }
        }
    }

    /// One bad selector must not take the rest of its batch with it.
    async fn replay_one(&self, calls: &Calls, namespace: &str, selectors: Vec<v1::Selector>) {
        for selector in selectors {
            match self
                .observed(calls.invalidate(replay_request(&self.setup.client_id, namespace, vec![selector])))
                .await
            {
                Ok(_) => self.replayed(1),
                Err(error) if error.kind.is_outage() => return,
                Err(error) => {
                    tracing::error!(%error, "the server refused an invalidation made while it was away");
                    self.forget(1);
                }
            }
        }
    }

    fn next_batch(&self) -> Option<(Arc<str>, Vec<v1::Selector>)> {
        let mut journal = self.journal.lock();
        let Some((namespace, _)) = journal.waiting.front() else {
            journal.replaying = false;
            return None;
        };
        let namespace = Arc::clone(namespace);
        let same = journal.waiting.iter().take(SELECTORS_PER_CALL).take_while(|(name, _)| *name == namespace);
        let selectors = same.map(|(_, selector)| selector.clone()).collect();
        Some((namespace, selectors))
    }

    fn replayed(&self, count: usize) {
        self.replayed.fetch_add(count as u64, Ordering::Relaxed);
        self.forget(count);
    }

    fn forget(&self, count: usize) {
        self.journal.lock().waiting.drain(..count);
    }

    pub(crate) fn counts(&self) -> DegradationCounts {
        DegradationCounts {
            reads_without_cache: self.reads.load(Ordering::Relaxed),
            writes_dropped: self.writes.load(Ordering::Relaxed),
            invalidations_queued: self.queued.load(Ordering::Relaxed),
            invalidations_replayed: self.replayed.load(Ordering::Relaxed),
            outages: self.breaker.opened(),
        }
    }

    pub(crate) fn disabled(&self) -> bool {
        self.setup.disabled
    }
}

fn replay_request(client_id: &str, namespace: &str, selectors: Vec<v1::Selector>) -> v1::InvalidateRequest {
    v1::InvalidateRequest {
        namespace: namespace.to_string(),
        selectors,
        reason: "made while the server was away".to_owned(),
        client_id: client_id.to_owned(),
        ..v1::InvalidateRequest::default()
    }
}
