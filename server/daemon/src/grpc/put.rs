//! Put: translates one write.

use hotplate_engine::flow::put::PutAnswer;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Put`.
pub(crate) async fn put(
    parts: &Parts,
    call: &Call,
    request: v1::PutRequest,
) -> Result<Answer<v1::PutResponse>, Failure> {
    call.allow(&request.namespace)?;
    store(parts, request).await
}

/// Stores one entry for a caller who may; the items of a batch come here as well.
pub(super) async fn store(parts: &Parts, request: v1::PutRequest) -> Result<Answer<v1::PutResponse>, Failure> {
    let bytes_max = parts.cache.config().unary_value_bytes_max;
    if let Some(v1::put_request::Payload::Value(value)) = &request.payload
        && value.len() as u64 > bytes_max
    {
        let rule = format!(
            "a Put takes values of at most {bytes_max} bytes, this one has {}: write it by BlobService.WriteValue",
            value.len()
        );
        return Err(Failure::new("VALUE_TOO_LARGE", rule).at("value"));
    }
    let lease = convert::lease_token("lease_token", &request.lease_token)?;
    Ok(answered(parts.cache.write(convert::put_request(request)?, lease).await?))
}

/// What became of a write, as it is answered.
pub(super) fn answered(answer: PutAnswer) -> Answer<v1::PutResponse> {
    let outcome = match answer {
        PutAnswer::Stored { .. } => "stored",
        PutAnswer::Refreshed { .. } => "refreshed",
        PutAnswer::PreconditionFailed { .. } => "precondition_failed",
        PutAnswer::NotAdmitted { .. } => "not_admitted",
        PutAnswer::LeaseLost => "lease_lost",
    };
    Answer { message: convert::put_response(answer), outcome }
}
