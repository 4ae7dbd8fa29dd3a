//! The store: shards, budget, fences and history, and how they change together. What a verb means is not known here,
//! and nothing is put in except by `flow/admit.rs`.

pub mod budget;
mod invariants;
pub mod record;
pub mod shard;
pub mod space;
pub mod wheel;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::{Mutex, MutexGuard, RwLock};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use self::{
    budget::{Budget, Room},
    record::Record,
    shard::Shard,
    space::{Space, Spaces},
};
use crate::{
    changes::{Author, History, What},
    clock::{Clock, Moment},
    error::{Error, Reason, Result},
    event::{Event, MissReason, Observer, RemovalReason},
    fence::SelectorFences,
    key::Key,
    namespace::EngineConfig,
    position::{AsOf, KEY_LOGS, LogId},
    stats::Held,
};

/// Selector fences remembered in all; beyond it the oldest turn what they select, and what is older, into misses.
const SELECTOR_FENCES: usize = 65_536;
/// Epochs are 52 random bits, so that every language's numbers hold them exactly.
const EPOCH_BITS: u32 = 52;

/// The memory tier with its history.
pub struct Store {
    /// What it was made with.
    pub config: EngineConfig,
    /// The time.
    pub clock: Clock,
    /// The namespaces.
    pub spaces: Spaces,
    /// What changed.
    pub history: Arc<History>,
    /// What was invalidated by more than its key.
    pub fences: RwLock<SelectorFences>,
    /// The server's limits.
    pub budget: Budget,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
    shards: Vec<Mutex<Shard>>,
    uses: AtomicU64,
    random: Mutex<StdRng>,
}

impl Store {
    /// An empty store with a new epoch.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn new(config: EngineConfig, clock: Clock, observer: Arc<dyn Observer>) -> Result<Self> {
        if !config.shards.is_power_of_two() || config.shards > usize::from(KEY_LOGS) {
            let rule = format!("the number of shards is a power of two up to {KEY_LOGS}, not {}", config.shards);
            return Err(Error::invalid(Reason::BadArgument, "shards", rule));
        }
        let mut random = config.seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let epoch = random.next_u64() >> (u64::BITS - EPOCH_BITS);
        let max = Room { entries: config.entries_max, bytes: config.bytes_max };
        Ok(Self {
            spaces: Spaces::new(&config)?,
            history: Arc::new(History::new(epoch, config.history_changes_max, config.history_bytes_max)),
            fences: RwLock::new(SelectorFences::new(epoch, SELECTOR_FENCES)),
            budget: Budget::new(max),
            shards: (0..config.shards).map(|_| Mutex::new(Shard::new(epoch))).collect(),
            uses: AtomicU64::new(1),
            random: Mutex::new(random),
            observer,
            config,
            clock,
        })
    }

    /// The shard of a key. A log lives in one shard, so a shard's lock orders its logs.
    pub fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        self.shard_of(key.log())
    }

    /// The shard of a log.
    pub fn shard_of(&self, log: LogId) -> MutexGuard<'_, Shard> {
        self.shards[log.index() % self.shards.len()].lock()
    }

    /// All shards, for walks that lock one at a time.
    pub fn shards(&self) -> impl Iterator<Item = &Mutex<Shard>> {
        self.shards.iter()
    }

    /// How current an answer about this key is that is made under its shard's lock. Take it before testing validity.
    pub fn as_of(&self, key: &Key) -> AsOf {
        let selector = self.fences.read().newest();
        self.history.as_of(key, selector)
    }

    /// The next number in the order of uses.
    pub fn tick(&self) -> u64 {
        self.uses.fetch_add(1, Relaxed)
    }

    /// A random number from 0 to 1.
    pub fn random(&self) -> f64 {
        self.random.lock().random()
    }

    /// 128 random bits as hexadecimal digits.
    pub fn random_id(&self) -> String {
        format!("{:032x}", self.random.lock().random::<u128>())
    }

    /// Takes a record out and books its going. Expiry and eviction are changes of their own; what replaces or
    /// invalidates a record records that itself.
    pub fn remove(&self, shard: &mut Shard, key: &Key, reason: RemovalReason) -> Option<Record> {
        let space = shard.partition(key.namespace())?.space.clone();
        let record = shard.take(key)?;
        let room = Room { entries: 1, bytes: record.charged };
        self.budget.release(room);
        space.budget.release(room);
        let (name, description) = (key.text().clone(), record.content.description.clone());
        space.stats.on_held(&name, &description.kind, held(&record, -1));
        space.stats.on_removed(&name, &description.kind, reason);
        match reason {
            RemovalReason::Expired | RemovalReason::Idle => {
                shard.remember(key, MissReason::Expired);
                self.history.append(key.namespace(), key.log(), What::Expired(name, description), &Author::default());
            }
            RemovalReason::Evicted => {
                shard.remember(key, MissReason::Evicted);
                self.history.append(key.namespace(), key.log(), What::Evicted(name, description), &Author::default());
            }
            RemovalReason::Invalidated => shard.remember(key, MissReason::Invalidated),
            RemovalReason::Replaced => {}
        }
        let (namespace, charged_bytes) = (key.namespace().clone(), record.charged);
        self.observer.observe(&Event::Removed { namespace, reason, charged_bytes });
        Some(record)
    }

    /// Takes room for a record in place of one of `old` bytes; false when there is not enough.
    pub fn reserve(&self, space: &Space, old: Option<u64>, bytes: u64) -> bool {
        let room = Room { entries: u64::from(old.is_none()), bytes: bytes.saturating_sub(old.unwrap_or(0)) };
        if !space.budget.reserve(room) {
            return false;
        }
        let reserved = self.budget.reserve(room);
        if !reserved {
            space.budget.release(room);
        }
        reserved
    }

    /// Removes the entry whose turn it is: of the namespace when that is what has no room, else of all. False when there
    /// is nothing to remove.
    pub fn evict_one(&self, space: &Space, old: Option<u64>, bytes: u64) -> bool {
        let own = space.budget.used();
        let max = space.budget.max();
        let more = bytes.saturating_sub(old.unwrap_or(0));
        let namespace_full = own.entries + u64::from(old.is_none()) > max.entries || own.bytes + more > max.bytes;
        let only = namespace_full.then_some(&*space.name);
        let oldest = self.shards.iter().filter_map(|shard| victim(&shard.lock(), only)).min_by_key(|(_, tick)| *tick);
        let Some((key, _)) = oldest else { return false };
        let mut shard = self.shard(&key);
        self.remove(&mut shard, &key, RemovalReason::Evicted);
        true
    }

    /// Removes every record whose time is up.
    pub fn reclaim(&self) {
        let now = self.clock.now();
        for shard in &self.shards {
            let mut shard = shard.lock();
            for key in shard.wheel.advance(now) {
                self.reclaim_one(&mut shard, &key, now);
            }
        }
    }

    fn reclaim_one(&self, shard: &mut Shard, key: &Key, now: Moment) {
        match shard.record(key).map(|record| (record.ends() <= now, record.idle_at(now))) {
            Some((true, idle)) => {
                self.remove(shard, key, if idle { RemovalReason::Idle } else { RemovalReason::Expired });
            }
            Some((false, _)) => shard.reschedule(key),
            None => {}
        }
    }
}

/// What holding a record, or (with -1) no longer holding it, means for the counters.
#[must_use]
pub fn held(record: &Record, sign: i64) -> Held {
    let signed = |bytes: u64| sign * i64::try_from(bytes).unwrap_or(i64::MAX);
    Held { entries: sign, charged: signed(record.charged), value: signed(record.content.value_bytes()) }
}

fn victim(shard: &Shard, namespace: Option<&str>) -> Option<(Key, u64)> {
    let partitions = shard.partitions().filter(|partition| namespace.is_none_or(|only| *partition.space.name == *only));
    partitions
        .filter_map(|partition| {
            let (text, tick) = partition.policy.victim()?;
            Some((Key::trusted(partition.space.name.clone(), text), tick))
        })
        .min_by_key(|(_, tick)| *tick)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("used", &self.budget.used()).finish_non_exhaustive()
    }
}
