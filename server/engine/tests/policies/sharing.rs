//! Namespaces that share a budget: what one does to itself is not felt by others. Over the whole cache, as it ships.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use hotplate_engine::{
    Cache,
    clock::Clock,
    entry::{Description, Payload},
    event::Silent,
    flow::{
        get::{GetRequest, Lookup},
        put::PutRequest,
    },
    namespace::{EngineConfig, NamespaceConfig},
    origin::Origins,
};

/// Entries that the quota of one namespace, and the memory of all, have room for.
const QUOTA: u64 = 20;
const ENTRIES: u64 = 200;

fn cache() -> Arc<Cache> {
    let limited = NamespaceConfig { entries_max: Some(QUOTA), ..NamespaceConfig::default() };
    let namespaces = [("limited", limited), ("free", NamespaceConfig::default())];
    let config = EngineConfig {
        entries_max: ENTRIES,
        namespaces: namespaces.map(|(name, config)| (name.to_owned(), config)).into_iter().collect::<BTreeMap<_, _>>(),
        seed: Some(1),
        ..EngineConfig::default()
    };
    Cache::new(config, Clock::manual(), Arc::new(Silent), Origins::new()).unwrap()
}

fn put(cache: &Cache, (namespace, key): (&str, u64), cost: Duration) {
    let description = Description { compute_cost: Some(cost), ..Description::default() };
    cache
        .put(PutRequest {
            description,
            ..PutRequest::new(namespace, key.to_string(), Payload::Value(Bytes::from_static(&[7; 100])))
        })
        .unwrap();
}

fn is_there(cache: &Cache, namespace: &str, key: u64) -> bool {
    let request = GetRequest { namespace: namespace.to_owned(), key: key.to_string(), ..GetRequest::default() };
    matches!(cache.get(&request).unwrap().outcome, Lookup::Hit(_))
}

/// How many of ten entries of ten seconds are still there after 5,000 of ten milliseconds came and went, while `dear`
/// entries of an hour came and went in the namespace with a quota.
fn kept(dear: u64) -> usize {
    let cache = cache();
    (0..10).for_each(|key| put(&cache, ("free", key), Duration::from_secs(10)));
    (0..dear).for_each(|key| put(&cache, ("limited", key), Duration::from_secs(3600)));
    (1_000..6_000).for_each(|key| put(&cache, ("free", key), Duration::from_millis(10)));
    cache.check_invariants().unwrap();
    (0..10).filter(|key| is_there(&cache, "free", *key)).count()
}

#[test]
fn what_goes_by_a_namespaces_own_quota_ages_nobody_else() {
    assert_eq!(kept(QUOTA), 10, "the quota is not reached");
    assert_eq!(kept(20 * QUOTA), 10, "twenty times the quota goes");
}
