//! Looking through the entries of a namespace, a slice under each lock: however many there are, others read in between.
//! What is done with those that are found is not known here.

use super::{Guard, Store, space::Space, table::Slot};
use crate::selector::{Selector, any_selects};

/// Entries that one lock hold looks at.
pub const LOOKS_PER_HOLD: usize = 1024;
/// Entries that one lock hold finds.
pub const FOUND_PER_HOLD: usize = 64;

/// A walk through what is stored when it comes to a shard. What is there all the time is found once: an entry keeps its
/// place, also when it is written again.
pub struct Walk<'a> {
    store: &'a Store,
    space: &'a Space,
    selectors: &'a [Selector],
    shard: usize,
    /// Places of this shard that are still to be looked at; `None`: it was not looked at yet.
    rest: Option<Box<dyn Iterator<Item = Slot>>>,
}

impl Walk<'_> {
    /// One lock hold: tells of entries that any selector selects. False: everything was looked at before.
    pub fn step(&mut self, mut each: impl FnMut(&mut Guard<'_>, Slot)) -> bool {
        if self.shard == self.store.pool.shards() {
            return false;
        }
        let mut shard = self.store.pool.lock(self.shard);
        let mut rest = self.rest.take().unwrap_or_else(|| self.places(&shard));
        let mut found = 0;
        for _ in 0..LOOKS_PER_HOLD {
            let Some(slot) = rest.next() else {
                self.shard += 1;
                return true;
            };
            if self.selects(&shard, slot) {
                each(&mut shard, slot);
                found += 1;
            }
            if found == FOUND_PER_HOLD {
                break;
            }
        }
        self.rest = Some(rest);
        true
    }

    /// Where to look in a shard: by the index when only tags are asked for, else everywhere.
    fn places(&self, shard: &Guard<'_>) -> Box<dyn Iterator<Item = Slot>> {
        let tag = |selector: &Selector| matches!(selector, Selector::Tag(_));
        if self.selectors.is_empty() || !self.selectors.iter().all(tag) {
            return Box::new(0..shard.table(&self.space.shelf).map_or(0, super::table::Table::places));
        }
        let Some(index) = shard.beside.index_of(self.space.shelf.number()) else { return Box::new(std::iter::empty()) };
        let tagged = |selector: &Selector| match selector {
            Selector::Tag(tag) => index.tagged(tag),
            _ => Vec::new(),
        };
        let mut slots: Vec<_> = self.selectors.iter().flat_map(tagged).collect();
        slots.sort_unstable();
        slots.dedup();
        Box::new(slots.into_iter())
    }

    /// Whether there is an entry now, and any selector selects it: the place may have been given to another meanwhile.
    fn selects(&self, shard: &Guard<'_>, slot: Slot) -> bool {
        let table = shard.table(&self.space.shelf).filter(|table| slot < table.places());
        let record = table.and_then(|table| table.get(slot));
        record
            .is_some_and(|record| any_selects(self.selectors, &record.facets(record.description(&shard.beside.shared))))
    }
}

impl Store {
    /// Begins to look for entries that any of these selects; none at all selects everything.
    pub fn walk<'a>(&'a self, space: &'a Space, selectors: &'a [Selector]) -> Walk<'a> {
        Walk { store: self, space, selectors, shard: 0, rest: None }
    }
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("shard", &self.shard).finish_non_exhaustive()
    }
}
