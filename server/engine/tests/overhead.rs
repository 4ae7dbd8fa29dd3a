//! What an entry takes besides its key and its value, with many of them, as the allocator counts it.
//! Its own binary, because it replaces the allocator with one that counts, and nothing else may run beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Expiration, Payload},
    event::Silent,
    flow::put::{Precondition, PutRequest},
    namespace::EngineConfig,
    origin::Origins,
    stats::{Group, GroupBy},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const ENTRIES: u64 = 120_000;
const VALUE_BYTES: u64 = 100;
const OVERHEAD_MAX: u64 = 200;

fn put(cache: &Cache, namespace: &str, number: u64) {
    let request = PutRequest {
        namespace: namespace.to_owned(),
        key: format!("summarize:{number:012}"),
        payload: Some(Payload::Value(Bytes::from(vec![7; usize::try_from(VALUE_BYTES).unwrap()]))),
        digest: None,
        description: Description { kind: Arc::from("summarize"), ..Description::default() },
        expiration: Expiration::default(),
        precondition: Precondition::Always,
        request_id: String::new(),
        client_id: None,
    };
    cache.put(request).unwrap();
}

fn total(cache: &Cache, namespace: &str) -> Group {
    cache.stats(Some(namespace), GroupBy::Nothing).unwrap().total
}

fn allocated() -> u64 {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap() as u64
}

/// The history, the fences and the ghosts have bounds of their own, whatever is held: they are full before it begins.
#[test]
fn more_than_a_hundred_thousand_entries_take_less_than_200_bytes_each_besides_key_and_value() {
    let config =
        EngineConfig { bytes_max: 1 << 30, history_changes_max: 16, insight_samples_max: 0, ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    (0..ENTRIES).for_each(|number| put(&cache, "before", number));
    let before = allocated();
    (0..ENTRIES).for_each(|number| put(&cache, "measured", number));
    let after = allocated();
    let held = total(&cache, "measured");
    assert_eq!((held.entry_count, held.value_bytes), (ENTRIES, ENTRIES * VALUE_BYTES));
    let charged = held.bookkeeping_bytes() / ENTRIES;
    let measured = (after - before - held.key_bytes - held.value_bytes) / ENTRIES;
    println!("{ENTRIES} entries: {charged} bytes charged, {measured} bytes allocated besides key and value, each");
    assert!(charged <= OVERHEAD_MAX && measured <= OVERHEAD_MAX, "{charged} charged, {measured} allocated");
}
