//! What may share a stream: how a request is written as an operation of it, and how it is sent alone. Streams live in
//! `lane`.

use std::{future::Future, time::Duration};

use bytes::BytesMut;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len, message, uint64},
};
use tonic::{Request, Response, Status, transport::Channel};

use crate::v1::{self, cache_service_client::CacheServiceClient};

/// Bytes of a request that may share a stream: a larger one would hold up those behind it.
pub(crate) const OPERATION_BYTES_MAX: usize = 16 << 10;

/// Field numbers of `PipelineRequest` and `PipelineOperation`.
const NAMESPACE: u32 = 1;
const OPERATIONS: u32 = 2;
const CALL_ID: u32 = 1;
const TIMEOUT: u32 = 2;
const CANCEL: u32 = 7;

/// A request of CacheService that Pipeline has an operation for.
pub(crate) trait Operation: Message + Clone + Default {
    /// What it is answered with.
    type Answer: Message + Default;
    /// Its field in `PipelineOperation`.
    const FIELD: u32;
    /// The field of its answer in `PipelineResult`.
    const ANSWER: u32;

    /// The namespace it names.
    fn namespace(&mut self) -> &mut String;

    /// Whether it is answered without waiting for what others do.
    fn is_quick(&self) -> bool;

    /// Sends it as a call of its own.
    fn alone(
        stub: CacheServiceClient<Channel>,
        request: Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

impl Operation for v1::GetRequest {
    type Answer = v1::GetResponse;
    const FIELD: u32 = 3;
    const ANSWER: u32 = 2;

    fn namespace(&mut self) -> &mut String {
        &mut self.namespace
    }

    /// Who waits for another's value, or for what others changed, waits on a call of its own.
    fn is_quick(&self) -> bool {
        self.miss_policy() != v1::MissPolicy::LeaseOrWait && self.min_position.is_none()
    }

    async fn alone(mut stub: CacheServiceClient<Channel>, request: Request<Self>) -> Answered<Self> {
        stub.get(request).await
    }
}

impl Operation for v1::PutRequest {
    type Answer = v1::PutResponse;
    const FIELD: u32 = 4;
    const ANSWER: u32 = 3;

    fn namespace(&mut self) -> &mut String {
        &mut self.namespace
    }

    fn is_quick(&self) -> bool {
        true
    }

    async fn alone(mut stub: CacheServiceClient<Channel>, request: Request<Self>) -> Answered<Self> {
        stub.put(request).await
    }
}

impl Operation for v1::TouchRequest {
    type Answer = v1::TouchResponse;
    const FIELD: u32 = 5;
    const ANSWER: u32 = 4;

    fn namespace(&mut self) -> &mut String {
        &mut self.namespace
    }

    fn is_quick(&self) -> bool {
        true
    }

    async fn alone(mut stub: CacheServiceClient<Channel>, request: Request<Self>) -> Answered<Self> {
        stub.touch(request).await
    }
}

impl Operation for v1::InvalidateRequest {
    type Answer = v1::InvalidateResponse;
    const FIELD: u32 = 6;
    const ANSWER: u32 = 5;

    fn namespace(&mut self) -> &mut String {
        &mut self.namespace
    }

    fn is_quick(&self) -> bool {
        true
    }

    async fn alone(mut stub: CacheServiceClient<Channel>, request: Request<Self>) -> Answered<Self> {
        stub.invalidate(request).await
    }
}

type Answered<Q> = Result<Response<<Q as Operation>::Answer>, Status>;

/// Writes the namespace of a message, before its operations.
pub(crate) fn begin(namespace: &str, into: &mut BytesMut) {
    encode_key(NAMESPACE, WireType::LengthDelimited, into);
    encode_varint(namespace.len() as u64, into);
    into.extend_from_slice(namespace.as_bytes());
}

/// Writes one operation of a message, straight from its request.
pub(crate) fn append<Q: Operation>(call_id: u64, timeout: Duration, request: &Q, into: &mut BytesMut) {
    let timeout = wire_timeout(timeout);
    let body = request.encoded_len();
    let head = uint64::encoded_len(CALL_ID, &call_id) + message::encoded_len(TIMEOUT, &timeout);
    let length = head + key_len(Q::FIELD) + encoded_len_varint(body as u64) + body;
    into.reserve(length + key_len(OPERATIONS) + encoded_len_varint(length as u64));
    encode_key(OPERATIONS, WireType::LengthDelimited, into);
    encode_varint(length as u64, into);
    uint64::encode(CALL_ID, &call_id, into);
    message::encode(TIMEOUT, &timeout, into);
    encode_key(Q::FIELD, WireType::LengthDelimited, into);
    encode_varint(body as u64, into);
    request.encode_raw(into);
}

/// Writes that nobody waits for an operation any more.
pub(crate) fn append_cancel(call_id: u64, into: &mut BytesMut) {
    let cancel = v1::PipelineCancel {};
    let length = uint64::encoded_len(CALL_ID, &call_id) + message::encoded_len(CANCEL, &cancel);
    encode_key(OPERATIONS, WireType::LengthDelimited, into);
    encode_varint(length as u64, into);
    uint64::encode(CALL_ID, &call_id, into);
    message::encode(CANCEL, &cancel, into);
}

/// A timeout on the wire: above zero, as what is not is refused.
fn wire_timeout(timeout: Duration) -> prost_types::Duration {
    let timeout = timeout.max(Duration::from_millis(1));
    let nanos = i32::try_from(timeout.subsec_nanos()).unwrap_or_default();
    prost_types::Duration { seconds: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX), nanos }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_hand_is_what_the_contract_says() {
        let get = v1::GetRequest { key: "a".to_owned(), peek: true, ..v1::GetRequest::default() };
        let put = v1::PutRequest { namespace: "other".to_owned(), key: "b".to_owned(), ..v1::PutRequest::default() };
        let mut written = BytesMut::new();
        begin("ml", &mut written);
        append(7 << 32, Duration::from_millis(1_500), &get, &mut written);
        append(8, Duration::ZERO, &put, &mut written);
        append(9, Duration::from_secs(1), &v1::TouchRequest::default(), &mut written);
        append(10, Duration::from_secs(1), &v1::InvalidateRequest::default(), &mut written);
        append_cancel(7 << 32, &mut written);
        let read = v1::PipelineRequest::decode(written.freeze()).expect("a message of the contract");

        use v1::pipeline_operation::Operation as Kind;
        let timeout = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        let operation =
            |call_id, timeout, operation| v1::PipelineOperation { call_id, timeout, operation: Some(operation) };
        let expected = [
            operation(7 << 32, timeout(1, 500_000_000), Kind::Get(get)),
            operation(8, timeout(0, 1_000_000), Kind::Put(put)),
            operation(9, timeout(1, 0), Kind::Touch(v1::TouchRequest::default())),
            operation(10, timeout(1, 0), Kind::Invalidate(v1::InvalidateRequest::default())),
            operation(7 << 32, None, Kind::Cancel(v1::PipelineCancel {})),
        ];
        assert_eq!((read.namespace.as_str(), read.operations.as_slice()), ("ml", expected.as_slice()));
    }
}
