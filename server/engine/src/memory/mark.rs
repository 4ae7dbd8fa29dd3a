//! What fences of sets have made of a record since anybody last looked at it: done to it when somebody does. What is asked
//! for then is not known here.

use std::sync::Arc;

use super::{Guard, Store, space::Space, table::Slot};
use crate::{
    clock::Moment,
    entry::Freshness,
    event::RemovalReason,
    fence::{Fenced, Hit, Standing},
    key::Key,
};

impl Store {
    /// Takes a record out that a fence selects, and marks it stale when a soft one does. False when it is gone.
    pub fn settle(&self, shard: &mut Guard<'_>, (space, slot): (&Space, Slot)) -> bool {
        let Some(record) = shard.table(&space.shelf).and_then(|table| table.get(slot)) else { return false };
        let facets = record.facets(record.description(&shard.beside.shared));
        let (standing, newest, fence) = {
            let fences = self.fences.read();
            let standing = fences.standing(&space.name, &facets, self.stamp(record));
            let dropped = standing == Standing::Dropped;
            let fence = if dropped { fences.concerning(&space.name, &facets) } else { None };
            (standing, fences.newest(), fence)
        };
        if standing == Standing::Dropped {
            self.remove_by(shard, space, slot, (RemovalReason::Invalidated, fence));
            return false;
        }
        if let Some(record) = shard.table_mut(&space.shelf).and_then(|table| table.get_mut(slot)) {
            record.vouch(newest);
        }
        let Standing::Marked(at, number) = standing else { return true };
        self.mark(shard, (space, slot), (at, Some(Fenced { number, floor: false })))
    }

    /// Marks a record stale from a moment on, because of a fence or because its key was named; false when nothing of it
    /// may be served any more: then it is taken out.
    pub fn mark(
        &self,
        shard: &mut Guard<'_>,
        (space, slot): (&Space, Slot),
        (at, fence): (Moment, Option<Fenced>),
    ) -> bool {
        let Some(table) = shard.table_mut(&space.shelf) else { return false };
        let Some(record) = table.get_mut(slot) else { return false };
        record.mark(at);
        let gone = record.freshness(self.clock.now()) == Freshness::Gone;
        let key = Key::trusted(space.name.clone(), Arc::from(record.text()));
        table.reschedule(slot);
        if let Some(fence) = fence {
            shard.beside.dependencies.raise(&key, Hit { place: 0, selector: fence.number });
        }
        if gone {
            self.remove_by(shard, space, slot, (RemovalReason::Invalidated, fence));
        }
        !gone
    }
}
