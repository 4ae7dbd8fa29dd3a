//! Histories made by hand, in milliseconds, for the validators' own tests.

use crate::{
    clock::milliseconds,
    load::History,
    record::{
        Answer, Call, Condition, Found, Get, Got, Granted, Invalidate, Line, Miss, Operation, Outcome, Put, Run, Seen,
        Selects, Written,
    },
};

/// The key they are about.
pub(super) const KEY: &str = "g0/k0";

/// A history of these calls; leases last for a second.
pub(super) fn history(operations: impl IntoIterator<Item = Operation>) -> History {
    let run = Run { lease_ms: 1_000, ..Run::default() };
    let ended =
        operations.into_iter().zip(1..).map(|(operation, number)| Line::Ended(Operation { number, ..operation }));
    History::from_lines(std::iter::once(Line::Run(run)).chain(ended))
}

/// A call from one millisecond to another.
pub(super) fn call((start, end): (u64, u64), call: Call, answer: Answer) -> Operation {
    let (start, end) = (milliseconds(start), Some(milliseconds(end)));
    Operation { client: format!("0.0.{start}"), number: 0, start, end, call, answer }
}

fn get(key: &str, miss: Miss) -> Call {
    Call::Get(Get { key: key.to_owned(), miss, ..Get::default() })
}

/// Somebody got the lease.
pub(super) fn granted(at: (u64, u64), token: &str) -> Operation {
    let lease = Some(Granted { token: token.to_owned(), lasts_ms: 1_000 });
    call(at, get(KEY, Miss::Lease), Answer::Got(Got { found: Found::Miss, lease }))
}

/// Somebody asked for the lease, waiting for so long, and found that.
pub(super) fn waited(at: (u64, u64), wait: u64, found: Found) -> Operation {
    call(at, get(KEY, Miss::Wait(wait)), Answer::Got(Got { found, lease: None }))
}

/// What computation made from a version of the truth.
pub(super) fn written(computation: &str, truth: u64) -> Written {
    Written {
        truth,
        computation: computation.to_owned(),
        size: 9,
        sum: format!("sum of {computation}"),
        ttl_ms: 60_000,
        stale_ms: 0,
    }
}

/// A Put, under a lease when one is named.
pub(super) fn put(at: (u64, u64), token: Option<&str>, computation: &str, outcome: Outcome) -> Operation {
    let put = Put {
        key: KEY.to_owned(),
        written: written(computation, at.0),
        token: token.map(str::to_owned),
        condition: Condition::Always,
    };
    call(at, Call::Put(put), Answer::Put { outcome, at: None })
}

/// What is read of a computation.
pub(super) fn seen(computation: &str, truth: u64) -> Seen {
    let Written { sum, size, .. } = written(computation, truth);
    Seen { key: KEY.to_owned(), truth, computation: computation.to_owned(), size, sum: sum.clone(), sum_read: sum }
}

/// A Get that found that.
pub(super) fn read(at: (u64, u64), found: Found) -> Operation {
    call(at, get(KEY, Miss::Report), Answer::Got(Got { found, lease: None }))
}

/// An Invalidate that was answered.
pub(super) fn invalidated(at: (u64, u64), selector: Selects, truth: u64) -> Operation {
    let call_made =
        Call::Invalidate(Invalidate { selectors: vec![selector], cascade: true, truth, ..Invalidate::default() });
    call(at, call_made, Answer::Invalidated { at: Vec::new() })
}
