//! Get: translates one look-up, and decides how long it may wait for who computes what is missing.

use std::time::Duration;

use hotplate_engine::flow::{
    get::{GetRequest, Lookup},
    lease::{LeasedAnswer, OnMiss},
};
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
    let Wish { request, on_miss, view } = Wish::new(parts, call, request)?;
    if on_miss != OnMiss::Report {
        call.allow_also(Permission::Write, &request.namespace)?;
    }
    let found = parts.cache.read(&request, on_miss).await?;
    call.granted.add((&parts.cache, &parts.tasks), &request, &found);
    let degraded = parts.cache.is_degraded(&request.namespace);
    let mut answer = answer(found, (view, degraded));
    leave_large(parts, &mut answer.message);
    Ok(answer)
}

/// What a Get wants, checked; the items of a batch are such as well.
pub(super) struct Wish {
    pub(super) request: GetRequest,
    pub(super) on_miss: OnMiss,
    pub(super) view: convert::View,
}

impl Wish {
    pub(super) fn new(parts: &Parts, call: &Call, request: v1::GetRequest) -> Result<Self, Failure> {
        let on_miss = match convert::miss_policy(&request)? {
            convert::MissPolicy::Report => OnMiss::Report,
            convert::MissPolicy::Lease => OnMiss::Lease,
            convert::MissPolicy::Wait(asked) => {
                let left = call.time.saturating_sub(parts.cache.clock().now().since(call.started));
                let most = left.saturating_sub(ANSWER_TIME.min(left / 10)).min(parts.lease_wait_max);
                OnMiss::Wait(asked.map_or(most, |asked| asked.min(most)))
            }
        };
        let view = convert::view(request.view)?;
        Ok(Self { request: convert::get_request(request)?, on_miss, view })
    }
}

/// Leaves a value that is too large for a message to ReadValue.
pub(super) fn leave_large(parts: &Parts, found: &mut v1::GetResponse) {
    let bytes_max = parts.cache.config().unary_value_bytes_max;
    found.entry.iter_mut().for_each(|entry| convert::without_large(entry, bytes_max));
}

/// What was found, as it is answered; `degraded`: what others changed may not be known here.
pub(super) fn answer(found: LeasedAnswer, (view, degraded): (convert::View, bool)) -> Answer<v1::GetResponse> {
    let Answer { message, outcome } = plain(found, view);
    let coherence = if degraded { v1::Coherence::Degraded } else { v1::Coherence::Unspecified }.into();
    Answer { message: v1::GetResponse { coherence, ..message }, outcome }
}

fn plain(found: LeasedAnswer, view: convert::View) -> Answer<v1::GetResponse> {
    match found {
        LeasedAnswer::Found(found, lease) => {
            let outcome = word(&found.outcome);
            let lease = lease.as_ref().map(convert::wire_lease);
            Answer { message: v1::GetResponse { lease, ..convert::get_response(*found, view) }, outcome }
        }
        LeasedAnswer::Pending(retry_after, as_of) => {
            Answer { message: convert::pending_response(retry_after, as_of), outcome: "pending" }
        }
    }
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
