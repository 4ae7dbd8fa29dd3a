//! What invalidations of sets leave behind: entries that the fences keep from every reader, and whose room is still taken.
//! A few are taken out at once; many wait here, and are taken out a slice at a time in the background, or sooner by who
//! needs their room or counts what is held.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    Guard, Store,
    budget::Room,
    space::Space,
    walk::{Cursor, FOUND_PER_HOLD, LOOKS_PER_HOLD, indexed, is_selected, tags},
};
use crate::{
    entry::Freshness,
    event::RemovalReason,
    fence::{Fenced, Standing},
    policy::Slot,
    selector::Selector,
};

/// Sweeps that may wait; whoever adds one more finishes the oldest first.
pub const SWEEPS_MAX: usize = 1024;
/// Entries of each shard that an estimate looks at.
const SAMPLE_PER_SHARD: usize = 8;

/// Sweeps that are not finished, oldest first.
#[derive(Debug, Default)]
pub struct Sweeps {
    waiting: Mutex<VecDeque<Arc<Sweep>>>,
    /// How many they are, readable without their lock: every Put that needs room asks.
    pending: AtomicUsize,
    arrived: Notify,
}

/// What one invalidation left behind.
#[derive(Debug)]
struct Sweep {
    space: Arc<Space>,
    sets: Vec<Selector>,
    fence: Raised,
    cursor: Mutex<Cursor>,
}

/// A fence: its number, and whether it marks stale and does not drop.
pub type Raised = (u64, bool);

/// How many entries there are that some sets select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Whether so few have to be looked at that it is done at once.
    pub light: bool,
    /// About how many of them may still be served.
    pub estimate: u64,
}

impl Sweeps {
    /// Resolves when there is something to sweep.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Sweeps that are not finished.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Acquire)
    }

    fn oldest(&self, of: Option<&Space>) -> Option<Arc<Sweep>> {
        if self.pending() == 0 {
            return None;
        }
        let waiting = self.waiting.lock();
        waiting.iter().find(|sweep| of.is_none_or(|space| sweep.space.name == space.name)).cloned()
    }

    fn finished(&self, sweep: &Arc<Sweep>) {
        let mut waiting = self.waiting.lock();
        waiting.retain(|other| !Arc::ptr_eq(other, sweep));
        self.pending.store(waiting.len(), Ordering::Release);
    }
}

impl Store {
    /// How much there is to sweep for these sets. Looks at a bounded number of entries, however many there are. Ask before
    /// their fence rises: what another fence selects already is not counted again.
    #[must_use]
    pub fn weigh(&self, space: &Space, sets: &[Selector]) -> Weight {
        let by_tag = indexed(sets);
        let (mut places, mut estimate) = (0, 0.0);
        for number in 0..self.pool.shards() {
            let shard = self.pool.lock(number);
            let (held, sample) = if by_tag { sample_tagged(&shard, space, sets) } else { sample_all(&shard, space) };
            places += held;
            let served = sample.iter().filter(|slot| self.is_served(&shard, (space, **slot), sets)).count();
            if served > 0 {
                estimate += held as f64 * served as f64 / sample.len() as f64;
            }
        }
        let light = places <= if by_tag { FOUND_PER_HOLD } else { LOOKS_PER_HOLD };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of entries")]
        Weight { light, estimate: estimate.round() as u64 }
    }

    fn is_served(&self, shard: &Guard<'_>, (space, slot): (&Space, Slot), sets: &[Selector]) -> bool {
        let record = shard.table(&space.shelf).and_then(|table| table.get(slot));
        is_selected(shard, (space, slot), sets)
            && record.is_some_and(|record| {
                record.freshness(self.clock.now()) != Freshness::Gone
                    && self.standing(space, record, record.description(&shard.beside.shared)) != Standing::Dropped
            })
    }

    /// Takes out, or marks stale, what these sets select and was stored before this fence; how many could still be served.
    pub fn sweep(&self, space: &Space, sets: &[Selector], fence: Raised) -> u64 {
        let (mut cursor, mut served) = (Cursor::default(), 0);
        while let Some(swept) = self.sweep_slice(&mut cursor, (space, sets, fence)) {
            served += swept.served;
        }
        served
    }

    /// The same, later and a slice at a time.
    pub fn sweep_later(&self, space: Arc<Space>, sets: Vec<Selector>, fence: Raised) {
        while self.sweeps.pending() >= SWEEPS_MAX && self.sweep_some(None).is_some() {}
        let mut waiting = self.sweeps.waiting.lock();
        waiting.push_back(Arc::new(Sweep { space, sets, fence, cursor: Mutex::default() }));
        self.sweeps.pending.store(waiting.len(), Ordering::Release);
        drop(waiting);
        self.sweeps.arrived.notify_one();
    }

    /// One lock hold for the oldest sweep, of one namespace or of any; how many entries went. `None`: nothing waits.
    pub fn sweep_some(&self, of: Option<&Space>) -> Option<usize> {
        let sweep = self.sweeps.oldest(of)?;
        let mut cursor = sweep.cursor.lock();
        let swept = self.sweep_slice(&mut cursor, (&sweep.space, &sweep.sets, sweep.fence));
        drop(cursor);
        Some(swept.map_or_else(
            || {
                self.sweeps.finished(&sweep);
                0
            },
            |swept| swept.removed,
        ))
    }

    /// Finishes all sweeps, of one namespace or of any. Whether there were some.
    pub fn sweep_all(&self, of: Option<&Space>) -> bool {
        let mut any = false;
        while self.sweep_some(of).is_some() {
            any = true;
        }
        any
    }

    /// Sweeps until a namespace can get this room, or nothing more waits that could make it. Whether anything went.
    pub fn sweep_for(&self, space: &Space, room: Room) -> bool {
        let mut any = false;
        loop {
            let own = space.shelf.missing(room) != Room::default();
            let missing = own || self.pool.budget().missing(room) != Room::default();
            let swept = if missing { self.sweep_some(own.then_some(space)) } else { None };
            let Some(removed) = swept else { return any };
            any |= removed > 0;
        }
    }

    fn sweep_slice(
        &self,
        cursor: &mut Cursor,
        (space, sets, (fence, marks)): (&Space, &[Selector], Raised),
    ) -> Option<Swept> {
        let (mut swept, now) = (Swept::default(), self.clock.now());
        let mut drop_old = |shard: &mut Guard<'_>, slot| {
            let record = shard.table(&space.shelf).and_then(|table| table.get(slot));
            let Some(record) = record.filter(|record| record.selector() < fence) else { return };
            swept.served += u64::from(record.freshness(now) != Freshness::Gone);
            if marks {
                // Another fence may have more to say of it.
                swept.removed += usize::from(!self.settle(shard, (space, slot)));
                return;
            }
            swept.removed += 1;
            let fence = Fenced { number: fence, floor: false };
            self.remove_by(shard, space, slot, (RemovalReason::Invalidated, Some(fence)));
        };
        cursor.step((self, space, sets), &mut drop_old).then_some(swept)
    }
}

/// What one lock hold took out.
#[derive(Clone, Copy, Debug, Default)]
struct Swept {
    removed: usize,
    /// Of those, what could still be served before.
    served: u64,
}

/// How many entries have any of these tags, those with several counted for each, and some of them.
fn sample_tagged(shard: &Guard<'_>, space: &Space, sets: &[Selector]) -> (usize, Vec<Slot>) {
    let Some(index) = shard.beside.index_of(space.shelf.number()) else { return (0, Vec::new()) };
    let held = tags(sets).map(|tag| index.count(tag)).sum();
    (held, tags(sets).flat_map(|tag| index.some_tagged(tag, SAMPLE_PER_SHARD)).collect())
}

/// How many places there are for entries, and some of them, evenly spread.
fn sample_all(shard: &Guard<'_>, space: &Space) -> (usize, Vec<Slot>) {
    let places = shard.table(&space.shelf).map_or(0, super::table::Table::places);
    let many = (places as usize).min(SAMPLE_PER_SHARD);
    (places as usize, (0..many).map(|n| (n * places as usize / many) as Slot).collect())
}
