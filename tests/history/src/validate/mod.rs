//! What must hold of a history, each as one function with a name: it counts what it judged and says what it found. A
//! history is all they know. Each is shown to find a history that is broken, here and in every run.

mod computations;
mod ends;
mod floors;
mod registers;
mod spans;
mod values;
mod waiters;
mod watches;

use crate::load::History;

/// What a validator found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Facts it judged. None at all means that the history shows nothing.
    pub checked: u64,
    /// What does not hold, one sentence each.
    pub violations: Vec<String>,
}

/// A validator: a name, and what it does.
pub type Validator = (&'static str, fn(&History) -> Judged);

/// All of them.
pub const VALIDATORS: [Validator; 16] = [
    ("one_computation_per_validity", computations::one_computation_per_validity),
    ("nothing_older_than_acknowledged", floors::nothing_older_than_acknowledged),
    ("near_within_bound", floors::near_within_bound),
    ("never_past_its_end", ends::never_past_its_end),
    ("every_waiter_released_in_time", waiters::every_waiter_released_in_time),
    ("never_torn", values::never_torn),
    ("linearizable", registers::linearizable),
    ("only_expected_failures", values::only_expected_failures),
    ("watch_ordered", watches::ordered),
    ("watch_unique", watches::unique),
    ("watch_atomic", watches::atomic),
    ("watch_latest_reliable", watches::latest_reliable),
    ("watch_resumable", watches::resumable),
    ("watch_bookmarkable", watches::bookmarkable),
    ("watch_bounded", watches::bounded),
    ("watch_authorised", watches::authorised),
];

impl Judged {
    /// Counts one fact; with a violation when there is one.
    fn fact(&mut self, violation: Option<String>) {
        self.checked += 1;
        self.violations.extend(violation);
    }
}

/// Milliseconds since the history began, for people.
fn time(history: &History, moment: u64) -> String {
    let begin = history.operations.first().map_or(0, |first| first.start);
    format!("{}.{:03} ms", moment.saturating_sub(begin) / 1_000_000, moment.saturating_sub(begin) / 1_000 % 1_000)
}

#[cfg(test)]
mod example;
