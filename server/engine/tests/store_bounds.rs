//! What a Put may say: each bound holds to the byte, and what is beyond it names the field and changes nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Negative, Payload, Ttl},
    error::Reason,
    event::Silent,
    flow::{
        bounds,
        get::{GetRequest, Lookup},
        put::PutRequest,
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    selector::{KIND_BYTES_MAX, TAG_BYTES_MAX},
    stats::GroupBy,
};

const VALUE_BYTES_MAX: usize = 4096;

fn cache() -> Arc<Cache> {
    let config = EngineConfig { value_bytes_max: VALUE_BYTES_MAX as u64, seed: Some(1), ..EngineConfig::default() };
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn request() -> PutRequest {
    PutRequest::new("", "k", Payload::Value(Bytes::from_static(b"v")))
}

fn text(bytes: usize) -> Arc<str> {
    "x".repeat(bytes).into()
}

/// The largest is stored; one more is refused with this reason and field, and nothing is stored.
fn bounded(max: usize, reason: Reason, field: &str, set: impl Fn(&mut PutRequest, usize)) {
    let with = |amount| {
        let mut request = request();
        set(&mut request, amount);
        request
    };
    cache().put(with(max)).unwrap_or_else(|error| panic!("{field} of {max}: {error:?}"));
    let cache = cache();
    let error = cache.put(with(max + 1)).expect_err(field);
    assert_eq!((error.reason(), error.field_name()), (reason, Some(field)), "{error:?}");
    assert_eq!(cache.stats(None, GroupBy::Nothing).unwrap().total.entry_count, 0, "{field}");
}

#[test]
fn texts_are_bounded_to_the_byte() {
    let bad = Reason::BadArgument;
    bounded(bounds::CONTENT_TYPE_BYTES_MAX, bad, "content_type", |r, n| r.description.content_type = text(n));
    bounded(bounds::ENCODING_BYTES_MAX, bad, "encoding", |r, n| r.description.encoding = text(n));
    bounded(KIND_BYTES_MAX, bad, "kind", |r, n| r.description.kind = text(n));
    bounded(TAG_BYTES_MAX, bad, "tags", |r, n| r.description.tags = vec![text(n)]);
    bounded(bounds::ID_BYTES_MAX, bad, "request_id", |r, n| r.request_id = "x".repeat(n));
    bounded(bounds::ID_BYTES_MAX, bad, "client_id", |r, n| r.client_id = Some(text(n)));
    bounded(VALUE_BYTES_MAX, Reason::ValueTooLarge, "value", |r, n| {
        r.payload = Some(Payload::Value(vec![0; n].into()))
    });
}

#[test]
fn tags_and_labels_are_bounded_in_number_and_in_all() {
    let numbered = |n: usize| (0..n).map(|number| number.to_string());
    bounded(bounds::TAGS_MAX, Reason::BadArgument, "tags", |r, n| {
        r.description.tags = numbered(n).map(Arc::from).collect();
    });
    bounded(bounds::LABELS_MAX, Reason::BadArgument, "labels", |r, n| {
        r.description.labels = numbered(n).map(|name| (name, String::new())).collect();
    });
    bounded(bounds::LABELS_BYTES_MAX, Reason::BadArgument, "labels", |r, n| {
        r.description.labels = [("n".to_owned(), "x".repeat(n - 1))].into_iter().collect();
    });
}

#[test]
fn negative_results_are_bounded() {
    let negative = |reason: &str, message: usize| {
        Some(Payload::Negative(Negative { reason: reason.into(), message: text(message) }))
    };
    bounded(bounds::NEGATIVE_REASON_BYTES_MAX, Reason::BadArgument, "negative.reason", |r, n| {
        r.payload = negative(&"X".repeat(n), 0);
    });
    bounded(bounds::NEGATIVE_MESSAGE_BYTES_MAX, Reason::BadArgument, "negative.message", |r, n| {
        r.payload = negative("NOT_FOUND", n);
    });
    for reason in ["", "lower", "A B"] {
        let error = cache().put(PutRequest { payload: negative(reason, 0), ..request() }).unwrap_err();
        assert_eq!((error.reason(), error.field_name()), (Reason::BadArgument, Some("negative.reason")));
    }
}

#[test]
fn lifetimes_are_bounded_and_an_unknown_class_is_told_which_exist() {
    let with = |expiration| cache().put(PutRequest { expiration, ..request() });
    let ttl = |ttl| with(Expiration { ttl, ..Expiration::default() });
    let max = NamespaceConfig::default().ttl_max;
    ttl(Ttl::Exact(Duration::from_millis(1))).unwrap();
    ttl(Ttl::Exact(max)).unwrap();
    for outside in [Duration::ZERO, Duration::from_micros(999), max + Duration::from_millis(1)] {
        let error = ttl(Ttl::Exact(outside)).unwrap_err();
        assert_eq!((error.reason(), error.field_name()), (Reason::TtlOutOfBounds, Some("expiration.ttl")));
    }
    let error = ttl(Ttl::Class("sort".to_owned())).unwrap_err();
    assert_eq!(error.reason(), Reason::TtlOutOfBounds);
    assert!(error.message().contains("very_short") && error.message().contains("week"), "{}", error.message());
    for jitter in [-0.1, 0.51, f64::NAN] {
        let error = with(Expiration { jitter: Some(jitter), ..Expiration::default() }).unwrap_err();
        assert_eq!(error.field_name(), Some("expiration.jitter"));
    }
    with(Expiration { jitter: Some(0.5), ..Expiration::default() }).unwrap();
}

#[test]
fn a_wrong_digest_and_an_unconditional_renewal_store_nothing() {
    let cache = cache();
    let error = cache.put(PutRequest { digest: Some([0; 32]), ..request() }).unwrap_err();
    assert_eq!((error.reason(), error.field_name()), (Reason::DigestMismatch, Some("digest")));
    let error = cache.put(PutRequest { payload: None, ..request() }).unwrap_err();
    assert_eq!((error.reason(), error.field_name()), (Reason::BadArgument, Some("precondition")));
    let found = cache.get(&GetRequest { key: "k".to_owned(), ..GetRequest::default() }).unwrap().outcome;
    assert!(matches!(found, Lookup::Miss(_)));
}

#[test]
fn keys_and_namespaces_are_bounded() {
    for (length, fits) in [(0, false), (1, true), (1024, true), (1025, false)] {
        let stored = cache().put(PutRequest { key: "k".repeat(length), ..request() });
        assert_eq!(stored.map_err(|error| error.reason()).err(), (!fits).then_some(Reason::BadKey), "{length}");
    }
    for (length, fits) in [(1, true), (64, true), (65, false)] {
        let stored = cache().put(PutRequest { namespace: "n".repeat(length), ..request() });
        assert_eq!(stored.map_err(|error| error.reason()).err(), (!fits).then_some(Reason::BadNamespace), "{length}");
    }
}

#[test]
fn namespaces_are_bounded_in_number_and_reading_makes_none() {
    let config = EngineConfig { namespaces_max: 2, ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    let read = GetRequest { namespace: "c".to_owned(), key: "k".to_owned(), ..GetRequest::default() };
    assert!(matches!(cache.get(&read).unwrap().outcome, Lookup::Miss(_)));
    assert!(cache.namespaces().is_empty());
    for name in ["a", "b"] {
        cache.put(PutRequest { namespace: name.to_owned(), ..request() }).unwrap();
    }
    let error = cache.put(PutRequest { namespace: "c".to_owned(), ..request() }).unwrap_err();
    assert_eq!((error.reason(), error.field_name()), (Reason::TooManyNamespaces, Some("namespace")));
    assert_eq!(cache.namespaces().len(), 2);
}

/// A shard shares 255 descriptions: more kinds than that, whose last entry gets another kind each time.
#[test]
fn replacing_the_last_entry_of_a_kind_leaves_no_charge_behind() {
    let config = EngineConfig { shards: 1, seed: Some(1), ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    let put = |key: usize, kind: usize| {
        let description = Description { kind: format!("kind-{kind}").into(), ..Description::default() };
        cache.put(PutRequest { key: format!("k{key}"), description, ..request() }).unwrap();
        cache.check_invariants().unwrap();
    };
    (0..300).for_each(|key| put(key, key));
    (0..300).for_each(|key| put(key, 1_000 + key));
    (0..300).for_each(|key| put(key, 1_000 + (key + 7) % 300));
}
