//! The contract as tonic serves it, with fixed answers: the same codec and machinery that generated stubs use, and nothing
//! behind. How connections are served is not known here.

use std::{convert::Infallible, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, future::BoxFuture, stream};
use hotplate_proto::v1::{self, pipeline_operation::Operation, pipeline_result::Result as Said};
use http::{Request, Response};
use parking_lot::Mutex;
use tonic::{Status, Streaming, body::Body, codegen::StdError, server::Grpc};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::answers::{Answers, info, stored};

/// Serves every call. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    pub(super) answers: Arc<Answers>,
    /// What the last upload brought, where it is kept.
    pub(super) kept: Option<Kept>,
}

/// The chunks of an upload.
pub(super) type Kept = Arc<Mutex<Vec<Bytes>>>;

/// What an answer to a call is.
type Answer = BoxFuture<'static, Response<Body>>;

impl Calls {
    /// Answers one call, by its path.
    pub(super) fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        let answers = Arc::clone(&self.answers);
        let path = request.uri().path();
        match path.rsplit('/').next().unwrap_or_default() {
            "Get" => unary(request, move |_: v1::GetRequest| answers.found().get.clone()),
            "Put" => unary(request, |_: v1::PutRequest| stored()),
            "BatchGet" => unary(request, move |asked: v1::BatchGetRequest| batch_get(&answers, asked.items.len())),
            "BatchPut" => unary(request, |asked: v1::BatchPutRequest| batch_put(asked.items.len())),
            "Invalidate" => unary(request, |_: v1::InvalidateRequest| v1::InvalidateResponse::default()),
            "GetServerInfo" => unary(request, |_: v1::GetServerInfoRequest| info()),
            // Of a collector of traces: what is sent there is thrown away.
            "Export" => unary(request, |(): ()| ()),
            "Pipeline" => pipeline(request, answers),
            "ReadValue" => read_value(request, answers),
            "WriteValue" => write_value(request, self.kept.clone()),
            _ => async { Status::unimplemented("a bare server").into_http() }.boxed(),
        }
    }
}

fn unary<B, Q, A>(request: Request<B>, answer: impl Fn(Q) -> A + Send + Sync + 'static) -> Answer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send,
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Send + Sync + 'static,
{
    async move {
        let service = service_fn(|asked: tonic::Request<Q>| {
            std::future::ready(Ok::<_, Status>(tonic::Response::new(answer(asked.into_inner()))))
        });
        Grpc::new(ProstCodec::<A, Q>::default()).unary(service, request).await
    }
    .boxed()
}

fn batch_get(answers: &Answers, items: usize) -> v1::BatchGetResponse {
    let one = v1::batch_get_result::Result::Response(answers.found().get.clone());
    v1::BatchGetResponse { results: vec![v1::BatchGetResult { result: Some(one) }; items] }
}

fn batch_put(items: usize) -> v1::BatchPutResponse {
    let one = v1::batch_put_result::Result::Response(stored());
    v1::BatchPutResponse { results: vec![v1::BatchPutResult { result: Some(one) }; items] }
}

fn pipeline<B>(request: Request<B>, answers: Arc<Answers>) -> Answer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    let message = move |asked: v1::PipelineRequest| v1::PipelineResponse {
        results: asked.operations.into_iter().map(|operation| result(&answers, &operation)).collect(),
    };
    async move {
        let service = service_fn(|asked: tonic::Request<Streaming<v1::PipelineRequest>>| {
            let said = asked.into_inner().map_ok(message.clone());
            std::future::ready(Ok::<_, Status>(tonic::Response::new(said)))
        });
        Grpc::new(ProstCodec::<v1::PipelineResponse, v1::PipelineRequest>::default()).streaming(service, request).await
    }
    .boxed()
}

fn result(answers: &Answers, operation: &v1::PipelineOperation) -> v1::PipelineResult {
    let said = match operation.operation {
        Some(Operation::Get(_)) => Said::Get(answers.found().get.clone()),
        Some(Operation::Put(_)) => Said::Put(stored()),
        Some(Operation::Touch(_)) => Said::Touch(v1::TouchResponse::default()),
        Some(Operation::Invalidate(_)) => Said::Invalidate(v1::InvalidateResponse::default()),
        Some(Operation::Cancel(_)) | None => Said::Error(v1::ItemError::default()),
    };
    v1::PipelineResult { call_id: operation.call_id, result: Some(said) }
}

fn read_value<B>(request: Request<B>, answers: Arc<Answers>) -> Answer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    async move {
        let service = service_fn(|_: tonic::Request<v1::ReadValueRequest>| {
            let messages = stream::iter(Arc::clone(&answers).read_value().map(Ok::<_, Status>));
            std::future::ready(Ok::<_, Status>(tonic::Response::new(messages)))
        });
        let codec = ProstCodec::<v1::ReadValueResponse, v1::ReadValueRequest>::default();
        Grpc::new(codec).server_streaming(service, request).await
    }
    .boxed()
}

fn write_value<B>(request: Request<B>, kept: Option<Kept>) -> Answer
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    async move {
        let service = service_fn(|asked: tonic::Request<Streaming<v1::WriteValueRequest>>| {
            let kept = kept.clone();
            async move {
                let received_bytes = received(asked.into_inner(), kept).await?;
                let put = Some(stored());
                Ok::<_, Status>(tonic::Response::new(v1::WriteValueResponse { received_bytes, put }))
            }
        });
        let codec = ProstCodec::<v1::WriteValueResponse, v1::WriteValueRequest>::default();
        Grpc::new(codec).client_streaming(service, request).await
    }
    .boxed()
}

/// Reads an upload to its end, and keeps its chunks only where there is a place for them.
async fn received(
    mut messages: impl Stream<Item = Result<v1::WriteValueRequest, Status>> + Unpin,
    kept: Option<Kept>,
) -> Result<u64, Status> {
    let (mut bytes, mut chunks) = (0, Vec::new());
    while let Some(message) = messages.next().await {
        if let Some(v1::write_value_request::Message::Chunk(chunk)) = message?.message {
            bytes += chunk.data.len() as u64;
            chunks.extend(kept.is_some().then_some(chunk.data));
        }
    }
    if let Some(kept) = kept {
        *kept.lock() = chunks;
    }
    Ok(bytes)
}

/// One of the two services, as tonic's router wants it.
#[derive(Clone, Debug)]
pub(super) struct Named<const BLOB: bool>(pub(super) Calls);

impl tonic::server::NamedService for Named<false> {
    const NAME: &'static str = "hotplate.v1.CacheService";
}

impl tonic::server::NamedService for Named<true> {
    const NAME: &'static str = "hotplate.v1.BlobService";
}

impl<const BLOB: bool> tower::Service<Request<Body>> for Named<BLOB> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.answer(request).map(Ok).boxed()
    }
}
