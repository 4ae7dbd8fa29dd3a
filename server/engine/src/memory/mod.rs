//! The store: the pool of entries, fences and history, and how they change together. What a verb means is not known here,
//! and nothing is put in except by `flow/admit.rs`.

pub mod beside;
pub mod body;
pub mod budget;
mod compact;
pub mod content;
mod handed;
mod invariants;
pub mod kept;
pub mod mark;
pub mod notes;
pub mod pins;
pub mod plain;
pub mod pool;
pub mod reclaim;
pub mod record;
pub mod reserved;
pub mod shard;
pub mod shared;
pub mod shelf;
mod small_key;
pub mod space;
pub mod sweep;
pub mod table;
pub mod walk;
pub mod wheel;

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::{Mutex, RwLock};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

use self::{
    beside::{Beside, Removal},
    budget::Room,
    notes::{Note, Noted},
    pool::{Pool, PoolConfig, Victim},
    record::Record,
    reserved::Uploads,
    space::{Space, Spaces},
    sweep::Sweeps,
    table::{Held as _, Slot},
};
use crate::{
    changes::{Author, History, What},
    clock::{Clock, Moment},
    entry::Description,
    error::{Error, Reason, Result},
    event::{Event, MissReason, Observer, RemovalReason},
    fence::{Fenced, Hit, Newest, SelectorFences, Stamp, Standing},
    fleet::{Fleet, resume::Resume},
    insight::{
        Insight,
        ghosts::Ghost,
        what_if::{Item, Quota},
    },
    key::Key,
    lease::{Census, LeaseLimits, Offer},
    namespace::EngineConfig,
    policy::{self, Worth},
    position::{AsOf, KEY_LOGS, LogId},
    stats::Held,
    tier::Tiers,
};

/// Selector fences remembered in all; beyond it the oldest turn what they select, and what is older, into misses.
const SELECTOR_FENCES: usize = 65_536;
/// Epochs are 52 random bits, so that every language's numbers hold them exactly.
const EPOCH_BITS: u32 = 52;

/// A locked shard of the store.
pub type Guard<'a> = pool::Guard<'a, Beside, Record>;

/// A record that was taken out.
#[derive(Debug)]
pub struct Taken {
    /// The record.
    pub record: Record,
    /// What was said of it.
    pub description: Arc<Description>,
}

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
    /// Up to where, for who looks only.
    newest: Newest,
    /// The entries.
    pub pool: Pool<Beside, Record>,
    /// What that means.
    pub insight: Insight,
    /// What is leased, and who waits, in all shards.
    pub leases: Arc<Census>,
    /// What is reserved for values that are on their way.
    pub uploads: Uploads,
    /// What invalidations left behind.
    pub sweeps: Sweeps,
    /// Where entries lie besides.
    pub tiers: Tiers,
    /// What is known of the replicas it shares one of them with, if it does.
    pub fleet: Option<Arc<Fleet>>,
    /// Who hears what happens.
    pub observer: Arc<dyn Observer>,
    epoch: u64,
    hasher: ahash::RandomState,
    random: Mutex<StdRng>,
}

impl Store {
    /// An empty store with a new epoch and nothing beneath it.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn new(config: EngineConfig, clock: Clock, observer: Arc<dyn Observer>) -> Result<Self> {
        Self::above(config, clock, observer, Tiers::default())
    }

    /// The same above these tiers.
    ///
    /// # Errors
    /// A configuration that contradicts itself.
    pub fn above(config: EngineConfig, clock: Clock, observer: Arc<dyn Observer>, tiers: Tiers) -> Result<Self> {
        if !config.shards.is_power_of_two() || config.shards > usize::from(KEY_LOGS) {
            let rule = format!("the number of shards is a power of two up to {KEY_LOGS}, not {}", config.shards);
            return Err(Error::invalid(Reason::BadArgument, "shards", rule));
        }
        let mut random = config.seed.map_or_else(|| StdRng::from_rng(&mut rand::rng()), StdRng::seed_from_u64);
        let epoch = random.next_u64() >> (u64::BITS - EPOCH_BITS);
        let size = PoolConfig {
            bytes_max: config.bytes_max,
            entries_max: config.entries_max,
            shards: config.shards,
            objective: config.objective,
        };
        let insight = Insight::new(&config);
        let leases = Census::new(LeaseLimits {
            duration: config.lease_duration,
            held_max: config.leases_max,
            waiters_per_key_max: config.lease_waiters_per_key_max,
            waiters_max: config.lease_waiters_max,
        });
        let pool = Pool::new(size, || Beside::new(epoch, leases.clone()));
        let spaces = Spaces::new(&config, clock.clone(), &|policy, quota, weight| {
            open((&pool, &insight), policy, (quota, weight))
        })?;
        let stats = spaces.stats().clone();
        // What kind a value will have nobody knows yet.
        leases.tell(Box::new(move |key, turn| stats.namespace(key.namespace()).on_lease(key.text(), "", turn)));
        let shared = tiers.shared.clone();
        let resume = Resume::of(&tiers, &config);
        let before = (resume, tiers.local.clone());
        let fleet = shared.map(|tier| Arc::new(Fleet::new(tier, before, config.fleet, clock.clone())));
        let fences = SelectorFences::new(epoch, SELECTOR_FENCES);
        let store = Self {
            spaces,
            history: Arc::new(History::new(
                epoch,
                (config.history_changes_max, config.history_bytes_max),
                clock.clone(),
            )),
            newest: fences.newest_shared(),
            fences: RwLock::new(fences),
            hasher: ahash::RandomState::with_seeds(random.random(), random.random(), random.random(), random.random()),
            random: Mutex::new(random),
            pool,
            insight,
            leases,
            uploads: Uploads::new(config.uploads_bytes_max.min(config.bytes_max)),
            sweeps: Sweeps::default(),
            fleet,
            tiers,
            observer,
            epoch,
            config,
            clock,
        };
        store.forget_moved();
        Ok(store)
    }

    /// The shard of a key. A log lives in one shard, so a shard's lock orders its logs.
    pub fn shard(&self, key: &Key) -> Guard<'_> {
        self.shard_of(key.log())
    }

    /// The number of a key's shard.
    pub fn shard_number(&self, key: &Key) -> usize {
        key.log().index() & (self.pool.shards() - 1)
    }

    /// The shard of a log.
    pub fn shard_of(&self, log: LogId) -> Guard<'_> {
        self.pool.lock(log.index())
    }

    /// Every shard, one locked at a time.
    pub fn each_shard(&self) -> impl Iterator<Item = Guard<'_>> {
        (0..self.pool.shards()).map(|number| self.pool.lock(number))
    }

    /// Where a key's record is in its shard.
    pub fn find(&self, shard: &Guard<'_>, space: &Space, key: &Key) -> Option<Slot> {
        shard.table(&space.shelf)?.find(self.hash(key), key.text().as_bytes())
    }

    /// The hash by which tables find a key: nobody outside can tell which keys share it.
    pub fn hash(&self, key: &Key) -> u64 {
        self.hash_of(key.text())
    }

    /// The same of a key's text.
    pub fn hash_of(&self, text: &str) -> u64 {
        self.hasher.hash_one(text.as_bytes())
    }

    /// Up to where the selector log is applied. An entry that is vouched for up to there needs no test.
    pub fn newest_fence(&self) -> u64 {
        self.newest.get()
    }

    /// The namespace of this name, made now if need be.
    ///
    /// # Errors
    /// `NAMESPACE_UNKNOWN`, or `TOO_MANY_NAMESPACES` at the bound.
    pub fn open(&self, name: &Arc<str>) -> Result<Arc<Space>> {
        self.spaces.open(name, &|policy, quota, weight| {
            self.forget_missed(name);
            open((&self.pool, &self.insight), policy, (quota, weight))
        })
    }

    /// How current an answer about this key is that is made under its shard's lock. Take it before testing validity.
    pub fn as_of(&self, key: &Key) -> AsOf {
        let selector = self.fences.read().newest();
        self.history.as_of(key, selector)
    }

    /// What invalidations by tag, kind, prefix, glob or namespace have made of a record since it was last vouched for.
    pub fn standing(&self, space: &Space, record: &Record, said: &Description) -> Standing {
        self.fences.read().standing(&space.name, &record.facets(said), self.stamp(record))
    }

    /// The place in the history that a record is vouched for. Its own log is no part of it: whatever concerns its key
    /// takes it out.
    pub fn stamp(&self, record: &Record) -> Stamp {
        Stamp { epoch: self.epoch, key: 0, selector: record.selector() }
    }

    /// The next number in the order of uses.
    pub fn tick(&self) -> u64 {
        self.pool.age.tick()
    }

    /// A random number from 0 to 1.
    pub fn random(&self) -> f64 {
        self.random.lock().random()
    }

    /// What a new holder of a key's lease gets. Call it under the lock of the key's shard.
    pub fn offer(&self, key: &Key) -> Offer {
        Offer { token: self.random.lock().random(), stamp: self.as_of(key).into(), place: self.tick() }
    }

    /// 128 random bits as hexadecimal digits.
    pub fn random_id(&self) -> String {
        format!("{:032x}", self.random.lock().random::<u128>())
    }

    /// What keeping an entry of this many charged bytes and this kind is worth; `cost`: what computing it cost, if that is
    /// known.
    pub fn worth(&self, space: &Space, bytes: u64, (cost, kind): (Option<Duration>, &str)) -> Worth {
        let cost = cost.unwrap_or_else(|| space.insight.cost.estimate(kind, bytes));
        self.pool.worth(&space.shelf, bytes, cost)
    }

    /// Puts a record in whose room is reserved.
    pub fn insert(&self, shard: &mut Guard<'_>, space: &Space, (key, record): (&Key, Record)) -> Slot {
        let description = record.description(&shard.beside.shared).clone();
        self.learn(space, key, (&record, &description));
        let charged = record.charged(space.shelf.order_bytes());
        let worth = self.worth(space, charged, (record.cost(), &description.kind));
        space.stats.on_held(key.text(), &description.kind, held(&record, (1, space.shelf.order_bytes())));
        shard.beside.found(key);
        let slot = shard.insert(&space.shelf, self.hash(key), record, worth);
        shard.beside.index(space.shelf.number()).insert(slot, &description);
        if let Some(depends_on) = &description.depends_on {
            space.graph.insert(key.text(), depends_on);
        }
        slot
    }

    /// Tells those who draw conclusions what is stored.
    fn learn(&self, space: &Space, key: &Key, (record, said): (&Record, &Description)) {
        if let Some(cost) = record.cost() {
            space.insight.cost.observe(&said.kind, cost);
        }
        drop(self.insight.ghosts.take(key.hash()));
        if self.insight.what_if.samples(key.hash()) {
            let known = (record.charged(space.shelf.order_bytes()), record.cost(), record.ends());
            let (item, place) = (item(space, &said.kind, known), (space.shelf.number(), key.hash()));
            self.insight.what_if.wrote(place, item, self.clock.now());
        }
    }

    /// Tells those who draw conclusions what went, and why.
    fn learn_removal(&self, space: &Space, key: &Key, (taken, reason): (&Taken, RemovalReason)) {
        match (reason, taken.record.cost()) {
            (RemovalReason::Evicted, Some(cost)) => {
                self.insight.ghosts.evicted(key.hash(), Ghost { cost, kind: taken.description.kind.clone() });
            }
            (RemovalReason::Invalidated | RemovalReason::Idle, _) if self.insight.what_if.samples(key.hash()) => {
                self.insight.what_if.dropped((space.shelf.number(), key.hash()));
            }
            _ => {}
        }
    }

    /// Notes what happened to a key and is no change that watchers hear of.
    pub fn note(&self, shard: &mut Guard<'_>, key: &Key, (what, author): (Noted, Author)) {
        let AsOf { key: at_key, selector, .. } = self.as_of(key);
        shard.beside.notes.add(Note {
            key: key.clone(),
            at: self.clock.now(),
            key_number: at_key.number,
            selector_number: selector.number,
            what,
            author,
        });
    }

    /// Takes a record out without saying so; its room stays reserved.
    pub fn take(&self, shard: &mut Guard<'_>, space: &Space, (slot, evicted): (Slot, bool)) -> Option<Taken> {
        let record = shard.remove(&space.shelf, slot, evicted)?;
        let description = record.description(&shard.beside.shared).clone();
        shard.beside.index(space.shelf.number()).remove(slot, &description);
        if description.depends_on.is_some() {
            space.graph.remove(record.text());
        }
        if let Some(said) = record.said() {
            shard.beside.shared.release(said);
        }
        space.stats.on_held(record.text(), &description.kind, held(&record, (-1, space.shelf.order_bytes())));
        Some(Taken { record, description })
    }

    /// Takes a record out and books its going; what was said of it. Expiry and eviction are changes of their own; what
    /// replaces or invalidates a record records that itself.
    pub fn remove(
        &self,
        shard: &mut Guard<'_>,
        space: &Space,
        slot: Slot,
        reason: RemovalReason,
    ) -> Option<Arc<Description>> {
        self.remove_by(shard, space, slot, (reason, None))
    }

    /// The same, for what an invalidation of sets selected.
    pub fn remove_by(
        &self,
        shard: &mut Guard<'_>,
        space: &Space,
        slot: Slot,
        (reason, fence): (RemovalReason, Option<Fenced>),
    ) -> Option<Arc<Description>> {
        let taken = self.take(shard, space, (slot, reason == RemovalReason::Evicted))?;
        let Taken { record, description } = &taken;
        self.pool.release(&space.shelf, Room { entries: 1, bytes: record.charged(space.shelf.order_bytes()) });
        space.stats.on_removed(record.text(), &description.kind, reason);
        let missing = match reason {
            RemovalReason::Expired | RemovalReason::Idle => Some(MissReason::Expired),
            RemovalReason::Evicted => Some(MissReason::Evicted),
            RemovalReason::Invalidated => Some(MissReason::Invalidated),
            RemovalReason::Replaced => None,
        };
        if let Some(missing) = missing {
            let key = Key::trusted(space.name.clone(), Arc::from(record.text()));
            let (at, idle) = (self.clock.now(), reason == RemovalReason::Idle);
            shard.beside.remember(&key, Removal { reason: missing, at, idle, fence });
            if let Some(fence) = fence.or_else(|| self.unnoticed(space, record, description)) {
                shard.beside.dependencies.raise(&key, Hit { place: 0, selector: fence.number });
            }
            if idle && let Some(local) = self.local_of(space) {
                // It was read here last, not there.
                local.forget(&key);
            }
            self.learn_removal(space, &key, (&taken, reason));
            self.record_change(&key, description, reason);
        }
        let event = Event::Removed {
            namespace: space.name.clone(),
            reason,
            charged_bytes: record.charged(space.shelf.order_bytes()),
        };
        self.observer.observe(&event);
        shard.drop_later(taken.record);
        Some(taken.description)
    }

    /// The fence that selects a record which goes for another reason before anybody noticed.
    fn unnoticed(&self, space: &Space, record: &Record, said: &Description) -> Option<Fenced> {
        let (fences, facets) = (self.fences.read(), record.facets(said));
        match fences.standing(&space.name, &facets, self.stamp(record)) {
            Standing::Untouched => None,
            Standing::Marked(_, number) => Some(Fenced { number, floor: false }),
            Standing::Dropped => fences.concerning(&space.name, &facets),
        }
    }

    fn record_change(&self, key: &Key, description: &Arc<Description>, reason: RemovalReason) {
        let (text, description) = (key.text().clone(), description.clone());
        let what = match reason {
            RemovalReason::Expired | RemovalReason::Idle => What::Expired(text, description),
            RemovalReason::Evicted => What::Evicted(text, description),
            RemovalReason::Invalidated | RemovalReason::Replaced => return,
        };
        self.history.append(key.namespace(), key.log(), what, &Author::default());
    }

    /// Removes the entry whose turn it is, so that the namespace gets this room: of its own when its own limit is in the
    /// way, else of all. What an invalidation left behind goes first. `before` sees the entry under the lock. False when
    /// there is nothing to remove.
    pub fn evict_one(&self, space: &Space, room: Room, before: impl FnOnce(&Guard<'_>, &Record)) -> bool {
        if self.sweep_for(space, room) {
            return true;
        }
        let Some(Victim { mut shard, shelf, slot }) = self.pool.victim(&space.shelf, room) else { return false };
        let Some(space) = self.spaces.of(&shelf) else { return false };
        if let Some(record) = shard.table(&shelf).and_then(|table| table.get(slot)) {
            before(&shard, record);
        }
        self.hand_down_evicted(&shard, (&space, slot));
        self.remove(&mut shard, &space, slot, RemovalReason::Evicted).is_some()
    }
}

/// What holding a record, or (with -1) no longer holding it, means for the counters.
#[must_use]
pub fn held(record: &Record, (sign, order_bytes): (i64, u64)) -> Held {
    let signed = |bytes: u64| sign * i64::try_from(bytes).unwrap_or(i64::MAX);
    Held {
        entries: sign,
        charged: signed(record.charged(order_bytes)),
        value: signed(record.value_bytes()),
        rounding: signed(record.rounding()),
        keys: signed(record.text().len() as u64),
    }
}

/// An entry as simulations see it: its charged bytes, what computing it cost if that is known, and when it ends.
#[must_use]
pub fn item(space: &Space, kind: &str, (bytes, cost, ends): (u64, Option<Duration>, Moment)) -> Item {
    let worth = cost.unwrap_or_else(|| space.insight.cost.estimate(kind, bytes));
    Item { bytes, worth, saves: cost.unwrap_or_default(), ends }
}

/// Opens a namespace's share, in the store and in its simulations: both number them alike, because the table of namespaces
/// is locked meanwhile.
fn open(
    (pool, insight): (&Pool<Beside, Record>, &Insight),
    policy: policy::Registered,
    (quota, weight): (Room, f64),
) -> Arc<shelf::Shelf> {
    insight.what_if.open(policy, Quota { bytes: quota.bytes, entries: quota.entries }, weight);
    pool.open(policy, quota, weight)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("used", &self.pool.budget().used()).finish_non_exhaustive()
    }
}
