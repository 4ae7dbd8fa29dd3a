//! The near cache: what it keeps, what its stream delivers, what happens when that is lost. The rule is the same for every
//! client library.

use crate::{
    fences::{Fences, KEYS, Numbers, Target},
    mutant::Mutant,
    protocol::Protocol,
    state::{Answer, Change, Entry, Near, State},
};

/// What the stream has for the near cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// Nothing new.
    Nothing,
    /// This change.
    Event(Change),
    /// The history does not hold what comes next.
    Discontinuity,
}

impl Near {
    /// What it would answer a read of this key with.
    #[must_use]
    pub fn serves(&self, key: usize, patient: bool) -> Option<Entry> {
        let caught_up = !patient || self.position.reached(self.target);
        self.entries[key].filter(|_| self.connected && caught_up)
    }
}

impl Protocol {
    /// What the near cache serves for this key.
    #[must_use]
    pub fn served_near(&self, near: &Near, key: usize) -> Option<Entry> {
        near.serves(key, !self.is(Mutant::ServeBeforeCaughtUp))
    }

    /// It asks the server, which has the key; the answer is on its way and may take as long as it likes.
    pub(crate) fn near_ask(&self, state: &mut State, key: usize) {
        let server = &state.server;
        state.near.answer = self.served(server, key).map(|entry| {
            // Read under the lock under which the entry was found valid.
            let entry = Entry { value: entry.value, stamp: server.numbers };
            Answer { key, entry, epoch: server.epoch }
        });
    }

    /// The answer arrives. Its caller has the value in any case; whether it is kept is decided here.
    pub(crate) fn near_receive(&self, near: &mut Near) {
        let Some(Answer { key, entry, epoch }) = near.answer.take() else { return };
        let same_history = epoch == near.epoch || self.is(Mutant::NearIgnoresEpoch);
        let not_overtaken = same_history && near.fences.allow(key, entry.stamp);
        if near.connected && (not_overtaken || self.is(Mutant::NearAdmitsUnchecked)) {
            near.entries[key] = Some(entry);
        }
    }

    /// What its open stream would deliver now.
    pub(crate) fn delivery(&self, state: &State) -> Delivery {
        let (near, server) = (&state.near, &state.server);
        if !near.position.reached(server.forgotten) && !self.is(Mutant::SilentLoss) {
            return Delivery::Discontinuity;
        }
        let next = server.history.iter().find(|change| change.number > near.position.of(change.target.log()));
        next.map_or(Delivery::Nothing, |change| Delivery::Event(*change))
    }

    /// What the stream has is delivered.
    pub(crate) fn near_deliver(&self, state: &mut State) {
        match self.delivery(state) {
            Delivery::Nothing => {}
            Delivery::Discontinuity => start_over(state),
            Delivery::Event(change) => {
                *state.near.position.of_mut(change.target.log()) = change.number;
                if self.is(Mutant::PositionFirst) {
                    state.near.half = Some(change);
                } else {
                    apply(&mut state.near, change);
                }
            }
        }
    }

    /// The second half, in the mutant that does it in two.
    pub(crate) fn near_apply_half(near: &mut Near) {
        if let Some(change) = near.half.take() {
            apply(near, change);
        }
    }

    /// Progress, in the mutant that tells the server's position. Told after what was delivered it says nothing new.
    pub(crate) fn near_progress(state: &mut State) {
        state.near.position = state.server.numbers;
    }

    /// The near cache remembers no more than so much of what it was told.
    pub(crate) fn near_forget(&self, near: &mut Near, target: Target) {
        near.fences.forget(target, !self.is(Mutant::NearFencesExpire));
    }

    /// The stream is cut. Answers to Gets may still arrive.
    pub(crate) fn near_disconnect(near: &mut Near) {
        near.connected = false;
        near.half = None;
    }

    /// The stream is opened again with the token of the last delivery.
    pub(crate) fn near_resume(&self, state: &mut State) {
        let (now, epoch) = (state.server.numbers, state.server.epoch);
        state.promised.at_open = state.promised.acked;
        if self.is(Mutant::ResumeFromNow) {
            let near = &mut state.near;
            (near.epoch, near.position, near.target) = (epoch, now, now);
            near.fences = Fences::from_here(now);
        } else if epoch != state.near.epoch || self.delivery(state) == Delivery::Discontinuity {
            start_over(state);
        } else {
            state.near.target = now;
        }
        state.near.connected = true;
    }
}

/// What is matched is dropped unless it is newer than the change, and the change is remembered for answers on their way.
fn apply(near: &mut Near, change: Change) {
    let log = change.target.log();
    for key in (0..KEYS).filter(|key| change.target.selects(*key)) {
        near.entries[key] = near.entries[key].filter(|entry| entry.stamp.of(log) >= change.number);
    }
    near.fences.raise(change.target, change.number);
}

/// Nothing is known of what came before: all copies go, and no answer older than now is kept.
fn start_over(state: &mut State) {
    let now: Numbers = state.server.numbers;
    let near = &mut state.near;
    near.entries = [None; KEYS];
    (near.epoch, near.position, near.target) = (state.server.epoch, now, now);
    near.fences = Fences::from_here(now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Bounds;

    const RIGHT: Protocol = Protocol { bounds: Bounds { history: 2, ..Bounds::NONE }, mutant: None };

    /// Both keys are stored on the server, and the near cache keeps key 0.
    fn kept() -> State {
        let mut state = State::start();
        state.server.entries = [Some(Entry { value: 0, stamp: Numbers::default() }); KEYS];
        RIGHT.near_ask(&mut state, 0);
        RIGHT.near_receive(&mut state.near);
        assert!(RIGHT.served_near(&state.near, 0).is_some());
        state
    }

    fn change(state: &mut State, target: Target) {
        let number = RIGHT.append(state, target);
        state.server.fences.raise(target, number);
        (0..KEYS).filter(|key| target.selects(*key)).for_each(|key| state.server.entries[key] = None);
    }

    #[test]
    fn an_event_drops_what_it_matches_and_refuses_answers_that_left_before() {
        let mut state = kept();
        RIGHT.near_ask(&mut state, 0);
        change(&mut state, Target::Key(0));
        RIGHT.near_deliver(&mut state);
        RIGHT.near_receive(&mut state.near);
        assert_eq!(state.near.entries, [None; KEYS]);
    }

    #[test]
    fn an_answer_ahead_of_the_stream_survives_the_event_it_already_reflects() {
        let mut state = kept();
        change(&mut state, Target::Tag);
        state.server.entries[1] = Some(Entry { value: 1, stamp: state.server.numbers });
        RIGHT.near_ask(&mut state, 1);
        RIGHT.near_receive(&mut state.near);
        RIGHT.near_deliver(&mut state);
        assert_eq!(state.near.entries[0], None);
        assert_eq!(state.near.entries[1].map(|entry| entry.value), Some(1));
    }

    #[test]
    fn nothing_is_served_or_kept_without_a_stream_and_nothing_before_it_has_caught_up() {
        let mut state = kept();
        RIGHT.near_ask(&mut state, 1);
        Protocol::near_disconnect(&mut state.near);
        RIGHT.near_receive(&mut state.near);
        assert_eq!((state.near.entries[1], RIGHT.served_near(&state.near, 0)), (None, None));
        change(&mut state, Target::Key(1));
        RIGHT.near_resume(&mut state);
        assert_eq!(RIGHT.served_near(&state.near, 0), None);
        RIGHT.near_deliver(&mut state);
        assert!(RIGHT.served_near(&state.near, 0).is_some());
    }

    #[test]
    fn a_history_that_does_not_reach_back_drops_everything() {
        let mut state = kept();
        Protocol::near_disconnect(&mut state.near);
        (0..3).for_each(|_| change(&mut state, Target::Key(1)));
        RIGHT.near_resume(&mut state);
        assert_eq!((state.near.entries, state.near.position), ([None; KEYS], state.server.numbers));
    }

    #[test]
    fn another_epoch_drops_everything_and_refuses_answers_of_the_old_one() {
        let mut state = kept();
        RIGHT.near_ask(&mut state, 1);
        Protocol::restart(&mut state);
        RIGHT.near_resume(&mut state);
        RIGHT.near_receive(&mut state.near);
        assert_eq!((state.near.epoch, state.near.entries), (1, [None; KEYS]));
    }
}
