//! Which large entries are let in: over the memory tier as it ships, with one shard.

use std::time::Duration;

use hotplate_engine::{
    clock::Moment,
    memory::{
        plain::{Item, Plain},
        pool::PoolConfig,
    },
    policy::Objective,
};

/// Ten entries fit; each is more than a hundredth of all, so that it may be refused.
const BYTES: u64 = 100;

fn ten_entries() -> Plain<()> {
    let config = PoolConfig { bytes_max: 10 * BYTES, entries_max: 100, shards: 1, objective: Objective::ComputeSaved };
    Plain::new(config, "cost_aware", 1).unwrap()
}

fn put(cache: &Plain<()>, key: &str, seconds: u64) -> bool {
    let item = Item { bytes: BYTES, cost: Duration::from_secs(seconds), ends: Moment(u64::MAX) };
    cache.put(key.as_bytes(), (), item)
}

fn read(cache: &Plain<()>, key: &str) -> bool {
    cache.get(key.as_bytes(), Moment(0)).is_some()
}

/// Entries of 30 seconds displace `key`; then entries of 3 seconds take their place.
fn after_dear_ones_and_cheap_ones(key: &str, reads: usize) -> Plain<()> {
    let cache = ten_entries();
    assert!(put(&cache, key, 1));
    assert!((0..reads).all(|_| read(&cache, key)));
    assert!((0..10).all(|number| put(&cache, &format!("dear {number}"), 30)));
    assert!(!read(&cache, key), "it was the cheapest");
    assert!((0..10).all(|number| cache.remove(format!("dear {number}").as_bytes()).is_some()));
    assert!((0..10).all(|number| put(&cache, &format!("cheap {number}"), 3)));
    cache
}

#[test]
fn what_was_read_before_it_went_is_let_in_again() {
    assert!(put(&after_dear_ones_and_cheap_ones("known", 3), "known", 1), "four reads of 1 s against one of 3 s");
    assert!(!put(&after_dear_ones_and_cheap_ones("known", 3), "unknown", 1), "one of 1 s against one of 3 s");
}

/// Without a bound on costs the first would raise the level to where all that others save is lost in rounding.
#[test]
fn an_absurd_cost_does_not_end_the_order_of_all_others() {
    let config =
        PoolConfig { bytes_max: 10_000_000_000, entries_max: 10, shards: 1, objective: Objective::ComputeSaved };
    let cache = Plain::new(config, "cost_aware", 1).unwrap();
    let put = |key: &str, (bytes, cost)| cache.put(key.as_bytes(), (), Item { bytes, cost, ends: Moment(u64::MAX) });
    let centuries = Duration::from_secs(300_000_000_000);
    assert!((0..100).all(|number| put(&format!("absurd {number}"), (200, centuries))));
    cache.clear();
    assert!(put("old", (10_000_000, Duration::from_secs(1))) && read(&cache, "old"));
    // Every one of these is worth less, but together they make time pass.
    let short = (10_000_000, Duration::from_millis(10));
    assert!((0..20_000).all(|number| put(&format!("short {number}"), short)));
    assert!(!read(&cache, "old"), "nobody read it for 20,000 evictions");
    cache.check().unwrap();
}
