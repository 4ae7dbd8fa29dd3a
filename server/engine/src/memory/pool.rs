//! The memory tier alone: shards of tables under one hard budget, and who goes when there is no room. What the entries
//! are, and what their going means, is not known here.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use super::{
    budget::{Budget, Room},
    pins::{self, Pinned},
    shard::Shard,
    shelf::{Seen, Shelf},
    table::{Due, Held, Slot, Table, Worn},
};
use crate::{
    clock::Moment,
    policy::{Age, Candidate, Objective, Registered, Worth},
    sync::{AtomicU64, Mutex, MutexGuard, Ordering::Relaxed, RwLock},
};

/// Steps of deferred work done for one victim at most; then the least goes as it stands.
const SETTLES_MAX: usize = 16;
/// Looks at a shard whose published least has changed meanwhile, for one victim at most.
const LOOKS_MAX: usize = 64;
/// Entries that one lock hold looks at when what has ended is taken out.
pub const ENDED_PER_HOLD: usize = 64;
/// An entry may be refused for being worth too little only above this share of the capacity.
pub const REFUSABLE_SHARE: u64 = 100;

/// What a pool is made with.
#[derive(Clone, Copy, Debug)]
pub struct PoolConfig {
    /// Charged bytes at most.
    pub bytes_max: u64,
    /// Entries at most.
    pub entries_max: u64,
    /// Shards: a power of two.
    pub shards: usize,
    /// What a hit is worth.
    pub objective: Objective,
}

/// The memory tier alone.
#[derive(Debug)]
pub struct Pool<X, V> {
    shards: Box<[Padded<X, V>]>,
    shelves: RwLock<Vec<Arc<Shelf>>>,
    /// How many of them there are.
    opened: AtomicU64,
    budget: Budget,
    /// What of it is pinned.
    pinned: Arc<Budget>,
    objective: Objective,
    /// What the ages of all shelves have in common.
    pub age: Age,
}

/// A shard with cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<X, V>(Mutex<Shard<X, V>>);

/// A locked shard.
#[derive(Debug)]
pub struct Guard<'a, X, V> {
    // Dropped in this order: first the lock, then what was taken out.
    shard: MutexGuard<'a, Shard<X, V>>,
    gone: Vec<V>,
}

/// Who is to go: the caller takes it out while it holds the shard.
#[derive(Debug)]
pub struct Victim<'a, X, V> {
    /// The shard it is in.
    pub shard: Guard<'a, X, V>,
    /// Whose it is.
    pub shelf: Cow<'a, Arc<Shelf>>,
    /// Where it is.
    pub slot: Slot,
}

/// What one lock hold of [`Pool::expire`] did.
#[derive(Debug)]
pub struct Hold<V> {
    /// Entries it looked at, at least; at most [`ENDED_PER_HOLD`].
    pub looked: usize,
    /// Whether there may be more to do in its table.
    pub more: bool,
    /// What was taken out, to be dropped now that the lock is not held.
    pub leavings: (Vec<V>, Option<Worn<V>>),
}

impl<X, V: Held> Pool<X, V> {
    /// An empty pool; `beside` makes what each shard keeps beside its tables.
    #[must_use]
    pub fn new(config: PoolConfig, mut beside: impl FnMut() -> X) -> Self {
        let shard = |number| Padded(Mutex::new(Shard::new(number, beside())));
        let limits = Room { entries: config.entries_max, bytes: config.bytes_max };
        Self {
            shards: (0..config.shards).map(shard).collect(),
            shelves: RwLock::default(),
            opened: AtomicU64::new(0),
            budget: Budget::new(limits),
            pinned: Arc::new(pins::bound(limits)),
            objective: config.objective,
            age: Age::default(),
        }
    }

    /// Opens a namespace's share.
    pub fn open(&self, policy: Registered, quota: Room, weight: f64) -> Arc<Shelf> {
        let mut shelves = self.shelves.write();
        let quota = (quota, Pinned::new(quota, self.pinned.clone()));
        let shelf = Arc::new(Shelf::new((shelves.len(), self.age.sibling()), self.shards.len(), policy, quota, weight));
        shelves.push(shelf.clone());
        self.opened.fetch_add(1, Relaxed);
        shelf
    }

    /// Locks a shard by its number, modulo the number of shards.
    #[inline]
    #[must_use]
    pub fn lock(&self, number: usize) -> Guard<'_, X, V> {
        Guard { shard: self.shards[number & (self.shards.len() - 1)].0.lock(), gone: Vec::new() }
    }

    /// Number of shards.
    #[must_use]
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// All shelves.
    #[must_use]
    pub fn shelves(&self) -> Vec<Arc<Shelf>> {
        self.shelves.read().clone()
    }

    /// The limits of all shelves together.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What is pinned of all shelves.
    #[must_use]
    pub fn pinned(&self) -> Room {
        self.pinned.used()
    }

    /// What an entry of these bytes and this compute cost is worth to a shelf.
    #[must_use]
    pub fn worth(&self, shelf: &Shelf, bytes: u64, cost: std::time::Duration) -> Worth {
        Worth { bytes: bytes.max(1), value: self.objective.value(bytes, cost) * shelf.weight }
    }

    /// Takes room from the shelf's limits and the pool's, from both or from none.
    #[must_use]
    pub fn reserve(&self, shelf: &Shelf, room: Room) -> bool {
        if !shelf.reserve(room) {
            return false;
        }
        let reserved = self.budget.reserve(room);
        if !reserved {
            shelf.release(room);
        }
        reserved
    }

    /// The same where so many bytes of the pool's limit are held for it already.
    #[must_use]
    pub fn reserve_rest(&self, shelf: &Shelf, room: Room, held: u64) -> bool {
        if !shelf.reserve(room) {
            return false;
        }
        let reserved = self.budget.reserve(rest(room, held));
        if !reserved {
            shelf.release(room);
        }
        reserved
    }

    /// The room to make for that: all of it where the shelf's own limits are in the way.
    #[must_use]
    pub fn room_to_make(&self, shelf: &Shelf, room: Room, held: u64) -> Room {
        if shelf.missing(room) == Room::default() { rest(room, held) } else { room }
    }

    /// Makes what is held of the shelf's room as much as is needed: takes what is missing, all of it or none, or gives
    /// back what is too much.
    #[must_use]
    pub fn exchange(&self, shelf: &Shelf, held: Room, needed: Room) -> bool {
        let taken = self.reserve(shelf, needed.beyond(held));
        if taken {
            self.release(shelf, held.beyond(needed));
        }
        taken
    }

    /// Gives room back to both.
    pub fn release(&self, shelf: &Shelf, room: Room) {
        self.budget.release(room);
        shelf.release(room);
    }

    /// Who is to go so that a shelf gets this room: of the shelf's own entries when its own limit is what is in the way,
    /// else of all. The least over all shards: shelves compare by price, a shelf's shards by its policy's rank. `None`:
    /// there is nothing left, or others were quicker.
    #[must_use]
    pub fn victim<'a>(&'a self, shelf: &'a Arc<Shelf>, room: Room) -> Option<Victim<'a, X, V>> {
        let own = shelf.missing(room) != Room::default();
        let alone = own || self.opened.load(Relaxed) == 1;
        let mut settles = 0;
        for _ in 0..LOOKS_MAX {
            let (shelf, seen) = if alone { (Cow::Borrowed(shelf), shelf.lowest()?) } else { self.lowest()? };
            let mut shard = self.lock(seen.shard);
            let least = shard.table(&shelf).and_then(|table| table.least());
            // A read may have raised what was published: then it is published anew, and all are compared again.
            let as_seen = |least: &Candidate| least.rank == seen.rank && least.price <= seen.said;
            let Some(least) = least.filter(as_seen) else {
                shelf.publish(seen.shard, least);
                continue;
            };
            raise(&shelf.age, least.price, own);
            let settled =
                settles >= SETTLES_MAX || shard.table_mut(&shelf).is_some_and(|table| table.settle(&shelf.age));
            if settled {
                return Some(Victim { slot: least.slot, shard, shelf });
            }
            settles += 1;
            shelf.publish(seen.shard, shard.table(&shelf).and_then(|table| table.least()));
        }
        None
    }

    /// Whether an entry is worth the room it needs: always, unless it would take more than a hundredth of the capacity
    /// and what is cheaper than it does not make enough room. Then the level rises as if it had been stored and had
    /// gone, so that what stays grows old. The key is given by the number of its shard and its hash.
    #[must_use]
    pub fn worthwhile(&self, shelf: &Arc<Shelf>, (shard, hash): (usize, u64), worth: Worth, room: Room) -> bool {
        let capacity = self.budget.max().bytes.min(shelf.budget.max().bytes);
        if worth.bytes <= capacity / REFUSABLE_SHARE {
            return true;
        }
        let own = shelf.missing(room).bytes;
        let missing = own.max(self.budget.missing(room).bytes);
        if missing == 0 {
            return true;
        }
        let price = self.lock(shard).table(shelf).map_or_else(
            || (shelf.policy.make)().price(hash, worth, &shelf.age),
            |table| table.price(hash, worth, &shelf.age),
        );
        let Some(price) = price.map(|price| price - shelf.age.own()) else { return true };
        let shelves = if own > 0 { vec![shelf.clone()] } else { self.shelves() };
        let cheaper: u64 = (0..self.shards.len()).map(|number| below(&self.lock(number), &shelves, price)).sum();
        if cheaper >= missing {
            return true;
        }
        let lowest = shelves.iter().filter_map(|shelf| shelf.lowest()).map(|seen| seen.price).fold(f64::MAX, f64::min);
        raise(&shelf.age, price.min(lowest) + shelf.age.own(), own > 0);
        false
    }

    /// Takes out what has ended by `now`, a bounded number of entries under each lock; `each` takes one out.
    pub fn expire(&self, now: Moment, mut each: impl FnMut(&mut Guard<'_, X, V>, &Arc<Shelf>, Slot)) {
        let shelves = self.shelves();
        let tables = (0..self.shards.len()).flat_map(|number| shelves.iter().map(move |shelf| (number, shelf)));
        tables.for_each(|table| while self.expire_some(table, now, &mut each).more {});
    }

    /// One lock hold of [`Pool::expire`], in one shard's table of a shelf.
    pub fn expire_some(
        &self,
        (number, shelf): (usize, &Arc<Shelf>),
        now: Moment,
        each: &mut impl FnMut(&mut Guard<'_, X, V>, &Arc<Shelf>, Slot),
    ) -> Hold<V> {
        let mut shard = self.lock(number);
        let Some(table) = shard.table_mut(shelf) else {
            return Hold { looked: 0, more: false, leavings: (Vec::new(), None) };
        };
        let Due { ended, more, unpinned } = table.ended(now, ENDED_PER_HOLD, &shelf.age);
        if unpinned.entries > 0 {
            shelf.publish(number, table.least());
            shelf.pinned.release(unpinned);
        }
        let looked = if more {
            ENDED_PER_HOLD
        } else {
            ended.len() + usize::try_from(unpinned.entries).unwrap_or(ENDED_PER_HOLD)
        };
        ended.into_iter().for_each(|slot| each(&mut shard, shelf, slot));
        let worn = shard.table_mut(shelf).and_then(Table::worn);
        Hold { looked, more, leavings: (std::mem::take(&mut shard.gone), worn) }
    }

    /// Whether every table agrees with itself, and no published least ranks above the true one.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<(), String> {
        for (number, shelf) in (0..self.shards.len()).flat_map(|n| self.shelves().into_iter().map(move |s| (n, s))) {
            let shard = self.lock(number);
            let Some(table) = shard.table(&shelf) else { continue };
            table.check()?;
            if table.least().is_some_and(|least| least.rank < shelf.published(number)) {
                return Err("a shard holds something that ranks lower than it says".to_owned());
            }
        }
        Ok(())
    }

    /// The cheapest of all shelves' lowest.
    fn lowest(&self) -> Option<(Cow<'_, Arc<Shelf>>, Seen)> {
        let shelves = self.shelves.read();
        let all = shelves.iter().filter_map(|shelf| Some((shelf, shelf.lowest()?)));
        let (shelf, seen) = all.min_by(|(_, a), (_, b)| a.price.total_cmp(&b.price))?;
        Some((Cow::Owned(shelf.clone()), seen))
    }
}

/// What of some room is not held yet, when so many bytes of it are.
fn rest(room: Room, held: u64) -> Room {
    Room { bytes: room.bytes.saturating_sub(held), ..room }
}

/// Raises the level to the price of what goes: of its namespace alone when that made no room for others.
fn raise(age: &Age, price: f64, own: bool) {
    if own { age.raise_own(price) } else { age.raise(price) }
}

/// Bytes in a shard that go before something of this price, as prices of different shelves compare.
fn below<X, V: Held>(shard: &Shard<X, V>, shelves: &[Arc<Shelf>], price: f64) -> u64 {
    let tables = shelves.iter().filter_map(|shelf| Some((shard.table(shelf)?, shelf.age.own())));
    tables.map(|(table, own)| table.policy().below(price + own)).sum()
}

/// The shard of a hash, before it is brought into range.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "only the lowest bits count")]
pub fn shard_of(hash: u64) -> usize {
    hash as usize
}

impl<X, V> Guard<'_, X, V> {
    /// Drops what was taken out when the lock is not held any more: freeing a large value may take many milliseconds.
    pub fn drop_later(&mut self, entry: V) {
        self.gone.push(entry);
    }
}

impl<X, V> Deref for Guard<'_, X, V> {
    type Target = Shard<X, V>;

    fn deref(&self) -> &Self::Target {
        &self.shard
    }
}

impl<X, V> DerefMut for Guard<'_, X, V> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.shard
    }
}
