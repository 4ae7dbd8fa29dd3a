//! The service: hands each RPC to its file, and tells what came of it. No RPC is served here.

use std::{sync::Arc, time::Duration};

use futures::stream::BoxStream;
use hotplate_engine::{Cache, clock::Moment};
use hotplate_proto::v1::{self, cache_service_server::CacheService};
use tonic::{Code, Request, Response, Status, Streaming, metadata::MetadataValue};

use super::{
    batch_get, batch_put, explain_key, extend_lease, get, granted::Granted, invalidate, list_entries, preload, put,
    release_lease, revalidate, server_info, shape::Shapes, stats, status::Failure, touch, update_watch, watch,
};
use crate::{
    access::{Caller, Permission},
    task::Lasting,
    telemetry::{CallRecord, Telemetry},
};

/// The generated server around [`CacheRpcs`].
pub(crate) type RpcServer = v1::cache_service_server::CacheServiceServer<CacheRpcs>;

/// The messages of a stream.
pub(crate) type Messages<T> = BoxStream<'static, Result<T, Status>>;

/// Before every method of the service.
const PREFIX: &str = "/hotplate.v1.CacheService/";

/// The RPCs of the service.
const RPCS: [&str; 17] = [
    "Get",
    "BatchGet",
    "Put",
    "BatchPut",
    "Touch",
    "Invalidate",
    "Preload",
    "Stats",
    "Watch",
    "UpdateWatch",
    "Revalidate",
    "ListEntries",
    "ExplainKey",
    "ExtendLease",
    "ReleaseLease",
    "GetServerInfo",
    "Pipeline",
];

/// The RPC of the service at this path.
pub(crate) fn rpc_at(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(PREFIX)?;
    RPCS.into_iter().find(|rpc| *rpc == name)
}

/// What the handlers work with.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The cache.
    pub(crate) cache: Arc<Cache>,
    /// Hears of every call.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Items of a batch at most.
    pub(crate) batch_items_max: usize,
    /// Bytes of a response at most.
    pub(crate) message_bytes_max: usize,
    /// What requests may become once they are taken apart.
    pub(crate) shapes: Arc<Shapes>,
    /// Longest time a Get waits for who has the lease.
    pub(crate) lease_wait_max: Duration,
    /// What outlives the call that began it.
    pub(crate) tasks: Lasting,
    /// What `GetServerInfo` answers.
    pub(crate) info: v1::GetServerInfoResponse,
}

/// Says, with each answer, that this server may not have heard of what others invalidated.
pub(crate) const COHERENCE: &str = "x-hotplate-coherence";

/// The RPCs.
#[derive(Clone, Debug)]
pub(crate) struct CacheRpcs(Arc<Parts>);

/// One call, as the gate let it in.
#[derive(Debug)]
pub(crate) struct Call {
    /// Its name.
    pub(crate) rpc: &'static str,
    /// Who calls.
    pub(crate) caller: Caller,
    /// What the contract says it needs.
    pub(crate) permission: Permission,
    /// When it came in.
    pub(crate) started: Moment,
    /// Time it has from then on until its answer must begin.
    pub(crate) time: Duration,
    /// The leases it was given.
    pub(crate) granted: Granted,
}

impl Call {
    /// Refuses a namespace in which the caller may not make this call.
    pub(crate) fn allow(&self, namespace: &str) -> Result<(), Failure> {
        self.allow_also(self.permission, namespace)
    }

    /// Refuses a namespace in which the caller lacks one more permission.
    pub(crate) fn allow_also(&self, permission: Permission, namespace: &str) -> Result<(), Failure> {
        self.caller.check(permission, namespace).map_err(Failure::from)
    }
}

/// A call that is being served, and what it is about.
struct Entered {
    call: Arc<Call>,
    namespace: String,
    key: Option<String>,
}

impl Entered {
    fn new<Q: About>(request: Request<Q>) -> Result<(Self, Q), Status> {
        let Some(call) = request.extensions().get::<Arc<Call>>().cloned() else {
            return Err(Failure::bug("a call came past the gate").into());
        };
        let request = request.into_inner();
        let (namespace, key) = (request.namespace().to_owned(), request.key().map(str::to_owned));
        Ok((Self { call, namespace, key }, request))
    }
}

/// A message and, in a word, what it says.
pub(crate) struct Answer<T> {
    /// The message.
    pub(crate) message: T,
    /// `hit`, `stored`; empty where the code says all.
    pub(crate) outcome: &'static str,
}

impl<T> Answer<T> {
    /// An answer of which the code says all.
    pub(crate) fn plain(message: T) -> Self {
        Self { message, outcome: "" }
    }
}

/// What a request is about, for the record.
pub(crate) trait About {
    /// Its namespace, as asked for.
    fn namespace(&self) -> &str;
    /// Its key.
    fn key(&self) -> Option<&str> {
        None
    }
}

macro_rules! about {
    ($($request:ident),*; with key: $($keyed:ident),*) => {
        $(impl About for v1::$request {
            fn namespace(&self) -> &str {
                &self.namespace
            }
        })*
        $(impl About for v1::$keyed {
            fn namespace(&self) -> &str {
                &self.namespace
            }
            fn key(&self) -> Option<&str> {
                Some(&self.key)
            }
        })*
    };
}

about!(
    BatchGetRequest, BatchPutRequest, InvalidateRequest, PreloadRequest, StatsRequest, WatchRequest, UpdateWatchRequest,
    RevalidateRequest, ListEntriesRequest;
    with key: GetRequest, PutRequest, TouchRequest, ExplainKeyRequest, ExtendLeaseRequest, ReleaseLeaseRequest
);

impl About for v1::GetServerInfoRequest {
    fn namespace(&self) -> &'static str {
        ""
    }
}

impl CacheRpcs {
    /// The service over these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// What the handlers work with.
    pub(crate) fn parts(&self) -> &Parts {
        &self.0
    }

    /// Lets a handler answer, and records what came of it.
    fn answer<Q: About, A>(
        &self,
        request: Request<Q>,
        handler: impl FnOnce(&Parts, &Call, Q) -> Result<Answer<A>, Failure>,
    ) -> Result<Response<A>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = handler(&self.0, &entered.call, request);
        self.leave(&entered, result)
    }

    /// Records what came of a call.
    fn leave<A>(&self, entered: &Entered, result: Result<Answer<A>, Failure>) -> Result<Response<A>, Status> {
        let Entered { call, namespace, key } = entered;
        let message = self.recorded(call, (namespace, key.as_deref()), result)?;
        let mut response = Response::new(message);
        if self.0.cache.is_degraded(namespace) {
            response.metadata_mut().insert(COHERENCE, MetadataValue::from_static("degraded"));
        }
        Ok(response)
    }

    /// Records what came of a call on this namespace and key.
    pub(crate) fn recorded<A>(
        &self,
        call: &Call,
        about: (&str, Option<&str>),
        result: Result<Answer<A>, Failure>,
    ) -> Result<A, Failure> {
        self.record(call, about, result.as_ref().map(|answer| answer.outcome));
        Ok(result?.message)
    }

    /// Records the outcome of a call on this namespace and key, or its failure.
    pub(crate) fn record(
        &self,
        call: &Call,
        (namespace, key): (&str, Option<&str>),
        said: Result<&'static str, &Failure>,
    ) {
        let (outcome, code, reason) = match said {
            Ok(outcome) => (outcome, Code::Ok, ""),
            Err(failure) => ("", failure.code(), failure.reason()),
        };
        self.0.telemetry.call(&CallRecord {
            rpc: call.rpc,
            namespace,
            key,
            outcome,
            tier: if matches!(outcome, "hit" | "stale" | "negative" | "not_modified") { "memory" } else { "" },
            code,
            reason,
            caller: call.caller.id(),
            elapsed: self.elapsed(call),
        });
    }

    /// Records Gets of these keys that were answered together, so many of them, and since when.
    pub(crate) fn record_hits<'k>(
        &self,
        (namespace, keys): (&str, impl Iterator<Item = &'k str>),
        (call, started): (&Call, Moment),
        hits: u64,
    ) {
        let record = CallRecord {
            rpc: "Get",
            namespace,
            key: None,
            outcome: "hit",
            tier: "memory",
            code: Code::Ok,
            reason: "",
            caller: call.caller.id(),
            elapsed: self.0.cache.clock().now().since(started),
        };
        self.0.telemetry.calls(&record, (keys, hits));
    }

    /// Time since a call came in.
    pub(crate) fn elapsed(&self, call: &Call) -> Duration {
        self.0.cache.clock().now().since(call.started)
    }
}

#[tonic::async_trait]
impl CacheService for CacheRpcs {
    type PipelineStream = Messages<v1::PipelineResponse>;
    type PreloadStream = Messages<v1::PreloadResponse>;
    type WatchStream = Messages<v1::WatchResponse>;

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = get::get(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn batch_get(&self, request: Request<v1::BatchGetRequest>) -> Result<Response<v1::BatchGetResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = batch_get::batch_get(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn put(&self, request: Request<v1::PutRequest>) -> Result<Response<v1::PutResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = put::put(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn batch_put(&self, request: Request<v1::BatchPutRequest>) -> Result<Response<v1::BatchPutResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = Box::pin(batch_put::batch_put(&self.0, &entered.call, request)).await;
        self.leave(&entered, result)
    }

    async fn touch(&self, request: Request<v1::TouchRequest>) -> Result<Response<v1::TouchResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = touch::touch(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn invalidate(
        &self,
        request: Request<v1::InvalidateRequest>,
    ) -> Result<Response<v1::InvalidateResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = invalidate::invalidate(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn preload(&self, request: Request<v1::PreloadRequest>) -> Result<Response<Self::PreloadStream>, Status> {
        self.answer(request, preload::preload)
    }

    async fn stats(&self, request: Request<v1::StatsRequest>) -> Result<Response<v1::StatsResponse>, Status> {
        self.answer(request, stats::stats)
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        self.answer(request, watch::watch)
    }

    async fn update_watch(
        &self,
        request: Request<v1::UpdateWatchRequest>,
    ) -> Result<Response<v1::UpdateWatchResponse>, Status> {
        self.answer(request, update_watch::update_watch)
    }

    async fn revalidate(
        &self,
        request: Request<v1::RevalidateRequest>,
    ) -> Result<Response<v1::RevalidateResponse>, Status> {
        self.answer(request, revalidate::revalidate)
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        self.answer(request, list_entries::list_entries)
    }

    async fn explain_key(
        &self,
        request: Request<v1::ExplainKeyRequest>,
    ) -> Result<Response<v1::ExplainKeyResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = explain_key::explain_key(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn extend_lease(
        &self,
        request: Request<v1::ExtendLeaseRequest>,
    ) -> Result<Response<v1::ExtendLeaseResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = extend_lease::extend_lease(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::ReleaseLeaseResponse>, Status> {
        let (entered, request) = Entered::new(request)?;
        let result = release_lease::release_lease(&self.0, &entered.call, request).await;
        self.leave(&entered, result)
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        self.answer(request, server_info::server_info)
    }

    async fn pipeline(
        &self,
        request: Request<Streaming<v1::PipelineRequest>>,
    ) -> Result<Response<Self::PipelineStream>, Status> {
        // Its streams are taken at the gate, in the one form that everybody writes.
        let form = request.metadata().get("content-type").and_then(|form| form.to_str().ok()).unwrap_or_default();
        let rule = format!("a Pipeline is taken as plain application/grpc, this one is {form} or compressed");
        Err(Failure::new("NO_SUCH_RPC", rule).into())
    }
}

#[cfg(test)]
impl CacheRpcs {
    /// Those of an empty cache, whose records nobody hears.
    pub(crate) fn detached() -> Self {
        use super::shape::Most;
        use hotplate_engine::{clock::Clock, namespace::EngineConfig, origin::Origins};
        let clock = Clock::manual();
        let telemetry = Telemetry::detached(clock.clone());
        let observer = Arc::clone(&telemetry);
        let cache = Cache::new(EngineConfig::default(), clock, observer, Origins::new());
        Self::new(Parts {
            cache: cache.expect("the configuration is the default"),
            telemetry,
            batch_items_max: 1000,
            message_bytes_max: 4 << 20,
            shapes: Arc::new(Shapes::of_contract(Most { items: 1000, preload_items: 10_000, message_bytes: 4 << 20 })),
            lease_wait_max: Duration::from_secs(30),
            tasks: Lasting::here(),
            info: v1::GetServerInfoResponse::default(),
        })
    }
}
