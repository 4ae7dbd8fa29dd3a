//! Invalidate: translates what to drop.

use hotplate_engine::selector::Selector;
use hotplate_proto::v1::{self, Permission};

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Invalidate`.
pub(crate) fn invalidate(
    parts: &Parts,
    call: &Call,
    request: v1::InvalidateRequest,
) -> Result<Answer<v1::InvalidateResponse>, Failure> {
    call.allow(&request.namespace)?;
    let request = convert::invalidate_request(request)?;
    if request.selectors.contains(&Selector::Everything) {
        call.allow_also(Permission::InvalidateAll, &request.namespace)?;
    }
    let outcome = if request.validate_only { "validated" } else { "invalidated" };
    let answer = parts.cache.invalidate(&request)?;
    Ok(Answer { message: convert::invalidate_response(answer), outcome })
}
