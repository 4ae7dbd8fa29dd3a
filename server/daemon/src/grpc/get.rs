//! Get: translates one look-up.

use hotplate_engine::flow::get::Lookup;
use hotplate_proto::v1;

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Serves `Get`.
pub(crate) fn get(parts: &Parts, call: &Call, request: v1::GetRequest) -> Result<Answer<v1::GetResponse>, Failure> {
    call.allow(&request.namespace)?;
    find(parts, request)
}

/// Finds one entry for a caller who may; the items of a batch come here as well.
pub(super) fn find(parts: &Parts, request: v1::GetRequest) -> Result<Answer<v1::GetResponse>, Failure> {
    let with_value = convert::wants_value(request.view)?;
    let answer = parts.cache.get(&convert::get_request(request)?)?;
    let outcome = match answer.outcome {
        Lookup::Hit(_) => "hit",
        Lookup::Stale(_) => "stale",
        Lookup::Negative(_) => "negative",
        Lookup::NotModified(_) => "not_modified",
        Lookup::Miss(_) => "miss",
    };
    Ok(Answer { message: convert::get_response(answer, with_value), outcome })
}
