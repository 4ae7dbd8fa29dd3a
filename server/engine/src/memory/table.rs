//! The entries of one namespace in one shard: found by hash, each at a place that stays its own, in one order of eviction
//! and one timer wheel. Locks, limits and other tables are not known here.

use std::collections::HashMap;

use hashbrown::HashTable;

pub use crate::policy::Slot;
use crate::{
    clock::Moment,
    memory::{
        budget::Room,
        pins::Pin,
        wheel::{Link, Links, Wheel},
    },
    policy::{Age, Candidate, Policy, Worth},
    slab::Slab,
};

/// What a table holds.
pub trait Held {
    /// When it ends unless it is read or renewed.
    fn ends(&self) -> Moment;
    /// Whether it is stored under this key.
    fn is_at(&self, key: &[u8]) -> bool;
}

/// The places of a table.
pub type Places<V> = Slab<Place<V>>;

/// A place: an entry, or none.
#[derive(Debug)]
pub struct Place<V> {
    /// Half of its key's hash: enough to find it again, and to move it when the table grows.
    hash: u32,
    /// Times it answered.
    hits: u32,
    entry: Option<V>,
}

/// The entries of one namespace in one shard.
#[derive(Debug)]
pub struct Table<V> {
    found: HashTable<Slot>,
    places: Places<V>,
    links: Links,
    free: Vec<Slot>,
    wheel: Wheel,
    policy: Box<dyn Policy>,
    worn: Option<Worn<V>>,
    /// What is in no order until its time has passed.
    pins: Pins,
}

type Pins = HashMap<Slot, Pin, ahash::RandomState>;

/// The memory of a table that became empty. Freeing it may take milliseconds: it is dropped when no lock is held.
#[derive(Debug)]
pub struct Worn<V> {
    _found: HashTable<Slot>,
    _places: Places<V>,
    _links: Links,
    _free: Vec<Slot>,
    _pins: Pins,
}

/// What fell due.
#[derive(Debug, Default)]
pub struct Due {
    /// Entries that have ended.
    pub ended: Vec<Slot>,
    /// Whether there may be more.
    pub more: bool,
    /// What is no longer pinned.
    pub unpinned: Room,
}

impl<V: Held> Table<V> {
    /// An empty table in this order.
    #[must_use]
    pub fn new(policy: Box<dyn Policy>) -> Self {
        Self {
            found: HashTable::new(),
            places: Slab::default(),
            links: Links::default(),
            free: Vec::new(),
            wheel: Wheel::default(),
            policy,
            worn: None,
            pins: HashMap::default(),
        }
    }

    /// Where a key's entry is.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<Slot> {
        let half = half(hash);
        let is_it = |slot: &Slot| {
            let place = &self.places[*slot];
            place.hash == half && place.entry.as_ref().is_some_and(|entry| entry.is_at(key))
        };
        self.found.find(spread(half), is_it).copied()
    }

    /// Where a key's entry probably is, by its hash alone: nothing of the entry itself is read.
    #[inline]
    #[must_use]
    pub fn near(&self, hash: u64) -> Option<Slot> {
        let half = half(hash);
        self.found.find(spread(half), |slot| self.places[*slot].hash == half).copied()
    }

    /// The entry at a place of this table: one that was found, and not taken out since.
    #[inline]
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&V> {
        self.places[slot].entry.as_ref()
    }

    /// The entry at a place, to change what neither its key nor its end nor its order depends on.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.places[slot].entry.as_mut()
    }

    /// Notes that an entry answered.
    #[inline]
    pub fn used(&mut self, slot: Slot, age: &Age) {
        let place = &mut self.places[slot];
        place.hits = place.hits.saturating_add(1);
        self.renewed(slot, age);
    }

    /// Notes that an entry was written again: it is used, but did not answer.
    #[inline]
    pub fn renewed(&mut self, slot: Slot, age: &Age) {
        if self.pin_of(slot).is_none() {
            self.policy.used(slot, age);
        }
    }

    /// Times an entry answered.
    #[must_use]
    pub fn hits(&self, slot: Slot) -> u64 {
        u64::from(self.places[slot].hits)
    }

    /// Goes on counting from here the times an entry answered.
    pub fn keep_hits(&mut self, slot: Slot, hits: u64) {
        self.places[slot].hits = u32::try_from(hits).unwrap_or(u32::MAX);
    }

    /// Puts an entry in whose key has none.
    pub fn insert(&mut self, hash: u64, entry: V, worth: Worth, age: &Age) -> Slot {
        let half = half(hash);
        let ends = entry.ends();
        let place = Place { hash: half, hits: 0, entry: Some(entry) };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.places[slot] = place;
                slot
            }
            None => {
                self.links.push(Link::default());
                self.places.push(place)
            }
        };
        let places = &self.places;
        self.found.insert_unique(spread(half), slot, |slot| spread(places[*slot].hash));
        self.wheel.file(&mut self.links, slot, ends);
        self.policy.inserted(slot, spread(half), worth, age);
        slot
    }

    /// Takes an entry out; `evicted`: to make room.
    pub fn remove(&mut self, slot: Slot, evicted: bool) -> Option<V> {
        let entry = self.places[slot].entry.take()?;
        let hash = spread(self.places[slot].hash);
        if let Ok(found) = self.found.find_entry(hash, |other| *other == slot) {
            found.remove();
        }
        self.wheel.cancel(&mut self.links, slot);
        if self.pins.is_empty() || self.pins.remove(&slot).is_none() {
            self.policy.removed(slot, evicted.then_some(hash));
        }
        self.free.push(slot);
        if self.found.is_empty() {
            self.rest();
        }
        Some(entry)
    }

    /// Gives an entry another end.
    pub fn reschedule(&mut self, slot: Slot) {
        if let Some(due) = self.due(slot) {
            self.wheel.cancel(&mut self.links, slot);
            self.wheel.file(&mut self.links, slot, due);
        }
    }

    /// Takes an entry out of the order of eviction until its pin's time, or gives it another pin.
    pub fn pin(&mut self, slot: Slot, pin: Pin) {
        if self.pins.insert(slot, pin).is_none() {
            self.policy.removed(slot, None);
        }
        self.reschedule(slot);
    }

    /// Puts a pinned entry into the order as if it came now.
    pub fn unpin(&mut self, slot: Slot, age: &Age) -> Option<Pin> {
        let pin = self.pins.remove(&slot)?;
        self.policy.inserted(slot, spread(self.places[slot].hash), pin.worth, age);
        self.reschedule(slot);
        Some(pin)
    }

    /// How an entry is pinned, if it is.
    #[inline]
    #[must_use]
    pub fn pin_of(&self, slot: Slot) -> Option<Pin> {
        if self.pins.is_empty() { None } else { self.pins.get(&slot).copied() }
    }

    /// When something is to be done about an entry.
    fn due(&self, slot: Slot) -> Option<Moment> {
        let ends = self.get(slot)?.ends();
        Some(self.pin_of(slot).map_or(ends, |pin| pin.until.min(ends)))
    }

    /// Finds entries that have ended, looking at no more than this many, and unpins those whose pin's time has passed. What
    /// has ended stays in the table and must be taken out before anything else is done with it.
    pub fn ended(&mut self, now: Moment, looks_max: usize, age: &Age) -> Due {
        let mut found = Due::default();
        for _ in 0..looks_max {
            let Some(slot) = self.wheel.next_due(&mut self.links, now) else { return found };
            if self.get(slot).is_none_or(|entry| entry.ends() <= now) {
                found.ended.push(slot);
            } else if let Some(bytes) = self.unpin_at(slot, now, age) {
                found.unpinned.entries += 1;
                found.unpinned.bytes += bytes;
            } else {
                self.reschedule(slot);
            }
        }
        found.more = true;
        found
    }

    /// Unpins an entry whose pin's time has passed; the bytes that were pinned.
    fn unpin_at(&mut self, slot: Slot, now: Moment, age: &Age) -> Option<u64> {
        self.pin_of(slot).filter(|pin| pin.until <= now)?;
        Some(self.unpin(slot, age)?.worth.bytes)
    }

    /// Who would go next, as the order stands.
    #[must_use]
    pub fn least(&self) -> Option<Candidate> {
        self.policy.least()
    }

    /// Does one step of what the order has deferred; true: the least may go. See [`Policy::settle`].
    pub fn settle(&mut self, age: &Age) -> bool {
        self.policy.settle(age)
    }

    /// What an entry with this hash would cost if it came now. See [`Policy::price`].
    #[must_use]
    pub fn price(&self, hash: u64, worth: Worth, age: &Age) -> Option<f64> {
        self.policy.price(spread(half(hash)), worth, age)
    }

    /// The order.
    #[must_use]
    pub fn policy(&self) -> &dyn Policy {
        &*self.policy
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Number of places: those of all entries are below it.
    #[must_use]
    pub fn places(&self) -> Slot {
        Slot::try_from(self.places.len()).unwrap_or(Slot::MAX)
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Slot, &V)> {
        (0..).zip(self.places.iter()).filter_map(|(slot, place)| Some((slot, place.entry.as_ref()?)))
    }

    /// Bytes it holds besides what its entries point to.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.found.allocation_size()
            + self.places.bytes()
            + self.links.bytes()
            + self.free.capacity() * size_of::<Slot>()
            + self.policy.bytes()
            + self.pins.capacity() * (size_of::<(Slot, Pin)>() + 1)
            + size_of::<Wheel>()
    }

    /// Whether hashes, wheel and order agree with the entries.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<(), String> {
        let held = self.iter().count();
        let mut order = self.policy.order();
        order.extend(self.pins.keys());
        order.sort_unstable();
        if held != self.found.len() || held + self.free.len() != self.places.len() {
            return Err(format!("{held} entries, {} found, {} places free", self.found.len(), self.free.len()));
        }
        if !self.iter().map(|(slot, _)| slot).eq(order) {
            return Err("the order of eviction and the pins do not hold each entry once".to_owned());
        }
        for (slot, entry) in self.iter() {
            let hash = spread(self.places[slot].hash);
            if self.found.find(hash, |other| *other == slot).is_none() {
                return Err("an entry is not found by its hash".to_owned());
            }
            let due = self.pin_of(slot).map_or(entry.ends(), |pin| pin.until.min(entry.ends()));
            if !self.wheel.files(&self.links, slot, due) {
                return Err("an entry is filed wrongly by its end".to_owned());
            }
        }
        self.policy.check()
    }

    /// Gives away the memory of a time when it was larger, to be dropped when no lock is held.
    pub fn worn(&mut self) -> Option<Worn<V>> {
        self.worn.take()
    }

    /// An empty table takes no more room than a new one, but remembers what its order remembers.
    fn rest(&mut self) {
        self.worn = Some(Worn {
            _found: std::mem::take(&mut self.found),
            _places: std::mem::take(&mut self.places),
            _links: std::mem::take(&mut self.links),
            _free: std::mem::take(&mut self.free),
            _pins: std::mem::take(&mut self.pins),
        });
    }
}

/// The half of a hash that is kept.
fn half(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A half as a whole hash again: tables use its lowest and its highest bits.
fn spread(half: u32) -> u64 {
    u64::from(half).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl<V> Place<V> {
    /// Bytes of a place.
    pub const BYTES: usize = size_of::<Self>();
}
