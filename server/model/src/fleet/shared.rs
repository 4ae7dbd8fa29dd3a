//! The shared tier: what its scripts do in one instant each, its follower, and the failover.

use super::{
    mutant::Mutant,
    protocol::Fleet,
    state::{Change, KEY, KEYS, Names, REPLICAS, Read, Replica, Stamps, State, Told},
};

impl Fleet {
    /// A script begins a new history when another process than the one it belongs to runs it.
    fn turn(&self, state: &mut State) {
        if state.shared.run == state.run || self.is(Mutant::SameHistory) {
            return;
        }
        state.epochs += 1;
        (state.shared.epoch, state.shared.run) = (state.epochs, state.run);
        if self.is(Mutant::DivergenceUnseen) {
            state.replicas.iter_mut().for_each(|replica| replica.epoch = state.epochs);
        }
    }

    /// Scripts that read do so too.
    pub(super) fn turn_by_reading(&self, state: &mut State) {
        if !self.is(Mutant::ReadsKeepHistory) {
            self.turn(state);
        }
    }

    /// Raises fences in one change, drops what they select, and tells of it; where the log then is.
    pub(super) fn raise(&self, state: &mut State, by: usize, told: Told, value: Option<u8>) -> (u8, u8) {
        self.turn(state);
        let shared = &mut state.shared;
        shared.number += 1;
        let number = shared.number;
        (0..KEYS).filter(|key| told.names[*key]).for_each(|key| shared.fences[key] = number);
        if told.names[KEY] {
            shared.value = value;
            shared.current = shared.current.max(told.truth);
        }
        let epoch = shared.epoch;
        let bit = 1 << state.changes.len();
        state.changes.push(Change { epoch, number, names: told.names, by, truth: told.truth });
        state.replicas.iter_mut().for_each(|replica| replica.unheard |= bit);
        (epoch, number)
    }

    /// Stores what was computed since these stamps, unless what it was made of changed since or that is not known any
    /// more; whether it did.
    pub(super) fn store(&self, state: &mut State, stamps: Stamps, value: u8) -> bool {
        self.turn(state);
        let shared = &mut state.shared;
        let known = stamps.epoch == shared.epoch && shared.floor <= stamps.position;
        let untouched = known && shared.fences[KEY] <= stamps.position;
        if untouched || self.is(Mutant::FillUnfenced) {
            shared.value = Some(value);
            return true;
        }
        false
    }

    /// Reads the key, and where the log is in the same instant.
    pub(super) fn read_shared(&self, state: &mut State, replica: usize) {
        self.turn_by_reading(state);
        let shared = &state.shared;
        if let Read::Sent(asked) = state.replicas[replica].read {
            let (epoch, number, value) = (shared.epoch, shared.number, shared.value);
            state.replicas[replica].read = Read::Reply { asked, epoch, number, value };
        }
    }

    /// The table of fences is full. All go, and what is older than they can no longer be told from what is not.
    pub(super) fn forget_fences(&self, state: &mut State) {
        let shared = &mut state.shared;
        if !self.is(Mutant::FencesExpire) {
            shared.floor = shared.fences.iter().copied().fold(shared.floor, u8::max);
        }
        shared.fences = [0; KEYS];
    }

    /// The follower takes over with what had reached it.
    pub(super) fn fail_over(state: &mut State) {
        state.spent.failovers += 1;
        state.run += 1;
        state.shared = state.follower.clone();
    }
}

/// Which keys changed in the shared tier since this replica's position, as far as its fences say.
pub(super) fn changed_since(state: &State, replica: &Replica) -> Names {
    state.shared.fences.map(|fence| fence > replica.position)
}

/// Forgets the hints that say nothing new: they are of the past, of another history, or the replica's own.
pub(super) fn drop_idle_hints(state: &mut State, own_counts: bool) {
    for at in 0..REPLICAS {
        let replica = &mut state.replicas[at];
        for (bit, change) in state.changes.iter().enumerate().filter(|(bit, _)| *bit < 8) {
            let past = change.epoch != replica.epoch || change.number <= replica.position;
            if past || (change.by == at && !own_counts) {
                replica.unheard &= !(1 << bit);
            }
        }
    }
}
