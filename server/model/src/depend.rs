//! Dependencies: the first key is made from the source, the second from the first. What an Invalidate of the source drops
//! it drops key by key, and a value is let in in two steps; a lock on linking stands between the two.

use crate::{
    fences::{KEYS, Numbers, Target},
    lease,
    mutant::Mutant,
    protocol::Protocol,
    state::{Call, Caller, Computation, State, Writer},
};

impl Protocol {
    /// Whether a computation of this key has what it needs.
    pub(crate) fn can_compute(&self, state: &State, key: usize) -> bool {
        !self.bounds.depends || key == 0 || self.served(&state.server, 0).is_some()
    }

    /// What computing a key gives now.
    pub(crate) fn computed(&self, state: &State, key: usize) -> u8 {
        let made_from = self.served(&state.server, 0).filter(|_| self.bounds.depends && key == 1);
        made_from.map_or(state.truth[key], |entry| entry.value)
    }

    /// The gate asks whether what the value was made from was invalidated since its computation began; when not, nobody
    /// else links before it is stored.
    pub(crate) fn ask(&self, state: &mut State, caller: usize) {
        let Caller::Computing(computation) = state.callers[caller] else { return };
        let Computation { key, token: Some(token), stamp, .. } = computation else { return };
        if untouched(state, key, stamp) || self.is(Mutant::DependencyUnasked) {
            state.callers[caller] = Caller::Computing(Computation { asked: true, ..computation });
            state.server.linking = !self.is(Mutant::LinkingUnlocked);
            return;
        }
        state.callers[caller] = Caller::Idle;
        if lease::take(state, key, token) {
            self.promote(state, key);
        }
    }

    /// An Invalidate of the source, step by step.
    pub(crate) fn cascade(&self, state: &mut State) {
        state.writer = match state.writer {
            Writer::Planned(call, plan) => {
                let number = self.record(state, Target::Source);
                state.server.fences.raise_dependents(Target::Source, number);
                Writer::Cascading(call, 0, plan)
            }
            Writer::Cascading(call, KEYS, _) if self.is(Mutant::CascadeWalksOnce) => Writer::Applied(call),
            Writer::Cascading(call, KEYS, _) => {
                (0..KEYS).filter(|key| linked(state)[*key]).collect::<Vec<_>>().into_iter().for_each(|key| {
                    self.drop_dependent(state, key);
                });
                Writer::Applied(call)
            }
            Writer::Cascading(call, key, plan) => {
                if plan[key] {
                    self.drop_dependent(state, key);
                }
                Writer::Cascading(call, key + 1, plan)
            }
            other => other,
        };
    }

    /// Under the lock of the key's shard, so all of it is one step.
    fn drop_dependent(&self, state: &mut State, key: usize) {
        let number = self.append(state, Target::Key(key));
        state.server.entries[key] = None;
        state.server.fences.raise(Target::Key(key), number);
        state.server.fences.raise_dependents(Target::Key(key), number);
        self.revoke(state, key);
    }
}

/// The first look at what depends on the source.
pub(crate) fn plan(state: &State, call: Call) -> Writer {
    Writer::Planned(call, linked(state))
}

fn linked(state: &State) -> [bool; KEYS] {
    state.server.entries.map(|entry| entry.is_some())
}

/// The second key inherits what the first was made from, as long as that is there.
fn untouched(state: &State, key: usize, stamp: Numbers) -> bool {
    let fences = &state.server.fences;
    let source = fences.dependents_allow(Target::Source, stamp);
    match key {
        0 => source,
        _ => fences.dependents_allow(Target::Key(0), stamp) && (state.server.entries[0].is_none() || source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Bounds;

    const RIGHT: Protocol = Protocol { bounds: Bounds { depends: true, ..Bounds::NONE }, mutant: None };
    const SOURCE: Call = Call::Invalidate(Target::Source);

    #[test]
    fn what_was_made_before_is_refused_once_the_fence_is_up() {
        let mut state = State::start();
        RIGHT.get(&mut state, 0, 0);
        RIGHT.compute(&mut state, 0);
        Protocol::begin(&mut state, SOURCE);
        (0..2).for_each(|_| RIGHT.step(&mut state));
        RIGHT.ask(&mut state, 0);
        assert_eq!((state.callers[0], state.server.linking), (Caller::Idle, false));
    }

    #[test]
    fn what_was_let_in_before_is_found_by_the_last_look() {
        let mut state = State::start();
        RIGHT.get(&mut state, 0, 0);
        RIGHT.compute(&mut state, 0);
        Protocol::begin(&mut state, SOURCE);
        RIGHT.step(&mut state);
        RIGHT.ask(&mut state, 0);
        (0..3).for_each(|_| RIGHT.step(&mut state));
        assert!(state.server.linking);
        RIGHT.put(&mut state, 0);
        assert!(state.server.entries[0].is_some() && !state.server.linking);
        (0..2).for_each(|_| RIGHT.step(&mut state));
        assert_eq!((state.server.entries[0], state.promised.acked), (None, [1, 1]));
    }
}
