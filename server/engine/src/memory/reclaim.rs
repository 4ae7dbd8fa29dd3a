//! Taking out what has ended, a lock hold at a time, with pauses between them for whoever drives it. What having ended
//! means is the record's to say.

use std::{sync::Arc, time::Duration};

use super::{Store, record::Record, space::Space, table::Worn};
use crate::{clock::Moment, event::RemovalReason};

/// How long to wait where a step asks for a pause: long against the lock holds before it, so that each shard is locked for less than a
/// hundredth of the time and the 99th percentile of reads hardly notices. Still 100,000 entries a second are taken out,
/// which is more than arrive.
pub const RECLAIM_PAUSE: Duration = Duration::from_millis(2);

/// Entries after which a step asks for a pause.
pub const ENDED_PER_PAUSE: usize = 256;

/// One reclaiming of everything that has ended by a moment.
#[derive(Debug)]
pub struct Reclaiming<'a> {
    store: &'a Store,
    now: Moment,
    spaces: Vec<Arc<Space>>,
    /// Tables that are done.
    done: usize,
    /// Entries looked at since the last pause.
    looked: usize,
}

/// What a step did. There may be more to do. What it took out goes with it: the lock is not held any more.
#[derive(Debug)]
pub struct Step {
    /// Whether to wait for [`RECLAIM_PAUSE`] before the next one.
    pub pause: bool,
    _leavings: (Vec<Record>, Option<Worn<Record>>),
}

impl Reclaiming<'_> {
    /// One lock hold, on a namespace's table in one shard; `None`: everything is done.
    pub fn step(&mut self) -> Option<Step> {
        let shards = self.store.pool.shards();
        let space = self.spaces.get(self.done / shards)?;
        let (store, now) = (self.store, self.now);
        let hold = store.pool.expire_some((self.done % shards, &space.shelf), now, &mut |shard, shelf, slot| {
            let idle = shard.table(shelf).and_then(|table| table.get(slot)).is_some_and(|record| record.idle_at(now));
            store.remove(shard, space, slot, if idle { RemovalReason::Idle } else { RemovalReason::Expired });
        });
        self.done += usize::from(!hold.more);
        self.looked += hold.looked;
        let pause = self.looked >= ENDED_PER_PAUSE;
        if pause {
            self.looked = 0;
        }
        Some(Step { pause, _leavings: hold.leavings })
    }
}

impl Store {
    /// Begins to take out what has ended by now.
    pub fn reclaiming(&self) -> Reclaiming<'_> {
        Reclaiming { store: self, now: self.clock.now(), spaces: self.spaces.all(), done: 0, looked: 0 }
    }

    /// Takes out everything that has ended by now, a bounded number under each lock, without a pause.
    pub fn reclaim(&self) {
        let mut reclaiming = self.reclaiming();
        while reclaiming.step().is_some() {}
    }
}
