//! ExtendLease: translates the heartbeat of who computes.

use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `ExtendLease`.
pub(crate) async fn extend_lease(
    parts: &Parts,
    call: &Call,
    request: v1::ExtendLeaseRequest,
) -> Result<Answer<v1::ExtendLeaseResponse>, Failure> {
    call.allow(&request.namespace)?;
    let token = convert::required_token(&request.token)?;
    let lease = parts.cache.keep_lease((&request.namespace, &request.key), token).await?;
    let outcome = if lease.is_some() { "held" } else { "lost" };
    Ok(Answer { message: convert::extend_response(lease), outcome })
}
