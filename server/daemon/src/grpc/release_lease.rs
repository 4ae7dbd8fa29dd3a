//! ReleaseLease: translates how a computation ended without a value.

use std::mem::take;

use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `ReleaseLease`.
pub(crate) async fn release_lease(
    parts: &Parts,
    call: &Call,
    mut request: v1::ReleaseLeaseRequest,
) -> Result<Answer<v1::ReleaseLeaseResponse>, Failure> {
    call.allow(&request.namespace)?;
    let token = convert::required_token(&request.token)?;
    let (namespace, key) = (take(&mut request.namespace), take(&mut request.key));
    let how = convert::release(request)?;
    let released = parts.cache.give_back((&namespace, &key), token, how).await?;
    let outcome = if released.is_some() { "held" } else { "lost" };
    Ok(Answer { message: convert::release_response(released), outcome })
}
