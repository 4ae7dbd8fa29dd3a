//! What a call of the record is on the wire, and what an answer of the wire is in the record. Sends nothing.

use std::time::Duration;

use hotplate_proto::v1::{
    self, GetOutcome, InvalidateMode, MissPolicy, PutOutcome, StalePolicy, precondition::Condition as WireCondition,
    selector::Selector as WireSelector,
};

use crate::{
    record::{Answer, Condition, Found, Get, Got, Granted, Invalidate, Miss, Outcome, Put, Seen, Selects, Written},
    universe, value,
};

/// Milliseconds as the wire has them.
fn duration(milliseconds: u64) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(Duration::from_millis(milliseconds)).ok()
}

fn milliseconds(duration: Option<prost_types::Duration>) -> u64 {
    let duration = duration.and_then(|duration| Duration::try_from(duration).ok()).unwrap_or_default();
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn expiration(written: &Written) -> Option<v1::Expiration> {
    let lifetime = duration(written.ttl_ms).map(v1::expiration::Lifetime::Ttl);
    let stale_for = if written.stale_ms > 0 { duration(written.stale_ms) } else { None };
    Some(v1::Expiration { lifetime, stale_for, ..Default::default() })
}

/// A Get.
pub(super) fn get(call: &Get, max_age_ms: u64) -> v1::GetRequest {
    let (policy, wait) = match call.miss {
        Miss::Report => (MissPolicy::Report, None),
        Miss::Lease => (MissPolicy::Lease, None),
        Miss::Wait(wait) => (MissPolicy::LeaseOrWait, duration(wait)),
    };
    v1::GetRequest {
        namespace: universe::namespace(&call.key).to_owned(),
        key: call.key.clone(),
        max_age: if call.young { duration(max_age_ms) } else { None },
        stale_policy: if call.stale { StalePolicy::WhileRevalidate } else { StalePolicy::Refuse }.into(),
        miss_policy: policy.into(),
        wait_timeout: wait,
        ..Default::default()
    }
}

/// A Put of this text; `etag` is what a condition on a computation becomes.
pub(super) fn put(call: &Put, text: String, etag: &str) -> v1::PutRequest {
    let condition = match &call.condition {
        Condition::Always => None,
        Condition::Absent => Some(WireCondition::Absent(true)),
        Condition::Present => Some(WireCondition::Present(true)),
        Condition::Is(_) => Some(WireCondition::Etag(etag.to_owned())),
    };
    let facts = universe::facts(&call.key);
    v1::PutRequest {
        namespace: universe::namespace(&call.key).to_owned(),
        key: call.key.clone(),
        payload: Some(v1::put_request::Payload::Value(text.into())),
        expiration: expiration(&call.written),
        kind: facts.kind,
        tags: facts.tags,
        depends_on: facts.depends_on,
        precondition: condition.map(|condition| v1::Precondition { condition: Some(condition) }),
        lease_token: call.token.clone().unwrap_or_default(),
        ..Default::default()
    }
}

/// A ReleaseLease, with the failure's text when there is one.
pub(super) fn release(
    (key, token): (&str, &str),
    failure: Option<&Written>,
    text: String,
    hold_off_ms: u64,
) -> v1::ReleaseLeaseRequest {
    let facts = if failure.is_some() { universe::facts(key) } else { universe::Facts::default() };
    v1::ReleaseLeaseRequest {
        namespace: universe::namespace(key).to_owned(),
        key: key.to_owned(),
        token: token.to_owned(),
        failure: failure.map(|_| v1::Negative { reason: "FAILED".to_owned(), message: text }),
        expiration: failure.and_then(expiration),
        hold_off: if hold_off_ms > 0 { duration(hold_off_ms) } else { None },
        kind: facts.kind,
        tags: facts.tags,
        depends_on: facts.depends_on,
    }
}

/// An Invalidate.
pub(super) fn invalidate(call: &Invalidate) -> v1::InvalidateRequest {
    let register = call.selectors.iter().find_map(|selector| match selector {
        Selects::Key(key) if universe::is_register(key) => Some(universe::REGISTERS),
        _ => None,
    });
    v1::InvalidateRequest {
        namespace: register.unwrap_or_default().to_owned(),
        selectors: call.selectors.iter().map(selector).collect(),
        cascade: Some(call.cascade),
        mode: if call.mark_stale { InvalidateMode::MarkStale } else { InvalidateMode::Delete }.into(),
        ..Default::default()
    }
}

/// A selector.
pub(super) fn selector(selects: &Selects) -> v1::Selector {
    let selector = match selects {
        Selects::Key(key) => WireSelector::Key(key.clone()),
        Selects::Prefix(prefix) => WireSelector::Prefix(prefix.clone()),
        Selects::Glob(glob) => WireSelector::Glob(glob.clone()),
        Selects::Tag(tag) => WireSelector::Tag(tag.clone()),
        Selects::AllTags(tags) => WireSelector::AllTags(v1::TagSet { tags: tags.clone() }),
        Selects::Kind(kind) => WireSelector::Kind(kind.clone()),
        Selects::DependentsOf(target) => WireSelector::DependentsOf(target.clone()),
        Selects::Everything => WireSelector::Everything(true),
    };
    v1::Selector { selector: Some(selector) }
}

/// What a Get was answered, and the etag of what it found.
pub(super) fn got(answer: v1::GetResponse) -> (Answer, String) {
    let outcome = answer.outcome();
    let lease = answer.lease.map(|lease| Granted { token: lease.token, lasts_ms: milliseconds(lease.duration) });
    let entry = answer.entry.unwrap_or_default();
    let seen = content(&entry);
    let found = match outcome {
        GetOutcome::Hit => Found::Fresh(seen),
        GetOutcome::Stale => Found::Stale(seen),
        GetOutcome::Negative => Found::Negative(seen),
        GetOutcome::Pending => Found::Pending,
        _ => Found::Miss,
    };
    (Answer::Got(Got { found, lease }), entry.metadata.unwrap_or_default().etag)
}

fn content(entry: &v1::Entry) -> Seen {
    match &entry.payload {
        Some(v1::entry::Payload::Value(bytes)) => value::read(bytes),
        Some(v1::entry::Payload::Negative(negative)) => value::read(negative.message.as_bytes()),
        Some(v1::entry::Payload::Large(_)) | None => Seen::default(),
    }
}

/// What a Put was answered, and the etag of what is stored.
pub(super) fn stored(answer: v1::PutResponse) -> (Answer, String) {
    let outcome = match answer.outcome() {
        PutOutcome::Stored | PutOutcome::Refreshed => Outcome::Stored,
        PutOutcome::LeaseLost => Outcome::LeaseLost,
        PutOutcome::NotAdmitted => Outcome::NotAdmitted,
        PutOutcome::PreconditionFailed | PutOutcome::Unspecified => Outcome::ConditionFailed,
    };
    let at = places(answer.position).into_iter().find(|place| place[0] < 64);
    (Answer::Put { outcome, at }, answer.metadata.unwrap_or_default().etag)
}

/// What an Invalidate was answered.
pub(super) fn invalidated(answer: v1::InvalidateResponse) -> Answer {
    Answer::Invalidated { at: places(answer.position) }
}

fn places(position: Option<v1::Position>) -> Vec<[u64; 3]> {
    let logs = position.unwrap_or_default().logs;
    logs.into_iter().map(|log| [u64::from(log.log), log.epoch, log.number]).collect()
}
