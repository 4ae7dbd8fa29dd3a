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
