//! Degradation: every typed call passes here. A cache that is away becomes a miss, a dropped write or a remembered
//! invalidation; what it remembers is carried out before anything is read or written again.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    Calls, Error, ErrorKind, MissReason, OnError, Result,
    breaker::{Breaker, PROBE_INTERVAL},
    calls::Wire,
    client::Setup,
    retry, v1,
};

/// Selectors that fit one Invalidate.
const SELECTORS_PER_CALL: usize = 128;
/// How often the server may fail at one remembered invalidation, while it is there, before more is dropped in its place.
const FAILURES_MAX: u32 = 5;
/// How long an invalidation that is under way may go on when its client is closed.
const LAST_WORD: Duration = Duration::from_millis(200);
/// How long all that is still remembered then may take, tried once.
const LAST_TRY: Duration = Duration::from_secs(1);

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
    wire: Arc<Wire>,
    journal: Mutex<Journal>,
    reads: AtomicU64,
    writes: AtomicU64,
    queued: AtomicU64,
    replayed: AtomicU64,
}

/// Invalidations that wait for the server, oldest first.
#[derive(Debug, Default)]
struct Journal {
    waiting: VecDeque<Waiting>,
    replaying: bool,
    /// Those that the server failed at when they were tried for the last time.
    lost: usize,
}

/// One that waits.
#[derive(Clone, Debug)]
struct Waiting {
    namespace: Arc<str>,
    selector: v1::Selector,
    /// How often the server failed at it, while it was there.
    failures: u32,
}

impl Gate {
    pub(crate) fn new(setup: Arc<Setup>, wire: Arc<Wire>) -> Self {
        Self {
            breaker: Breaker::default(),
            setup,
            wire,
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
        let result = if self.is_closed() {
            Err(Error::closed())
        } else if self.setup.disabled {
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
            Err(error) if retry::is_answer(error) => self.breaker.succeeded(),
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded) => {
                self.breaker.failed();
            }
            Ok(_) | Err(_) => self.breaker.succeeded(),
        }
        result
    }

    fn degraded<A>(&self, error: Error) -> Result<Attempt<A>> {
        if self.is_closed() {
            return Err(Error::closed());
        }
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
        if self.is_closed() {
            return Err(Error::closed());
        }
        let direct = self.pending() == 0 && self.breaker.admits();
        let kept = (Arc::from(request.namespace.as_str()), request.selectors.clone());
        let error = match direct {
            true => match self.observed(Box::pin(ended_soon(calls, request))).await {
                Ok(response) => return Ok(Some(response)),
                Err(error) if retry::is_answer(&error) && self.setup.on_error == OnError::Miss => {
                    told_later(&error);
                    return Ok(Some(v1::InvalidateResponse::default()));
                }
                Err(error) => error,
            },
            false => Error::new(ErrorKind::Unavailable, "the cache was away a moment ago"),
        };
        if self.is_closed() {
            return Err(Error::closed());
        }
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
        let waiting = |selector| Waiting { namespace: Arc::clone(&namespace), selector, failures: 0 };
        journal.waiting.extend(selectors.into_iter().map(waiting));
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
    /// waits any more; when the client is closed, what waits is tried once, and what is lost is told.
    pub(crate) async fn replay(&self, calls: &Calls, closed: CancellationToken) {
        let over = async {
            closed.cancelled().await;
            tokio::time::sleep(LAST_TRY).await;
        };
        tokio::select! {
            biased;
            () = self.replay_all(calls.clone().last_word(), &closed) => {}
            () = over => {}
        }
        let lost = self.lost();
        if closed.is_cancelled() && lost > 0 {
            tracing::error!(lost, "the client was closed before the cache was back: invalidations are lost");
        }
    }

    async fn replay_all(&self, calls: Calls, closed: &CancellationToken) {
        // One bad selector must not take the rest of its batch with it: after a failure they go one by one.
        let mut one_by_one = 0;
        loop {
            let most = if one_by_one > 0 { 1 } else { SELECTORS_PER_CALL };
            let Some((namespace, selectors)) = self.next_batch(most) else { return };
            let count = selectors.len();
            let request = replay_request(&self.setup.client_id, &namespace, selectors);
            let tries = if closed.is_cancelled() { calls.clone().without_retries() } else { calls.clone() };
            let result = self.observed(Box::pin(tries.invalidate(request))).await;
            match done(result) {
                Err(error) if is_away(&error) && closed.is_cancelled() => return,
                Err(error) if is_away(&error) => {
                    pause(closed).await;
                    continue;
                }
                Err(_) if count > 1 => {
                    one_by_one = count;
                    continue;
                }
                Ok(()) => self.replayed(count),
                // Tried for the last time: those behind it have theirs.
                Err(error) if error.kind == ErrorKind::Internal && closed.is_cancelled() => self.lose_first(),
                Err(error) if error.kind == ErrorKind::Internal => self.put_off(&error, closed).await,
                Err(error) => {
                    tracing::error!(kind = %error.kind, "the server refused an invalidation made while it was away");
                    self.forget(1);
                }
            }
            one_by_one = one_by_one.saturating_sub(1);
        }
    }

    /// Goes on with the others after the server failed at the oldest one, or waits when it failed at each of them.
    async fn put_off(&self, error: &Error, closed: &CancellationToken) {
        if self.postpone(error) {
            pause(closed).await;
        }
    }

    /// Puts the oldest one, at which the server failed, behind the others; what it failed at too often becomes everything in
    /// its namespace, and what it fails at even then is given up. Whether there is nothing else to go on with.
    fn postpone(&self, error: &Error) -> bool {
        let mut journal = self.journal.lock();
        let Some(mut first) = journal.waiting.pop_front() else { return false };
        first.failures += 1;
        let everything = v1::selector::Selector::Everything(true);
        if first.failures < FAILURES_MAX {
            journal.waiting.push_back(first);
        } else if first.selector.selector == Some(everything.clone()) {
            tracing::error!(kind = %error.kind, "the server fails at an invalidation of a whole namespace: it is given up");
        } else {
            let namespace = &*first.namespace;
            tracing::error!(namespace, "the server fails at an invalidation: everything in its namespace is dropped");
            let selector = v1::Selector { selector: Some(everything) };
            journal.waiting.push_back(Waiting { selector, failures: 0, ..first });
        }
        journal.waiting.front().is_some_and(|next| next.failures > 0)
    }

    /// The oldest ones that fit one call. One at which the server failed goes alone.
    fn next_batch(&self, most: usize) -> Option<(Arc<str>, Vec<v1::Selector>)> {
        let mut journal = self.journal.lock();
        let Some(first) = journal.waiting.front() else {
            journal.replaying = false;
            return None;
        };
        let namespace = Arc::clone(&first.namespace);
        let most = if first.failures > 0 { 1 } else { most };
        let sound = |other: &&Waiting| other.namespace == namespace && (other.failures == 0 || most == 1);
        let same = journal.waiting.iter().take(most).take_while(sound);
        let selectors = same.map(|waiting| waiting.selector.clone()).collect();
        Some((namespace, selectors))
    }

    fn replayed(&self, count: usize) {
        self.replayed.fetch_add(count as u64, Ordering::Relaxed);
        self.forget(count);
    }

    fn lose_first(&self) {
        let mut journal = self.journal.lock();
        journal.lost += usize::from(journal.waiting.pop_front().is_some());
    }

    /// Those that no server hears of any more, once the last try is over.
    fn lost(&self) -> usize {
        let journal = self.journal.lock();
        journal.waiting.len() + journal.lost
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

    pub(crate) fn is_closed(&self) -> bool {
        self.wire.closing.is_closed()
    }
}

/// Whether nothing that is tried now gets through, whatever it is.
fn is_away(error: &Error) -> bool {
    error.kind.is_outage() && error.kind != ErrorKind::Internal
}

/// Waits for the next probe, or until the client is closed.
async fn pause(closed: &CancellationToken) {
    let probe = tokio::time::sleep(retry::jittered(PROBE_INTERVAL));
    closed.run_until_cancelled(probe).await.unwrap_or_default();
}

/// An invalidation, which may go on for a moment when the client is closed.
async fn ended_soon(calls: &Calls, request: v1::InvalidateRequest) -> Result<v1::InvalidateResponse> {
    let spared = calls.clone().last_word();
    let over = async {
        calls.wire.closing.closed().await;
        tokio::time::sleep(LAST_WORD).await;
    };
    tokio::select! {
        biased;
        answer = spared.invalidate(request) => answer,
        () = over => Err(Error::closed()),
    }
}

/// What a server did in part it has done: the rest follows by itself.
fn done(result: Result<v1::InvalidateResponse>) -> Result<()> {
    match result {
        Err(error) if retry::is_answer(&error) => {
            told_later(&error);
            Ok(())
        }
        result => result.map(drop),
    }
}

fn told_later(error: &Error) {
    let pending = error.details.get("pending").map(String::as_str).unwrap_or_default();
    tracing::warn!(pending, "an invalidation is done on its server, and follows in its slower tiers");
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
