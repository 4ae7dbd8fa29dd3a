//! The first replica's disk: steps lie in a queue in the order in which they were asked for, and land one after the other.
//! What was on its way is lost in a crash; what landed is found after it.

use super::{
    mutant::Mutant,
    protocol::Fleet,
    state::{Disk, DiskStep, Follow, Replica, State},
};

/// Steps that may be on their way: a value more is not kept, a drop always is.
const QUEUE: usize = 3;

/// What a read finds: the newest that was asked for, landed or not. Nothing before the replica has caught up.
pub(super) fn readable(disk: &Disk) -> Option<u8> {
    if disk.closed {
        return None;
    }
    match disk.queue.last() {
        Some(DiskStep::Put(value)) => Some(*value),
        Some(DiskStep::Forget) => None,
        None => disk.durable,
    }
}

impl Fleet {
    /// Whether this replica has a disk.
    fn has_disk(&self, at: usize) -> bool {
        self.bounds.disk && at == 0
    }

    /// A value is to be kept.
    pub(super) fn disk_put(&self, replica: &mut Replica, at: usize, value: u8) {
        let disk = &mut replica.disk;
        if self.has_disk(at) && !disk.closed && disk.queue.len() < QUEUE && readable(disk) != Some(value) {
            disk.queue.push(DiskStep::Put(value));
        }
    }

    /// What is there, or on its way there, is to be dropped.
    pub(super) fn disk_forget(&self, replica: &mut Replica, at: usize) {
        let disk = &mut replica.disk;
        let nothing = disk.durable.is_none() && disk.queue.is_empty() || disk.queue.last() == Some(&DiskStep::Forget);
        if self.has_disk(at) && !nothing {
            disk.queue.push(DiskStep::Forget);
        }
    }

    /// The next step lands. In a mutant a drop overtakes the writes before it, which land afterwards.
    pub(super) fn disk_lands(&self, state: &mut State, at: usize) {
        let disk = &mut state.replicas[at].disk;
        let late = self.is(Mutant::DiskWriteLate);
        let drop = disk.queue.iter().position(|step| late && *step == DiskStep::Forget);
        if disk.queue.is_empty() {
            return;
        }
        disk.durable = match disk.queue.remove(drop.unwrap_or(0)) {
            DiskStep::Put(value) => Some(value),
            DiskStep::Forget => None,
        };
    }

    /// Whether the place in the fleet's log may be saved, and is another than the saved one.
    pub(super) fn may_save(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        let settled = replica.disk.queue.is_empty() || self.is(Mutant::PositionSavedEarly);
        let new = replica.disk.saved != Some((replica.epoch, replica.position));
        self.has_disk(at) && settled && new && !replica.disk.closed && replica.follow == Follow::Following
    }

    /// It is saved.
    pub(super) fn save_position(state: &mut State, at: usize) {
        let replica = &mut state.replicas[at];
        replica.disk.saved = Some((replica.epoch, replica.position));
    }
}
