//! What is charged for an entry agrees with what the allocator hands out for it: within 10 %.
//! Its own binary, because it replaces the allocator with one that counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Payload},
    event::Silent,
    flow::{invalidate::InvalidateRequest, put::PutRequest},
    namespace::EngineConfig,
    origin::Origins,
    selector::Selector,
    stats::GroupBy,
};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Entries of each sort.
const ENTRIES: u64 = 3000;
fn put(number: u64, value_bytes: usize, tags: usize) -> PutRequest {
    PutRequest {
        namespace: String::new(),
        key: format!("model:metrics:{number:012}"),
        payload: Some(Payload::Value(Bytes::from(vec![u8::try_from(number % 251).unwrap(); value_bytes]))),
        digest: None,
        description: Description {
            kind: Arc::from("sklearn"),
            tags: (0..tags).map(|tag| Arc::from(format!("group-{tag}-{}", number / 10))).collect(),
            labels: BTreeMap::new(),
            ..Description::default()
        },
        expiration: Expiration::default(),
        precondition: Default::default(),
        request_id: String::new(),
        client_id: None,
    }
}

fn held(cache: &Cache) -> u64 {
    cache.stats(None, GroupBy::Nothing).unwrap().total.charged_bytes
}

/// Bytes charged and bytes allocated for entries of one sort.
fn measure(value_bytes: usize, tags: usize) -> (u64, u64) {
    // A short history: what it keeps has its own bound and is no part of an entry.
    let config = EngineConfig { history_changes_max: 16, bytes_max: 1 << 40, seed: Some(1), ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    let before = dhat::HeapStats::get().curr_bytes as u64;
    for number in 0..ENTRIES {
        cache.put(put(number, value_bytes, tags)).unwrap();
    }
    let allocated = dhat::HeapStats::get().curr_bytes as u64 - before;
    let charged = held(&cache);
    let everything = InvalidateRequest {
        namespace: String::new(),
        selectors: vec![Selector::Everything],
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&everything).unwrap();
    assert_eq!(held(&cache), 0, "what was dropped is no longer charged");
    (charged, allocated)
}

#[test]
fn charged_bytes_agree_with_the_allocator() {
    let _profiler = dhat::Profiler::builder().testing().build();
    for (value_bytes, tags) in [(100, 0), (100, 4), (1024, 0), (1024, 8), (65_536, 2)] {
        let (charged, allocated) = measure(value_bytes, tags);
        let allowed = allocated / 10;
        let difference = charged.abs_diff(allocated);
        assert!(
            difference <= allowed,
            "{value_bytes} B with {tags} tags: charged {} bytes an entry, allocated {}",
            charged / ENTRIES,
            allocated / ENTRIES
        );
    }
}
