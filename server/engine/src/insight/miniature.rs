//! A cache in miniature: the configured policies over a sample of the keys, in memory that is scaled down like the sample.
//! What is sampled, and what follows from the outcome, is not decided here.
//!
//! Waldspurger, Saemundsson, Ahmad and Park, "Cache modeling and optimization using miniature simulations", USENIX ATC
//! 2017: a cache of any policy behaves on a share of the keys, picked by their hashes, as a cache of that share of its
//! size does on the sample.

use std::collections::HashMap;

use super::what_if::{Item, Quota};
use crate::{
    clock::Moment,
    policy::{Age, Candidate, Objective, Policy, Registered, Slot, Worth},
};

/// Steps of deferred work done for one victim at most, as in the cache itself.
const SETTLES_MAX: usize = 16;
/// An entry may be refused only above this share of the capacity, as in the cache itself.
const REFUSABLE_SHARE: f64 = 100.0;

/// A cache in miniature.
#[derive(Debug)]
pub(super) struct Miniature {
    factor: f64,
    limits: Quota,
    objective: Objective,
    /// What the ages of all namespaces have in common.
    age: Age,
    shelves: Vec<Shelf>,
}

/// One namespace in it.
#[derive(Debug)]
struct Shelf {
    policy: Box<dyn Policy>,
    age: Age,
    quota: Quota,
    weight: f64,
    places: HashMap<u64, Slot, ahash::RandomState>,
    held: Vec<Option<(u64, Item)>>,
    free: Vec<Slot>,
    bytes: u64,
}

impl Miniature {
    /// Empty, with limits of `factor` times these.
    pub(super) fn new(factor: f64, limits: Quota, objective: Objective) -> Self {
        Self { factor, limits, objective, age: Age::default(), shelves: Vec::new() }
    }

    /// Adds the next namespace.
    pub(super) fn open(&mut self, policy: Registered, quota: Quota, weight: f64) {
        self.shelves.push(Shelf {
            policy: (policy.make)(),
            age: self.age.sibling(),
            quota,
            weight,
            places: HashMap::default(),
            held: Vec::new(),
            free: Vec::new(),
            bytes: 0,
        });
    }

    /// Reads a key: what it holds, unless that has ended; `ends`: when it does as the real cache has it, which may have been
    /// put off since.
    pub(super) fn read(&mut self, (space, hash): (usize, u64), ends: Option<Moment>, now: Moment) -> Option<Item> {
        let shelf = self.shelves.get_mut(space)?;
        let slot = *shelf.places.get(&hash)?;
        let (_, item) = shelf.held[slot as usize].as_mut()?;
        item.ends = ends.unwrap_or(item.ends);
        if item.ends <= now {
            shelf.remove(hash, false);
            return None;
        }
        let item = *item;
        shelf.policy.used(slot, &shelf.age);
        Some(item)
    }

    /// Takes a key out.
    pub(super) fn remove(&mut self, (space, hash): (usize, u64)) {
        if let Some(shelf) = self.shelves.get_mut(space) {
            shelf.remove(hash, false);
        }
    }

    /// Stores an item in place of what the key holds, making room, unless the cache would refuse it. `rate`: the share of
    /// the keys that are sampled.
    pub(super) fn store(&mut self, (space, hash): (usize, u64), item: Item, rate: f64) {
        let Some(shelf) = self.shelves.get_mut(space) else { return };
        shelf.remove(hash, false);
        let value = self.objective.value(item.bytes, item.worth) * shelf.weight;
        let worth = Worth { bytes: item.bytes.max(1), value };
        let scale = self.factor * rate;
        if !self.fits_at_all(space, item.bytes, scale) || !self.worthwhile(space, hash, worth, scale) {
            return;
        }
        while let Some(own) = self.full(space, item.bytes, scale) {
            if !self.evict(own.then_some(space)) {
                return;
            }
        }
        let shelf = &mut self.shelves[space];
        shelf.insert(hash, item, worth);
    }

    /// Takes out what ended by now, and what is no longer sampled.
    pub(super) fn retain(&mut self, now: Moment, sampled: impl Fn(u64) -> bool) {
        for shelf in &mut self.shelves {
            let gone = shelf.held.iter().flatten().filter(|(hash, item)| item.ends <= now || !sampled(*hash));
            let gone: Vec<u64> = gone.map(|(hash, _)| *hash).collect();
            gone.into_iter().for_each(|hash| shelf.remove(hash, false));
        }
    }

    /// Entries held.
    pub(super) fn entries(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.places.len()).sum()
    }

    fn bytes(&self) -> u64 {
        self.shelves.iter().map(|shelf| shelf.bytes).sum()
    }

    fn fits_at_all(&self, space: usize, bytes: u64, scale: f64) -> bool {
        [self.limits, self.shelves[space].quota].iter().all(|limit| limit.scaled(scale).bytes >= bytes)
    }

    /// Whether one more entry of these bytes does not fit: because of the namespace's own limits, or of all.
    fn full(&self, space: usize, bytes: u64, scale: f64) -> Option<bool> {
        let shelf = &self.shelves[space];
        let own = shelf.quota.scaled(scale);
        if shelf.places.len() as u64 + 1 > own.entries || shelf.bytes + bytes > own.bytes {
            return Some(true);
        }
        let all = self.limits.scaled(scale);
        (self.entries() as u64 + 1 > all.entries || self.bytes() + bytes > all.bytes).then_some(false)
    }

    fn worthwhile(&self, space: usize, hash: u64, worth: Worth, scale: f64) -> bool {
        let shelf = &self.shelves[space];
        let (own, all) = (shelf.quota.scaled(scale), self.limits.scaled(scale));
        let refusable = self.limits.scaled(self.factor).bytes.min(shelf.quota.scaled(self.factor).bytes);
        let own_missing = (shelf.bytes + worth.bytes).saturating_sub(own.bytes);
        let missing = own_missing.max((self.bytes() + worth.bytes).saturating_sub(all.bytes));
        #[expect(clippy::cast_precision_loss, reason = "a threshold")]
        let small = worth.bytes as f64 <= refusable as f64 / REFUSABLE_SHARE;
        if small || missing == 0 {
            return true;
        }
        let Some(price) = shelf.policy.price(hash, worth, &shelf.age) else { return true };
        let price = price - shelf.age.own();
        let among = if own_missing > 0 { std::slice::from_ref(shelf) } else { &self.shelves[..] };
        if among.iter().map(|shelf| shelf.policy.below(price + shelf.age.own())).sum::<u64>() >= missing {
            return true;
        }
        let lowest = among.iter().filter_map(|shelf| Some(shelf.price(shelf.policy.least()?)));
        shelf.raise(price.min(lowest.fold(f64::MAX, f64::min)) + shelf.age.own(), own_missing > 0);
        false
    }

    /// Removes the entry whose turn it is, of one namespace or of all; false when there is none.
    fn evict(&mut self, only: Option<usize>) -> bool {
        for attempt in 0..=SETTLES_MAX {
            let candidates =
                self.shelves.iter().enumerate().filter(|(space, _)| only.is_none_or(|only| only == *space));
            let least = candidates.filter_map(|(space, shelf)| Some((space, shelf.policy.least()?)));
            let compared = |(space, least): &(usize, Candidate)| self.shelves[*space].price(*least);
            let Some((space, least)) = least.min_by(|a, b| compared(a).total_cmp(&compared(b))) else {
                return false;
            };
            let shelf = &mut self.shelves[space];
            shelf.raise(least.price, only.is_some());
            if attempt < SETTLES_MAX && !shelf.policy.settle(&shelf.age) {
                continue;
            }
            let Some((hash, _)) = shelf.held[least.slot as usize] else { return false };
            shelf.remove(hash, true);
            return true;
        }
        false
    }
}

impl Shelf {
    /// A candidate's price, as prices of different namespaces compare.
    fn price(&self, least: Candidate) -> f64 {
        least.price - self.age.own()
    }

    /// Raises the level to the price of what goes: of this namespace alone when that made no room for others.
    fn raise(&self, price: f64, own: bool) {
        if own { self.age.raise_own(price) } else { self.age.raise(price) }
    }

    fn insert(&mut self, hash: u64, item: Item, worth: Worth) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.held.push(None);
            Slot::try_from(self.held.len() - 1).expect("the sample is bounded far below 2^32")
        });
        self.held[slot as usize] = Some((hash, item));
        self.places.insert(hash, slot);
        self.bytes += item.bytes;
        self.policy.inserted(slot, hash, worth, &self.age);
    }

    fn remove(&mut self, hash: u64, evicted: bool) {
        let Some(slot) = self.places.remove(&hash) else { return };
        let item = self.held[slot as usize].take();
        self.bytes -= item.map_or(0, |(_, item)| item.bytes);
        self.policy.removed(slot, evicted.then_some(hash));
        self.free.push(slot);
    }
}
