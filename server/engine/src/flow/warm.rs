//! What a process hands to the one after it, when there is nothing between them but a file: the entries worth most for their
//! bytes, and their way back through the gate. The file itself is not known here.

use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

use super::{
    fill::Ticket,
    promote::{Promoted, promote},
};
use crate::{
    entry::Freshness,
    fence::{Stamp, Standing},
    key::Key,
    memory::{Guard, Store, kept::kept, space::Space, table::Slot},
    position::{KEY_LOGS, LogId},
    tier::{Kept, TierName},
};

/// Bytes that are counted for each entry besides its key and value.
const ENTRY_BYTES: u64 = 160;

/// Tickets of all logs, taken before the first entry is read: what is invalidated while entries come in wins.
#[derive(Debug)]
pub struct Tickets(Vec<Ticket>);

/// What became of an entry that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warmed {
    /// Memory has it.
    Stored,
    /// Its life is over, or something that is newer is there, or it is not wanted here.
    Unwanted,
    /// Memory is full, of what is worth more.
    Full,
}

/// An entry and what it saves for each of its bytes.
struct Ranked {
    worth: f64,
    bytes: u64,
    key: Key,
}

impl Ord for Ranked {
    /// Reversed: the top of the heap is what goes first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.worth.total_cmp(&self.worth)
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// Takes tickets of all logs.
#[must_use]
pub fn tickets(store: &Store) -> Tickets {
    let logs = (0..KEY_LOGS).filter_map(|number| LogId::from_number(u32::from(number)));
    let ticket = |log| {
        let _shard = store.shard_of(log);
        let (key, selector) = (store.history.position(log), store.fences.read().newest());
        let stamp = Stamp { epoch: key.epoch, key: key.number, selector };
        Ticket { stamp, place: store.tick() }
    };
    Tickets(logs.map(ticket).collect())
}

/// Lets an entry in that an earlier process held, if it may still be served.
pub fn warm(store: &Store, tickets: &Tickets, key: &Key, entry: Kept) -> Warmed {
    let (used, max) = (store.pool.budget().used(), store.pool.budget().max());
    let bytes = used.bytes.saturating_add(entry.value_bytes()).saturating_add(key.text().len() as u64 + ENTRY_BYTES);
    if used.entries >= max.entries || bytes > max.bytes {
        return Warmed::Full;
    }
    let Some(ticket) = tickets.0.get(key.log().index()) else { return Warmed::Unwanted };
    match promote(store, key, entry, (TierName::Disk, *ticket)) {
        Promoted::Valid(_) => Warmed::Stored,
        Promoted::Newer | Promoted::TooLate | Promoted::Ended => Warmed::Unwanted,
    }
}

/// The best so far, in a bound of bytes.
struct Best {
    heap: BinaryHeap<Ranked>,
    bytes: u64,
    bytes_max: u64,
}

impl Best {
    fn offer(&mut self, ranked: Ranked) {
        self.bytes += ranked.bytes;
        self.heap.push(ranked);
        while self.bytes > self.bytes_max
            && let Some(least) = self.heap.pop()
        {
            self.bytes -= least.bytes;
        }
    }
}

/// The keys of the entries that have saved and may save most for each of their bytes, in that order: as many as take so many
/// bytes. Looks at all entries, a few under each lock.
#[must_use]
pub fn hottest(store: &Store, bytes_max: u64) -> Vec<Key> {
    let mut best = Best { heap: BinaryHeap::new(), bytes: 0, bytes_max };
    for space in store.spaces.all() {
        let mut walk = store.walk(&space, &[]);
        let mut offer = |shard: &mut Guard<'_>, slot| {
            if let Some(ranked) = rank(store, shard, (&space, slot)) {
                best.offer(ranked);
            }
        };
        while walk.step(&mut offer) {}
    }
    best.heap.into_sorted_vec().into_iter().map(|ranked| ranked.key).collect()
}

fn rank(store: &Store, shard: &Guard<'_>, (space, slot): (&Space, Slot)) -> Option<Ranked> {
    let table = shard.table(&space.shelf)?;
    let record = table.get(slot)?;
    if record.freshness(store.clock.now()) == Freshness::Gone {
        return None;
    }
    let kind = &record.description(&shard.beside.shared).kind;
    let charged = record.charged(space.shelf.order_bytes());
    let cost = record.cost().unwrap_or_else(|| space.insight.cost.estimate(kind, charged));
    // One more read than there was: what was just stored is worth something.
    let saves = cost.as_secs_f64() * (table.hits(slot) + 1) as f64;
    let key = Key::trusted(space.name.clone(), Arc::from(record.text()));
    let bytes = record.value_bytes() + key.text().len() as u64 + ENTRY_BYTES;
    Some(Ranked { worth: saves / charged.max(1) as f64, bytes, key })
}

/// An entry as a later process may read it; `None`: it may not be served any more.
#[must_use]
pub fn handed_on(store: &Store, key: &Key) -> Option<Kept> {
    let space = store.spaces.find(key.namespace()).ok().flatten()?;
    let shard = store.shard(key);
    let slot = store.find(&shard, &space, key)?;
    let record = shard.table(&space.shelf)?.get(slot)?;
    let description = record.description(&shard.beside.shared);
    let lifetime = match store.standing(&space, record, description) {
        Standing::Untouched => record.lifetime(),
        Standing::Marked(at, _) => record.lifetime().stale_from(at),
        Standing::Dropped => return None,
    };
    if record.idle_at(store.clock.now()) {
        return None;
    }
    Some(kept(&store.clock, &record.content(description), (lifetime, record.stored())))
}
