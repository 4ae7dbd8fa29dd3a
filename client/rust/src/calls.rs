//! The RPCs as they are: one method each, messages in and out, with token, deadline and retries. No degradation, no
//! codecs: those live in `namespace`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tonic::{
    Streaming,
    metadata::{Ascii, MetadataValue},
};

use crate::{
    Error, ErrorKind, Profile, Result,
    pipe::{self, Pipes},
    pool::Pool,
    retry::{self, Budget, Repeat},
    v1,
};

/// What all clones share.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) pool: Pool,
    /// Where small calls share streams; unset when each goes alone.
    pub(crate) pipes: Option<Pipes>,
    pub(crate) profile: Profile,
    pub(crate) authorization: Option<MetadataValue<Ascii>>,
    pub(crate) budget: Budget,
    /// Calls that were sent again.
    pub(crate) repeats: AtomicU64,
    /// What the server allows, once it was asked.
    pub(crate) limits: OnceCell<v1::ServerLimits>,
    /// Whether the kill switch is on: nothing is sent by anything.
    pub(crate) disabled: bool,
    pub(crate) closing: Closing,
}

/// Whether the client is closed. Known in two ways: what is asked for each look into this process must cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    flag: AtomicBool,
    token: CancellationToken,
}

impl Closing {
    pub(crate) fn close(&self) {
        self.flag.store(true, Ordering::Release);
        self.token.cancel();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }

    pub(crate) async fn closed(&self) {
        self.token.cancelled().await;
    }
}

/// The RPCs of `hotplate.v1.CacheService`, one method each. Cheap to clone.
///
/// Every call carries the token, ends within its deadline and is tried again, at most twice, when the server was
/// unavailable and repeating it is safe. Failures come as [`crate::Error`]; a miss is part of an answer, not a failure.
/// The breaker of the typed layer does not apply here; the kill switch and [`crate::Client::close`] make each call an error.
///
/// Small calls that are made at the same time share a stream, without being asked and without waiting for each other;
/// see [`crate::Builder::pipelining`].
///
/// ```no_run
/// # async fn run() -> Result<(), hotplate::Error> {
/// let client = hotplate::Client::builder().url("hotplate://127.0.0.1:7070").build()?;
/// let info = client.calls().get_server_info().await?;
/// println!("server {}", info.version);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Calls {
    pub(crate) wire: Arc<Wire>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) attempts: u32,
    last_word: bool,
}

impl Calls {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        Self { wire, timeout: None, attempts: retry::ATTEMPTS_MAX, last_word: false }
    }

    /// The same calls, also when the client is closed. Who makes them sees to their end.
    #[must_use]
    pub(crate) fn last_word(mut self) -> Self {
        self.last_word = true;
        self
    }

    /// Waits for what the server is asked, unless nothing may be asked of it any more, or at all. What is large is to be
    /// pinned by who calls: it would be copied here.
    pub(crate) async fn while_open<T>(&self, asked: impl Future<Output = Result<T>>) -> Result<T> {
        if self.wire.disabled {
            let switch = "the cache is turned off in this process, by HOTPLATE_DISABLE or `disabled`";
            return Err(Error::new(ErrorKind::FailedPrecondition, switch));
        }
        if self.last_word {
            return asked.await;
        }
        tokio::select! {
            biased;
            () = self.wire.closing.closed() => Err(Error::closed()),
            result = asked => result,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.wire.closing.is_closed()
    }

    /// The same calls with another deadline: for the whole call, retries included; for streams, to be opened.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same calls, each tried once only.
    #[must_use]
    pub fn without_retries(mut self) -> Self {
        self.attempts = 1;
        self
    }

    /// Finds one entry.
    ///
    /// # Errors
    /// What the server refused, or that it could not be reached in time.
    pub async fn get(&self, mut request: v1::GetRequest) -> Result<v1::GetResponse> {
        self.gathered(self.small(Repeat::Safe), &mut request).await.map(|answer| *answer)
    }

    /// Finds several entries.
    ///
    /// # Errors
    /// As [`Calls::get`]; failures of single items are in the answer.
    pub async fn batch_get(&self, request: v1::BatchGetRequest) -> Result<v1::BatchGetResponse> {
        Box::pin(self.gathered_batch(self.bulk(Repeat::Safe), request)).await
    }

    /// Stores one entry. A Put with a condition or a lease and without `request_id` gets one, so that a retry meets its own first answer.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn put(&self, mut request: v1::PutRequest) -> Result<v1::PutResponse> {
        identify_put(&mut request);
        self.gathered(self.small(Repeat::Safe), &mut request).await.map(|answer| *answer)
    }

    /// Stores several entries.
    ///
    /// # Errors
    /// As [`Calls::get`]; failures of single items are in the answer.
    pub async fn batch_put(&self, mut request: v1::BatchPutRequest) -> Result<v1::BatchPutResponse> {
        request.items.iter_mut().for_each(identify_put);
        let plan = self.bulk(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.batch_put(request).await }).await
    }

    /// Changes how long an entry lives. Never retried: a lifetime counts from the moment of the call.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn touch(&self, mut request: v1::TouchRequest) -> Result<v1::TouchResponse> {
        let plan = self.small(Repeat::Never);
        self.gathered(plan, &mut request).await.map(|answer| *answer)
    }

    /// Drops entries. Without `request_id` it gets one, so that a retry reports what the first try dropped.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn invalidate(&self, mut request: v1::InvalidateRequest) -> Result<v1::InvalidateResponse> {
        identify(&mut request.request_id);
        let plan = self.bulk(Repeat::Safe);
        self.gathered(plan, &mut request).await.map(|answer| *answer)
    }

    /// Counts what happened and what is held.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn stats(&self, request: v1::StatsRequest) -> Result<v1::StatsResponse> {
        let plan = self.bulk(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.stats(request).await }).await
    }

    /// Lists metadata of entries, a page at a time.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn list_entries(&self, request: v1::ListEntriesRequest) -> Result<v1::ListEntriesResponse> {
        let plan = self.bulk(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.list_entries(request).await }).await
    }

    /// Changes which single keys an open watch follows.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn update_watch(&self, request: v1::UpdateWatchRequest) -> Result<v1::UpdateWatchResponse> {
        let plan = self.small(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.update_watch(request).await }).await
    }

    /// Tells which copies are still what is stored.
    ///
    /// # Errors
    /// As [`Calls::get`]; failures of single items are in the answer.
    pub async fn revalidate(&self, request: v1::RevalidateRequest) -> Result<v1::RevalidateResponse> {
        let plan = self.bulk(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.revalidate(request).await }).await
    }

    /// Explains a key: what a Get would say and why, and what happened to it.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn explain_key(&self, request: v1::ExplainKeyRequest) -> Result<v1::ExplainKeyResponse> {
        let plan = self.bulk(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.explain_key(request).await }).await
    }

    /// Keeps a lease for one more duration.
    ///
    /// # Errors
    /// As [`Calls::get`]; a lease that is not held any more is an outcome.
    pub async fn extend_lease(&self, request: v1::ExtendLeaseRequest) -> Result<v1::ExtendLeaseResponse> {
        let plan = self.small(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.extend_lease(request).await }).await
    }

    /// Gives a lease back without a value. A retry whose first try was carried out answers that the lease is lost.
    ///
    /// # Errors
    /// As [`Calls::get`]; a lease that is not held any more is an outcome.
    pub async fn release_lease(&self, request: v1::ReleaseLeaseRequest) -> Result<v1::ReleaseLeaseResponse> {
        let plan = self.small(Repeat::Safe);
        self.unary(plan, request, |mut stub, request| async move { stub.release_lease(request).await }).await
    }

    /// The deadline of a call on one key.
    pub(crate) fn time(&self) -> Duration {
        self.timeout.unwrap_or(self.wire.profile.call_timeout)
    }

    /// The deadline of a call on many entries.
    pub(crate) fn bulk_time(&self) -> Duration {
        self.timeout.unwrap_or(self.wire.profile.bulk_timeout)
    }

    /// Tells version, limits and features.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn get_server_info(&self) -> Result<v1::GetServerInfoResponse> {
        let plan = self.small(Repeat::Safe);
        let request = v1::GetServerInfoRequest {};
        self.unary(plan, request, |mut stub, request| async move { stub.get_server_info(request).await }).await
    }

    /// What the server allows: asked once, and known from then on.
    ///
    /// # Errors
    /// As [`Calls::get`].
    pub async fn limits(&self) -> Result<v1::ServerLimits> {
        let ask = async || {
            let limits = self.get_server_info().await?.limits.unwrap_or_default();
            self.wire.pipes.iter().for_each(|pipes| pipes.allow(pipe::batch_items(Some(&limits))));
            Ok(limits)
        };
        self.wire.limits.get_or_try_init(ask).await.copied()
    }

    /// Items that the server is known, or else taken, to accept with one call.
    pub(crate) fn batch_items(&self) -> usize {
        pipe::batch_items(self.wire.limits.get())
    }

    /// The same, after asking for it where that was not done yet.
    pub(crate) async fn asked_batch_items(&self) -> usize {
        // A server that does not say takes what all do.
        let _known = self.limits().await;
        self.batch_items()
    }

    /// After an error: whether fewer items of a batch may be what the server takes, as it says by now.
    pub(crate) async fn takes_fewer(&self, items: usize, error: &Error) -> bool {
        let too_many = error.reason.as_deref() == Some("BATCH_TOO_LARGE");
        too_many && self.limits().await.is_ok() && self.batch_items() < items
    }

    /// Follows changes. The deadline is for opening the stream; the stream itself has none.
    ///
    /// # Errors
    /// As [`Calls::get`]; a stream that breaks later yields a `tonic::Status`.
    pub async fn watch(&self, request: v1::WatchRequest) -> Result<Streaming<v1::WatchResponse>> {
        let plan = self.small(Repeat::Safe);
        self.stream(plan, request, |mut stub, request| async move { stub.watch(request).await }).await
    }

    /// Fetches entries ahead of their use, or joins such a job. The deadline is for opening the stream. A new job
    /// without `request_id` gets one, so that a retry joins what the first try started.
    ///
    /// # Errors
    /// As [`Calls::watch`].
    pub async fn preload(&self, mut request: v1::PreloadRequest) -> Result<Streaming<v1::PreloadResponse>> {
        if request.job_id.is_empty() {
            identify(&mut request.request_id);
        }
        let plan = self.bulk(Repeat::Safe);
        self.stream(plan, request, |mut stub, request| async move { stub.preload(request).await }).await
    }

    /// Ends the streams that calls share; what is called from now on goes alone.
    pub(crate) async fn close(&self) {
        if let Some(pipes) = &self.wire.pipes {
            pipes.close().await;
        }
    }

    /// How many calls were sent again so far, by all clones. What was sent twice may also happen twice, and later.
    pub(crate) fn repeats(&self) -> u64 {
        self.wire.repeats.load(Ordering::Relaxed)
    }
}

/// A condition, or a lease, is judged against what the first try may already have changed: only an id makes repeating it
/// safe.
fn identify_put(request: &mut v1::PutRequest) {
    if request.precondition.is_some() || !request.lease_token.is_empty() {
        identify(&mut request.request_id);
    }
}

fn identify(id: &mut String) {
    if id.is_empty() {
        *id = hex::encode(rand::random::<[u8; 16]>());
    }
}
