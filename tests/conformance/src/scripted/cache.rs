//! `CacheService` from a script.

use std::{pin::Pin, time::Duration};

use futures::{Stream, StreamExt, stream};
use hotplate_proto::v1::{self, cache_service_server::CacheService, watch_response::Message};
use tonic::{Request, Response, Status, Streaming};

use super::{Plays, plain};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A script that makes no sense is told where it is met.
fn senseless(why: String) -> Status {
    Status::internal(why)
}

/// What no scenario asks of a server that stores nothing.
fn absent<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the script has no line for this"))
}

/// A watch of a cache in which nothing happens: `{progress_ms}` says how often it says so, 0 never.
fn quiet(interval: Duration) -> Answers<v1::WatchResponse> {
    let at = || Some(plain::position(0..plain::LOGS));
    let message = |message| v1::WatchResponse { message: Some(message), resume_token: b"scripted".to_vec().into() };
    let created = v1::WatchCreated { position: at(), watch_id: "scripted".to_owned() };
    let created = message(Message::Created(created));
    let progress = stream::unfold((), move |()| async move {
        if interval.is_zero() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(interval).await;
        Some((message(Message::Progress(v1::WatchProgress { position: at(), closing: false })), ()))
    });
    Box::pin(stream::iter([created]).chain(progress).map(Ok))
}

#[tonic::async_trait]
impl CacheService for Plays {
    type PreloadStream = Answers<v1::PreloadResponse>;
    type WatchStream = Answers<v1::WatchResponse>;
    type PipelineStream = Answers<v1::PipelineResponse>;

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetResponse>, Status> {
        let (request, line) = self.begin("Get", request).await?;
        Ok(Response::new(plain::get(&request, &line.answer)))
    }

    async fn batch_get(&self, request: Request<v1::BatchGetRequest>) -> Result<Response<v1::BatchGetResponse>, Status> {
        let (request, line) = self.begin("BatchGet", request).await?;
        plain::batch_get(&request, &line.answer).map(Response::new).map_err(senseless)
    }

    async fn put(&self, request: Request<v1::PutRequest>) -> Result<Response<v1::PutResponse>, Status> {
        let (_, line) = self.begin("Put", request).await?;
        Ok(Response::new(plain::put(&line.answer)))
    }

    async fn batch_put(&self, request: Request<v1::BatchPutRequest>) -> Result<Response<v1::BatchPutResponse>, Status> {
        let (request, line) = self.begin("BatchPut", request).await?;
        plain::batch_put(&request, &line.answer).map(Response::new).map_err(senseless)
    }

    async fn touch(&self, request: Request<v1::TouchRequest>) -> Result<Response<v1::TouchResponse>, Status> {
        self.begin("Touch", request).await?;
        let outcome = v1::TouchOutcome::Touched.into();
        Ok(Response::new(v1::TouchResponse { outcome, ..v1::TouchResponse::default() }))
    }

    async fn invalidate(
        &self,
        request: Request<v1::InvalidateRequest>,
    ) -> Result<Response<v1::InvalidateResponse>, Status> {
        self.begin("Invalidate", request).await?;
        Ok(Response::new(v1::InvalidateResponse { matched_count: 1, ..v1::InvalidateResponse::default() }))
    }

    async fn extend_lease(
        &self,
        request: Request<v1::ExtendLeaseRequest>,
    ) -> Result<Response<v1::ExtendLeaseResponse>, Status> {
        let (_, line) = self.begin("ExtendLease", request).await?;
        Ok(Response::new(plain::extended(&line.answer)))
    }

    async fn release_lease(
        &self,
        request: Request<v1::ReleaseLeaseRequest>,
    ) -> Result<Response<v1::ReleaseLeaseResponse>, Status> {
        self.begin("ReleaseLease", request).await?;
        let outcome = v1::LeaseOutcome::Held.into();
        Ok(Response::new(v1::ReleaseLeaseResponse { outcome, ..v1::ReleaseLeaseResponse::default() }))
    }

    async fn stats(&self, request: Request<v1::StatsRequest>) -> Result<Response<v1::StatsResponse>, Status> {
        self.begin("Stats", request).await?;
        Ok(Response::new(v1::StatsResponse::default()))
    }

    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let (_, line) = self.begin("GetServerInfo", request).await?;
        Ok(Response::new(plain::server_info(&line.answer)))
    }

    async fn explain_key(
        &self,
        request: Request<v1::ExplainKeyRequest>,
    ) -> Result<Response<v1::ExplainKeyResponse>, Status> {
        self.begin("ExplainKey", request).await?;
        absent()
    }

    async fn list_entries(
        &self,
        request: Request<v1::ListEntriesRequest>,
    ) -> Result<Response<v1::ListEntriesResponse>, Status> {
        self.begin("ListEntries", request).await?;
        absent()
    }

    async fn update_watch(
        &self,
        request: Request<v1::UpdateWatchRequest>,
    ) -> Result<Response<v1::UpdateWatchResponse>, Status> {
        self.begin("UpdateWatch", request).await?;
        absent()
    }

    async fn revalidate(
        &self,
        request: Request<v1::RevalidateRequest>,
    ) -> Result<Response<v1::RevalidateResponse>, Status> {
        self.begin("Revalidate", request).await?;
        absent()
    }

    async fn preload(&self, request: Request<v1::PreloadRequest>) -> Result<Response<Self::PreloadStream>, Status> {
        self.begin("Preload", request).await?;
        absent()
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (_, line) = self.begin("Watch", request).await?;
        match line.answer["progress_ms"].as_u64() {
            Some(millis) => Ok(Response::new(quiet(Duration::from_millis(millis)))),
            None => absent(),
        }
    }

    /// It has none: calls go alone, each with its own line.
    async fn pipeline(
        &self,
        request: Request<Streaming<v1::PipelineRequest>>,
    ) -> Result<Response<Self::PipelineStream>, Status> {
        self.0.saw("Pipeline", super::Facts::facts(request.get_ref()));
        absent()
    }
}
