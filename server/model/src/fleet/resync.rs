//! What a replica does when it no longer knows the fleet's log: it tells again what it had acknowledged, looks where the
//! log is, drops what it holds, and follows from there. And how it comes to that: a log that went back, a crash, a time
//! cut off from the shared tier.

use super::{
    mutant::Mutant,
    protocol::Fleet,
    replica,
    state::{Call, Fill, Follow, KEY, KEYS, Look, Names, Read, State, Told, WITNESS},
};

impl Fleet {
    /// The replica does not know where the log is. What it had found out about that is void.
    pub(super) fn lose(&self, state: &mut State, at: usize) {
        if self.is(Mutant::DivergenceUnseen) {
            return;
        }
        state.replicas[at].follow = Follow::Lost;
        state.replicas[at].half = None;
    }

    /// An own change was done: it is in the journal, and noted if it belongs to the history that is followed. If it does
    /// not, or nothing is followed, what is known of the log is void.
    pub(super) fn own_change(&self, state: &mut State, at: usize, told: Told, (epoch, number): (u8, u8)) {
        let adopts = self.is(Mutant::ForeignReplyAdopted);
        let replica = &mut state.replicas[at];
        for key in (0..KEYS).filter(|key| told.names[*key]) {
            let truth = replica.journal[key].map_or(0, |(_, truth)| truth).max(told.truth);
            replica.journal[key] = Some((epoch, truth));
        }
        match replica.follow {
            Follow::Following if epoch == replica.epoch => replica::note(replica, number),
            Follow::Following if adopts => (replica.epoch, replica.position, replica.beyond) = (epoch, number, 0),
            Follow::Looked(_) if self.is(Mutant::LookOutlivesReply) => {}
            _ => self.lose(state, at),
        }
    }

    /// What it had acknowledged and another process may have lost.
    pub(super) fn unconfirmed(&self, state: &State, at: usize) -> Names {
        let changed = state.shared.run != state.run;
        let here = |entry: Option<(u8, u8)>| entry.is_some_and(|(epoch, _)| changed || epoch != state.shared.epoch);
        if self.is(Mutant::NoJournal) { [false; KEYS] } else { state.replicas[at].journal.map(here) }
    }

    /// It tells that again, as a new change.
    pub(super) fn replay(&self, state: &mut State, at: usize) {
        let names = self.unconfirmed(state, at);
        let truth = state.replicas[at].journal[KEY].map_or(0, |(_, truth)| truth);
        let (epoch, _) = self.raise(state, at, Told { names, truth }, None);
        let journal = &mut state.replicas[at].journal;
        for entry in journal.iter_mut().zip(names).filter_map(|(entry, named)| entry.as_mut().filter(|_| named)) {
            entry.0 = epoch;
        }
    }

    /// It looks where the log is.
    pub(super) fn look(&self, state: &mut State, at: usize) {
        self.turn_by_reading(state);
        let shared = &state.shared;
        let look = Look { epoch: shared.epoch, number: shared.number, fence: shared.fences[KEY], floor: shared.floor };
        state.replicas[at].follow = Follow::Looked(look);
    }

    /// It drops what it holds, refuses what is on its way, and follows from where it looked. After a start its memory is
    /// empty, and a disk that knows how far it was is good but for what changed since.
    pub(super) fn adopt(&self, state: &mut State, at: usize) {
        let Follow::Looked(look) = state.replicas[at].follow else { return };
        let replica = &mut state.replicas[at];
        replica.memory = None;
        replica.witness = false;
        if std::mem::take(&mut replica.disk.closed) {
            let good = |(epoch, position): (u8, u8)| {
                epoch == look.epoch && position <= look.number && look.floor <= position && look.fence <= position
            };
            replica.disk.durable = replica.disk.durable.filter(|_| replica.disk.saved.is_some_and(good));
        } else {
            self.disk_forget(replica, at);
        }
        replica.disk.saved = None;
        (replica.epoch, replica.position, replica.beyond) = (look.epoch, look.number, 0);
        replica.follow = Follow::Following;
        if !self.is(Mutant::ResyncRaisesNothing) {
            let reached = replica::reached(state, at, look.number).max(state.promised.acked[at]);
            self.raise_locally(state, at, reached);
            // What it had passed on of a history that is gone is promised no longer.
            if let Some(told) = state.promised.told.last_mut().filter(|_| at == 0) {
                *told = reached;
            }
        }
    }

    /// It is gone, and another begins with its files: the disk, the journal, the debt. What was under way is lost.
    pub(super) fn crash(&self, state: &mut State, at: usize) {
        state.spent.crashes += 1;
        let replica = &mut state.replicas[at];
        (replica.memory, replica.witness, replica.half) = (None, false, None);
        (replica.read, replica.fill) = (Read::No, Fill::No);
        replica.calls = [Call::No; 2];
        replica.follow = Follow::Lost;
        replica.disk.queue.clear();
        replica.disk.closed = true;
        (replica.epoch, replica.position, replica.beyond) = (0, 0, 0);
        if self.is(Mutant::JournalInMemory) {
            replica.journal = [None; KEYS];
        }
        if self.bounds.near && at == 0 {
            (replica.log, replica.life) = (0, replica.life + 1);
            state.promised.told.clear();
            state.near.cut = true;
        }
    }

    /// It has a way to the shared tier again and says first what it owes. Its own copy, which may be newer, stays.
    pub(super) fn pay(&self, state: &mut State, at: usize) {
        let names = std::mem::replace(&mut state.replicas[at].debt, [false; KEYS]);
        let told = Told { names, truth: state.promised.acked[at] };
        let place = self.raise(state, at, told, None);
        self.own_change(state, at, told, place);
    }

    /// Whether the replica can see that the log is another one, or went back.
    pub(super) fn diverged(&self, state: &State, at: usize) -> bool {
        let replica = &state.replicas[at];
        let (shared, seen) = (&state.shared, !self.is(Mutant::ReadsKeepHistory) && !self.is(Mutant::SameHistory));
        let turns = shared.run != state.run && seen;
        let other = turns || shared.epoch != replica.epoch || shared.number < replica.position;
        other && !self.is(Mutant::DivergenceUnseen)
    }

    /// Whether nobody holds the witness although somebody acknowledged that it is invalid.
    pub(super) fn witness_gone(state: &State, at: usize) -> bool {
        !(state.promised.witness[at] && state.replicas[at].witness)
    }
}

/// Only the witness.
pub(super) const ONLY_WITNESS: Names = {
    let mut names = [false; KEYS];
    names[WITNESS] = true;
    names
};
/// Only the key.
pub(super) const ONLY_KEY: Names = {
    let mut names = [false; KEYS];
    names[KEY] = true;
    names
};
