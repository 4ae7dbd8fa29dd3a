//! What is charged for an entry agrees with what the allocator hands out for it: within 10 %.
//! Its own binary, because it replaces the allocator with one that counts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    chunks::{Chunk, Collecting},
    clock::Clock,
    entry::{Dependencies, Description, Payload},
    event::Silent,
    flow::{invalidate::InvalidateRequest, put::PutRequest},
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
    policy::REGISTRY,
    selector::Selector,
    stats::GroupBy,
};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Entries of each sort.
const ENTRIES: u64 = 40_000;
/// Bytes of values at most in one measurement.
const BYTES: u64 = 50_000_000;

/// Bytes of the value, tags that ten entries have in common, labels, dependencies that ten entries have in common.
type Sort = (usize, usize, usize, usize);

fn put(namespace: &str, number: u64, (value_bytes, tags, labels, on): Sort) -> PutRequest {
    PutRequest {
        description: Description {
            kind: Arc::from("sklearn"),
            tags: (0..tags).map(|tag| Arc::from(format!("group-{tag}-{}", number / 10))).collect(),
            labels: (0..labels).map(|label| (format!("label-{label}"), number.to_string())).collect(),
            depends_on: Dependencies::of((0..on).map(|on| Arc::from(format!("data:{on}:{}", number / 10)))),
            ..Description::default()
        },
        ..PutRequest::new(
            namespace,
            format!("model:metrics:{number:012}"),
            Payload::Value(Bytes::from(vec![u8::try_from(number % 251).unwrap(); value_bytes])),
        )
    }
}

fn held(cache: &Cache) -> u64 {
    cache.stats(None, GroupBy::Nothing).unwrap().total.charged_bytes
}

fn allocated() -> u64 {
    tikv_jemalloc_ctl::epoch::advance().unwrap();
    tikv_jemalloc_ctl::stats::allocated::read().unwrap() as u64
}

/// A cache with a namespace for each policy. What is remembered of changed and removed keys has its own bound and is no
/// part of an entry: it is filled first. The history is short for the same reason, and nothing is simulated.
fn warm() -> Arc<Cache> {
    let namespace = |policy: &str| NamespaceConfig { policy: policy.into(), ..NamespaceConfig::default() };
    let config = EngineConfig {
        history_changes_max: 16,
        insight_samples_max: 0,
        bytes_max: 1 << 40,
        value_bytes_max: 1 << 30,
        namespaces: REGISTRY.iter().map(|policy| (policy.name.to_owned(), namespace(policy.name))).collect(),
        seed: Some(1),
        ..EngineConfig::default()
    };
    let cache = Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap();
    for number in 0..150_000 {
        cache.put(put("warm", number, (1, 0, 0, 0))).unwrap();
    }
    drop_everything(&cache, "warm");
    cache
}

/// Bytes charged and bytes allocated for entries of one sort, each for one entry.
fn measure(cache: &Cache, policy: &str, sort: Sort) -> (f64, f64) {
    let (value_bytes, tags, labels, on) = sort;
    let entries = ENTRIES.min(BYTES / value_bytes as u64);
    let before = allocated();
    // Keys of their own: what is remembered of a removed key goes when it comes back.
    let first = (value_bytes + tags + labels + 3 * on) as u64 * 1_000_000;
    for number in first..first + entries {
        cache.put(put(policy, number, sort)).unwrap();
    }
    let (after, charged) = (allocated(), held(cache));
    drop_everything(cache, policy);
    assert_eq!(held(cache), 0, "what was dropped is no longer charged");
    ((charged as f64) / entries as f64, (after - before) as f64 / entries as f64)
}

fn drop_everything(cache: &Cache, namespace: &str) {
    let everything = InvalidateRequest {
        namespace: namespace.to_owned(),
        selectors: vec![Selector::Everything],
        cascade: true,
        validate_only: false,
        reason: None,
        request_id: String::new(),
        client_id: None,
    };
    cache.invalidate(&everything).unwrap();
}

const SORTS: [Sort; 15] = [
    (16, 0, 0, 0),
    (100, 0, 0, 0),
    (100, 4, 0, 0),
    (100, 0, 1, 0),
    (110, 0, 30, 0),
    (900, 0, 0, 0),
    (1024, 0, 0, 0),
    (1024, 8, 0, 0),
    (1025, 0, 0, 0),
    (8193, 0, 0, 0),
    (65_536, 2, 0, 0),
    (1 << 20, 0, 0, 0),
    (100, 0, 0, 1),
    (100, 0, 0, 4),
    (900, 2, 0, 2),
];

/// Bytes of a value and of its chunks; and how much larger the memory of each is than the chunk.
const CHUNKED: [(usize, usize, usize); 6] = [
    (4 << 20, 1 << 20, 0),
    (4_000_000, 77_777, 0),
    (4_000_000, 3000, 1000),
    (100_000, 1000, 0),
    (30_000, 100, 0),
    (5000, 20, 0),
];

/// Values that came in chunks, each in the memory it was received in.
fn measure_chunked(
    cache: &Cache,
    policy: &str,
    (value_bytes, chunk_bytes, slack): (usize, usize, usize),
) -> (f64, f64) {
    let entries = BYTES / value_bytes as u64;
    let before = allocated();
    for number in 0..entries {
        let (mut collecting, mut left) = (Collecting::new(), value_bytes);
        while left > 0 {
            let length = left.min(chunk_bytes);
            let mut bytes = bytes::BytesMut::with_capacity(length + slack);
            bytes.resize(length, 7);
            collecting.push(Chunk::new(bytes.freeze()));
            left -= length;
        }
        let payload = Some(Payload::Chunks(collecting.finish(None)));
        let key = 900_000_000_000 + (value_bytes + chunk_bytes) as u64 * 100_000 + number;
        cache.put(PutRequest { payload, ..put(policy, key, (1, 0, 0, 0)) }).unwrap();
    }
    let (after, charged) = (allocated(), held(cache));
    drop_everything(cache, policy);
    ((charged as f64) / entries as f64, (after - before) as f64 / entries as f64)
}

#[test]
fn charged_bytes_agree_with_the_allocator() {
    let cache = warm();
    let mut wrong = Vec::new();
    for sort in CHUNKED {
        let (charged, allocated) = measure_chunked(&cache, "lru", sort);
        let line =
            format!("{sort:?} bytes, of a chunk, unused: charged {charged:.0} an entry, allocated {allocated:.0}");
        println!("{line}");
        if (charged - allocated).abs() > allocated / 10.0 {
            wrong.push(line);
        }
    }
    for policy in REGISTRY {
        for sort in SORTS {
            let (charged, allocated) = measure(&cache, policy.name, sort);
            let line = format!(
                "{}, {sort:?} bytes, tags, labels, dependencies: charged {charged:.0} an entry, allocated {allocated:.0}",
                policy.name
            );
            println!("{line}");
            if (charged - allocated).abs() > allocated / 10.0 {
                wrong.push(line);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
