//! Entries and their facts, as JSON for programs and as rows for people. What they mean is in the contract.

use base64::{Engine, engine::general_purpose::STANDARD};
use hotplate::v1;
use serde_json::{Map, Value, json};

use super::human;
use crate::duration::from_proto;

/// The facts of an entry with exact numbers: sizes in bytes, durations in seconds.
pub(crate) fn facts(metadata: &v1::EntryMetadata) -> Value {
    json!({
        "etag": metadata.etag,
        "kind": metadata.kind,
        "content_type": metadata.content_type,
        "encoding": metadata.encoding,
        "tags": metadata.tags,
        "depends_on": metadata.depends_on,
        "labels": sorted_labels(metadata),
        "size_bytes": metadata.size_bytes,
        "stored_bytes": metadata.stored_bytes,
        "digest_sha256": hex::encode(&metadata.digest),
        "compute_cost_source": bare(metadata.compute_cost_source().as_str_name(), "COMPUTE_COST_SOURCE_").to_lowercase(),
        "compute_cost_seconds": metadata.compute_cost.as_ref().map(|cost| from_proto(Some(cost)).as_secs_f64()),
        "age_seconds": from_proto(metadata.age.as_ref()).as_secs_f64(),
        "fresh_for_seconds": from_proto(metadata.fresh_for.as_ref()).as_secs_f64(),
        "usable_for_seconds": from_proto(metadata.usable_for.as_ref()).as_secs_f64(),
        "hit_count": metadata.hit_count,
        "served_from": tier(metadata.served_from),
        "pinned": metadata.pinned,
        "marked_stale": metadata.marked_stale,
        "refresh_failure": metadata.refresh_failure.as_ref().map(failure_json),
    })
}

fn failure_json(failure: &v1::RefreshFailure) -> Value {
    json!({
        "reason": failure.reason,
        "message": failure.message,
        "age_seconds": from_proto(failure.age.as_ref()).as_secs_f64(),
        "retry_after_seconds": from_proto(failure.retry_after.as_ref()).as_secs_f64(),
    })
}

/// Name of a tier in lower case.
pub(crate) fn tier(tier: i32) -> &'static str {
    match v1::Tier::try_from(tier) {
        Ok(v1::Tier::Memory) => "memory",
        Ok(v1::Tier::Disk) => "disk",
        Ok(v1::Tier::Shared) => "shared",
        _ => "",
    }
}

fn sorted_labels(metadata: &v1::EntryMetadata) -> Map<String, Value> {
    let mut labels: Vec<_> = metadata.labels.iter().collect();
    labels.sort();
    labels.into_iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect()
}

/// An entry with what was sent of it: `value` for text, `value_base64` for other bytes, `negative` for an absence, `large`
/// with its bytes for a value that no answer holds.
pub(crate) fn entry(entry: &v1::Entry) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("key".to_owned(), Value::from(entry.key.as_str()));
    match &entry.payload {
        Some(v1::entry::Payload::Value(bytes)) => {
            let (name, text) = value(bytes);
            object.insert(name.to_owned(), Value::from(text));
        }
        Some(v1::entry::Payload::Negative(negative)) => {
            object.insert("negative".to_owned(), json!({"reason": negative.reason, "message": negative.message}));
        }
        Some(v1::entry::Payload::Large(large)) => {
            object.insert("large".to_owned(), json!({"size_bytes": large.size_bytes}));
        }
        None => {}
    }
    if let Some(metadata) = &entry.metadata {
        object.insert("metadata".to_owned(), facts(metadata));
    }
    object
}

/// A value in JSON: the name of the field and its text.
fn value(bytes: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) => ("value", text.to_owned()),
        Err(_) => ("value_base64", STANDARD.encode(bytes)),
    }
}

/// The facts for people, those that say something only.
pub(crate) fn facts_rows(metadata: &v1::EntryMetadata) -> Vec<Vec<String>> {
    let fresh = from_proto(metadata.fresh_for.as_ref());
    let usable = from_proto(metadata.usable_for.as_ref());
    let labels = sorted_labels(metadata);
    let labels = labels.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    let cost = metadata.compute_cost.as_ref().map_or_else(String::new, |cost| human::duration(from_proto(Some(cost))));
    let stale = if usable > fresh { human::duration(usable.saturating_sub(fresh)) } else { String::new() };
    let rows = [
        ("size", human::size(metadata.size_bytes)),
        ("charged", human::size(metadata.stored_bytes)),
        ("type", metadata.content_type.clone()),
        ("encoding", metadata.encoding.clone()),
        ("kind", metadata.kind.clone()),
        ("tags", metadata.tags.join(", ")),
        ("made from", metadata.depends_on.join(", ")),
        ("labels", labels.collect::<Vec<_>>().join(", ")),
        ("age", human::duration(from_proto(metadata.age.as_ref()))),
        ("fresh for", if fresh.is_zero() { "stale".to_owned() } else { human::duration(fresh) }),
        ("then stale for", stale),
        ("marked stale", if metadata.marked_stale { "yes".to_owned() } else { String::new() }),
        ("renewing failed", metadata.refresh_failure.as_ref().map(failure).unwrap_or_default()),
        ("hits", human::count(metadata.hit_count)),
        ("compute cost", cost),
        ("pinned", if metadata.pinned { "yes".to_owned() } else { String::new() }),
        ("etag", metadata.etag.clone()),
        ("sha-256", hex::encode(&metadata.digest)),
        ("tier", tier(metadata.served_from).to_owned()),
    ];
    let said = rows.into_iter().filter(|(_, text)| !text.is_empty());
    said.map(|(name, text)| vec![name.to_owned(), human::escape(&text)]).collect()
}

/// A failed renewal, in a line.
fn failure(failure: &v1::RefreshFailure) -> String {
    let ago = human::duration(from_proto(failure.age.as_ref()));
    format!("{ago} ago: {}: {}", failure.reason, failure.message)
}

/// Words for a miss.
pub(crate) fn miss_reason(reason: v1::MissReason) -> &'static str {
    match reason {
        v1::MissReason::Unspecified => "no reason given",
        v1::MissReason::NeverStored => "never stored",
        v1::MissReason::Expired => "expired",
        v1::MissReason::Evicted => "made room for others",
        v1::MissReason::Invalidated => "invalidated",
        v1::MissReason::NotAdmitted => "was too large to be stored",
        v1::MissReason::TooOld => "older than asked for",
        v1::MissReason::TierUnavailable => "a slower tier could not be asked",
    }
}

/// The name of an enum value without the prefix that the contract gives it.
pub(crate) fn bare<'a>(name: &'a str, prefix: &str) -> &'a str {
    name.strip_prefix(prefix).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_become_base64() {
        assert_eq!(value(b"abc"), ("value", "abc".to_owned()));
        assert_eq!(value(&[0xff, 0x00]), ("value_base64", "/wA=".to_owned()));
    }

    #[test]
    fn facts_are_escaped_for_people_and_exact_for_programs() {
        let metadata = v1::EntryMetadata { kind: "a\x1bb".to_owned(), size_bytes: 2048, ..Default::default() };
        let rows = facts_rows(&metadata);
        assert!(rows.contains(&vec!["kind".to_owned(), "a\\u{1b}b".to_owned()]));
        assert!(rows.contains(&vec!["size".to_owned(), "2 KiB".to_owned()]));
        assert_eq!(facts(&metadata)["size_bytes"], 2048);
    }
}
