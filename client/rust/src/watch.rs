//! Streams that outlive their connection: a watch that resumes by its token, a preload job that is joined again.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use futures::Stream;
use tonic::Streaming;

use crate::{Calls, Error, ErrorKind, Result, Selector, retry, v1};

/// Wait before a lost stream is opened again for the first time.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest such wait.
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Times in a row a preload job is joined again before its loss is reported.
const REJOINS_MAX: u32 = 8;

/// A call that ends with an open stream.
type Opening<T> = Pin<Box<dyn Future<Output = Result<Streaming<T>>> + Send>>;

/// A stream that is open, or being opened. It is kept over a wait that is given up: a caller that polls in a loop must
/// not open and reset streams in a loop, which servers take for an attack.
struct Line<T> {
    opening: Option<Opening<T>>,
    open: Option<Streaming<T>>,
    /// Losses in a row since the last message.
    failures: u32,
}

impl<T: 'static> Line<T> {
    fn new() -> Self {
        Self { opening: None, open: None, failures: 0 }
    }

    /// The next message of the stream, which `call` opens when there is none.
    async fn message<R>(&mut self, call: impl FnOnce() -> R) -> Result<T>
    where
        R: Future<Output = Result<Streaming<T>>> + Send + 'static,
    {
        let result = self.receive(call).await;
        match &result {
            Ok(_) => self.failures = 0,
            Err(_) => {
                self.open = None;
                self.opening = None;
            }
        }
        result
    }

    async fn receive<R>(&mut self, call: impl FnOnce() -> R) -> Result<T>
    where
        R: Future<Output = Result<Streaming<T>>> + Send + 'static,
    {
        if self.open.is_none() {
            let failures = self.failures;
            let opening = self.opening.get_or_insert_with(|| Box::pin(reopen(failures, call())));
            self.open = Some(opening.await?);
            self.opening = None;
        }
        let closed = || Error::new(ErrorKind::Unavailable, "the server closed the stream");
        let open = self.open.as_mut().ok_or_else(closed)?;
        open.message().await.map_err(Error::from)?.ok_or_else(closed)
    }
}

impl<T> fmt::Debug for Line<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("open", &self.open.is_some()).field("failures", &self.failures).finish()
    }
}

/// Waits as long as that many losses in a row ask for, then opens.
async fn reopen<S>(failures: u32, call: impl Future<Output = Result<S>>) -> Result<S> {
    if failures > 0 {
        tokio::time::sleep(retry::jittered(retry::backoff(failures, BACKOFF_FIRST, BACKOFF_MAX))).await;
    }
    call.await
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WatchItem {
    /// The watch exists: every change from here on is covered. Comes again after each reconnection.
    Created(v1::WatchCreated),
    /// Entries that were there.
    Present(Vec<v1::Entry>),
    /// All that was there has been told.
    Synced,
    /// Changes, in order within each log.
    Events(Vec<v1::WatchEvent>),
    /// Nothing that matters happened up to here.
    Progress(v1::WatchProgress),
    /// Changes were lost: copies of entries can no longer be trusted. After `NewEpoch` the server has a new history.
    Discontinuity(v1::DiscontinuityReason),
    /// The connection was lost. The watch goes on by itself; until `Created` comes, copies may be out of date.
    Lost(Error),
}

/// What comes from a watch, as the contract says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// A message.
    Message(v1::watch_response::Message),
    /// The connection was lost; the watch goes on by itself.
    Lost(Error),
}

/// Follows changes, over lost connections and server restarts. Choose what to follow, then call [`Watch::next`].
///
/// ```no_run
/// # async fn run(ml: hotplate::Namespace) -> Result<(), hotplate::Error> {
/// use hotplate::{Selector, WatchItem};
/// let mut watch = ml.watch().selector(Selector::prefix("model:")).exclude_own();
/// while let Some(item) = watch.next().await {
///     if let WatchItem::Events(events) = item? {
///         println!("{} changes", events.len());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a watch follows nothing until `next` is called"]
pub struct Watch {
    calls: Calls,
    request: v1::WatchRequest,
    client_id: String,
    line: Line<v1::WatchResponse>,
    ended: bool,
}

impl Watch {
    pub(crate) fn new(calls: Calls, request: v1::WatchRequest, client_id: String) -> Self {
        Self { calls, request, client_id, line: Line::new(), ended: false }
    }

    /// Only keys that this selects; call again for more.
    pub fn selector(mut self, selector: Selector) -> Self {
        self.request.selectors.push(selector.0);
        self
    }

    /// How much of an entry is told.
    pub fn content(mut self, content: v1::WatchContent) -> Self {
        self.request.content = content.into();
        self
    }

    /// Only these events.
    pub fn events(mut self, types: impl IntoIterator<Item = v1::EventType>) -> Self {
        self.request.event_types = types.into_iter().map(i32::from).collect();
        self
    }

    /// First tells what is there.
    pub fn include_present(mut self) -> Self {
        self.request.include_present = true;
        self
    }

    /// Continues after a token of [`Watch::resume_token`].
    pub fn resume(mut self, token: impl Into<bytes::Bytes>) -> Self {
        self.request.resume_token = token.into();
        self
    }

    /// How often progress is told when nothing else is, 100 ms to 10 min.
    ///
    /// # Errors
    /// A duration the contract cannot carry.
    pub fn progress_interval(mut self, interval: Duration) -> Result<Self> {
        self.request.progress_interval = Some(crate::ttl::wire_duration("progress_interval", interval)?);
        Ok(self)
    }

    /// Leaves out what this client does itself.
    pub fn exclude_own(mut self) -> Self {
        self.request.exclude_client_id.clone_from(&self.client_id);
        self
    }

    /// Continue later, on this server, after the last item told. Empty before the first.
    #[must_use]
    pub fn resume_token(&self) -> &[u8] {
        &self.request.resume_token
    }

    /// The next item. Waits as long as it takes, reconnecting with growing waits; `None` after an error, because only
    /// errors that a reconnection cannot mend are returned. Giving up the returned future loses nothing.
    pub async fn next(&mut self) -> Option<Result<WatchItem>> {
        let told = self.next_told().await?;
        Some(told.map(|told| match told {
            Told::Message(message) => item(message),
            Told::Lost(error) => WatchItem::Lost(error),
        }))
    }

    /// The same, as the contract says it.
    pub(crate) async fn next_told(&mut self) -> Option<Result<Told>> {
        loop {
            if self.ended {
                return None;
            }
            match self.advance().await {
                Ok(Some(message)) => return Some(Ok(Told::Message(message))),
                Ok(None) => {}
                Err(error) if self.calls.is_closed() => {
                    self.ended = true;
                    return Some(Err(error));
                }
                Err(error) if is_passing(error.kind) && self.line.failures == 0 => {
                    self.line.failures = 1;
                    return Some(Ok(Told::Lost(error)));
                }
                Err(error) if is_passing(error.kind) => self.line.failures = self.line.failures.saturating_add(1),
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<WatchItem>> + Send {
        futures::stream::unfold(self, |mut watch| async move { watch.next().await.map(|item| (item, watch)) })
    }

    /// Reads one message. `None`: one this client does not know.
    async fn advance(&mut self) -> Result<Option<v1::watch_response::Message>> {
        let (calls, request) = (&self.calls, &self.request);
        let call = || {
            let (calls, request) = (calls.clone(), request.clone());
            async move { calls.watch(request).await }
        };
        let message = self.calls.while_open(self.line.message(call)).await?;
        if !message.resume_token.is_empty() {
            self.request.resume_token = message.resume_token;
            // What was there has begun to be told; the token, not a new listing, is what continues it.
            self.request.include_present = false;
        }
        Ok(message.message)
    }

    /// Whether a stream is open.
    pub(crate) fn is_open(&self) -> bool {
        self.line.open.is_some()
    }

    /// The token after the last message.
    pub(crate) fn token(&self) -> bytes::Bytes {
        self.request.resume_token.clone()
    }

    /// Lets go of the stream, if there is one. The next one continues after `token`, without what `exclude` did, with
    /// these keys.
    pub(crate) fn reopen(&mut self, token: bytes::Bytes, exclude: String, keys: Vec<String>) {
        self.line.open = None;
        self.line.opening = None;
        self.request.resume_token = token;
        self.request.exclude_client_id = exclude;
        self.request.keys = keys;
    }
}

fn item(message: v1::watch_response::Message) -> WatchItem {
    use v1::watch_response::Message;
    match message {
        Message::Created(created) => WatchItem::Created(created),
        Message::Present(present) => WatchItem::Present(present.entries),
        Message::Synced(_) => WatchItem::Synced,
        Message::Events(events) => WatchItem::Events(events.events),
        Message::Progress(progress) => WatchItem::Progress(progress),
        Message::Discontinuity(lost) => WatchItem::Discontinuity(lost.reason()),
    }
}

/// Whether opening the stream again may help.
fn is_passing(kind: ErrorKind) -> bool {
    kind.is_outage()
}

/// A preload job, followed to its end, over lost connections.
///
/// ```no_run
/// # async fn run(ml: hotplate::Namespace) -> Result<(), hotplate::Error> {
/// use hotplate::v1::PreloadItem;
/// let items = (0..100).map(|id| PreloadItem { key: format!("model:{id}"), ..PreloadItem::default() });
/// let mut job = ml.preload(items).parallelism(8);
/// while let Some(progress) = job.next().await {
///     let progress = progress?;
///     println!("{} of {}", progress.done_count, progress.total_count);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a job is not started until `next` is called"]
pub struct Preload {
    calls: Calls,
    request: v1::PreloadRequest,
    line: Line<v1::PreloadResponse>,
    ended: bool,
}

impl Preload {
    pub(crate) fn new(calls: Calls, mut request: v1::PreloadRequest) -> Self {
        request.request_id = hex::encode(rand::random::<[u8; 16]>());
        Self { calls, request, line: Line::new(), ended: false }
    }

    /// Fetches what is fresh as well.
    pub fn force(mut self) -> Self {
        self.request.force = true;
        self
    }

    /// Keeps what is loaded from making room for others for this long, at most 24 hours; the server pins at most half of
    /// its memory and says in each result whether it did.
    pub fn pin_for(mut self, long: Duration) -> Self {
        // What does not fit is refused by the server, as everything above 24 hours.
        let most = prost_types::Duration { seconds: i64::MAX, nanos: 0 };
        self.request.pin_for = Some(prost_types::Duration::try_from(long).unwrap_or(most));
        self
    }

    /// How many at once; the server caps it.
    pub fn parallelism(mut self, items: u32) -> Self {
        self.request.max_parallelism = items;
        self
    }

    /// The job's id, for joining it elsewhere. Empty before the first answer.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.request.job_id
    }

    /// The next progress; `None` when the job has ended or after an error. After a lost connection the results so far
    /// are told again.
    pub async fn next(&mut self) -> Option<Result<v1::PreloadResponse>> {
        loop {
            if self.ended {
                return None;
            }
            match self.advance().await {
                Ok(progress) => {
                    self.ended = progress.finished;
                    return Some(Ok(progress));
                }
                Err(error) if is_passing(error.kind) && self.line.failures < REJOINS_MAX && !self.calls.is_closed() => {
                    self.line.failures += 1;
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<v1::PreloadResponse>> + Send {
        futures::stream::unfold(self, |mut job| async move { job.next().await.map(|item| (item, job)) })
    }

    async fn advance(&mut self) -> Result<v1::PreloadResponse> {
        let (calls, request) = (&self.calls, &self.request);
        let call = || {
            let (calls, request) = (calls.clone(), request.clone());
            async move { calls.preload(request).await }
        };
        let progress = self.calls.while_open(self.line.message(call)).await?;
        self.request.items.clear();
        self.request.pin_for = None;
        self.request.request_id.clear();
        self.request.job_id.clone_from(&progress.job_id);
        Ok(progress)
    }
}
