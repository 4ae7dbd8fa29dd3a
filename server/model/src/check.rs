//! Runs the checker and says what came of it. Which sizes and which mutants there are is not known here.

use std::{fmt::Display, hash::Hash};

use stateright::{Checker, Expectation, HasDiscoveries, Model};

/// What became of a configuration. Steps are those of its model, or what they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked<S> {
    /// Different states seen.
    pub states: usize,
    /// What does not hold, with a way there.
    pub broken: Vec<Counterexample<S>>,
    /// What should be possible and was not.
    pub unreached: Vec<&'static str>,
}

/// A way to a state in which a property does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample<S> {
    /// The property.
    pub property: &'static str,
    /// The steps.
    pub steps: Vec<S>,
}

impl<S> Checked<S> {
    /// Whether everything holds, and everything that guards against checking nothing was reached.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.unreached.is_empty()
    }
}

impl<S: Display> Checked<S> {
    /// The same, with what the steps are called.
    #[must_use]
    pub fn told(self) -> Checked<String> {
        let told = |one: Counterexample<S>| Counterexample {
            property: one.property,
            steps: one.steps.iter().map(ToString::to_string).collect(),
        };
        Checked { states: self.states, broken: self.broken.into_iter().map(told).collect(), unreached: self.unreached }
    }
}

/// Checks every state that can be reached, breadth first.
#[must_use]
pub fn exhaust<M>(model: M) -> Checked<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    run(model, HasDiscoveries::AllFailures)
}

/// Looks for what is broken, until something is found or everything was seen.
#[must_use]
pub fn hunt<M>(model: M) -> Checked<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    run(model, HasDiscoveries::AnyFailures)
}

fn run<M>(model: M, until: HasDiscoveries) -> Checked<M::Action>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Hash + PartialEq + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    // One thread: breadth first in one order, so counterexamples are short and the same in every run.
    let checker = model.checker().threads(1).finish_when(until).spawn_bfs().join();
    let mut checked = Checked { states: checker.unique_state_count(), broken: Vec::new(), unreached: Vec::new() };
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        match (property.expectation, found) {
            (Expectation::Sometimes, None) => checked.unreached.push(property.name),
            (Expectation::Sometimes, Some(_)) | (_, None) => {}
            (_, Some(path)) => {
                checked.broken.push(Counterexample { property: property.name, steps: path.into_actions() });
            }
        }
    }
    checked
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        configuration::Bounds,
        fences::Target,
        fleet::{configuration::CONFIGURATIONS, mutant::Mutant as FleetMutant, protocol::Fleet},
        mutant::Mutant,
        protocol::Protocol,
        state::{Call, Writer},
        walk,
    };

    const SMALL: Bounds = Bounds { calls: 2, changes: 1, writes: &[Call::Invalidate(Target::Key(0))], ..Bounds::NONE };
    const RIGHT: Protocol = Protocol { bounds: SMALL, mutant: None };

    #[test]
    fn the_right_way_holds_and_the_same_states_are_seen_in_every_run_and_by_every_walk() {
        let checked = exhaust(RIGHT);
        assert!(checked.holds(), "{checked:?}");
        assert_eq!(exhaust(RIGHT), checked);
        assert_eq!(walk::everywhere(&RIGHT, &|_| {}), checked);
    }

    #[test]
    fn a_counterexample_can_be_replayed_to_the_state_that_breaks_the_promise() {
        let protocol = Protocol { mutant: Some(Mutant::AckBeforeApply), ..RIGHT };
        let found = hunt(protocol);
        let [first, ..] = &found.broken[..] else { panic!("nothing found: {found:?}") };
        let state = replayed(&protocol, first);
        assert!(matches!(state.writer, Writer::Answered(_)));
    }

    #[test]
    fn the_walk_finds_what_is_broken_and_a_way_there() {
        let bounds = CONFIGURATIONS[0].bounds;
        let fleet = Fleet { bounds, mutant: Some(FleetMutant::AnswerFirst) };
        let found = walk::everywhere(&fleet, &|_| {});
        let [first, ..] = &found.broken[..] else { panic!("nothing found") };
        let _state = replayed(&fleet, first);
        assert_eq!(walk::everywhere(&Fleet { mutant: None, ..fleet }, &|_| {}).broken, []);
    }

    fn replayed<M: Model>(model: &M, counterexample: &Counterexample<M::Action>) -> M::State
    where
        M::Action: Clone,
    {
        let mut state = model.init_states().remove(0);
        for step in &counterexample.steps {
            state = model.next_state(&state, step.clone()).unwrap();
        }
        let property = model.properties().into_iter().find(|one| one.name == counterexample.property).unwrap();
        assert!(!(property.condition)(model, &state));
        state
    }

    #[test]
    fn what_cannot_happen_is_told() {
        let nothing = Protocol { bounds: Bounds::NONE, mutant: None };
        let checked = exhaust(nothing);
        assert!(checked.broken.is_empty() && !checked.holds());
        assert_eq!(walk::everywhere(&nothing, &|_| {}), checked);
    }
}
