//! The small words both sides share: durations, positions, selectors, lifetimes, entries.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    ahead::RefreshAhead,
    chunks::SHA256_BYTES_MAX,
    entry::{CostSource, EntryView, Expiration, Facts, FailureView, Negative, Payload, Ttl},
    position::{LogId, Position, Positions},
    selector::Selector,
    tier::TierName,
};
use hotplate_proto::v1;

use crate::grpc::status::Failure;

/// A number of things as the wire has it.
pub(crate) fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A duration as the wire has it.
pub(crate) fn wire_duration(duration: Duration) -> prost_types::Duration {
    // Sums of what was computed may be longer than the wire allows.
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX).min(SECONDS_MAX - 1);
    // Below 10^9, which fits.
    prost_types::Duration { seconds, nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default() }
}

/// A time since the Unix epoch as the wire has it.
pub(crate) fn wire_time(since_epoch: Duration) -> prost_types::Timestamp {
    let prost_types::Duration { seconds, nanos } = wire_duration(since_epoch);
    prost_types::Timestamp { seconds, nanos }
}

/// Seconds a duration of the wire has at most, as its own rules say: 10,000 years.
const SECONDS_MAX: i64 = 315_576_000_000;

/// A duration that is not negative; `refuse` makes the failure of one that is not.
pub(super) fn duration(
    field: &str,
    duration: Option<prost_types::Duration>,
    refuse: fn(String, &'static str) -> Failure,
) -> Result<Option<Duration>, Failure> {
    let Some(prost_types::Duration { seconds, nanos }) = duration else { return Ok(None) };
    let whole = u64::try_from(seconds).ok().filter(|_| seconds <= SECONDS_MAX);
    let part = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    match (whole, part) {
        (Some(whole), Some(part)) => Ok(Some(Duration::new(whole, part))),
        _ => Err(refuse(field.to_owned(), "a duration is not negative, below 10,000 years and in its normal form")),
    }
}

/// A duration above zero.
pub(super) fn positive(
    field: &str,
    given: Option<prost_types::Duration>,
    refuse: fn(String, &'static str) -> Failure,
) -> Result<Option<Duration>, Failure> {
    match duration(field, given, refuse)? {
        Some(Duration::ZERO) => Err(refuse(field.to_owned(), "a duration of zero says nothing: leave it out")),
        other => Ok(other),
    }
}

/// A duration above zero in a plain field.
pub(crate) fn positive_duration(
    field: &str,
    given: Option<prost_types::Duration>,
) -> Result<Option<Duration>, Failure> {
    positive(field, given, argument)
}

/// A plain field at fault.
pub(super) fn argument(field: String, message: &'static str) -> Failure {
    Failure::argument(field, message)
}

/// A lifetime at fault.
pub(super) fn lifetime(field: String, message: &'static str) -> Failure {
    Failure::lifetime(field, message)
}

/// Text that means nothing when it is empty.
pub(super) fn optional(text: String) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| Arc::from(text))
}

/// A lifetime as asked for.
pub(super) fn expiration(given: Option<v1::Expiration>) -> Result<Expiration, Failure> {
    let Some(given) = given else { return Ok(Expiration::default()) };
    let ttl = match given.lifetime {
        None => Ttl::Default,
        Some(v1::expiration::Lifetime::TtlClass(name)) => Ttl::Class(name),
        Some(v1::expiration::Lifetime::Ttl(exact)) => {
            positive("expiration.ttl", Some(exact), lifetime)?.map_or(Ttl::Default, Ttl::Exact)
        }
    };
    if given.jitter.is_some_and(|jitter| !(0.0..=0.5).contains(&jitter)) {
        return Err(lifetime("expiration.jitter".to_owned(), "jitter is a share of the TTL from 0 to 0.5"));
    }
    Ok(Expiration {
        ttl,
        stale_for: positive("expiration.stale_for", given.stale_for, lifetime)?,
        idle_ttl: positive("expiration.idle_ttl", given.idle_ttl, lifetime)?,
        jitter: given.jitter,
        refresh_ahead: given.refresh_ahead.map(refresh_ahead).transpose()?,
    })
}

fn refresh_ahead(given: v1::RefreshAhead) -> Result<RefreshAhead, Failure> {
    use v1::refresh_ahead::When;
    let refused = |field: &str, rule| lifetime(format!("expiration.refresh_ahead.{field}"), rule);
    match given.when {
        None => Err(lifetime("expiration.refresh_ahead".to_owned(), "say when: `fraction` or `xfetch_beta`")),
        Some(When::Fraction(share)) => RefreshAhead::fraction(share)
            .map_err(|_error| refused("fraction", "a fraction of the TTL is from 0 to 0.9")),
        Some(When::XfetchBeta(beta)) => RefreshAhead::xfetch(beta)
            .map_err(|_error| refused("xfetch_beta", "the factor of XFetch is from 0.001 to 100")),
    }
}

/// Tags, sorted, without duplicates.
pub(super) fn tags(tags: Vec<String>) -> Vec<Arc<str>> {
    let mut tags: Vec<Arc<str>> = tags.into_iter().map(Arc::from).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Positions as a caller names them: every log once.
pub(super) fn positions(field: &str, given: Option<v1::Position>) -> Result<Positions, Failure> {
    let mut logs: Vec<(LogId, Position)> = Vec::new();
    for (number, at) in given.unwrap_or_default().logs.into_iter().enumerate() {
        let path = format!("{field}.logs[{number}].log");
        let log = LogId::from_caller(at.log)
            .ok_or_else(|| argument(path.clone(), "a log is 0 to 64, or 128 to 192 of those that servers share"))?;
        if logs.iter().any(|(known, _)| *known == log) {
            return Err(argument(path, "a position names each log at most once"));
        }
        logs.push((log, Position { epoch: at.epoch, number: at.number }));
    }
    Ok(Positions::new(logs))
}

/// A place in one log as the wire has it.
pub(super) fn wire_place(log: LogId, at: Position) -> v1::LogPosition {
    v1::LogPosition { log: u32::from(log.number()), epoch: at.epoch, number: at.number }
}

/// Positions as the wire has them; `None` where there are none.
pub(super) fn wire_positions(positions: &Positions) -> Option<v1::Position> {
    let logs = positions.iter().map(|(log, at)| wire_place(log, at)).collect();
    (!positions.is_empty()).then_some(v1::Position { logs })
}

/// Selectors as asked for.
pub(super) fn selectors(given: Vec<v1::Selector>) -> Result<Vec<Selector>, Failure> {
    if given.len() > hotplate_engine::selector::SELECTORS_MAX {
        return Err(argument("selectors".to_owned(), "a call has at most 128 selectors"));
    }
    let at = |(number, given): (usize, v1::Selector)| {
        selector(given).map_err(|failure| failure.within(&format!("selectors[{number}]")))
    };
    given.into_iter().enumerate().map(at).collect()
}

fn selector(given: v1::Selector) -> Result<Selector, Failure> {
    use v1::selector::Selector as Given;
    Ok(match given.selector {
        None => return Err(Failure::new("BAD_ARGUMENT", "a selector says what it selects")),
        Some(Given::Everything(false)) => {
            return Err(argument("everything".to_owned(), "`everything` is true or not there"));
        }
        Some(Given::Everything(true)) => Selector::Everything,
        Some(Given::Key(key)) => Selector::key(&key)?,
        Some(Given::Prefix(prefix)) => Selector::prefix(&prefix)?,
        Some(Given::Glob(glob)) => Selector::glob(&glob)?,
        Some(Given::Tag(tag)) => Selector::tag(&tag)?,
        Some(Given::AllTags(set)) => Selector::all_tags(set.tags.iter().map(String::as_str))?,
        Some(Given::Kind(kind)) => Selector::kind(&kind)?,
        Some(Given::DependentsOf(name)) => Selector::dependents_of(&name)?,
    })
}

/// A selector as the wire has it.
pub(super) fn wire_selector(selector: &Selector) -> v1::Selector {
    use v1::selector::Selector as Wire;
    let wire = match selector {
        Selector::Key(key) => Wire::Key(key.to_string()),
        Selector::Prefix(prefix) => Wire::Prefix(prefix.to_string()),
        Selector::Glob(pattern) => Wire::Glob(pattern.text().to_string()),
        Selector::Tag(tag) => Wire::Tag(tag.to_string()),
        Selector::AllTags(tags) => Wire::AllTags(v1::TagSet { tags: tags.iter().map(ToString::to_string).collect() }),
        Selector::Kind(kind) => Wire::Kind(kind.to_string()),
        Selector::DependentsOf(name) => Wire::DependentsOf(name.to_string()),
        // No caller gives it, and it is told to nobody: what it selects is, key by key. Everything has all of it.
        Selector::MadeFrom(_) | Selector::Everything => Wire::Everything(true),
    };
    v1::Selector { selector: Some(wire) }
}

/// An entry as the wire has it, with or without its payload.
pub(super) fn wire_entry(view: EntryView, with_payload: bool) -> v1::Entry {
    let payload = with_payload.then(|| wire_payload(view.payload)).flatten();
    v1::Entry { key: view.key.to_string(), payload, metadata: Some(wire_facts(&view.facts)) }
}

/// Leaves a value that is too large for a message to ReadValue.
pub(crate) fn without_large(entry: &mut v1::Entry, bytes_max: u64) {
    let Some(v1::entry::Payload::Value(value)) = &entry.payload else { return };
    let size_bytes = value.len() as u64;
    if size_bytes > bytes_max {
        entry.payload = Some(v1::entry::Payload::Large(v1::LargeValue { size_bytes }));
    }
}

/// Here, with nothing locked, values that are held smaller become large again. None where this server's memory is damaged:
/// what is not there cannot be taken for something else.
fn wire_payload(payload: Payload) -> Option<v1::entry::Payload> {
    match payload.plain()? {
        Payload::Value(value) => Some(v1::entry::Payload::Value(value)),
        Payload::Negative(negative) => Some(v1::entry::Payload::Negative(wire_negative(&negative))),
        // What no unary call carries is read as a stream.
        Payload::Chunks(chunks) if chunks.size() > SHA256_BYTES_MAX => {
            Some(v1::entry::Payload::Large(v1::LargeValue { size_bytes: chunks.size() }))
        }
        Payload::Chunks(chunks) => Some(v1::entry::Payload::Value(chunks.to_bytes())),
        Payload::Compressed(_) => None,
    }
}

/// A tier as the wire has it.
pub(crate) fn wire_tier(tier: TierName) -> v1::Tier {
    match tier {
        TierName::Memory => v1::Tier::Memory,
        TierName::Disk => v1::Tier::Disk,
        TierName::Shared => v1::Tier::Shared,
    }
}

/// A remembered absence or failure as the wire has it.
pub(super) fn wire_negative(Negative { reason, message }: &Negative) -> v1::Negative {
    v1::Negative { reason: reason.to_string(), message: message.to_string() }
}

/// Why renewing an entry failed as the wire has it.
pub(crate) fn wire_failure(failure: &FailureView) -> v1::RefreshFailure {
    v1::RefreshFailure {
        reason: failure.negative.reason.to_string(),
        message: failure.negative.message.to_string(),
        age: Some(wire_duration(failure.age)),
        retry_after: Some(wire_duration(failure.retry_after)),
    }
}

/// What is known about an entry as the wire has it.
pub(super) fn wire_facts(facts: &Facts) -> v1::EntryMetadata {
    let said = &facts.description;
    v1::EntryMetadata {
        etag: facts.etag.to_string(),
        kind: said.kind.to_string(),
        content_type: said.content_type.to_string(),
        encoding: said.encoding.to_string(),
        tags: said.tags.iter().map(ToString::to_string).collect(),
        labels: said.labels.iter().map(|(name, fact)| (name.clone(), fact.clone())).collect(),
        size_bytes: facts.size_bytes,
        stored_bytes: facts.charged_bytes,
        digest: facts.sha256.map(|sum| Bytes::copy_from_slice(&sum)).unwrap_or_default(),
        compute_cost: facts.compute_cost.map(wire_duration),
        age: Some(wire_duration(facts.age)),
        fresh_for: Some(wire_duration(facts.fresh_for)),
        usable_for: Some(wire_duration(facts.usable_for)),
        hit_count: facts.hit_count,
        served_from: v1::Tier::Memory.into(),
        pinned: facts.pinned,
        marked_stale: facts.marked_stale,
        refresh_failure: facts.failure.as_deref().map(wire_failure),
        depends_on: said.made_from().iter().map(ToString::to_string).collect(),
        compute_cost_source: wire_cost_source(facts.cost_source).into(),
    }
}

/// Where a cost is known from as the wire has it.
pub(crate) fn wire_cost_source(source: CostSource) -> v1::ComputeCostSource {
    match source {
        CostSource::Given => v1::ComputeCostSource::Given,
        CostSource::Measured => v1::ComputeCostSource::Measured,
        CostSource::Estimated => v1::ComputeCostSource::Estimated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_the_wire_allows() {
        let years = |years: u64| Duration::from_secs(years * 365 * 86_400);
        assert_eq!(wire_duration(years(1000)).seconds, 1000 * 365 * 86_400);
        for long in [years(100_000), Duration::MAX] {
            let written = wire_duration(long);
            assert_eq!(written.seconds, SECONDS_MAX - 1);
            assert!(duration("field", Some(written), argument).is_ok());
        }
    }

    #[test]
    fn durations_that_say_nothing_are_refused() {
        let of = |seconds, nanos| Some(prost_types::Duration { seconds, nanos });
        for bad in [of(-1, 0), of(0, -1), of(0, 1_000_000_000), of(SECONDS_MAX + 1, 0), of(i64::MAX, 0)] {
            let refused = duration("max_age", bad, argument).unwrap_err();
            assert_eq!(refused.item().field, "max_age");
        }
        assert!(positive("x", of(0, 0), lifetime).is_err());
        assert_eq!(positive("x", None, lifetime).unwrap(), None);
        assert_eq!(duration("x", of(3, 5), argument).unwrap(), Some(Duration::new(3, 5)));
    }

    #[test]
    fn selectors_come_back_as_they_went() {
        use v1::selector::Selector as Given;
        let tags = v1::TagSet { tags: vec!["a".to_owned(), "b".to_owned()] };
        let kinds = [
            Given::Key("k".to_owned()),
            Given::Prefix("p".to_owned()),
            Given::Glob("a*".to_owned()),
            Given::Tag("t".to_owned()),
            Given::AllTags(tags),
            Given::Kind("m".to_owned()),
            Given::DependentsOf("tag:t".to_owned()),
            Given::Everything(true),
        ];
        let given: Vec<v1::Selector> = kinds.into_iter().map(|kind| v1::Selector { selector: Some(kind) }).collect();
        let back: Vec<v1::Selector> = selectors(given.clone()).unwrap().iter().map(wire_selector).collect();
        assert_eq!(back, given);
    }

    #[test]
    fn a_bad_selector_is_named_by_its_place() {
        let empty = v1::Selector { selector: None };
        let fine = v1::Selector { selector: Some(v1::selector::Selector::Tag("t".to_owned())) };
        assert_eq!(selectors(vec![fine, empty]).unwrap_err().item().field, "selectors[1]");
        let nothing = v1::Selector { selector: Some(v1::selector::Selector::Everything(false)) };
        assert_eq!(selectors(vec![nothing]).unwrap_err().item().field, "selectors[0].everything");
    }

    #[test]
    fn positions_name_each_log_once() {
        let at = |log| v1::LogPosition { log, epoch: 1, number: 2 };
        let of = |logs: &[u32]| Some(v1::Position { logs: logs.iter().map(|log| at(*log)).collect() });
        assert_eq!(wire_positions(&positions("p", of(&[3, 64])).unwrap()), of(&[3, 64]));
        assert!(positions("p", of(&[3, 3])).is_err());
        assert_eq!(positions("p", of(&[1, 65])).unwrap_err().item().field, "p.logs[1].log");
        assert!(positions("p", None).unwrap().is_empty());
    }
}
