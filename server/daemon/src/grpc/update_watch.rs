//! UpdateWatch: translates which single keys an open watch is to follow. Who may watch the namespace and knows the id of
//! one of its watches may change it.

use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `UpdateWatch`.
pub(crate) fn update_watch(
    parts: &Parts,
    call: &Call,
    request: v1::UpdateWatchRequest,
) -> Result<Answer<v1::UpdateWatchResponse>, Failure> {
    call.allow(&request.namespace)?;
    let answer = parts.cache.update_watch(convert::update_request(request))?;
    Ok(Answer::plain(convert::update_response(&answer)))
}
