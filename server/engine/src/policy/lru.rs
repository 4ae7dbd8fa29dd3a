//! Least recently used, on the `lru` crate. (Mattson et al., "Evaluation techniques for storage hierarchies", 1970.)

use lru::LruCache;

use super::{Age, Candidate, Policy, Slot, Worth};

/// Slots in order of their last use.
#[derive(Debug)]
pub(super) struct Lru(LruCache<Slot, Use, ahash::RandomState>);

/// The last use of an entry, and what one more hit saves per byte.
#[derive(Clone, Copy, Debug)]
struct Use {
    level: f64,
    tick: u64,
    worth: Worth,
}

impl Default for Lru {
    fn default() -> Self {
        Self(LruCache::unbounded_with_hasher(ahash::RandomState::new()))
    }
}

impl Policy for Lru {
    fn inserted(&mut self, slot: Slot, _hash: u64, worth: Worth, age: &Age) {
        self.0.put(slot, Use { level: age.level(), tick: age.tick(), worth });
    }

    fn used(&mut self, slot: Slot, age: &Age) {
        if let Some(last) = self.0.get_mut(&slot) {
            (last.level, last.tick) = (age.level(), age.tick());
        }
    }

    fn removed(&mut self, slot: Slot, _evicted: Option<u64>) {
        self.0.pop(&slot);
    }

    fn least(&self) -> Option<Candidate> {
        self.0.peek_lru().map(|(slot, last)| Candidate { slot: *slot, rank: last.tick, price: last.price() })
    }

    fn settle(&mut self, _age: &Age) -> bool {
        true
    }

    fn price(&self, _hash: u64, _worth: Worth, _age: &Age) -> Option<f64> {
        None
    }

    fn below(&self, price: f64) -> u64 {
        self.0.iter().rev().take(64).filter(|(_, last)| last.price() <= price).map(|(_, last)| last.worth.bytes).sum()
    }

    fn order(&self) -> Vec<Slot> {
        self.0.iter().rev().map(|(slot, _)| *slot).collect()
    }

    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.0.len() * 72
    }
}

impl Use {
    fn price(&self) -> f64 {
        self.level + self.worth.value / self.worth.bytes as f64
    }
}
