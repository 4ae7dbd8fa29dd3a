//! What one lock protects: the tables of some keys' entries, and what its owner keeps beside them.

use super::{
    budget::Room,
    pins::Pin,
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
        let pin = table.pin_of(slot);
        let entry = table.remove(slot, evicted);
        if let Some(pin) = pin {
            shelf.pinned.release(Room { entries: 1, bytes: pin.worth.bytes });
        }
        // Not while what has ended goes: what is still to go is out of the wheel by then.
        if evicted {
            check_if_small(table);
        }
        shelf.publish(self.number, table.least());
        entry
    }

    /// Takes an entry out of the order of eviction until a time. False: no more may be pinned, and nothing is changed.
    pub fn pin(&mut self, shelf: &Shelf, slot: Slot, pin: Pin) -> bool {
        let Some(table) = self.tables.get_mut(shelf.number()).and_then(Option::as_mut) else { return false };
        let room = Room { entries: 1, bytes: pin.worth.bytes };
        if table.pin_of(slot).is_some() || !shelf.pinned.reserve(room) {
            return false;
        }
        table.pin(slot, pin);
        check_if_small(table);
        shelf.publish(self.number, table.least());
        true
    }

    /// Counts a pinned entry with these bytes from now on, or unpins it when no more may be pinned.
    pub fn recharge(&mut self, shelf: &Shelf, slot: Slot, bytes: u64) {
        let Some(table) = self.tables.get_mut(shelf.number()).and_then(Option::as_mut) else { return };
        let Some(mut pin) = table.pin_of(slot) else { return };
        let old = std::mem::replace(&mut pin.worth.bytes, bytes);
        let of = |bytes| Room { entries: 0, bytes };
        if shelf.pinned.reserve(of(bytes.saturating_sub(old))) {
            shelf.pinned.release(of(old.saturating_sub(bytes)));
            table.pin(slot, pin);
        } else {
            table.unpin(slot, &shelf.age);
            shelf.pinned.release(Room { entries: 1, bytes: old });
            shelf.publish(self.number, table.least());
        }
        check_if_small(table);
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
