//! Reserve, evict, expire and remove on the memory tier, in thousands of interleavings that a seeded scheduler chooses at
//! every lock and every counter. Each way of breaking the rules that is listed at the end is found out by the same tests.
//!
//! Needs the feature `shuttle`: `cargo x ci --only interleavings`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use hotplate_engine::{
    clock::Moment,
    memory::{
        budget::Room,
        plain::{Item, Plain},
        pool::{Pool, PoolConfig},
        shelf::Shelf,
        table::Held,
    },
    policy::{self, Objective, REGISTRY},
    sync::chosen::{Weakness, weaken},
};
use shuttle::{Config, FailurePersistence, Runner, scheduler::RandomScheduler, thread};

/// Interleavings of each test; there are five.
const INTERLEAVINGS: usize = 2000;
/// For short tests, and for those that end with the first interleaving that shows what is wrong.
const MANY_INTERLEAVINGS: usize = 20_000;
const SEED: u64 = 11;
const BYTES_MAX: u64 = 100;
const NOW: Moment = Moment(1_000_000_000_000);

fn explore(interleavings: usize, test: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // Unoptimized code needs more than the usual room for a coroutine.
    config.stack_size = 0x4_0000;
    config.failure_persistence = FailurePersistence::None;
    Runner::new(RandomScheduler::new_from_seed(SEED, interleavings), config).run(test);
}

fn config(shards: usize) -> PoolConfig {
    PoolConfig { bytes_max: BYTES_MAX, entries_max: 6, shards, objective: Objective::ComputeSaved }
}

fn item(bytes: u64, ends: Moment) -> Item {
    Item { bytes, cost: Duration::from_millis(bytes % 7), ends }
}

fn within(room: Room) {
    assert!(room.bytes <= BYTES_MAX && room.entries <= 6, "{room:?} is above the limit");
}

/// Writes entries that need more room than there is, and reads its own back.
fn write(cache: &Plain<u64>, writer: u64) {
    for round in 0..4 {
        let key = [u8::try_from(writer).unwrap(), u8::try_from(round % 2).unwrap()];
        let value = writer * 100 + round;
        let stored = cache.put(&key, value, item(25 + 11 * ((writer + round) % 3), Moment(u64::MAX)));
        within(cache.used());
        let found = cache.get(&key, NOW);
        assert!(found.is_none_or(|found| found == value && stored), "{found:?} is not what was written last");
    }
}

fn settle(cache: &Plain<u64>) {
    cache.check().unwrap();
    within(cache.used());
    assert!(cache.bytes_highest() <= BYTES_MAX);
    cache.clear();
    assert_eq!(cache.used(), Room::default(), "nothing is left of what was cleared");
    cache.check().unwrap();
}

/// Two writers that evict each other's entries, and one that clears.
fn reserve_and_evict() {
    for policy in REGISTRY {
        let cache = Arc::new(Plain::new(config(2), policy.name, 1).unwrap());
        let writers = [1, 2].map(|writer| {
            let cache = cache.clone();
            thread::spawn(move || write(&cache, writer))
        });
        cache.clear();
        within(cache.used());
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        settle(&cache);
    }
}

/// What has ended is never served, is taken out once, and is not confused with its successor.
fn expire() {
    for policy in REGISTRY {
        let cache = Arc::new(Plain::new(config(2), policy.name, 1).unwrap());
        for key in 0..4_u8 {
            cache.put(&[key], 1, item(20, Moment(NOW.0 - 1)));
        }
        let (expirer, renewer) = (cache.clone(), cache.clone());
        let threads = [
            thread::spawn(move || expirer.expire(NOW)),
            thread::spawn(move || {
                for key in 0..2_u8 {
                    assert!(renewer.put(&[key], 2, item(20, Moment(u64::MAX))));
                }
            }),
        ];
        for key in 0..4_u8 {
            assert_ne!(cache.get(&[key], NOW), Some(1), "served after its end");
            within(cache.used());
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        cache.expire(NOW);
        assert_eq!(cache.used(), Room { entries: 2, bytes: 40 }, "the successors, and nothing that has ended");
        settle(&cache);
    }
}

/// Whoever has removed a key does not find what was there before, whatever is evicted meanwhile.
fn invalidate() {
    for policy in REGISTRY {
        let cache = Arc::new(Plain::new(config(2), policy.name, 1).unwrap());
        cache.put(b"k", 1, item(30, Moment(u64::MAX)));
        let (remover, filler) = (cache.clone(), cache.clone());
        let threads = [
            thread::spawn(move || {
                let removed = remover.remove(b"k");
                let found = remover.get(b"k", NOW);
                assert!(found != Some(1), "removed {removed:?} and found it again");
            }),
            thread::spawn(move || write(&filler, 1)),
        ];
        cache.put(b"k", 2, item(60, Moment(u64::MAX)));
        let found = cache.get(b"k", NOW);
        assert!(found.is_none_or(|found| found == 2));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        settle(&cache);
    }
}

/// An entry of the pool itself, which a test puts in step by step.
struct Lump(u64);

impl Held for Lump {
    fn ends(&self) -> Moment {
        Moment(u64::MAX)
    }

    fn is_at(&self, _: &[u8]) -> bool {
        false
    }
}

struct Steps {
    pool: Pool<(), Lump>,
    shelf: Arc<Shelf>,
}

impl Steps {
    fn new(policy: &str) -> Self {
        let pool = Pool::new(config(2), || ());
        let shelf = pool.open(policy::find(policy).unwrap(), Room { entries: u64::MAX, bytes: u64::MAX }, 1.0);
        Self { pool, shelf }
    }

    fn insert(&self, hash: u64, bytes: u64) {
        let worth = self.pool.worth(&self.shelf, bytes, Duration::from_millis(1));
        let mut shard = self.pool.lock(usize::try_from(hash).unwrap());
        shard.insert(&self.shelf, hash << 32 | hash, Lump(bytes), worth);
    }

    /// `careless`: inserts before it reserves.
    fn put(&self, hash: u64, bytes: u64, careless: bool) {
        if careless {
            self.insert(hash, bytes);
        }
        self.reserve(bytes);
        if !careless {
            self.insert(hash, bytes);
        }
    }

    fn reserve(&self, bytes: u64) {
        let room = Room { entries: 1, bytes };
        while !self.pool.reserve(&self.shelf, room) {
            let Some(mut victim) = self.pool.victim(&self.shelf, room) else {
                thread::yield_now();
                continue;
            };
            let lump = victim.shard.remove(&victim.shelf, victim.slot, true).unwrap();
            self.pool.release(&victim.shelf, Room { entries: 1, bytes: lump.0 });
        }
    }

    /// Holds all locks at once: then what is held is what others see, and none of it is without room.
    fn nothing_without_room(&self) {
        let shards = [self.pool.lock(0), self.pool.lock(1)];
        let tables = shards.iter().filter_map(|shard| shard.table(&self.shelf));
        let held: u64 = tables.flat_map(|table| table.iter()).map(|(_, lump)| lump.0).sum();
        let used = self.pool.budget().used();
        assert!(held <= used.bytes, "{held} bytes are held and {} reserved", used.bytes);
        within(used);
    }

    /// Takes out the least, and says how dear it was.
    fn evict(&self) -> f64 {
        let victim = self.pool.victim(&self.shelf, Room { entries: 0, bytes: BYTES_MAX });
        let Some(mut victim) = victim else { return 0.0 };
        let least = victim.shard.table(&victim.shelf).and_then(|table| table.least()).unwrap();
        let lump = victim.shard.remove(&victim.shelf, victim.slot, true).unwrap();
        self.pool.release(&victim.shelf, Room { entries: 1, bytes: lump.0 });
        least.price
    }
}

/// What was evicted only grows dearer, so that later entries are filed behind earlier ones: a dear entry is on its way
/// out when a cheap one comes, and goes too.
fn level_only_rises() {
    let steps = Arc::new(Steps::new("cost_aware"));
    steps.reserve(10);
    steps.insert(1, 10);
    let other = steps.clone();
    let dear = thread::spawn(move || other.evict());
    steps.reserve(60);
    steps.insert(0, 60);
    let cheap = steps.evict();
    let dear = dear.join().unwrap();
    let level = steps.shelf.age.level();
    assert!(level >= dear.max(cheap), "the level fell to {level} from {dear} or {cheap}");
    steps.pool.check().unwrap();
}

/// Two writers step by step, and one who looks at everything at once. `careless`: they insert before they reserve.
fn held_is_reserved(careless: bool) {
    for policy in REGISTRY {
        let steps = Arc::new(Steps::new(policy.name));
        let writers = [1, 2].map(|writer| {
            let steps = steps.clone();
            let lumps = [(writer, 40), (writer + 2, 30), (writer + 4, 45)];
            thread::spawn(move || lumps.into_iter().for_each(|(hash, bytes)| steps.put(hash, bytes, careless)))
        });
        (0..4).for_each(|_| steps.nothing_without_room());
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        steps.nothing_without_room();
        steps.pool.check().unwrap();
    }
}

#[test]
fn no_interleaving_of_reserving_and_evicting_is_above_the_limit() {
    explore(INTERLEAVINGS, reserve_and_evict);
}

#[test]
fn no_interleaving_of_expiring_serves_what_has_ended_or_takes_its_successor() {
    explore(INTERLEAVINGS, expire);
}

#[test]
fn no_interleaving_of_removing_and_evicting_brings_anything_back() {
    explore(INTERLEAVINGS, invalidate);
}

#[test]
fn no_interleaving_holds_what_has_no_room() {
    explore(INTERLEAVINGS, || held_is_reserved(false));
}

#[test]
fn no_interleaving_of_evictions_lets_the_level_fall() {
    explore(MANY_INTERLEAVINGS, level_only_rises);
}

/// What the tests above say of broken rules.
fn found_out(test: impl Fn() + Send + Sync + 'static) -> String {
    let found = catch_unwind(AssertUnwindSafe(|| explore(MANY_INTERLEAVINGS, test)));
    weaken(Weakness::None);
    let found = found.expect_err("it went unnoticed");
    let text = found.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| found.downcast_ref::<&str>().copied()).unwrap_or_default().to_owned()
}

#[test]
fn a_budget_that_looks_and_takes_in_two_steps_is_found_out() {
    weaken(Weakness::TornUpdate);
    let found = found_out(reserve_and_evict);
    let signs = ["above the limit", "is counted", "overflow"];
    assert!(signs.iter().any(|sign| found.contains(sign)), "{found}");
}

#[test]
fn room_that_is_reserved_after_the_insertion_is_found_out() {
    let found = found_out(|| held_is_reserved(true));
    assert!(found.contains("are held and"), "{found}");
}

#[test]
fn a_level_that_falls_is_found_out() {
    weaken(Weakness::TornMax);
    let found = found_out(level_only_rises);
    assert!(found.contains("the level fell"), "{found}");
}
