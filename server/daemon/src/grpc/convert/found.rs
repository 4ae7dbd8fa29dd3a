//! The answer of a Get that found a fresh value in memory, written as it is sent. What was found is the engine's business.

use std::time::Duration;

use hotplate_engine::{
    entry::{Facts, Payload},
    flow::hit::{Hit, Value},
    position::{AsOf, LogId, Position},
};
use hotplate_proto::v1;
use prost::Message;

use super::{wire_cost_source, wire_duration, wire_failure};
use crate::grpc::lane::wire::Backward;

/// Values from here on are sent as they lie.
const SHARED_BYTES_MIN: usize = 16 << 10;
/// Bytes of an answer besides its texts and its value, in most cases: place and outcome, and with metadata the numbers and
/// digests of that.
const AROUND_BYTES: usize = 64;
const FACTS_BYTES: usize = 224;

/// Room that an answer takes in most cases.
pub(crate) fn room_for_hit(key: &str, hit: &Hit<'_>) -> usize {
    let value = match &hit.value {
        Value::Here(value) => value.len(),
        Value::Shared(Payload::Value(value)) if value.len() < SHARED_BYTES_MIN => value.len(),
        Value::Shared(_) => 0,
    };
    let facts = hit.facts.as_ref().map_or(0, |facts| FACTS_BYTES + key.len() + facts.description.bytes());
    AROUND_BYTES + value + facts
}

/// Bytes that an answer holds until it is sent, those included that it shares with the store.
pub(crate) fn bytes_of_hit(key: &str, hit: &Hit<'_>) -> usize {
    let value = match &hit.value {
        Value::Here(value) => value.len(),
        Value::Shared(payload) => usize::try_from(payload.value_bytes()).unwrap_or(usize::MAX >> 1),
    };
    let facts = hit.facts.as_ref().map_or(0, |facts| FACTS_BYTES + key.len() + facts.description.bytes());
    AROUND_BYTES + value + facts
}

/// Writes the `GetResponse` of a hit. With metadata comes the key.
pub(crate) fn write_hit(out: &mut Backward, key: &str, hit: Hit<'_>) {
    let Hit { value, as_of, facts } = hit;
    let entry = out.mark();
    if let Some(facts) = &facts {
        let end = out.mark();
        metadata(out, facts);
        out.message(4, end);
    }
    match value {
        Value::Here(value) => out.present_bytes(2, value),
        Value::Shared(payload) => shared(out, payload),
    }
    if facts.is_some() {
        out.bytes(1, key.as_bytes());
    }
    out.message(2, entry);
    // The order of fields means nothing: a large value is better the last of them.
    out.number(5, v1::Tier::Memory as u64);
    position(out, 4, as_of);
    out.number(1, v1::GetOutcome::Hit as u64);
}

/// A value that is held smaller becomes large again here; a damaged one is left out.
fn shared(out: &mut Backward, payload: Payload) {
    match payload.plain() {
        Some(Payload::Value(value)) if value.len() >= SHARED_BYTES_MIN => out.shared_bytes(2, value),
        Some(Payload::Value(value)) => out.present_bytes(2, &value),
        _ => {}
    }
}

fn position(out: &mut Backward, field: u32, AsOf { log, key, selector }: AsOf) {
    let end = out.mark();
    place(out, (LogId::SELECTOR, selector));
    place(out, (log, key));
    out.message(field, end);
}

fn place(out: &mut Backward, (log, Position { epoch, number }): (LogId, Position)) {
    let end = out.mark();
    out.number(3, number);
    out.number(2, epoch);
    out.number(1, u64::from(log.number()));
    out.message(1, end);
}

fn metadata(out: &mut Backward, facts: &Facts) {
    let said = &facts.description;
    texts(out, 20, said.made_from().iter().map(|name| &**name));
    out.number(19, facts.marked_stale.into());
    if let Some(failure) = &facts.failure {
        out.present_bytes(18, &wire_failure(failure).encode_to_vec());
    }
    out.number(17, facts.pinned.into());
    out.number(16, wire_cost_source(facts.cost_source) as u64);
    out.number(15, v1::Tier::Memory as u64);
    out.number(14, facts.hit_count);
    duration(out, 13, facts.usable_for);
    duration(out, 12, facts.fresh_for);
    duration(out, 11, facts.age);
    if let Some(cost) = facts.compute_cost {
        duration(out, 10, cost);
    }
    out.bytes(9, facts.sha256.as_ref().map_or(&[], |sum| &sum[..]));
    out.number(8, facts.charged_bytes);
    out.number(7, facts.size_bytes);
    for (name, text) in said.labels.iter().rev() {
        let end = out.mark();
        out.bytes(2, text.as_bytes());
        out.bytes(1, name.as_bytes());
        out.message(6, end);
    }
    texts(out, 5, said.tags.iter().map(|tag| &**tag));
    out.bytes(4, said.encoding.as_bytes());
    out.bytes(3, said.content_type.as_bytes());
    out.bytes(2, said.kind.as_bytes());
    out.bytes(1, facts.etag.as_bytes());
}

fn texts<'t>(out: &mut Backward, field: u32, texts: impl DoubleEndedIterator<Item = &'t str>) {
    for text in texts.rev() {
        out.present_bytes(field, text.as_bytes());
    }
}

fn duration(out: &mut Backward, field: u32, duration: Duration) {
    let prost_types::Duration { seconds, nanos } = wire_duration(duration);
    let end = out.mark();
    out.number(2, u64::from(nanos.unsigned_abs()));
    out.number(1, seconds.unsigned_abs());
    out.message(field, end);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Buf;
    use hotplate_engine::{
        Cache,
        clock::Clock,
        entry::{Dependencies, Description},
        flow::{get::GetRequest, hit::Wanted, put::PutRequest},
        namespace::EngineConfig,
        origin::Origins,
    };

    use super::*;
    use crate::{grpc::convert, telemetry::Telemetry};

    fn put(cache: &Cache, key: &str, value: Vec<u8>, description: Description) {
        let request = v1::PutRequest {
            key: key.to_owned(),
            payload: Some(v1::put_request::Payload::Value(value.into())),
            expiration: Some(v1::Expiration {
                lifetime: Some(v1::expiration::Lifetime::Ttl(convert::wire_duration(Duration::from_secs(1000)))),
                ..Default::default()
            }),
            ..Default::default()
        };
        let request = PutRequest { description, ..convert::put_request(request).unwrap() };
        cache.put(request).unwrap();
    }

    fn written(cache: &Cache, key: &str, full: bool) -> v1::GetResponse {
        let mut message = None;
        cache.hits("", &[Wanted { key, with_facts: full }], |_, hit| {
            let mut out = Backward::with_room(room_for_hit(key, &hit));
            write_hit(&mut out, key, hit);
            let mut framed = out.framed().unwrap();
            message = Some(v1::GetResponse::decode(&framed.copy_to_bytes(framed.remaining())[5..]).unwrap());
            true
        });
        message.unwrap()
    }

    fn assert_written_as_answered(cache: &Cache, key: &str) {
        for (full, view) in [(true, convert::View::Full), (false, convert::View::Value)] {
            let request = GetRequest { key: key.to_owned(), peek: true, ..Default::default() };
            let expected = convert::get_response(cache.get(&request).unwrap(), view);
            assert_eq!(written(cache, key, full), expected, "{key}");
        }
    }

    #[test]
    fn a_hit_is_written_as_any_get_answers() {
        let clock = Clock::manual();
        let telemetry = Telemetry::detached(clock.clone());
        let cache = Cache::new(EngineConfig::default(), clock.clone(), telemetry, Origins::new()).unwrap();
        let rich = Description {
            content_type: Arc::from("application/json"),
            encoding: Arc::from("gzip"),
            kind: Arc::from("model"),
            tags: ["a", "b"].map(Arc::from).to_vec(),
            labels: [("one", "1"), ("two", "")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into_iter()
                .collect(),
            depends_on: Dependencies::of(["tag:x", "other"].map(Arc::from)),
            compute_cost: Some(Duration::from_micros(1_234_567)),
        };
        for (number, size) in [0, 1, 100, 1023, 1024, 5000, 16_383, 16_384, 70_000].into_iter().enumerate() {
            for description in [Description::default(), rich.clone()] {
                let key = format!("a:key:{number}:{}", description.kind);
                put(&cache, &key, vec![7; size], description);
                clock.advance(Duration::from_millis(777));
                assert_written_as_answered(&cache, &key);
            }
        }
    }
}
