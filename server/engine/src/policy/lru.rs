//! `lru`: least recently used first, on the `lru` crate. (Mattson, Gecsei, Slutz and Traiger, "Evaluation techniques for
//! storage hierarchies", IBM Systems Journal 9 (2), 1970.) Sizes and costs count for nothing among its own entries; they
//! are kept to compare with entries of other namespaces. Limits are not known here.

use lru::LruCache;

use super::{Age, Candidate, Policy, Slot, Worth};

/// Entries that `below` looks at.
const LOOKS_MAX: usize = 64;
/// What the crate's map needs for a place: a key, an entry and a control byte.
const BUCKET_BYTES: usize = 2 * size_of::<usize>() + 1;
/// What the crate allocates for an entry: itself, two links, and what the allocator adds.
const ENTRY_BYTES: usize = size_of::<(Slot, Use)>() + 3 * size_of::<usize>();

/// Slots in order of their last use.
#[derive(Debug)]
pub(super) struct Lru {
    uses: LruCache<Slot, Use, ahash::RandomState>,
    /// The most entries since it was last empty: the map never shrinks.
    entries_highest: usize,
}

/// The last use of an entry, and what one more hit saves per byte.
#[derive(Clone, Copy, Debug)]
struct Use {
    level: f64,
    tick: u64,
    density: f64,
    bytes: u64,
}

impl Default for Lru {
    fn default() -> Self {
        Self { uses: LruCache::unbounded_with_hasher(ahash::RandomState::new()), entries_highest: 0 }
    }
}

impl Policy for Lru {
    fn inserted(&mut self, slot: Slot, _hash: u64, worth: Worth, age: &Age) {
        let (level, tick) = (age.level(), age.tick());
        self.uses.put(slot, Use { level, tick, density: worth.density(), bytes: worth.bytes });
        self.entries_highest = self.entries_highest.max(self.uses.len());
    }

    fn used(&mut self, slot: Slot, age: &Age) {
        if let Some(last) = self.uses.get_mut(&slot) {
            (last.level, last.tick) = (age.level(), age.tick());
        }
    }

    fn removed(&mut self, slot: Slot, _evicted: Option<u64>) {
        self.uses.pop(&slot);
        if self.uses.is_empty() {
            *self = Self::default();
        }
    }

    fn least(&self) -> Option<Candidate> {
        self.uses.peek_lru().map(|(slot, last)| Candidate { slot: *slot, rank: last.tick, price: last.price() })
    }

    fn settle(&mut self, _age: &Age) -> bool {
        true
    }

    fn price(&self, _hash: u64, _worth: Worth, _age: &Age) -> Option<f64> {
        None
    }

    fn below(&self, price: f64) -> u64 {
        let oldest = self.uses.iter().rev().take(LOOKS_MAX).map(|(_, last)| last);
        oldest.filter(|last| last.price() <= price).map(|last| last.bytes).sum()
    }

    fn order(&self) -> Vec<Slot> {
        self.uses.iter().rev().map(|(slot, _)| *slot).collect()
    }

    fn check(&self) -> Result<(), String> {
        let ticks: Vec<_> = self.uses.iter().rev().map(|(_, last)| last.tick).collect();
        if ticks.len() != self.uses.len() {
            return Err(format!("{} entries are found and {} in order", self.uses.len(), ticks.len()));
        }
        if ticks.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err("uses are not in order".to_owned()) }
    }

    fn bytes(&self) -> usize {
        let buckets = if self.entries_highest == 0 { 0 } else { (self.entries_highest * 8 / 7).next_power_of_two() };
        self.uses.len() * ENTRY_BYTES + buckets * BUCKET_BYTES
    }
}

impl Use {
    fn price(&self) -> f64 {
        self.level + self.density
    }
}
