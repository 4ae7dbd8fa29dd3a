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
    cursor: Cursor,
}

impl Walk<'_> {
    /// One lock hold: tells of entries that any selector selects. False: everything was looked at before.
    pub fn step(&mut self, each: impl FnMut(&mut Guard<'_>, Slot)) -> bool {
        self.cursor.step((self.store, self.space, self.selectors), each)
    }
}

/// Where a walk is; of what, is said with each step and always the same.
#[derive(Default)]
pub struct Cursor {
    shard: usize,
    /// Places of this shard that are still to be looked at; `None`: it was not looked at yet.
    rest: Option<Box<dyn Iterator<Item = Slot> + Send>>,
}

impl Cursor {
    /// One lock hold: tells of entries that any selector selects. False: everything was looked at before.
    pub fn step(
        &mut self,
        (store, space, selectors): (&Store, &Space, &[Selector]),
        mut each: impl FnMut(&mut Guard<'_>, Slot),
    ) -> bool {
        if self.shard == store.pool.shards() {
            return false;
        }
        let mut shard = store.pool.lock(self.shard);
        let mut rest = self.rest.take().unwrap_or_else(|| places(&shard, space, selectors));
        let mut found = 0;
        for _ in 0..LOOKS_PER_HOLD {
            let Some(slot) = rest.next() else {
                self.shard += 1;
                return true;
            };
            if is_selected(&shard, (space, slot), selectors) {
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
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("shard", &self.shard).finish_non_exhaustive()
    }
}

/// Whether all of these are found by the index of tags.
#[must_use]
pub fn indexed(selectors: &[Selector]) -> bool {
    !selectors.is_empty() && selectors.iter().all(|selector| matches!(selector, Selector::Tag(_)))
}

/// Where to look in a shard: by the index when only tags are asked for, else everywhere.
fn places(shard: &Guard<'_>, space: &Space, selectors: &[Selector]) -> Box<dyn Iterator<Item = Slot> + Send> {
    if !indexed(selectors) {
        return Box::new(0..shard.table(&space.shelf).map_or(0, super::table::Table::places));
    }
    let Some(index) = shard.beside.index_of(space.shelf.number()) else { return Box::new(std::iter::empty()) };
    let mut slots: Vec<_> = tags(selectors).flat_map(|tag| index.tagged(tag)).collect();
    slots.sort_unstable();
    slots.dedup();
    Box::new(slots.into_iter())
}

/// The tags among these.
pub(super) fn tags(selectors: &[Selector]) -> impl Iterator<Item = &str> {
    selectors.iter().filter_map(|selector| match selector {
        Selector::Tag(tag) => Some(&**tag),
        _ => None,
    })
}

/// Whether there is an entry now, and any selector selects it: the place may have been given to another meanwhile.
pub(super) fn is_selected(shard: &Guard<'_>, (space, slot): (&Space, Slot), selectors: &[Selector]) -> bool {
    let table = shard.table(&space.shelf).filter(|table| slot < table.places());
    let record = table.and_then(|table| table.get(slot));
    record.is_some_and(|record| any_selects(selectors, &record.facets(record.description(&shard.beside.shared))))
}

impl Store {
    /// Begins to look for entries that any of these selects; none at all selects everything.
    pub fn walk<'a>(&'a self, space: &'a Space, selectors: &'a [Selector]) -> Walk<'a> {
        Walk { store: self, space, selectors, cursor: Cursor::default() }
    }
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
