//! Runs the checker and says what came of it. Which sizes and which mutants there are is not known here.

use stateright::{Checker, Expectation, HasDiscoveries, Model};

use crate::{
    configuration::{Bounds, Configuration},
    mutant::Mutant,
    protocol::{Protocol, Step},
};

/// What became of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Different states seen.
    pub states: usize,
    /// What does not hold, with a shortest way there.
    pub broken: Vec<Counterexample>,
    /// What should be possible and was not.
    pub unreached: Vec<&'static str>,
}

/// A way to a state in which a property does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The property.
    pub property: &'static str,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Checked {
    /// Whether everything holds, and everything that guards against checking nothing was reached.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.unreached.is_empty()
    }
}

/// Checks every state that can be reached.
#[must_use]
pub fn exhaust(configuration: &Configuration) -> Checked {
    run(configuration.bounds, None, HasDiscoveries::AllFailures)
}

/// Looks for what a mutant breaks, until something is found or everything was seen.
#[must_use]
pub fn hunt(configuration: &Configuration, mutant: Mutant) -> Checked {
    run(configuration.bounds, Some(mutant), HasDiscoveries::AnyFailures)
}

fn run(bounds: Bounds, mutant: Option<Mutant>, until: HasDiscoveries) -> Checked {
    // One thread: breadth first in one order, so counterexamples are short and the same in every run.
    let checker = Protocol { bounds, mutant }.checker().threads(1).finish_when(until).spawn_bfs().join();
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
        fences::Target,
        state::{Call, Writer},
    };

    const SMALL: Bounds = Bounds { calls: 2, changes: 1, writes: &[Call::Invalidate(Target::Key(0))], ..Bounds::NONE };

    #[test]
    fn the_right_way_holds_and_the_same_states_are_seen_in_every_run() {
        let configuration = Configuration { name: "", what: "", bounds: SMALL, finds: &[] };
        let checked = exhaust(&configuration);
        assert!(checked.holds(), "{checked:?}");
        assert_eq!(exhaust(&configuration), checked);
    }

    #[test]
    fn a_counterexample_can_be_replayed_to_the_state_that_breaks_the_promise() {
        let configuration = Configuration { name: "", what: "", bounds: SMALL, finds: &[] };
        let found = hunt(&configuration, Mutant::AckBeforeApply);
        let [first, ..] = &found.broken[..] else { panic!("nothing found: {found:?}") };
        let protocol = Protocol { bounds: SMALL, mutant: Some(Mutant::AckBeforeApply) };
        let mut state = protocol.init_states().remove(0);
        for step in &first.steps {
            state = protocol.next_state(&state, *step).unwrap();
        }
        let property = protocol.properties().into_iter().find(|one| one.name == first.property).unwrap();
        assert!(!(property.condition)(&protocol, &state));
        assert!(matches!(state.writer, Writer::Answered(_)));
    }

    #[test]
    fn what_cannot_happen_is_told() {
        let nothing = Configuration { name: "", what: "", bounds: Bounds::NONE, finds: &[] };
        let checked = exhaust(&nothing);
        assert!(checked.broken.is_empty() && !checked.holds());
    }
}
