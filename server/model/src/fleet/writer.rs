//! Those who change the source and say so: Invalidate tells the shared tier, then applies, then answers; a Put is let into
//! memory first, so that its conditions are decided in one place, then told.

use super::{
    mutant::Mutant,
    protocol::Fleet,
    resync::ONLY_KEY,
    state::{Answer, Call, Change, DiskStep, KEY, KEYS, Names, Read, SLOTS, State, Told, WITNESS},
};

/// What a Put's value is called until the shared tier has put it in order: newer than everything that has its place.
const PROVISIONAL: u8 = 100;

fn provisional(at: usize, slot: usize) -> u8 {
    PROVISIONAL + u8::from(at > 0) * 10 + u8::from(slot > 0)
}

impl Fleet {
    /// The source changes, and a call says what is invalid.
    pub(super) fn begin_invalidate(state: &mut State, at: usize, slot: usize, names: Names) {
        state.spent.changes += 1;
        state.truth += u8::from(names[KEY]);
        state.replicas[at].calls[slot] = Call::Invalidate(Told { names, truth: state.truth });
    }

    /// A Put comes: it is in memory at once, and a change of the replica's own log.
    pub(super) fn begin_put(&self, state: &mut State, at: usize, slot: usize) {
        state.spent.changes += 1;
        self.raise_locally(state, at, 0);
        self.remember(state, at, provisional(at, slot));
        state.replicas[at].calls[slot] = Call::Put;
    }

    /// The value of this Put gets its place among all others, wherever it is.
    fn place(state: &mut State, at: usize, slot: usize) -> Told {
        state.truth += 1;
        let (from, truth) = (provisional(at, slot), state.truth);
        let rename = |value: &mut u8| *value = if *value == from { truth } else { *value };
        for replica in &mut state.replicas {
            replica.memory.iter_mut().for_each(rename);
            replica.disk.durable.iter_mut().for_each(rename);
            let puts = replica.disk.queue.iter_mut().filter_map(|step| match step {
                DiskStep::Put(value) => Some(value),
                DiskStep::Forget => None,
            });
            puts.for_each(rename);
            if let Read::Disk { value, .. } = &mut replica.read {
                rename(value);
            }
        }
        state.near.entry.iter_mut().for_each(|(value, _)| rename(value));
        state.near.answer.iter_mut().for_each(|Answer { value, .. }| rename(value));
        Told { names: ONLY_KEY, truth }
    }

    /// The shared tier does it.
    pub(super) fn tell(&self, state: &mut State, at: usize, slot: usize) {
        let (told, put) = match state.replicas[at].calls[slot] {
            Call::Invalidate(told) | Call::LocalFirst(told) => (told, false),
            Call::Put => (Self::place(state, at, slot), true),
            _ => return,
        };
        let (epoch, number) = self.raise(state, at, told, put.then_some(told.truth));
        state.replicas[at].calls[slot] = Call::Reply { told, put, epoch, number };
    }

    /// Its reply is there: applied here, written down, noted.
    pub(super) fn settle(&self, state: &mut State, at: usize, slot: usize) {
        let Call::Reply { told, put, epoch, number } = state.replicas[at].calls[slot] else { return };
        if !self.is(Mutant::LocalFirst) {
            self.apply_own(state, at, told, put);
        }
        if !(put && self.is(Mutant::JournalWithoutPuts)) {
            self.own_change(state, at, told, (epoch, number));
        }
        state.replicas[at].calls[slot] = Call::Applied(told);
    }

    /// The shared tier cannot be reached, or its reply will not come: it is done here, and owed there.
    pub(super) fn give_up(&self, state: &mut State, at: usize, slot: usize) {
        let (told, put) = match state.replicas[at].calls[slot] {
            Call::Invalidate(told) => (told, false),
            Call::Put => (Self::place(state, at, slot), true),
            Call::Reply { told, put, .. } => (told, put),
            _ => return,
        };
        self.apply_own(state, at, told, put);
        let debt = &mut state.replicas[at].debt;
        (0..KEYS).filter(|key| told.names[*key]).for_each(|key| debt[key] = true);
        state.replicas[at].calls[slot] = Call::Applied(told);
    }

    /// What an own change does here. What a Put stored stays if it is still there; whatever else there is may be older.
    pub(super) fn apply_own(&self, state: &mut State, at: usize, told: Told, put: bool) {
        let ours = put && state.replicas[at].memory == Some(told.truth);
        let (keeps, raises) = (self.is(Mutant::WriteKeepsOther), !self.is(Mutant::WriteRaisesNothing));
        if !put || (!ours && !keeps && raises) {
            self.apply(state, at, told.names, told.truth);
        } else if !ours && !keeps {
            state.replicas[at].memory = None;
        } else if raises {
            self.raise_locally(state, at, told.truth);
        }
    }

    /// In a mutant: dropped here before anybody else knows.
    pub(super) fn apply_first(&self, state: &mut State, at: usize, slot: usize) {
        if let Call::Invalidate(told) = state.replicas[at].calls[slot] {
            self.apply(state, at, told.names, told.truth);
            state.replicas[at].calls[slot] = Call::LocalFirst(told);
        }
    }

    /// The writer has its answer.
    pub(super) fn answer(&self, state: &mut State, at: usize, slot: usize) {
        let call = &mut state.replicas[at].calls[slot];
        let told = match *call {
            Call::Applied(told) => told,
            // In a mutant.
            Call::Reply { told, .. } => told,
            _ => return,
        };
        *call = if let Call::Reply { .. } = call { Call::AnsweredEarly(told) } else { Call::No };
        let promised = &mut state.promised;
        promised.acked[at] = promised.acked[at].max(if told.names[KEY] { told.truth } else { 0 });
        promised.witness[at] |= told.names[WITNESS];
    }

    /// In a mutant: what was answered is applied.
    pub(super) fn apply_answered(&self, state: &mut State, at: usize, slot: usize) {
        if let Call::AnsweredEarly(told) = state.replicas[at].calls[slot] {
            self.apply(state, at, told.names, told.truth);
            state.replicas[at].calls[slot] = Call::No;
        }
    }

    /// The writer goes away while its call is at the shared tier: nobody handles the reply. The call is a gap in what the
    /// replica has noted, and that is polled for.
    pub(super) fn leave(state: &mut State, at: usize, slot: usize) {
        state.spent.cancels += 1;
        state.replicas[at].calls[slot] = Call::No;
    }

    /// What callers may do next.
    pub(super) fn writer_may(&self, state: &State, at: usize, slot: usize) -> [bool; 3] {
        let (replica, early) = (&state.replicas[at], self.is(Mutant::AnswerFirst));
        let free = slot < self.bounds.slots && state.spent.changes < self.bounds.changes;
        let begins = free && replica.calls[slot] == Call::No;
        let tells = match replica.calls[slot] {
            Call::Invalidate(_) => !self.is(Mutant::LocalFirst),
            Call::LocalFirst(_) | Call::Put => true,
            _ => false,
        };
        let answers = match replica.calls[slot] {
            Call::Applied(_) => replica.disk.queue.iter().all(|step| *step != DiskStep::Forget),
            Call::Reply { put: false, .. } => early,
            _ => false,
        };
        [begins, tells && !replica.cut, answers]
    }
}

const _: () = assert!(SLOTS == 2, "provisional values name two calls of a replica");

/// Whether this change is of the history that the replica follows and at or before its position.
pub(super) fn within(change: &Change, epoch: u8, position: u8) -> bool {
    change.epoch == epoch && change.number <= position
}
