//! What must hold between operations, checked by tests after every step.

use super::{Store, budget::Room, shard::Shard};
use crate::stats::{GroupBy, Surroundings};

impl Store {
    /// Recomputes what is counted, indexed and scheduled from the records, and compares.
    ///
    /// # Errors
    /// A sentence that says what does not agree.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut sum = Room::default();
        for shard in self.shards() {
            let shard = shard.lock();
            let room = check_shard(&shard)?;
            sum = Room { entries: sum.entries + room.entries, bytes: sum.bytes + room.bytes };
        }
        same("the server's budget", self.budget.used(), sum)?;
        if sum.entries > self.budget.max().entries || sum.bytes > self.budget.max().bytes {
            return Err(format!("{sum:?} is above the limit {:?}", self.budget.max()));
        }
        let mut spaces = Room::default();
        for space in self.spaces.all() {
            let used = space.budget.used();
            let counted =
                self.spaces.stats().snapshot(Some(&space.name), GroupBy::Nothing, Surroundings::default()).total;
            let counted = Room { entries: counted.entry_count, bytes: counted.charged_bytes };
            same("a namespace's counters", counted, used)?;
            if used.entries > space.budget.max().entries || used.bytes > space.budget.max().bytes {
                return Err(format!("namespace {} is above its limit: {used:?}", space.name));
            }
            spaces = Room { entries: spaces.entries + used.entries, bytes: spaces.bytes + used.bytes };
        }
        same("all namespaces' budgets", spaces, sum)
    }
}

fn check_shard(shard: &Shard) -> Result<Room, String> {
    let mut room = Room::default();
    for partition in shard.partitions() {
        let mut indexed = 0;
        for (_, record) in partition.records() {
            let said = &record.content.description;
            room = Room { entries: room.entries + 1, bytes: room.bytes + record.charged };
            indexed += said.tags.len() + usize::from(!said.kind.is_empty());
        }
        same("the index", partition.index.places(), indexed)?;
        same("the order of eviction", partition.policy.order().len(), partition.record_count())?;
    }
    same("the wheel", shard.wheel.held() as u64, room.entries)?;
    Ok(room)
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what} says {found:?}, the records say {expected:?}")) }
}
