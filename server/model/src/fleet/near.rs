//! A near cache: it asks any replica, follows the first one's own log, and compares only what belongs to that.

use super::{
    mutant::Mutant,
    protocol::Fleet,
    state::{Answer, Near, State},
};

impl Near {
    /// What it would answer a read with.
    #[must_use]
    pub fn serves(&self) -> Option<u8> {
        let caught_up = !self.cut && self.position >= self.target;
        self.entry.filter(|_| caught_up).map(|(value, _)| value)
    }
}

impl Fleet {
    /// It asks a replica that has the key in memory; the answer may take as long as it likes.
    pub(super) fn near_ask(state: &mut State, at: usize) {
        let replica = &state.replicas[at];
        state.near.answer =
            replica.memory.map(|value| Answer { value, as_of: replica.log, replica: at, life: replica.life });
    }

    /// The answer arrives. Its caller has the value in any case; whether it is kept is decided here.
    pub(super) fn near_receive(&self, near: &mut Near) {
        let Some(answer) = near.answer.take() else { return };
        let same_log = answer.replica == 0 && answer.life == near.life;
        let keeps = (same_log && answer.as_of >= near.told) || self.is(Mutant::NearKeepsAll);
        if keeps && !near.cut {
            near.entry = Some((answer.value, answer.as_of));
        }
    }

    /// The stream delivers the next change of the replica's own log.
    pub(super) fn near_deliver(near: &mut Near) {
        near.position += 1;
        near.told = near.position;
        near.entry = near.entry.filter(|(_, as_of)| *as_of >= near.position);
    }

    /// The stream is cut.
    pub(super) fn near_disconnect(state: &mut State) {
        state.spent.disconnects += 1;
        state.near.cut = true;
    }

    /// The stream is opened again where it ended. Another life of the replica has another log: everything goes.
    pub(super) fn near_resume(&self, state: &mut State) {
        let replica = &state.replicas[0];
        let near = &mut state.near;
        let other = near.life != replica.life;
        if other {
            near.entry = None;
        }
        if other || self.is(Mutant::NearResumesFromNow) {
            (near.life, near.position, near.told) = (replica.life, replica.log, replica.log);
        }
        near.target = replica.log;
        near.cut = false;
    }
}
