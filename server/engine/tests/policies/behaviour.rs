//! What each policy is chosen for, on tables with a policy alone: that a scan leaves what is read often, that a large
//! model does not displace what is worth more, that shards of one namespace make one order.

use std::collections::HashMap;

use hotplate_engine::policy::{self, Age, Policy, Slot, Worth};

use crate::run::hash;

/// What a model and an answer are worth where compute time counts.
const MODEL: Worth = Worth { bytes: 800_000_000, value: 20.0 };
const ANSWER: Worth = Worth { bytes: 2_000, value: 1.0 };

/// A table with nothing but keys, bounded by entries.
struct Table {
    policy: Box<dyn Policy>,
    slots: HashMap<u64, Slot>,
    keys: Vec<u64>,
    entries_max: usize,
}

impl Table {
    fn new(policy: &str, entries_max: usize) -> Self {
        let policy = (policy::find(policy).unwrap().make)();
        Self { policy, slots: HashMap::new(), keys: Vec::new(), entries_max }
    }

    /// Asks for keys, and stores those that are not there.
    fn get_all(&mut self, keys: impl IntoIterator<Item = u64>, age: &Age) {
        keys.into_iter().for_each(|key| match self.slots.get(&key) {
            Some(slot) => self.policy.used(*slot, age),
            None => self.insert(key, age),
        });
    }

    fn insert(&mut self, key: u64, age: &Age) {
        let full = self.slots.len() >= self.entries_max;
        let slot = if full { self.evict(age).1 } else { Slot::try_from(self.keys.len()).unwrap() };
        if slot as usize == self.keys.len() {
            self.keys.push(key);
        }
        self.keys[slot as usize] = key;
        self.slots.insert(key, slot);
        self.policy.inserted(slot, hash(key), ANSWER, age);
    }

    fn evict(&mut self, age: &Age) -> (u64, Slot) {
        loop {
            let least = self.policy.least().unwrap();
            age.raise(least.price);
            if self.policy.settle(age) {
                let key = self.keys[least.slot as usize];
                self.policy.removed(least.slot, Some(hash(key)));
                self.slots.remove(&key);
                return (key, least.slot);
            }
        }
    }

    /// How many of these keys are there.
    fn held(&self, keys: std::ops::Range<u64>) -> usize {
        keys.filter(|key| self.slots.contains_key(key)).count()
    }
}

/// How many of 500 keys that are read now and then are still there after a scan of 20,000 that come once.
fn survivors_of_a_scan(policy: &str) -> usize {
    let (mut table, age) = (Table::new(policy, 1_000), Age::default());
    for _ in 0..4 {
        table.get_all(0..500, &age);
    }
    table.get_all(1_000..21_000, &age);
    table.policy.check().unwrap();
    table.held(0..500)
}

#[test]
fn a_scan_leaves_what_is_read_often_except_under_lru() {
    assert_eq!(survivors_of_a_scan("lru"), 0);
    assert_eq!(survivors_of_a_scan("s3_fifo"), 500);
}

#[test]
fn what_comes_back_soon_after_it_went_outlives_a_scan() {
    let (mut table, age) = (Table::new("s3_fifo", 100), Age::default());
    table.get_all(0..100, &age);
    // Thirty go and come back at once; nobody read them twice while they were there.
    table.get_all(100..130, &age);
    assert_eq!(table.held(0..30), 0);
    table.get_all(0..30, &age);
    table.get_all(1_000..2_000, &age);
    assert_eq!(table.held(0..30), 30);
    assert_eq!(table.held(1_000..1_900), 0);
}

#[test]
fn a_large_model_does_not_displace_300_000_answers() {
    let (mut table, age) = (Table::new("cost_aware", 300_000), Age::default());
    table.get_all(0..300_000, &age);
    let price = |worth| table.policy.price(hash(1_000_000), worth, &age).unwrap();
    assert_eq!(table.policy.below(price(MODEL)), 0, "nothing there is worth less per byte than the model");
    let precious = Worth { value: 1e7, ..MODEL };
    assert!(table.policy.below(price(precious)) > 500_000_000, "all of them are worth less than this one");
}

#[test]
fn what_nobody_reads_any_more_grows_old_and_goes() {
    let (mut table, age) = (Table::new("cost_aware", 1_000), Age::default());
    (0..10).for_each(|_| table.get_all(0..10, &age));
    table.get_all(1_000..5_000, &age);
    assert_eq!(table.held(0..10), 10, "ten reads are worth more than none for some time");
    table.get_all(5_000..60_000, &age);
    assert_eq!(table.held(0..10), 0);
}

#[test]
fn what_is_read_more_often_outlives_what_is_read_less() {
    let (mut table, age) = (Table::new("cost_aware", 100), Age::default());
    for round in 0..8 {
        table.get_all((0..100).filter(|key| round == 0 || key % 2 == 0), &age);
    }
    let went: Vec<_> = (0..50).map(|_| table.evict(&age).0).collect();
    assert!(went.iter().all(|key| key % 2 == 1), "{went:?}");
}

/// Shards of one namespace are compared by rank: what goes is what would go if they were one.
#[test]
fn the_least_rank_of_all_shards_is_the_oldest_use() {
    let age = Age::default();
    let mut shards: Vec<_> = (0..4).map(|_| Table::new("lru", 100)).collect();
    for key in (0..100).chain((0..100).rev().filter(|key| key % 3 == 0)) {
        shards[key as usize % 4].get_all([key], &age);
    }
    let mut went = Vec::new();
    while let Some(shard) = with_the_least_rank(&shards) {
        went.push(shards[shard].evict(&age).0);
    }
    let (read, unread): (Vec<_>, Vec<_>) = (0..100).partition(|key| key % 3 == 0);
    let expected: Vec<_> = unread.into_iter().chain(read.into_iter().rev()).collect();
    assert_eq!(went, expected);
}

fn with_the_least_rank(shards: &[Table]) -> Option<usize> {
    let ranks = shards.iter().enumerate().filter_map(|(shard, table)| Some((shard, table.policy.least()?.rank)));
    Some(ranks.min_by_key(|(_, rank)| *rank)?.0)
}

/// What the registry says an entry takes is about what a table takes for it.
#[test]
fn the_registry_says_what_an_entry_takes() {
    for registered in policy::REGISTRY {
        let (mut table, age) = (Table::new(registered.name, 10_000), Age::default());
        table.get_all(0..30_000, &age);
        let (held, said) = (table.policy.bytes() / 10_000, usize::try_from(registered.bytes_per_entry).unwrap());
        assert!(held * 2 <= said * 3 && said * 2 <= held * 3, "{}: {held} bytes, said {said}", registered.name);
    }
}

#[test]
fn an_unknown_policy_is_refused_with_the_names_there_are() {
    let reason = format!("{:?}", policy::find("fifo").unwrap_err());
    assert!(policy::REGISTRY.iter().all(|registered| reason.contains(registered.name)), "{reason}");
}
