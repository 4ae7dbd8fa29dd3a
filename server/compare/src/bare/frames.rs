//! The least that gRPC can cost for large answers: bodies made of frames by hand, in which no byte of a value is copied.
//! Everything but Get and ReadValue goes the usual way.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt, future::BoxFuture, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use prost::Message;
use tonic::{Status, body::Body};

use super::{answers::PREFIX, calls::Calls};
use hotplate_proto::v1;

/// Answers one call.
pub(super) fn answer(calls: &Calls, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
    let answers = Arc::clone(&calls.answers);
    match request.uri().path() {
        "/hotplate.v1.CacheService/Get" => async move {
            match asked::<v1::GetRequest>(request).await {
                Ok(_asked) => response(answers.found().frames.clone().into_iter()),
                Err(status) => status.into_http(),
            }
        }
        .boxed(),
        "/hotplate.v1.BlobService/ReadValue" => async move {
            match asked::<v1::ReadValueRequest>(request).await {
                Ok(_asked) => response(answers.read_value_frames()),
                Err(status) => status.into_http(),
            }
        }
        .boxed(),
        _ => calls.answer(request),
    }
}

/// The one message of a request.
async fn asked<Q: Message + Default>(request: Request<Incoming>) -> Result<Q, Status> {
    let broken = |_| Status::cancelled("the request broke");
    let body = request.into_body().collect().await.map_err(broken)?.to_bytes();
    let malformed = || Status::internal("no message");
    if body.len() < PREFIX {
        return Err(malformed());
    }
    Q::decode(body.slice(PREFIX..)).map_err(|_undecodable| malformed())
}

/// These frames, then that all went well.
fn response(frames: impl Iterator<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let frames = frames.map(Frame::data).chain([Frame::trailers(trailers)]).map(Ok::<_, Status>);
    let mut response = Response::new(Body::new(StreamBody::new(stream::iter(frames))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
