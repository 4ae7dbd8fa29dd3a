//! Put, Get, Invalidate and conditional Puts of one key look as if they happened one after the other.

use std::collections::{BTreeMap, HashMap};

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::{Judged, time};
use crate::{
    load::History,
    record::{Answer, Call, Condition, Found, Got, Operation, Outcome},
    universe,
};

/// Operations a register has at most to be judged: longer ones would take too long.
const OPERATIONS_MAX: usize = 24;

/// What one key is: nothing, or what some computation made.
#[derive(Clone, Debug, Default)]
struct Register(Option<String>);

#[derive(Clone, Debug)]
enum Op {
    Get,
    Put(String, Condition),
    Drop,
}

#[derive(Clone, Debug, PartialEq)]
enum Ret {
    Read(Option<String>),
    Stored(bool),
    Dropped,
}

impl SequentialSpec for Register {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match op {
            Op::Get => Ret::Read(self.0.clone()),
            Op::Drop => {
                self.0 = None;
                Ret::Dropped
            }
            Op::Put(value, condition) => {
                let holds = match condition {
                    Condition::Always => true,
                    Condition::Absent => self.0.is_none(),
                    Condition::Present => self.0.is_some(),
                    Condition::Is(other) => self.0.as_ref() == Some(other),
                };
                if holds {
                    self.0 = Some(value.clone());
                }
                Ret::Stored(holds)
            }
        }
    }
}

/// For each register there is an order of its calls, each at some moment between its beginning and its end, in which one
/// after the other gives the same answers. Registers that a server took with it are left out.
pub(super) fn linearizable(history: &History) -> Judged {
    let mut registers: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some(key) = register_of(operation) {
            registers.entry(key).or_default().push(operation);
        }
    }
    let mut judged = Judged::default();
    for (key, operations) in registers {
        let from = operations.iter().map(|operation| operation.start).min().unwrap_or_default();
        let to = operations.iter().map(|operation| crate::load::acts_until(operation)).max().unwrap_or_default();
        let restarted = history.restarts().any(|restart| restart.from <= to && restart.to >= from);
        if restarted || operations.len() > OPERATIONS_MAX {
            continue;
        }
        let ordered = in_some_order(&operations);
        judged.fact(
            (!ordered)
                .then(|| format!("{key}: {} calls from {} on fit no order", operations.len(), time(history, from))),
        );
    }
    judged
}

fn register_of(operation: &Operation) -> Option<&str> {
    let key = match &operation.call {
        Call::Invalidate(call) => call.selectors.iter().find_map(|selector| match selector {
            crate::record::Selects::Key(key) => Some(key.as_str()),
            _ => None,
        }),
        call => call.key(),
    };
    key.filter(|key| universe::is_register(key))
}

fn asked(operation: &Operation) -> Op {
    match &operation.call {
        Call::Put(put) => Op::Put(put.written.computation.clone(), put.condition.clone()),
        Call::Invalidate(_) => Op::Drop,
        _ => Op::Get,
    }
}

fn answered(operation: &Operation) -> Option<Ret> {
    Some(match &operation.answer {
        Answer::Got(Got { found: Found::Fresh(seen), .. }) => Ret::Read(Some(seen.computation.clone())),
        Answer::Got(_) => Ret::Read(None),
        Answer::Put { outcome, .. } => Ret::Stored(*outcome == Outcome::Stored),
        Answer::Invalidated { .. } => Ret::Dropped,
        Answer::Unknown | Answer::Failed { .. } | Answer::Lease { .. } => return None,
    })
}

/// Calls and answers in the order of time. Who got no answer may still be acted on and is not heard of again: the client's
/// next call counts as another's.
fn in_some_order(operations: &[&Operation]) -> bool {
    let mut moments: Vec<(u64, bool, usize)> = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        if answered(operation).is_none() && matches!(operation.call, Call::Get(_)) {
            continue;
        }
        moments.push((operation.start, true, index));
        if let (Some(end), Some(_)) = (operation.end, answered(operation)) {
            moments.push((end, false, index));
        }
    }
    moments.sort_unstable();
    let mut tester = LinearizabilityTester::new(Register::default());
    let mut threads: HashMap<&str, usize> = HashMap::new();
    let mut next = 0;
    for (_, begins, index) in moments {
        let operation = operations[index];
        let thread = *threads.entry(&operation.client).or_insert_with(|| {
            next += 1;
            next
        });
        let accepted = if begins {
            let accepted = tester.on_invoke(thread, asked(operation)).is_ok();
            if answered(operation).is_none() {
                threads.remove(operation.client.as_str());
            }
            accepted
        } else {
            answered(operation).is_some_and(|answer| tester.on_return(thread, answer).is_ok())
        };
        if !accepted {
            return false;
        }
    }
    tester.is_consistent()
}

#[cfg(test)]
mod tests {
    use super::{super::example, *};
    use crate::record::{Get, Miss, Put, Seen, Written};

    fn put(at: (u64, u64), computation: &str, condition: Condition, stored: bool) -> Operation {
        let written = Written { computation: computation.into(), ..Written::default() };
        let call = Call::Put(Put { key: "r/1".into(), written, token: None, condition });
        let outcome = if stored { Outcome::Stored } else { Outcome::ConditionFailed };
        example::call(at, call, Answer::Put { outcome, at: None })
    }

    fn read(at: (u64, u64), computation: Option<&str>) -> Operation {
        let call = Call::Get(Get { key: "r/1".into(), miss: Miss::Report, ..Get::default() });
        let found =
            computation.map_or(Found::Miss, |name| Found::Fresh(Seen { computation: name.into(), ..Seen::default() }));
        example::call(at, call, Answer::Got(Got { found, lease: None }))
    }

    fn found(operations: impl IntoIterator<Item = Operation>) -> usize {
        linearizable(&example::history(operations)).violations.len()
    }

    #[test]
    fn a_write_that_is_lost_is_found() {
        let write = || put((0, 5), "a", Condition::Always, true);
        assert_eq!(found([write(), read((10, 20), Some("a"))]), 0);
        assert_eq!(found([write(), read((10, 20), None)]), 1);
        assert_eq!(found([write(), read((3, 20), None)]), 0, "they overlap");
    }

    #[test]
    fn a_condition_that_is_not_checked_is_found() {
        let is_a = || Condition::Is("a".into());
        let history = |second| {
            [
                put((0, 5), "a", Condition::Absent, true),
                put((10, 15), "b", is_a(), true),
                put((20, 25), "c", is_a(), second),
            ]
        };
        assert_eq!((found(history(false)), found(history(true))), (0, 1));
    }

    #[test]
    fn what_got_no_answer_may_have_happened_or_not() {
        let unknown = || Operation { answer: Answer::Unknown, ..put((0, 5), "a", Condition::Always, true) };
        assert_eq!(found([unknown(), read((10, 20), Some("a"))]), 0);
        assert_eq!(found([unknown(), read((10, 20), None)]), 0);
        assert_eq!(found([unknown(), read((10, 20), Some("a")), read((30, 40), None)]), 1);
    }
}
