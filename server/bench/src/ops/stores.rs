//! How each cache is called, with its own keys and no more than it asks for between the loop and its code. Who is
//! compared, and nothing of how.

use std::{hash::Hash, hint::black_box, sync::OnceLock, time::Duration};

use foyer_memory::{Cache as FoyerCache, CacheBuilder, CacheProperties, S3FifoConfig};
use hotplate_engine::{
    clock::Moment,
    memory::{
        plain::{Item, Plain},
        pool::PoolConfig,
    },
    policy::{Objective, REGISTRY},
};
use lru::LruCache;
use moka::sync::Cache as MokaCache;
use parking_lot::Mutex;
use quick_cache::sync::Cache as QuickCache;

use super::{
    Asked, Operation,
    engine::Whole,
    load::{KeyKind, Load, Value},
};
use crate::contestant::{BASELINE, OURS, PEER_SHARDS, hasher};

/// Shards of our own, as shipped.
const SHARDS: usize = 16;

/// A cache that can be measured.
pub trait Store: Sync {
    /// What has to be done before an operation is measured: `hit` needs its keys to be held.
    fn prepare(&self, asked: &Asked<'_>);
    /// One turn of a thread with these keys; returns how many gets hit.
    fn run(&self, asked: &Asked<'_>, order: &[u32]) -> usize;
}

/// A key of a store.
pub(super) trait Key: Sync {
    /// Keys of this type.
    fn of(load: &Load) -> &[Self]
    where
        Self: Sized;
}

impl Key for u64 {
    fn of(load: &Load) -> &[Self] {
        &load.numbers
    }
}

impl Key for Box<str> {
    fn of(load: &Load) -> &[Self] {
        &load.strings
    }
}

/// A cache with keys of one type: what `run` is made of.
pub(super) trait Calls<K>: Sync {
    /// Gets the whole value, and says whether there was one.
    fn get(&self, key: &K) -> bool;
    /// Stores a value.
    fn put(&self, key: &K, value: Value);
}

/// Any such cache as a store. Made for each type, so that the loop calls it directly.
pub(super) struct Called<K, C> {
    pub(super) cache: C,
    keys: std::marker::PhantomData<fn(K)>,
}

impl<K: Key, C: Calls<K>> Store for Called<K, C> {
    fn prepare(&self, asked: &Asked<'_>) {
        if asked.operation == Operation::Hit {
            let resident = u32::try_from(asked.load.resident).unwrap_or(u32::MAX);
            // Twice: some admit only what they have seen before.
            for number in (0..resident).chain(0..resident) {
                self.read_through(asked.load, number);
            }
        }
    }

    fn run(&self, asked: &Asked<'_>, order: &[u32]) -> usize {
        let (load, keys) = (asked.load, K::of(asked.load));
        match asked.operation {
            Operation::Hit => order.iter().filter(|number| self.cache.get(&keys[**number as usize])).count(),
            Operation::Insert => {
                order.iter().for_each(|number| self.cache.put(&keys[*number as usize], load.value(*number)));
                0
            }
            Operation::ReadThrough => order.iter().filter(|number| self.read_through(load, **number)).count(),
        }
    }
}

impl<K: Key, C: Calls<K>> Called<K, C> {
    #[inline]
    fn read_through(&self, load: &Load, number: u32) -> bool {
        let key = &K::of(load)[number as usize];
        let hit = self.cache.get(key);
        if !hit {
            self.cache.put(key, load.value(number));
        }
        hit
    }
}

type Made = Result<Box<dyn Store>, String>;

/// A cache by name.
pub struct Entrant {
    /// Its name in rows.
    pub name: String,
    make: Box<dyn Fn(KeyKind, usize) -> Made + Send + Sync>,
}

impl Entrant {
    pub(super) fn make(&self, load: &Load, capacity: usize) -> Made {
        (self.make)(load.kind, capacity).map_err(|error| format!("{}: {error}", self.name))
    }
}

/// Every cache there is, in the order of rows.
pub fn entrants() -> &'static [Entrant] {
    static ENTRANTS: OnceLock<Vec<Entrant>> = OnceLock::new();
    ENTRANTS.get_or_init(|| {
        let ours = REGISTRY.iter().map(|policy| {
            let name = policy.name;
            Entrant {
                name: format!("{OURS}{name}"),
                make: Box::new(move |kind, capacity| {
                    let plain = plain(name, capacity)?;
                    Ok(match kind {
                        KeyKind::U64 => called::<u64, _>(plain),
                        KeyKind::Str49 => called::<Box<str>, _>(plain),
                    })
                }),
            }
        });
        let peer = |name: &str, make: fn(KeyKind, usize) -> Made| Entrant { name: name.into(), make: Box::new(make) };
        let others = [
            peer("hotplate/engine", |kind, capacity| {
                Ok(match kind {
                    KeyKind::U64 => called::<u64, _>(Whole::new(capacity)?),
                    KeyKind::Str49 => called::<Box<str>, _>(Whole::new(capacity)?),
                })
            }),
            peer(BASELINE, |kind, capacity| {
                Ok(match kind {
                    KeyKind::U64 => called::<u64, _>(locked_lru::<u64>(capacity)),
                    KeyKind::Str49 => called::<Box<str>, _>(locked_lru::<Box<str>>(capacity)),
                })
            }),
            peer("moka", |kind, capacity| {
                Ok(match kind {
                    KeyKind::U64 => called::<u64, _>(moka::<u64>(capacity)),
                    KeyKind::Str49 => called::<Box<str>, _>(moka::<Box<str>>(capacity)),
                })
            }),
            peer("quick_cache", |kind, capacity| {
                Ok(match kind {
                    KeyKind::U64 => called::<u64, _>(quick::<u64>(capacity)),
                    KeyKind::Str49 => called::<Box<str>, _>(quick::<Box<str>>(capacity)),
                })
            }),
            peer("foyer-s3fifo", |kind, capacity| {
                Ok(match kind {
                    KeyKind::U64 => called::<u64, _>(foyer::<u64>(capacity)),
                    KeyKind::Str49 => called::<Box<str>, _>(foyer::<Box<str>>(capacity)),
                })
            }),
        ];
        ours.chain(others).collect()
    })
}

fn called<K: Key + 'static, C: Calls<K> + 'static>(cache: C) -> Box<dyn Store> {
    Box::new(Called { cache, keys: std::marker::PhantomData })
}

fn plain(policy: &str, capacity: usize) -> Result<Plain<Value>, String> {
    let config = PoolConfig {
        bytes_max: capacity as u64,
        entries_max: u64::MAX,
        shards: SHARDS,
        objective: Objective::ObjectHits,
    };
    Plain::new(config, policy, 1).map_err(|error| error.to_string())
}

const NOW: Moment = Moment(0);
const ITEM: Item = Item { bytes: 1, cost: Duration::from_secs(1), ends: Moment(u64::MAX) };

impl Calls<u64> for Plain<Value> {
    fn get(&self, key: &u64) -> bool {
        black_box(Self::get(self, &key.to_le_bytes(), NOW)).is_some()
    }

    fn put(&self, key: &u64, value: Value) {
        let _taken = Self::put(self, &key.to_le_bytes(), value, ITEM);
    }
}

impl Calls<Box<str>> for Plain<Value> {
    fn get(&self, key: &Box<str>) -> bool {
        black_box(Self::get(self, key.as_bytes(), NOW)).is_some()
    }

    fn put(&self, key: &Box<str>, value: Value) {
        let _taken = Self::put(self, key.as_bytes(), value, ITEM);
    }
}

type Locked<K> = Mutex<LruCache<K, Value, ahash::RandomState>>;

fn locked_lru<K: Eq + Hash>(capacity: usize) -> Locked<K> {
    let capacity = std::num::NonZeroUsize::new(capacity).unwrap_or(std::num::NonZeroUsize::MIN);
    Mutex::new(LruCache::with_hasher(capacity, hasher()))
}

impl<K: Eq + Hash + Clone + Send> Calls<K> for Locked<K> {
    fn get(&self, key: &K) -> bool {
        black_box(self.lock().get(key).cloned()).is_some()
    }

    fn put(&self, key: &K, value: Value) {
        let key = key.clone();
        // What went is dropped after the lock.
        let _gone = { self.lock().push(key, value) };
    }
}

fn moka<K: Eq + Hash + Send + Sync + 'static>(capacity: usize) -> MokaCache<K, Value, ahash::RandomState> {
    MokaCache::builder().max_capacity(capacity as u64).build_with_hasher(hasher())
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Calls<K> for MokaCache<K, Value, ahash::RandomState> {
    fn get(&self, key: &K) -> bool {
        black_box(Self::get(self, key)).is_some()
    }

    fn put(&self, key: &K, value: Value) {
        self.insert(key.clone(), value);
    }
}

type Quick<K> = QuickCache<K, Value, quick_cache::UnitWeighter, ahash::RandomState>;

fn quick<K: Eq + Hash + Clone>(capacity: usize) -> Quick<K> {
    QuickCache::with(capacity, capacity as u64, quick_cache::UnitWeighter, hasher(), Default::default())
}

impl<K: Eq + Hash + Clone + Send + Sync> Calls<K> for Quick<K> {
    fn get(&self, key: &K) -> bool {
        black_box(Self::get(self, key)).is_some()
    }

    fn put(&self, key: &K, value: Value) {
        self.insert(key.clone(), value);
    }
}

type Foyer<K> = FoyerCache<K, Value, ahash::RandomState, CacheProperties>;

fn foyer<K: Eq + Hash + Send + Sync + 'static>(capacity: usize) -> Foyer<K> {
    CacheBuilder::new(capacity)
        .with_shards(PEER_SHARDS)
        .with_eviction_config(S3FifoConfig::default())
        .with_hash_builder(hasher())
        .build()
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static> Calls<K> for Foyer<K> {
    fn get(&self, key: &K) -> bool {
        black_box(Self::get(self, key).map(|entry| entry.value().clone())).is_some()
    }

    fn put(&self, key: &K, value: Value) {
        self.insert(key.clone(), value);
    }
}
