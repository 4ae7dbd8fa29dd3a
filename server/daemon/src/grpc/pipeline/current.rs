//! The message whose operations are being carried out, as far as there is room for what they are answered: what memory answers
//! in one pass over many of them. What the others mean is not known here.

use std::sync::Arc;

use hotplate_engine::flow::hit::{Hit, Value, Wanted};
use hotplate_proto::v1::Permission;

use super::{
    operation::Stream,
    operations::{Kind, Operation, Operations},
    results::Results,
};
use crate::{
    grpc::convert::{self, PlainGet},
    ledger::Permit,
};

/// Operations that are looked at together at least.
const TOGETHER_MIN: usize = 8;

/// One message.
pub(super) struct Current {
    pub(super) operations: Operations,
    /// Which of them are answered.
    answered: Vec<bool>,
    /// How many of the first are done with.
    done: usize,
    /// How many are looked at together: fewer when there was no room for all.
    together: usize,
    /// The room of the message.
    pub(super) room: Option<Arc<Permit>>,
}

/// What a pass over some operations came to.
struct Pass {
    hits: u64,
    /// The first operation there was no room for.
    refused: usize,
}

impl Current {
    /// None of it is done.
    pub(super) fn new(operations: Operations, room: Option<Arc<Permit>>) -> Self {
        let together = operations.operations.len();
        Self { answered: vec![false; together], operations, done: 0, together, room }
    }

    /// Whether all is done.
    pub(super) fn is_over(&self) -> bool {
        self.done >= self.operations.operations.len()
    }

    /// The next operation before this one that is not answered yet.
    pub(super) fn next(&mut self, end: usize) -> Option<Operation> {
        while self.done < end {
            let number = self.done;
            self.done += 1;
            if !self.answered[number] {
                return self.operations.operations.get(number).cloned();
            }
        }
        None
    }

    /// Answers those of the next operations that are plain Gets and that memory has fresh values for, as far as there is room; up
    /// to where the others may be carried out.
    pub(super) fn look(&mut self, stream: &Stream, results: &mut Results) -> usize {
        let all = self.operations.operations.len();
        let end = self.done.saturating_add(self.together).min(all);
        let Stream { rpcs, admission, call, .. } = stream;
        let (namespace, cache) = (self.operations.namespace(), &rpcs.parts().cache);
        let allowed = call.caller.allows(Permission::Read, namespace);
        if !allowed || admission.open().is_err() || cache.is_degraded(namespace) {
            return end;
        }
        let pass = self.pass(end, stream, results);
        let hits = usize::try_from(pass.hits).unwrap_or(usize::MAX);
        // What is looked at in vain is looked at again: not many more than there is room for.
        let together = if pass.refused < end { hits } else { self.together };
        self.together = together.saturating_mul(2).clamp(TOGETHER_MIN, all.max(TOGETHER_MIN));
        end.min(pass.refused)
    }

    fn pass(&mut self, end: usize, stream: &Stream, results: &mut Results) -> Pass {
        let Self { operations, answered, done, .. } = self;
        let Stream { rpcs, call, .. } = stream;
        let (namespace, cache) = (operations.namespace(), &rpcs.parts().cache);
        let started = cache.clock().now();
        let plain = |number: usize| {
            let operation = operations.operations.get(number).filter(|operation| operation.kind == Kind::Get)?;
            let get = PlainGet::read(operations.request(operation))?;
            let same = get.namespace.is_empty() || get.namespace == namespace;
            (same && operation.time().is_ok()).then_some((number, Wanted { key: get.key, with_facts: get.full }))
        };
        let (mut numbers, mut wanted) = (Vec::with_capacity(end - *done), Vec::with_capacity(end - *done));
        for (number, asked) in (*done..end).filter(|number| !answered[*number]).filter_map(plain) {
            numbers.push(number);
            wanted.push(asked);
        }
        let id = |number: usize| operations.operations[number].call_id;
        let (mut told, mut shared) = (Vec::with_capacity(numbers.len()), Vec::new());
        let mut refused = usize::MAX;
        cache.hits(namespace, &wanted, |place, hit| {
            let (number, key) = (numbers[place], wanted[place].key);
            let bytes = convert::bytes_of_hit(key, &hit);
            if !results.promise(bytes) {
                refused = refused.min(number);
                return false;
            }
            told.push(place);
            match hit.value {
                Value::Here(_) => results.hit(id(number), (key, bytes), hit),
                // Not while anything is locked: it may be held smaller.
                Value::Shared(value) => {
                    let hit = Hit { value: Value::Shared(value), as_of: hit.as_of, facts: hit.facts };
                    shared.push((number, (key, bytes), hit));
                }
            }
            true
        });
        for (number, about, hit) in shared {
            results.hit(id(number), about, hit);
        }
        let hits = told.len() as u64;
        told.iter().for_each(|place| answered[numbers[*place]] = true);
        rpcs.record_hits((namespace, told.iter().map(|place| wanted[*place].key)), (call, started), hits);
        Pass { hits, refused }
    }
}
