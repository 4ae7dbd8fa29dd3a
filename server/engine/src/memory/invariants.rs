//! What must hold between operations, checked by tests after every step.

use super::{Guard, Store, budget::Room, space::Space};
use crate::stats::{GroupBy, Surroundings};

impl Store {
    /// Recomputes what is counted, indexed, ordered and scheduled from the records, and compares.
    ///
    /// # Errors
    /// A sentence that says what does not agree.
    pub fn check_invariants(&self) -> Result<(), String> {
        self.pool.check()?;
        let (mut sum, mut all_pinned) = (Room::default(), Room::default());
        let mut sharing = 0;
        for space in self.spaces.all() {
            let (mut held, mut pinned) = (Room::default(), Room::default());
            let mut dependents = 0;
            for shard in self.each_shard() {
                let (room, said) = check_table(&shard, &space)?;
                sharing += said;
                dependents += count_dependents(&shard, &space);
                held = held.and(room);
                pinned = pinned.and(check_pins(&shard, &space)?);
            }
            same("the graph", space.graph.check()?, dependents)?;
            let used = space.shelf.budget.used();
            same("what is pinned of a namespace", space.shelf.pinned.own(), pinned)?;
            all_pinned = all_pinned.and(pinned);
            if space.shelf.is_limited() {
                same("a namespace's budget", used, held)?;
            }
            let counted =
                self.spaces.stats().snapshot(Some(&space.name), GroupBy::Nothing, Surroundings::default()).total;
            let counted = Room { entries: counted.entry_count, bytes: counted.charged_bytes };
            same("a namespace's counters", counted, held)?;
            within("a namespace", used, space.shelf.budget.max())?;
            sum = sum.and(held);
        }
        same("what is pinned of all", self.pool.pinned(), all_pinned)?;
        let counted = self.each_shard().map(|shard| shard.beside.shared.entries()).sum();
        same("the count of shared descriptions", counted, sharing)?;
        // What is reserved for values on their way is nobody's yet.
        let held = sum.and(Room { entries: 0, bytes: self.uploads.held() });
        same("the server's budget", self.pool.budget().used(), held)?;
        within("the server", held, self.pool.budget().max())
    }
}

/// Checks what is indexed; returns what is held, and how many entries share their description.
fn check_table(shard: &Guard<'_>, space: &Space) -> Result<(Room, u64), String> {
    let mut room = Room::default();
    let (mut indexed, mut sharing) = (0, 0);
    for (_, record) in shard.table(&space.shelf).into_iter().flat_map(|table| table.iter()) {
        let said = record.description(&shard.beside.shared);
        room = Room { entries: room.entries + 1, bytes: room.bytes + record.charged(space.shelf.order_bytes()) };
        indexed += said.tags.len();
        sharing += u64::from(record.said().is_some());
    }
    let places = shard.beside.index_of(space.shelf.number()).map_or(0, crate::index::Index::places);
    same("the index", places, indexed)?;
    Ok((room, sharing))
}

/// Entries that say what they were made from.
fn count_dependents(shard: &Guard<'_>, space: &Space) -> usize {
    let records = shard.table(&space.shelf).into_iter().flat_map(|table| table.iter());
    records.filter(|(_, record)| record.description(&shard.beside.shared).depends_on.is_some()).count()
}

/// Checks that what is pinned is counted with what it is charged; returns what that is.
fn check_pins(shard: &Guard<'_>, space: &Space) -> Result<Room, String> {
    let mut room = Room::default();
    let Some(table) = shard.table(&space.shelf) else { return Ok(room) };
    for (slot, record) in table.iter() {
        if let Some(pin) = table.pin_of(slot) {
            same("a pin", pin.worth.bytes, record.charged(space.shelf.order_bytes()))?;
            room = room.and(Room { entries: 1, bytes: pin.worth.bytes });
        }
    }
    Ok(room)
}

fn within(whose: &str, used: Room, max: Room) -> Result<(), String> {
    let above = used.entries > max.entries || used.bytes > max.bytes;
    if above { Err(format!("{whose} holds {used:?}, above the limit {max:?}")) } else { Ok(()) }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} says {found:?}, the records say {expected:?}")) }
}
