//! Values held compressed in memory: charged as what they take, and read as they came.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, EntryView, Expiration, Payload},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        put::{PutAnswer, PutRequest},
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    tier::Tiers,
};
use hotplate_tiers::codec::{CodecOptions, MemoryCodec};
use sha2::{Digest, Sha256};

fn cache() -> Arc<Cache> {
    let small = NamespaceConfig { compress: true, ..NamespaceConfig::default() };
    let namespaces = BTreeMap::from([("small".into(), small)]);
    let config = EngineConfig { seed: Some(3), namespaces, ..EngineConfig::default() };
    let memory = MemoryCodec::new(CodecOptions::default(), Clock::manual());
    let tiers = Tiers { memory: Some(memory), ..Tiers::default() };
    Cache::with_tiers(config, Clock::manual(), Arc::new(Silent), (Origins::new(), tiers)).unwrap()
}

fn put(cache: &Cache, namespace: &str, value: &Bytes, stale_for: Option<Duration>) -> EntryView {
    let request = PutRequest {
        description: Description { content_type: "application/json".into(), ..Description::default() },
        expiration: Expiration { stale_for, ..Expiration::default() },
        ..PutRequest::new(namespace, "key", Payload::Value(value.clone()))
    };
    match cache.put(request).unwrap() {
        PutAnswer::Stored { entry, .. } | PutAnswer::Refreshed { entry, .. } => entry,
        other => panic!("{other:?}"),
    }
}

fn get(cache: &Cache, namespace: &str) -> EntryView {
    let request = GetRequest { namespace: namespace.to_owned(), key: "key".to_owned(), ..GetRequest::default() };
    match cache.get(&request).unwrap().outcome {
        Lookup::Hit(view) => view,
        other => panic!("{other:?}"),
    }
}

fn text() -> Bytes {
    (0..200).map(|number| format!("{{\"number\": {number}, \"score\": 0.{number}}},")).collect::<String>().into()
}

#[test]
fn a_value_takes_less_room_and_is_read_as_it_came() {
    let cache = cache();
    let value = text();
    for stale_for in [None, Some(Duration::from_secs(60))] {
        let (plain, small) = (put(&cache, "plain", &value, stale_for), put(&cache, "small", &value, stale_for));
        assert!(small.facts.charged_bytes * 2 < plain.facts.charged_bytes, "{}", small.facts.charged_bytes);
        assert!(matches!(small.payload, Payload::Compressed(_)));
        let read = get(&cache, "small");
        assert_eq!(read.facts.charged_bytes, small.facts.charged_bytes);
        assert_eq!(read.facts.size_bytes, value.len() as u64);
        assert_eq!(read.facts.digest[..], Sha256::digest(&value)[..]);
        assert_eq!(read.facts.etag, plain.facts.etag, "equal content, equal etag");
        assert_eq!(read.payload.plain(), Some(Payload::Value(value.clone())));
    }
    let codec = cache.tiers().memory.as_ref().unwrap().state();
    assert_eq!((codec.compressed, codec.plain, codec.raw_bytes), (2, 0, 2 * value.len() as u64));
    assert!(codec.stored_bytes * 2 < codec.raw_bytes);
}

#[test]
fn what_is_not_worth_it_is_held_as_it_came() {
    let cache = cache();
    for value in
        [Bytes::from_static(b"too small to try"), Bytes::from([&b"\x89PNG\r\n\x1a\n"[..], &[0; 4000]].concat())]
    {
        let charged = put(&cache, "plain", &value, None).facts.charged_bytes;
        assert_eq!(put(&cache, "small", &value, None).facts.charged_bytes, charged);
        assert_eq!(get(&cache, "small").payload, Payload::Value(value));
    }
}

#[test]
fn the_same_value_again_refreshes_it() {
    let cache = cache();
    let first = put(&cache, "small", &text(), None);
    let again = put(&cache, "small", &text(), None);
    assert_eq!((&again.facts.etag, again.facts.charged_bytes), (&first.facts.etag, first.facts.charged_bytes));
    assert_eq!(get(&cache, "small").payload.plain(), Some(Payload::Value(text())));
}
