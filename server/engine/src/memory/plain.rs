//! A bounded map that forgets by policy, with nothing around it: no namespaces, no history. What embeds a cache, and what
//! measures the memory tier alone, uses this; the server's store uses the same pool with more around it.

use std::{sync::Arc, time::Duration};

use super::{
    budget::Room,
    pool::{Pool, PoolConfig, shard_of},
    shelf::Shelf,
    small_key::SmallKey,
    table::{Held, Table},
};
use crate::{
    clock::Moment,
    error::Result,
    policy::{self, Worth},
};

/// How often a put makes room before it gives up: only reached when others take it away each time.
const ATTEMPTS_MAX: usize = 100_000;

/// A bounded map from bytes to values.
#[derive(Debug)]
pub struct Plain<V> {
    pool: Pool<(), Kept<V>>,
    shelf: Arc<Shelf>,
    hasher: ahash::RandomState,
}

/// What is known of a value besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Bytes charged for it: exactly these.
    pub bytes: u64,
    /// What computing it cost.
    pub cost: Duration,
    /// When it ends.
    pub ends: Moment,
}

#[derive(Debug)]
struct Kept<V> {
    key: SmallKey,
    bytes: u64,
    ends: Moment,
    value: V,
}

impl<V> Held for Kept<V> {
    fn ends(&self) -> Moment {
        self.ends
    }

    #[inline]
    fn is_at(&self, key: &[u8]) -> bool {
        self.key.is(key)
    }
}

impl<V: Clone> Plain<V> {
    /// An empty map under a policy of the registry. The number of shards is a power of two. The same seed gives the same
    /// shards and the same memory of keys that went.
    ///
    /// # Errors
    /// No such policy.
    pub fn new(config: PoolConfig, policy: &str, seed: u64) -> Result<Self> {
        let pool = Pool::new(config, || ());
        let shelf = pool.open(policy::find(policy)?, Room::UNLIMITED, 1.0);
        Ok(Self { pool, shelf, hasher: ahash::RandomState::with_seeds(seed, 1, 2, 3) })
    }

    /// The value of a key that has not ended by now.
    #[inline]
    pub fn get(&self, key: &[u8], now: Moment) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.pool.lock(shard_of(hash));
        let table = shard.table_mut(&self.shelf)?;
        let slot = table.find(hash, key)?;
        let value = table.get(slot).filter(|kept| kept.ends > now)?.value.clone();
        table.used(slot, &self.shelf.age);
        Some(value)
    }

    /// Stores a value; false when it is not worth its room, or can never fit. What the key held before is gone then.
    pub fn put(&self, key: &[u8], value: V, item: Item) -> bool {
        let hash = self.hasher.hash_one(key);
        let worth = self.pool.worth(&self.shelf, item.bytes, item.cost);
        let room = Room { entries: 1, bytes: item.bytes };
        let kept = Kept { key: SmallKey::new(key), bytes: item.bytes, ends: item.ends, value };
        let mut held = Room::default();
        for attempt in 0..ATTEMPTS_MAX {
            let mut shard = self.pool.lock(shard_of(hash));
            let old = shard.table(&self.shelf).and_then(|table| table.find(hash, key));
            let old = old.and_then(|slot| shard.remove(&self.shelf, slot, false));
            held = held.and(taken(old.as_ref()));
            old.into_iter().for_each(|old| shard.drop_later(old));
            if self.pool.exchange(&self.shelf, held, room) {
                shard.insert(&self.shelf, hash, kept, worth);
                return true;
            }
            drop(shard);
            if attempt == 0 && !self.may_enter(hash, worth, room) {
                break;
            }
            held = self.evict(held, room);
        }
        self.pool.release(&self.shelf, held);
        false
    }

    /// Whether there could ever be room, and whether it is worth it.
    fn may_enter(&self, hash: u64, worth: Worth, room: Room) -> bool {
        room.bytes <= self.pool.budget().max().bytes
            && self.pool.worthwhile(&self.shelf, (shard_of(hash), hash), worth, room)
    }

    /// Takes a value out.
    pub fn remove(&self, key: &[u8]) -> Option<V> {
        self.take(self.hasher.hash_one(key), key).map(|kept| kept.value)
    }

    /// Takes out what has ended, at most 64 entries under each lock.
    pub fn expire(&self, now: Moment) {
        self.pool.expire(now, |shard, shelf, slot| {
            let kept = shard.remove(shelf, slot, false);
            self.pool.release(shelf, taken(kept.as_ref()));
            kept.into_iter().for_each(|kept| shard.drop_later(kept));
        });
    }

    /// Takes everything out.
    pub fn clear(&self) {
        for number in 0..self.pool.shards() {
            let mut shard = self.pool.lock(number);
            let slots: Vec<_> =
                shard.table(&self.shelf).into_iter().flat_map(|table| table.iter().map(|(slot, _)| slot)).collect();
            for slot in slots {
                let kept = shard.remove(&self.shelf, slot, false);
                self.pool.release(&self.shelf, taken(kept.as_ref()));
                kept.into_iter().for_each(|kept| shard.drop_later(kept));
            }
            let worn = shard.table_mut(&self.shelf).and_then(Table::worn);
            drop(shard);
            drop(worn);
        }
    }

    /// Entries and charged bytes now.
    #[must_use]
    pub fn used(&self) -> Room {
        self.pool.budget().used()
    }

    /// The most bytes ever charged at once.
    #[must_use]
    pub fn bytes_highest(&self) -> u64 {
        self.pool.budget().bytes_highest()
    }

    /// Whether what is counted agrees with what is held. While nothing else uses the map.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> std::result::Result<(), String> {
        self.pool.check()?;
        let mut sum = Room::default();
        for number in 0..self.pool.shards() {
            let shard = self.pool.lock(number);
            for (_, kept) in shard.table(&self.shelf).into_iter().flat_map(|table| table.iter()) {
                sum = Room { entries: sum.entries + 1, bytes: sum.bytes + kept.bytes };
            }
        }
        let used = self.used();
        if used == sum { Ok(()) } else { Err(format!("{used:?} is counted and {sum:?} held")) }
    }

    fn take(&self, hash: u64, key: &[u8]) -> Option<Kept<V>> {
        let mut shard = self.pool.lock(shard_of(hash));
        let slot = shard.table(&self.shelf)?.find(hash, key)?;
        let kept = shard.remove(&self.shelf, slot, false);
        drop(shard);
        self.pool.release(&self.shelf, taken(kept.as_ref()));
        kept
    }

    /// Takes values out until what is held, together with what is free, is as much as is needed, and holds that. When there
    /// are no more, nothing is held afterwards: two that wait for the rest of what the other holds would wait forever.
    fn evict(&self, mut held: Room, needed: Room) -> Room {
        loop {
            let missing = needed.beyond(held);
            if self.pool.reserve(&self.shelf, missing) {
                return held.and(missing);
            }
            let Some(mut victim) = self.pool.victim(&self.shelf, missing) else {
                self.pool.release(&self.shelf, held);
                return Room::default();
            };
            let kept = victim.shard.remove(&victim.shelf, victim.slot, true);
            drop(victim);
            held = held.and(taken(kept.as_ref()));
        }
    }
}

/// The room that a value had, which stays taken until it is released.
fn taken<V>(kept: Option<&Kept<V>>) -> Room {
    kept.map_or(Room::default(), |kept| Room { entries: 1, bytes: kept.bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Objective;

    #[test]
    fn no_more_goes_than_what_is_missing() {
        let config = PoolConfig { bytes_max: 100, entries_max: u64::MAX, shards: 1, objective: Objective::ObjectHits };
        let map = Plain::new(config, "lru", 1).expect("a policy of the registry");
        let item = |bytes| Item { bytes, cost: Duration::from_secs(1), ends: Moment::NEVER };
        for number in 0..9 {
            assert!(map.put(&[number], number, item(10)));
        }
        assert!(map.put(b"large", 9, item(20)), "ten bytes are free and ten are missing");
        let held: Vec<_> = (0..9).filter(|number| map.get(&[*number], Moment(0)).is_some()).collect();
        assert_eq!((held, map.used().bytes), ((1..9).collect(), 100));
        assert_eq!(map.check(), Ok(()));
    }
}
