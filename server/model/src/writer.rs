//! The writer: changes the source, then invalidates a key or the tag, or puts what is new. What the server does for it is
//! in the order that the promise needs; one call at a time.

use crate::{
    depend,
    fences::{KEYS, Target},
    mutant::Mutant,
    protocol::Protocol,
    state::{Call, Entry, State, Writer},
};

impl Protocol {
    /// The source changes, and the call that says so is on its way.
    pub(crate) fn begin(state: &mut State, call: Call) {
        state.spent.changes += 1;
        for key in (0..KEYS).filter(|key| call.target().selects(*key)) {
            state.truth[key] += 1;
        }
        state.writer = Writer::Called(call);
    }

    /// What the call does next.
    pub(crate) fn step(&self, state: &mut State) {
        match state.writer {
            Writer::Idle => {}
            Writer::Called(call) if self.is(Mutant::AckBeforeApply) => {
                acknowledge(state, call);
                state.writer = Writer::Answered(call);
            }
            Writer::Called(call) | Writer::Answered(call) => self.apply(state, call),
            Writer::Numbered(call, number) => {
                state.server.fences.raise(Target::Tag, number);
                state.writer = Writer::Fenced(call);
            }
            Writer::Fenced(call) => {
                self.sweep(state);
                state.writer = self.after(call);
            }
            Writer::Planned(..) | Writer::Cascading(..) => self.cascade(state),
            Writer::Applied(call) => {
                acknowledge(state, call);
                state.writer = Writer::Idle;
            }
        }
    }

    /// The answer is what is left to do, unless it was given first.
    fn after(&self, call: Call) -> Writer {
        if self.is(Mutant::AckBeforeApply) { Writer::Idle } else { Writer::Applied(call) }
    }

    fn apply(&self, state: &mut State, call: Call) {
        match call {
            Call::Invalidate(Target::Tag) if self.is(Mutant::SweepWithoutFence) => {
                self.record(state, Target::Tag);
                state.server.entries = [None; KEYS];
                state.writer = self.after(call);
            }
            Call::Invalidate(Target::Tag) => {
                let number = self.record(state, Target::Tag);
                if self.is(Mutant::NumberBeforeFence) {
                    state.writer = Writer::Numbered(call, number);
                } else {
                    state.server.fences.raise(Target::Tag, number);
                    state.writer = Writer::Fenced(call);
                }
            }
            Call::Invalidate(Target::Source) => state.writer = depend::plan(state, call),
            // Under the lock of the key's shard, so all of it is one step.
            Call::Invalidate(target @ Target::Key(key)) => {
                let number = self.record(state, target);
                state.server.entries[key] = None;
                state.server.fences.raise(target, number);
                self.revoke(state, key);
                state.writer = self.after(call);
            }
            Call::Put(key) => {
                let number = self.record(state, Target::Key(key));
                state.server.fences.raise(Target::Key(key), number);
                let (value, stamp) = (state.truth[key], state.server.numbers);
                state.server.entries[key] = Some(Entry { value, stamp });
                Self::end_with(state, key, value);
                state.writer = self.after(call);
            }
        }
    }

    /// Takes the number, and notes for the properties what it stands for.
    pub(crate) fn record(&self, state: &mut State, target: Target) -> u8 {
        let number = self.append(state, target);
        let truth = state.truth;
        let needed = std::array::from_fn(|key| if target.selects(key) { truth[key] } else { 0 });
        state.promised.told.push((target.log(), number, needed));
        number
    }

    /// What the fence hides already gives its memory back.
    fn sweep(&self, state: &mut State) {
        let fences = &state.server.fences;
        for entry in &mut state.server.entries {
            *entry = entry.filter(|entry| fences.tag_allows(entry.stamp));
        }
    }
}

fn acknowledge(state: &mut State, call: Call) {
    for key in (0..KEYS).filter(|key| call.target().selects(*key)) {
        state.promised.acked[key] = state.truth[key];
    }
    if let Call::Invalidate(Target::Key(key)) = call {
        let told = state.promised.told.iter().filter(|(log, _, _)| *log == Target::Key(key).log());
        let named = told.filter(|(_, _, needed)| needed[key] > 0).map(|(_, number, _)| *number).max();
        state.promised.revoked[key] = named.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{configuration::Bounds, fences::Numbers};

    const RIGHT: Protocol = Protocol { bounds: Bounds::NONE, mutant: None };

    fn stored() -> State {
        let mut state = State::start();
        state.server.entries = [Some(Entry { value: 0, stamp: Numbers::default() }); KEYS];
        state
    }

    #[test]
    fn an_invalidated_key_is_gone_before_the_answer_and_the_other_stays() {
        let mut state = stored();
        Protocol::begin(&mut state, Call::Invalidate(Target::Key(0)));
        RIGHT.step(&mut state);
        assert_eq!((RIGHT.served(&state.server, 0), state.promised.acked), (None, [0, 0]));
        RIGHT.step(&mut state);
        assert_eq!((state.writer, state.promised.acked), (Writer::Idle, [1, 0]));
        assert!(RIGHT.served(&state.server, 1).is_some());
    }

    #[test]
    fn an_invalidated_tag_hides_both_keys_before_they_are_swept() {
        let mut state = stored();
        Protocol::begin(&mut state, Call::Invalidate(Target::Tag));
        RIGHT.step(&mut state);
        assert!((0..KEYS).all(|key| RIGHT.served(&state.server, key).is_none()));
        assert!(state.server.entries[0].is_some());
        RIGHT.step(&mut state);
        assert_eq!((state.server.entries, state.promised.acked), ([None; KEYS], [0, 0]));
        RIGHT.step(&mut state);
        assert_eq!(state.promised.acked, [1, 1]);
    }

    #[test]
    fn a_put_replaces_what_was_there_and_ends_the_lease() {
        let mut state = State::start();
        RIGHT.get(&mut state, 0, 0);
        RIGHT.compute(&mut state, 0);
        Protocol::begin(&mut state, Call::Put(0));
        RIGHT.step(&mut state);
        RIGHT.put(&mut state, 0);
        assert_eq!(RIGHT.served(&state.server, 0).map(|entry| entry.value), Some(1));
    }

    #[test]
    fn an_answer_before_the_work_is_what_the_mutant_does() {
        let mut state = stored();
        let wrong = Protocol { mutant: Some(Mutant::AckBeforeApply), ..RIGHT };
        Protocol::begin(&mut state, Call::Invalidate(Target::Key(0)));
        wrong.step(&mut state);
        assert_eq!(state.promised.acked, [1, 0]);
        assert!(wrong.served(&state.server, 0).is_some());
        wrong.step(&mut state);
        assert_eq!(state.writer, Writer::Idle);
    }
}
