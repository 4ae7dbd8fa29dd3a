//! A depth-first walk over every state of a model, for sizes of which a breadth-first one would not fit into memory: of each
//! state that was seen only a fingerprint is kept, and only the states of the way to the present one are whole.

use std::{
    collections::HashSet,
    hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher},
};

use stateright::{Expectation, Model};

use crate::check::{Checked, Counterexample};

/// States between two reports of how many were seen.
const REPORT_EVERY: usize = 1 << 20;

/// Fingerprints are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A state on the way to the present one.
struct Stop<M: Model> {
    state: M::State,
    /// What was not tried yet from here.
    left: Vec<M::Action>,
    /// What is being tried.
    tries: Option<M::Action>,
}

/// Sees every state that can be reached, and tells now and then how many it has seen. Two states with one fingerprint of 64
/// bits count as one: among a hundred million states that happens once in thousands of walks.
#[must_use]
pub fn everywhere<M: Model>(model: &M, seen: &dyn Fn(usize)) -> Checked<M::Action>
where
    M::State: Hash,
    M::Action: Clone,
{
    let mut known: HashSet<u64, BuildHasherDefault<AsItIs>> = HashSet::default();
    let mut found = Findings { model, open: model.properties(), broken: Vec::new() };
    for start in model.init_states() {
        known.insert(fingerprint(&start));
        found.judge(&start, &[]);
        let mut way: Vec<Stop<M>> = vec![stop(model, start)];
        while let Some(last) = way.last_mut() {
            last.tries = last.left.pop();
            let Some(action) = last.tries.clone() else {
                way.pop();
                continue;
            };
            let Some(next) = model.next_state(&last.state, action) else { continue };
            if !known.insert(fingerprint(&next)) {
                continue;
            }
            if known.len().is_multiple_of(REPORT_EVERY) {
                seen(known.len());
            }
            found.judge(&next, &way);
            way.push(stop(model, next));
        }
    }
    let unreached = found.open.iter().filter(|one| one.expectation == Expectation::Sometimes).map(|one| one.name);
    Checked { states: known.len(), unreached: unreached.collect(), broken: found.broken }
}

/// What was found out about properties.
struct Findings<'a, M: Model> {
    model: &'a M,
    /// Nothing was found out about these yet.
    open: Vec<stateright::Property<M>>,
    broken: Vec<Counterexample<M::Action>>,
}

impl<M: Model> Findings<'_, M>
where
    M::Action: Clone,
{
    fn judge(&mut self, state: &M::State, way: &[Stop<M>]) {
        let decided = |one: &stateright::Property<M>| {
            (one.expectation == Expectation::Sometimes) == (one.condition)(self.model, state)
        };
        for at in (0..self.open.len()).rev().filter(|at| decided(&self.open[*at])).collect::<Vec<_>>() {
            let one = self.open.swap_remove(at);
            if one.expectation == Expectation::Always {
                let steps = way.iter().filter_map(|stop| stop.tries.clone()).collect();
                self.broken.push(Counterexample { property: one.name, steps });
            }
        }
    }
}

fn stop<M: Model>(model: &M, state: M::State) -> Stop<M> {
    let mut left = Vec::new();
    model.actions(&state, &mut left);
    Stop { state, left, tries: None }
}

fn fingerprint<S: Hash>(state: &S) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
