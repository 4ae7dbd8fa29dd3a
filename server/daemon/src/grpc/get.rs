//! Get: translates one look-up, and decides how long it may wait for who computes what is missing.

use std::time::Duration;

use hotplate_engine::flow::{get::Lookup, lease::LeasedAnswer};
use hotplate_proto::v1::{self, Permission};

use super::{
    convert,
    service::{Answer, Call, Parts},
    status::Failure,
};

/// Kept of a call's time for its answer, at most; a tenth of it when that is less.
const ANSWER_TIME: Duration = Duration::from_millis(100);

/// Serves `Get`.
pub(crate) async fn get(
    parts: &Parts,
    call: &Call,
    request: v1::GetRequest,
) -> Result<Answer<v1::GetResponse>, Failure> {
    call.allow(&request.namespace)?;
    let wait = match convert::miss_policy(&request)? {
        convert::MissPolicy::Report => return find(parts, request),
        convert::MissPolicy::Lease => None,
        convert::MissPolicy::Wait(asked) => {
            let left = call.time.saturating_sub(parts.cache.clock().now().since(call.started));
            let most = left.saturating_sub(ANSWER_TIME.min(left / 10)).min(parts.lease_wait_max);
            Some(asked.map_or(most, |asked| asked.min(most)))
        }
    };
    call.allow_also(Permission::Write, &request.namespace)?;
    let with_value = convert::wants_value(request.view)?;
    let found = parts.cache.get_leased(&convert::get_request(request)?, wait).await?;
    let (answer, lease) = match found {
        LeasedAnswer::Found(answer, lease) => (*answer, lease),
        LeasedAnswer::Pending(retry_after, as_of) => {
            return Ok(Answer { message: convert::pending_response(retry_after, as_of), outcome: "pending" });
        }
    };
    let outcome = word(&answer.outcome);
    let lease = lease.as_ref().map(convert::wire_lease);
    Ok(Answer { message: v1::GetResponse { lease, ..convert::get_response(answer, with_value) }, outcome })
}

/// Finds one entry for a caller who may; the items of a batch come here as well.
pub(super) fn find(parts: &Parts, request: v1::GetRequest) -> Result<Answer<v1::GetResponse>, Failure> {
    let with_value = convert::wants_value(request.view)?;
    let answer = parts.cache.get(&convert::get_request(request)?)?;
    let outcome = word(&answer.outcome);
    Ok(Answer { message: convert::get_response(answer, with_value), outcome })
}

fn word(found: &Lookup) -> &'static str {
    match found {
        Lookup::Hit(_) => "hit",
        Lookup::Stale(_) => "stale",
        Lookup::Negative(_) => "negative",
        Lookup::NotModified(_) => "not_modified",
        Lookup::Miss(_) => "miss",
    }
}
