//! Touch: translates a change of a lifetime.

use hotplate_engine::flow::touch::TouchAnswer;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Touch`.
pub(crate) async fn touch(
    parts: &Parts,
    call: &Call,
    request: v1::TouchRequest,
) -> Result<Answer<v1::TouchResponse>, Failure> {
    call.allow(&request.namespace)?;
    let answer = parts.cache.move_end(&convert::touch_request(request)?).await?;
    let outcome = match answer {
        TouchAnswer::Touched(_) => "touched",
        TouchAnswer::Unchanged(_) => "unchanged",
        TouchAnswer::NotFound => "not_found",
        TouchAnswer::EtagMismatch(_) => "etag_mismatch",
    };
    Ok(Answer { message: convert::touch_response(answer), outcome })
}
