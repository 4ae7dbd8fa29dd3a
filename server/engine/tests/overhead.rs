//! What an entry takes besides its key and its value, with many of them, as the allocator counts it.
//! Its own binary, because it replaces the allocator with one that counts, and nothing else may run beside it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Payload},
    event::Silent,
    flow::put::PutRequest,
    namespace::EngineConfig,
    origin::Origins,
    stats::{Group, GroupBy},
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Entries measured: just before the index of every shard grows, and after it has grown.
const ENTRIES: [u64; 2] = [110_000, 120_000];
const VALUE_BYTES: u64 = 100;
/// Bytes charged.
const OVERHEAD_MAX: u64 = 96;
/// Bytes allocated on average of a full index and one that has just grown.
const OVERHEAD_MEAN_MAX: u64 = 100;

fn put(cache: &Cache, namespace: &str, number: u64) {
    let request = PutRequest {
        description: Description { kind: Arc::from("summarize"), ..Description::default() },
        ..PutRequest::new(
            namespace,
            format!("summarize:{number:012}"),
            Payload::Value(Bytes::from(vec![7; usize::try_from(VALUE_BYTES).unwrap()])),
        )
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

/// Bytes besides keys and values that entries are charged, and that the allocator says they take, each; without what is
/// lost to the sizes in which it hands out memory.
fn overhead(cache: &Cache, before: u64) -> (u64, u64) {
    let held = total(cache, "measured");
    let measured = allocated() - before - held.key_bytes - held.value_bytes - held.rounding_bytes;
    (held.bookkeeping_bytes() / held.entry_count, measured / held.entry_count)
}

/// The history, the fences and the ghosts have bounds of their own, whatever is held: they are full before it begins.
#[test]
fn more_than_a_hundred_thousand_entries_are_charged_at_most_96_bytes_each_besides_key_and_value() {
    let config =
        EngineConfig { bytes_max: 1 << 30, history_changes_max: 16, insight_samples_max: 0, ..EngineConfig::default() };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    (0..ENTRIES[1]).for_each(|number| put(&cache, "before", number));
    let before = allocated();
    let mut sum = 0;
    let mut stored = 0;
    for entries in ENTRIES {
        (stored..entries).for_each(|number| put(&cache, "measured", number));
        stored = entries;
        assert_eq!(total(&cache, "measured").entry_count, entries);
        let (charged, measured) = overhead(&cache, before);
        println!("{entries} entries: {charged} bytes charged, {measured} bytes allocated besides key and value, each");
        assert!(charged <= OVERHEAD_MAX, "{charged} charged");
        sum += measured;
    }
    assert!(sum.div_ceil(2) <= OVERHEAD_MEAN_MAX, "{sum} allocated in two measurements");
}
