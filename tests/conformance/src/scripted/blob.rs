//! `BlobService` from a script: nothing but its failures.

use std::pin::Pin;

use futures::Stream;
use hotplate_proto::v1::{self, blob_service_server::BlobService};
use tonic::{Request, Response, Status, Streaming};

use super::Plays;

fn absent<T>() -> Result<T, Status> {
    Err(Status::unimplemented("the script has no line for this"))
}

#[tonic::async_trait]
impl BlobService for Plays {
    type ReadValueStream = Pin<Box<dyn Stream<Item = Result<v1::ReadValueResponse, Status>> + Send>>;

    async fn read_value(
        &self,
        request: Request<v1::ReadValueRequest>,
    ) -> Result<Response<Self::ReadValueStream>, Status> {
        self.begin("ReadValue", request).await?;
        absent()
    }

    async fn write_value(
        &self,
        request: Request<Streaming<v1::WriteValueRequest>>,
    ) -> Result<Response<v1::WriteValueResponse>, Status> {
        self.begin("WriteValue", request).await?;
        absent()
    }

    async fn query_write(
        &self,
        request: Request<v1::QueryWriteRequest>,
    ) -> Result<Response<v1::QueryWriteResponse>, Status> {
        self.begin("QueryWrite", request).await?;
        absent()
    }
}
