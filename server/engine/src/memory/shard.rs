//! What one lock protects: the tables of some keys' entries, and what its owner keeps beside them.

use super::{
    shelf::Shelf,
    table::{Held, Slot, Table},
};
use crate::policy::Worth;

/// The tables of one shard, and what else its lock protects.
#[derive(Debug)]
pub struct Shard<X, V> {
    /// What its owner keeps beside the tables.
    pub beside: X,
    number: usize,
    tables: Vec<Option<Table<V>>>,
}

impl<X, V: Held> Shard<X, V> {
    pub(super) fn new(number: usize, beside: X) -> Self {
        Self { beside, number, tables: Vec::new() }
    }

    /// The table of a shelf, if it was ever used here.
    #[inline]
    #[must_use]
    pub fn table(&self, shelf: &Shelf) -> Option<&Table<V>> {
        self.tables.get(shelf.number())?.as_ref()
    }

    /// The table of a shelf, for reading with its traces: nothing may be put in or taken out.
    #[inline]
    pub fn table_mut(&mut self, shelf: &Shelf) -> Option<&mut Table<V>> {
        self.tables.get_mut(shelf.number())?.as_mut()
    }

    /// Puts an entry in; its key has none, and its room is reserved.
    pub fn insert(&mut self, shelf: &Shelf, hash: u64, entry: V, worth: Worth) -> Slot {
        if self.tables.len() <= shelf.number() {
            self.tables.resize_with(shelf.number() + 1, || None);
        }
        let table = self.tables[shelf.number()].get_or_insert_with(|| Table::new((shelf.policy.make)()));
        let slot = table.insert(hash, entry, worth, &shelf.age);
        check_if_small(table);
        shelf.publish(self.number, table.least());
        slot
    }

    /// Takes an entry out; its room is to be released. `evicted`: to make room for others.
    pub fn remove(&mut self, shelf: &Shelf, slot: Slot, evicted: bool) -> Option<V> {
        let table = self.tables.get_mut(shelf.number())?.as_mut()?;
        let entry = table.remove(slot, evicted);
        // Not while what has ended goes: what is still to go is out of the wheel by then.
        if evicted {
            check_if_small(table);
        }
        shelf.publish(self.number, table.least());
        entry
    }

    /// Its number in the pool.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }
}

/// In debug builds: checks a table after every change, while it is small enough for that to cost little.
fn check_if_small<V: Held>(table: &Table<V>) {
    const SMALL: usize = 32;
    debug_assert!(table.len() > SMALL || table.check() == Ok(()), "a table contradicts itself: {:?}", table.check());
}
