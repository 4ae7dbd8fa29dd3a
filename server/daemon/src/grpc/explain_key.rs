//! ExplainKey: translates the explanation of a key.

use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `ExplainKey`.
pub(crate) async fn explain_key(
    parts: &Parts,
    call: &Call,
    request: v1::ExplainKeyRequest,
) -> Result<Answer<v1::ExplainKeyResponse>, Failure> {
    call.allow(&request.namespace)?;
    let answer = parts.cache.explain_in_all(&convert::explain_request(request)).await?;
    Ok(Answer::plain(convert::explain_response(answer)))
}
