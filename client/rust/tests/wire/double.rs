//! A server of the contract whose failures are scripted. It keeps just enough to tell whether the client did its part.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    double_blob::{self, Blobs, refused},
    double_pipe::{self, Piped},
    lease_table::{Leases, outcome},
};
use futures::{Stream, StreamExt};
use hotplate::{
    Builder, Client, Profile,
    v1::{
        self,
        blob_service_server::BlobServiceServer,
        cache_service_server::{CacheService, CacheServiceServer},
    },
};
use parking_lot::Mutex;
use tokio::{net::TcpSocket, runtime::Runtime, sync::Semaphore};
use tonic::{Code, Request, Response, Status, transport::server::TcpIncoming};

/// How one call goes wrong.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answered with this status.
    Refuse(Box<Status>),
    /// Never answered.
    Stall,
}

impl Fault {
    pub(crate) fn unavailable() -> Self {
        Self::Refuse(Box::new(Status::unavailable("away")))
    }
}

/// How long clients of these tests wait: a machine that is busy with other things is not to look like a server that is away.
const PATIENCE: Duration = Duration::from_secs(30);

type WatchScript = (Vec<v1::WatchResponse>, bool);

/// What the double holds and saw; survives the server it is served by.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) entries: Mutex<HashMap<String, v1::Entry>>,
    pub(crate) stale: Mutex<HashSet<String>>,
    /// One per call, before anything else happens.
    pub(crate) faults: Mutex<VecDeque<Fault>>,
    /// For every call once `faults` is empty.
    pub(crate) always: Mutex<Option<Fault>>,
    pub(crate) calls: Mutex<HashMap<&'static str, usize>>,
    pub(crate) authorization: Mutex<Option<String>>,
    pub(crate) timeout: Mutex<Option<String>>,
    pub(crate) puts: Mutex<Vec<v1::PutRequest>>,
    pub(crate) invalidates: Mutex<Vec<v1::InvalidateRequest>>,
    /// Messages of each stream opened, and whether it then stays open.
    pub(crate) watch_scripts: Mutex<VecDeque<WatchScript>>,
    pub(crate) watches: Mutex<Vec<v1::WatchRequest>>,
    pub(crate) preloads: Mutex<Vec<v1::PreloadRequest>>,
    pub(crate) gets: Mutex<Vec<v1::GetRequest>>,
    /// Answers to Gets that go alone are on their way until there is a permit for each.
    pub(crate) late: Mutex<Option<Arc<Semaphore>>>,
    /// Invalidations of this key fail, whatever else they name.
    pub(crate) fails_at: Mutex<Option<String>>,
    /// Invalidations fail when there is a permit for each.
    pub(crate) fails_late: Mutex<Option<Arc<Semaphore>>>,
    /// Items of a batch that it takes; zero: any number, and it does not say.
    pub(crate) batch_items_max: AtomicUsize,
    pub(crate) leases: Leases,
    pub(crate) piped: Piped,
    pub(crate) blobs: Blobs,
}

impl State {
    pub(crate) fn count(&self, method: &str) -> usize {
        self.calls.lock().get(method).copied().unwrap_or(0)
    }

    pub(crate) fn counted(&self, method: &'static str) {
        *self.calls.lock().entry(method).or_default() += 1;
    }

    async fn begin<T>(&self, method: &'static str, request: Request<T>) -> Result<T, Status> {
        self.counted(method);
        let header = |name: &str| request.metadata().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        *self.authorization.lock() = header("authorization");
        *self.timeout.lock() = header("grpc-timeout");
        let fault = self.faults.lock().pop_front().or_else(|| self.always.lock().clone());
        match fault {
            None => Ok(request.into_inner()),
            Some(Fault::Refuse(status)) => Err(*status),
            Some(Fault::Stall) => std::future::pending().await,
        }
    }

    /// Whether so many are what it takes with a message.
    pub(crate) fn few_enough(&self, items: usize) -> Result<(), Status> {
        let most = self.batch_items_max.load(Ordering::Relaxed);
        if most == 0 || items <= most { Ok(()) } else { Err(refused(Code::InvalidArgument, "BATCH_TOO_LARGE")) }
    }

    fn few_of_batch(&self, items: usize) -> Result<(), Status> {
        self.few_enough(items).inspect_err(|_| self.counted("batch refused"))
    }

    pub(crate) fn answer(&self, request: &v1::GetRequest) -> v1::GetResponse {
        self.gets.lock().push(request.clone());
        let Some(entry) = self.entries.lock().get(&request.key).cloned() else {
            return match self.leases.ask(request) {
                Ok(lease) => v1::GetResponse {
                    outcome: v1::GetOutcome::Miss.into(),
                    miss_reason: v1::MissReason::NeverStored.into(),
                    lease: Some(lease).filter(|lease| !lease.token.is_empty()),
                    ..v1::GetResponse::default()
                },
                Err(pending) => v1::GetResponse {
                    outcome: v1::GetOutcome::Pending.into(),
                    pending: Some(pending),
                    ..v1::GetResponse::default()
                },
            };
        };
        let stale = self.stale.lock().contains(&request.key);
        let lease = (stale || self.leases.renew_ahead.lock().remove(&request.key))
            .then(|| self.leases.ask(request))
            .and_then(Result::ok)
            .filter(|lease| !lease.token.is_empty());
        let outcome = match (&entry.payload, stale, request.stale_policy()) {
            (Some(v1::entry::Payload::Negative(_)), ..) => v1::GetOutcome::Negative,
            (_, false, _) => v1::GetOutcome::Hit,
            (_, true, v1::StalePolicy::WhileRevalidate | v1::StalePolicy::IfError) => v1::GetOutcome::Stale,
            (_, true, _) => {
                return v1::GetResponse {
                    outcome: v1::GetOutcome::Miss.into(),
                    miss_reason: v1::MissReason::Expired.into(),
                    lease,
                    ..v1::GetResponse::default()
                };
            }
        };
        v1::GetResponse {
            outcome: outcome.into(),
            entry: Some(entry),
            served_from: v1::Tier::Memory.into(),
            lease,
            ..v1::GetResponse::default()
        }
    }

    pub(crate) fn store(&self, request: v1::PutRequest) -> v1::PutResponse {
        if !self.leases.uses(&request.key, &request.lease_token) {
            return v1::PutResponse { outcome: v1::PutOutcome::LeaseLost.into(), ..v1::PutResponse::default() };
        }
        let payload = match request.payload.clone() {
            Some(v1::put_request::Payload::Value(value)) => Some(v1::entry::Payload::Value(value)),
            Some(v1::put_request::Payload::Negative(negative)) => Some(v1::entry::Payload::Negative(negative)),
            Some(v1::put_request::Payload::Unchanged(_)) | None => None,
        };
        let metadata = v1::EntryMetadata {
            etag: "e1".to_owned(),
            content_type: request.content_type.clone(),
            encoding: request.encoding.clone(),
            fresh_for: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
            ..v1::EntryMetadata::default()
        };
        let entry = v1::Entry { key: request.key.clone(), payload, metadata: Some(metadata.clone()) };
        self.entries.lock().insert(request.key.clone(), entry);
        self.stale.lock().remove(&request.key);
        self.puts.lock().push(request);
        v1::PutResponse {
            outcome: v1::PutOutcome::Stored.into(),
            metadata: Some(metadata),
            ..v1::PutResponse::default()
        }
    }

    pub(crate) fn invalidate(&self, request: v1::InvalidateRequest) -> v1::InvalidateResponse {
        let mut matched_count = 0;
        for selector in &request.selectors {
            if let Some(v1::selector::Selector::Key(key)) = &selector.selector {
                matched_count += u64::from(self.entries.lock().remove(key).is_some());
            }
        }
        let refreshing = request.mode() == v1::InvalidateMode::Refresh;
        let refresh_job_id = if refreshing { "job-1".to_owned() } else { String::new() };
        self.invalidates.lock().push(request);
        let refreshing_count = u64::from(refreshing);
        v1::InvalidateResponse { matched_count, refreshing_count, refresh_job_id, ..v1::InvalidateResponse::default() }
    }
}

struct Service(Arc<State>);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl CacheService for Service {
    type PreloadStream = Answers<v1::PreloadResponse>;
    type WatchStream = Answers<v1::WatchResponse>;
    type PipelineStream = double_pipe::Answers;

    async fn pipeline(
        &self,
        request: Request<tonic::Streaming<v1::PipelineRequest>>,
    ) -> Result<Response<Self::PipelineStream>, Status> {
        let shown = request.metadata().get("authorization").and_then(|value| value.to_str().ok());
        *self.0.authorization.lock() = shown.map(str::to_owned);
        Ok(Response::new(double_pipe::serve(&self.0, request.into_inner())?))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let request = self.0.begin("get", request).await?;
        let answer = self.0.answer(&request);
        let late = self.0.late.lock().clone();
        if let Some(late) = late {
            late.acquire().await.expect("open").forget();
        }
        Ok(Response::new(answer))
    }

    async fn batch_get(&self, request: Request<v1::BatchGetRequest>) -> Result<Response<v1::BatchGetResponse>, Status> {
        use v1::batch_get_result::Result as Item;
        let request = self.0.begin("batch_get", request).await?;
        self.0.few_of_batch(request.items.len())?;
        let answer = |item: &v1::GetRequest| match item.key.as_str() {
            "deferred" if request.items.len() > 1 => Item::Deferred(v1::DeferredItem { size_bytes: 1 }),
            "bad" => Item::Error(v1::ItemError {
                code: tonic::Code::InvalidArgument.into(),
                reason: "BAD_KEY".to_owned(),
                message: "no".to_owned(),
                field: "key".to_owned(),
                ..v1::ItemError::default()
            }),
            _ => Item::Response(self.0.answer(item)),
        };
        let results = request.items.iter().map(|item| v1::BatchGetResult { result: Some(answer(item)) }).collect();
        Ok(Response::new(v1::BatchGetResponse { results }))
    }

    async fn put(&self, request: Request<v1::PutRequest>) -> Result<Response<v1::PutResponse>, Status> {
        let request = self.0.begin("put", request).await?;
        Ok(Response::new(self.0.store(request)))
    }

    async fn batch_put(&self, request: Request<v1::BatchPutRequest>) -> Result<Response<v1::BatchPutResponse>, Status> {
        let request = self.0.begin("batch_put", request).await?;
        self.0.few_of_batch(request.items.len())?;
        let store =
            |item| v1::BatchPutResult { result: Some(v1::batch_put_result::Result::Response(self.0.store(item))) };
        Ok(Response::new(v1::BatchPutResponse { results: request.items.into_iter().map(store).collect() }))
    }

    async fn touch(&self, request: Request<v1::TouchRequest>) -> Result<Response<v1::TouchResponse>, Status> {
        let request = self.0.begin("touch", request).await?;
        let there = self.0.entries.lock().contains_key(&request.key);
        let outcome = if there { v1::TouchOutcome::Touched } else { v1::TouchOutcome::NotFound };
        Ok(Response::new(v1::TouchResponse { outcome: outcome.into(), metadata: None }))
    }

    async fn invalidate(
        &self,
        request: Request<v1::InvalidateRequest>,
    ) -> Result<Response<v1::InvalidateResponse>, Status> {
        use v1::selector::Selector::Key;
        let request = self.0.begin("invalidate", request).await?;
        let late = self.0.fails_late.lock().clone();
        if let Some(late) = late {
            late.acquire().await.expect("open").forget();
            return Err(Status::internal("a fault"));
        }
        let bad = self.0.fails_at.lock().clone().map(Key);
        if bad.is_some() && request.selectors.iter().any(|selector| selector.selector == bad) {
            return Err(Status::internal("a fault"));
        }
        Ok(Response::new(self.0.invalidate(request)))
    }

    async fn preload(&self, request: Request<v1::PreloadRequest>) -> Result<Response<Self::PreloadStream>, Status> {
        let request = self.0.begin("preload", request).await?;
        let joined = !request.job_id.is_empty();
        self.0.preloads.lock().push(request);
        let progress = |done_count, finished| v1::PreloadResponse {
            job_id: "job-1".to_owned(),
            done_count,
            total_count: 2,
            finished,
            ..v1::PreloadResponse::default()
        };
        // The first stream breaks after one item; who joins again gets the end.
        let messages = match joined {
            true => vec![Ok(progress(2, true))],
            false => vec![Ok(progress(1, false)), Err(Status::unavailable("restarting"))],
        };
        Ok(Response::new(Box::pin(futures::stream::iter(messages))))
    }

    async fn stats(&self, _: Request<v1::StatsRequest>) -> Result<Response<v1::StatsResponse>, Status> {
        Err(Status::unimplemented("not part of this double"))
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let request = self.0.begin("watch", request).await?;
        self.0.watches.lock().push(request);
        let (messages, stays) = self.0.watch_scripts.lock().pop_front().unwrap_or((Vec::new(), true));
        let messages = futures::stream::iter(messages.into_iter().map(Ok));
        Ok(Response::new(match stays {
            true => Box::pin(messages.chain(futures::stream::pending())),
            false => Box::pin(messages),
        }))
    }

    async fn list_entries(
        &self,
        _: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        Err(Status::unimplemented("not part of this double"))
    }

    async fn update_watch(
        &self,
        _: Request<v1::UpdateWatchRequest>,
    ) -> Result<Response<v1::UpdateWatchResponse>, Status> {
        Err(Status::unimplemented("not part of this double"))
    }

    async fn revalidate(&self, _: Request<v1::RevalidateRequest>) -> Result<Response<v1::RevalidateResponse>, Status> {
        Err(Status::unimplemented("not part of this double"))
    }

    async fn explain_key(&self, _: Request<v1::ExplainKeyRequest>) -> Result<Response<v1::ExplainKeyResponse>, Status> {
        Err(Status::unimplemented("not part of this double"))
    }

    async fn extend_lease(
        &self,
        request: Request<v1::ExtendLeaseRequest>,
    ) -> Result<Response<v1::ExtendLeaseResponse>, Status> {
        let request = self.0.begin("extend_lease", request).await?;
        let held = self.0.leases.holds(&request.key, &request.token);
        let lease = held.then(|| self.0.leases.lease(request.token));
        Ok(Response::new(v1::ExtendLeaseResponse { outcome: outcome(held), lease }))
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::ReleaseLeaseResponse>, Status> {
        let request = self.0.begin("release_lease", request).await?;
        let held = self.0.leases.uses(&request.key, &request.token);
        self.0.leases.released.lock().push(request);
        Ok(Response::new(v1::ReleaseLeaseResponse { outcome: outcome(held), waiters_released: 0 }))
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        self.0.begin("get_server_info", request).await?;
        let chunk_bytes_max = self.0.blobs.chunk_bytes.load(Ordering::Relaxed) as u64;
        let batch_items_max = u32::try_from(self.0.batch_items_max.load(Ordering::Relaxed)).expect("few");
        let limits =
            v1::ServerLimits { unary_value_bytes_max: 1 << 20, chunk_bytes_max, batch_items_max, ..Default::default() };
        let limits = Some(limits);
        Ok(Response::new(v1::GetServerInfoResponse { version: "1.2.3".to_owned(), limits, ..Default::default() }))
    }
}

/// A running double. Stopping it cuts every connection at once, as a crash does.
pub(crate) struct Double {
    pub(crate) state: Arc<State>,
    pub(crate) address: SocketAddr,
    runtime: Option<Runtime>,
    /// Keeps the port from others while nobody listens there.
    _held: TcpSocket,
}

impl Double {
    pub(crate) fn start() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        held.set_reuseaddr(true).expect("others may listen there");
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = held.local_addr().expect("an address");
        let mut double = Self { state: Arc::default(), address, runtime: None, _held: held };
        double.serve();
        double
    }

    /// Serves at the same address as before.
    pub(crate) fn serve(&mut self) {
        let builder = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = builder.expect("a runtime");
        let listener = std::net::TcpListener::bind(self.address).expect("the port that is held");
        listener.set_nonblocking(true).expect("non-blocking");
        let service = CacheServiceServer::new(Service(Arc::clone(&self.state)));
        let blobs = BlobServiceServer::new(double_blob::Service(Arc::clone(&self.state)));
        let served = async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("registered");
            tonic::transport::Server::builder()
                .add_service(service)
                .add_service(blobs)
                .serve_with_incoming(TcpIncoming::from(listener))
                .await
        };
        tokio_util::task::TaskTracker::new().spawn_on(served, runtime.handle());
        self.runtime = Some(runtime);
    }

    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting on a thread of its own: a runtime may not wait for another.
            let ended = std::thread::spawn(move || runtime.shutdown_timeout(Duration::from_secs(10)));
            ended.join().expect("the address is free again");
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("hotplate://{}/test", self.address)
    }

    /// A client that waits patiently.
    pub(crate) fn builder(&self) -> Builder {
        Client::builder().url(self.url()).profile(patient())
    }

    pub(crate) fn client(&self) -> Client {
        self.builder().build().expect("valid settings")
    }
}

/// Timeouts that only what never ends reaches.
pub(crate) fn patient() -> Profile {
    let mut profile = Profile::local();
    (profile.connect_timeout, profile.call_timeout, profile.bulk_timeout) = (PATIENCE, PATIENCE, PATIENCE * 2);
    profile
}

/// Waits until it is so.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// Ends a call that the server has and does not answer: as soon as nothing else is left to do, the client's clock moves to its
/// deadline. Whatever the machine did meanwhile, the call was sent before.
pub(crate) async fn past_its_deadline<F: Future>(call: F) -> F::Output {
    tokio::time::pause();
    let ended = call.await;
    tokio::time::resume();
    ended
}

impl Drop for Double {
    fn drop(&mut self) {
        self.stop();
    }
}
