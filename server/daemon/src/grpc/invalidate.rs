//! Invalidate: translates what to drop, to mark stale or to fetch anew.

use hotplate_engine::selector::Selector;
use hotplate_proto::v1::{self, Permission};

use super::{
    convert::{self, InvalidateMode},
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Invalidate`.
pub(crate) async fn invalidate(
    parts: &Parts,
    call: &Call,
    request: v1::InvalidateRequest,
) -> Result<Answer<v1::InvalidateResponse>, Failure> {
    call.allow(&request.namespace)?;
    let mode = convert::invalidate_mode(&request)?;
    let request = convert::invalidate_request(request)?;
    if request.selectors.contains(&Selector::Everything) {
        call.allow_also(Permission::InvalidateAll, &request.namespace)?;
    }
    if matches!(mode, InvalidateMode::Refresh(_)) {
        call.allow_also(Permission::Preload, &request.namespace)?;
    }
    let (answer, outcome) = match mode {
        InvalidateMode::Delete => (parts.cache.drop_entries(&request).await?, "invalidated"),
        InvalidateMode::MarkStale(spread_over) => (parts.cache.outdate(&request, spread_over).await?, "marked_stale"),
        InvalidateMode::Refresh(from) => (parts.cache.renew_entries(&request, &from).await?, "refreshing"),
    };
    let outcome = if request.validate_only { "validated" } else { outcome };
    Ok(Answer { message: convert::invalidate_response(answer), outcome })
}
