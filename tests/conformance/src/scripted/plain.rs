//! What the scripted server answers: the least that a client goes on with, or what a line of the script says instead.

use hotplate_proto::v1;
use serde_json::Value;

use super::line;

/// Logs of a server: those of keys, and last that of selectors.
pub(super) const LOGS: u32 = 65;

/// A miss, or `{hit: {text, content_type, encoding, etag, large, stale}}`, `{negative: {reason, message}}`,
/// `{miss_reason: NUMBER}`; `{pending_ms}`. A lease for who asks for one, with a hit only where the line says `lease: true`;
/// it lasts for `lease_ms`. A `stale` hit is a miss for who does not accept that; a `large` one has so many bytes that it is
/// read as a stream.
pub(super) fn get(request: &v1::GetRequest, answer: &Value) -> v1::GetResponse {
    let asks = matches!(request.miss_policy(), v1::MissPolicy::Lease | v1::MissPolicy::LeaseOrWait);
    let stale = answer["hit"]["stale"] == true;
    let refused =
        stale && !matches!(request.stale_policy(), v1::StalePolicy::WhileRevalidate | v1::StalePolicy::IfError);
    if let Some(hit) = answer.get("hit").filter(|_hit| !refused) {
        let outcome = if stale { v1::GetOutcome::Stale } else { v1::GetOutcome::Hit };
        let lease = (asks && answer["lease"] == true).then(|| lease(answer));
        return v1::GetResponse { lease, ..found(outcome, payload(hit), hit) };
    }
    if let Some(negative) = answer.get("negative") {
        let text = |name: &str| negative[name].as_str().unwrap_or_default().to_owned();
        let said = v1::Negative { reason: text("reason"), message: text("message") };
        return found(v1::GetOutcome::Negative, v1::entry::Payload::Negative(said), negative);
    }
    if let Some(again) = answer["pending_ms"].as_u64().filter(|_again| asks) {
        let pending = v1::Pending { retry_after: Some(duration(again)) };
        let outcome = v1::GetOutcome::Pending.into();
        return v1::GetResponse { outcome, pending: Some(pending), ..v1::GetResponse::default() };
    }
    let reason = answer["miss_reason"].as_i64().and_then(|number| i32::try_from(number).ok());
    let usual = if refused { v1::MissReason::Expired } else { v1::MissReason::NeverStored };
    v1::GetResponse {
        outcome: v1::GetOutcome::Miss.into(),
        miss_reason: reason.unwrap_or(usual.into()),
        served_from: v1::Tier::Memory.into(),
        lease: asks.then(|| lease(answer)),
        ..v1::GetResponse::default()
    }
}

fn payload(hit: &Value) -> v1::entry::Payload {
    match hit["large"].as_u64() {
        Some(size_bytes) => v1::entry::Payload::Large(v1::LargeValue { size_bytes }),
        None => v1::entry::Payload::Value(hit["text"].as_str().unwrap_or_default().to_owned().into_bytes().into()),
    }
}

/// A response with an entry of which `of` says what is known.
pub(super) fn found(outcome: v1::GetOutcome, payload: v1::entry::Payload, of: &Value) -> v1::GetResponse {
    let text = |name: &str| of[name].as_str().unwrap_or_default().to_owned();
    let lasts = Some(duration(60_000));
    let metadata = v1::EntryMetadata {
        content_type: text("content_type"),
        encoding: text("encoding"),
        etag: of["etag"].as_str().unwrap_or("scripted").to_owned(),
        fresh_for: if outcome == v1::GetOutcome::Stale { Some(duration(0)) } else { lasts },
        usable_for: lasts,
        ..v1::EntryMetadata::default()
    };
    v1::GetResponse {
        outcome: outcome.into(),
        served_from: v1::Tier::Memory.into(),
        as_of: Some(position([0, LOGS - 1])),
        entry: Some(v1::Entry { payload: Some(payload), metadata: Some(metadata), ..v1::Entry::default() }),
        ..v1::GetResponse::default()
    }
}

/// The place in these logs, in which nothing ever happens.
pub(super) fn position(logs: impl IntoIterator<Item = u32>) -> v1::Position {
    let at = |log| v1::LogPosition { log, epoch: 7, number: 1 };
    v1::Position { logs: logs.into_iter().map(at).collect() }
}

fn lease(answer: &Value) -> v1::Lease {
    let millis = answer["lease_ms"].as_u64().unwrap_or(10_000);
    v1::Lease { token: "5".repeat(32), duration: Some(duration(millis)) }
}

fn duration(millis: u64) -> prost_types::Duration {
    std::time::Duration::from_millis(millis).try_into().unwrap_or_default()
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

/// The lease is held, for `lease_ms` from now on.
pub(super) fn extended(answer: &Value) -> v1::ExtendLeaseResponse {
    v1::ExtendLeaseResponse { outcome: v1::LeaseOutcome::Held.into(), lease: Some(lease(answer)) }
}

/// Batches of 100, values of 1 MiB; streams only where `chunk_bytes_max` says so.
pub(super) fn server_info(answer: &Value) -> v1::GetServerInfoResponse {
    let number = |name: &str| answer[name].as_u64();
    let limits = v1::ServerLimits {
        batch_items_max: number("batch_items_max").and_then(|items| u32::try_from(items).ok()).unwrap_or(100),
        value_bytes_max: number("value_bytes_max").unwrap_or(1 << 20),
        unary_value_bytes_max: number("unary_value_bytes_max").unwrap_or(1 << 20),
        chunk_bytes_max: number("chunk_bytes_max").unwrap_or_default(),
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
