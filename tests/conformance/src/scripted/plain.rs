//! What the scripted server answers: the least that a client goes on with, or what a line of the script says instead.

use hotplate_proto::v1;
use serde_json::Value;

use super::line;

/// A miss, or `{hit: {text, content_type, encoding}}`, `{negative: {reason, message}}`, `{miss_reason: NUMBER}`; a lease for who
/// asks for one.
pub(super) fn get(request: &v1::GetRequest, answer: &Value) -> v1::GetResponse {
    if let Some(hit) = answer.get("hit") {
        let text = |name: &str| hit[name].as_str().unwrap_or_default().to_owned();
        let payload = v1::entry::Payload::Value(text("text").into_bytes().into());
        return found(v1::GetOutcome::Hit, payload, (text("content_type"), text("encoding")));
    }
    if let Some(negative) = answer.get("negative") {
        let text = |name: &str| negative[name].as_str().unwrap_or_default().to_owned();
        let negative = v1::Negative { reason: text("reason"), message: text("message") };
        let none = (String::new(), String::new());
        return found(v1::GetOutcome::Negative, v1::entry::Payload::Negative(negative), none);
    }
    let leases = matches!(request.miss_policy(), v1::MissPolicy::Lease | v1::MissPolicy::LeaseOrWait);
    let reason = answer["miss_reason"].as_i64().and_then(|number| i32::try_from(number).ok());
    v1::GetResponse {
        outcome: v1::GetOutcome::Miss.into(),
        miss_reason: reason.unwrap_or(v1::MissReason::NeverStored.into()),
        served_from: v1::Tier::Memory.into(),
        lease: leases.then(lease),
        ..v1::GetResponse::default()
    }
}

fn found(outcome: v1::GetOutcome, payload: v1::entry::Payload, of: (String, String)) -> v1::GetResponse {
    let lasts = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let (content_type, encoding) = of;
    let metadata = v1::EntryMetadata {
        content_type,
        encoding,
        etag: "scripted".to_owned(),
        fresh_for: lasts,
        usable_for: lasts,
        ..v1::EntryMetadata::default()
    };
    v1::GetResponse {
        outcome: outcome.into(),
        served_from: v1::Tier::Memory.into(),
        entry: Some(v1::Entry { payload: Some(payload), metadata: Some(metadata), ..v1::Entry::default() }),
        ..v1::GetResponse::default()
    }
}

fn lease() -> v1::Lease {
    v1::Lease { token: "5".repeat(32), duration: Some(prost_types::Duration { seconds: 10, nanos: 0 }) }
}

/// As for a Get; `{items: [null, {status, reason}]}` refuses items.
pub(super) fn batch_get(request: &v1::BatchGetRequest, answer: &Value) -> Result<v1::BatchGetResponse, String> {
    let result = |(place, item): (usize, &v1::GetRequest)| {
        let result = match refused(answer, place)? {
            Some(error) => v1::batch_get_result::Result::Error(error),
            None => v1::batch_get_result::Result::Response(get(item, &Value::Null)),
        };
        Ok(v1::BatchGetResult { result: Some(result) })
    };
    let results = request.items.iter().enumerate().map(result).collect::<Result<_, String>>()?;
    Ok(v1::BatchGetResponse { results })
}

/// As for a Put; `{items: [null, {status, reason}]}` refuses items.
pub(super) fn batch_put(request: &v1::BatchPutRequest, answer: &Value) -> Result<v1::BatchPutResponse, String> {
    let result = |(place, _): (usize, &v1::PutRequest)| {
        let result = match refused(answer, place)? {
            Some(error) => v1::batch_put_result::Result::Error(error),
            None => v1::batch_put_result::Result::Response(put(&Value::Null)),
        };
        Ok(v1::BatchPutResult { result: Some(result) })
    };
    let results = request.items.iter().enumerate().map(result).collect::<Result<_, String>>()?;
    Ok(v1::BatchPutResponse { results })
}

fn refused(answer: &Value, place: usize) -> Result<Option<v1::ItemError>, String> {
    let item = &answer["items"][place];
    if item.is_null() { Ok(None) } else { line::item(item).map(Some) }
}

/// Stored, or `{not_admitted: WHY}`, `{lease_lost: true}`.
pub(super) fn put(answer: &Value) -> v1::PutResponse {
    let why = answer["not_admitted"].as_str().unwrap_or_default().to_owned();
    let outcome = match answer["lease_lost"].as_bool() {
        Some(true) => v1::PutOutcome::LeaseLost,
        _ if why.is_empty() => v1::PutOutcome::Stored,
        _ => v1::PutOutcome::NotAdmitted,
    };
    let metadata = v1::EntryMetadata { etag: "scripted".to_owned(), ..v1::EntryMetadata::default() };
    v1::PutResponse {
        outcome: outcome.into(),
        metadata: Some(metadata),
        not_admitted_reason: why,
        ..v1::PutResponse::default()
    }
}

/// The lease is held.
pub(super) fn extended() -> v1::ExtendLeaseResponse {
    v1::ExtendLeaseResponse { outcome: v1::LeaseOutcome::Held.into(), lease: Some(lease()) }
}

/// Batches of 100, values of 1 MiB, no streams.
pub(super) fn server_info(answer: &Value) -> v1::GetServerInfoResponse {
    let number = |name: &str| answer[name].as_u64();
    let limits = v1::ServerLimits {
        batch_items_max: number("batch_items_max").and_then(|items| u32::try_from(items).ok()).unwrap_or(100),
        value_bytes_max: 1 << 20,
        unary_value_bytes_max: 1 << 20,
        ..v1::ServerLimits::default()
    };
    let features = answer["features"].as_array().into_iter().flatten();
    v1::GetServerInfoResponse {
        version: "9.9.9".to_owned(),
        features: features.filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        limits: Some(limits),
        ..v1::GetServerInfoResponse::default()
    }
}
