//! Whoever waits for a lease is answered in time.

use std::collections::BTreeMap;

use super::{Judged, spans::Spans, time};
use crate::{
    clock::milliseconds,
    load::{History, acts_until},
    record::{Call, FaultKind, Get, Miss, Operation, Span},
    universe,
};

/// How much later than it must an answer may come on a machine that has more to do. What is known to have held things up
/// comes on top.
const MARGIN: u64 = milliseconds(1_500);

/// A Get that waits for a lease ends when its time is over at the latest; and before that, it never waits while nobody can
/// have the lease, not even when its holder was killed: a lease lapses.
pub(super) fn every_waiter_released_in_time(history: &History) -> Judged {
    let mut judged = Judged::default();
    let mut keys: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some(key) = operation.call.key().filter(|key| !universe::is_register(key)) {
            keys.entry(key).or_default().push(operation);
        }
    }
    for operations in keys.into_values() {
        let taken = Spans::new(operations.iter().filter_map(|operation| taken(history, operation)).collect());
        for operation in operations {
            if let (Call::Get(Get { miss: Miss::Wait(wait), .. }), Some(end)) = (&operation.call, operation.end)
                && !disturbed(history, operation)
            {
                judged.fact(late(history, operation, (*wait, end)));
                judged.fact(in_vain(history, operation, &taken));
            }
        }
    }
    judged
}

/// Whether the connection of this client was broken on purpose while it waited: the answer may have come late, or never.
fn disturbed(history: &History, operation: &Operation) -> bool {
    let process: Option<u32> = operation.client.split('.').next().and_then(|process| process.parse().ok());
    let end = operation.end.unwrap_or(u64::MAX);
    history.faults.iter().any(|fault| {
        let hits = fault.process.is_some() && fault.process == process;
        hits && fault.kind != FaultKind::Kill && fault.from <= end && fault.to >= operation.start
    })
}

fn late(history: &History, operation: &Operation, (wait, end): (u64, u64)) -> Option<String> {
    let took = end - operation.start;
    let most = milliseconds(wait) + MARGIN + history.excused(operation.start, end);
    let key = operation.call.key().unwrap_or_default();
    (took > most).then(|| {
        let from = time(history, operation.start);
        format!("{key}: {} waited from {from} for {} ms, {wait} ms at most", operation.client, took / 1_000_000)
    })
}

/// When somebody may have had the key's lease because of this call, or nobody might.
fn taken(history: &History, operation: &Operation) -> Option<(Span, ())> {
    let lasts = milliseconds(history.run.lease_ms);
    let asks = |get: &Get| get.miss != Miss::Report;
    let to = match &operation.call {
        Call::Get(get) if asks(get) && operation.granted().is_some() => operation.end? + lasts,
        Call::Get(get) if asks(get) && !operation.answered() => acts_until(operation) + lasts,
        Call::Extend { .. } => acts_until(operation) + lasts,
        Call::Release { hold_off_ms, .. } if *hold_off_ms > 0 => acts_until(operation) + milliseconds(*hold_off_ms),
        _ => return None,
    };
    Some((Span { from: operation.start, to }, ()))
}

fn in_vain(history: &History, operation: &Operation, taken: &Spans<()>) -> Option<String> {
    let end = operation.end?;
    let mut idle_from = operation.start;
    let mut spans: Vec<Span> =
        taken.touching(Span { from: operation.start, to: end }).map(|(span, ())| *span).collect();
    // Its own call says nothing about who held the lease before it got it.
    spans.retain(|span| span.from != operation.start);
    spans.push(Span { from: end, to: end });
    spans.sort_by_key(|span| span.from);
    for span in spans {
        let idle = span.from.saturating_sub(idle_from);
        if idle > MARGIN + history.excused(idle_from, span.from) {
            let key = operation.call.key().unwrap_or_default();
            let from = time(history, idle_from);
            let who = &operation.client;
            return Some(format!("{key}: {who} waited from {from} for {} ms for nobody", idle / 1_000_000));
        }
        idle_from = idle_from.max(span.to);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        super::example::{granted, history, seen, waited},
        *,
    };
    use crate::record::{Fault, Found};

    fn found(operations: impl IntoIterator<Item = Operation>) -> usize {
        every_waiter_released_in_time(&history(operations)).violations.len()
    }

    #[test]
    fn a_waiter_that_is_forgotten_is_found() {
        let holder = || granted((0, 10), "a");
        assert_eq!(found([holder(), waited((100, 1_200), 3_000, Found::Fresh(seen("c", 0)))]), 0);
        assert_eq!(found([holder(), waited((100, 2_700), 1_000, Found::Pending)]), 2, "too late, and for nobody");
    }

    #[test]
    fn a_lease_that_does_not_lapse_is_found() {
        let waiter = || waited((100, 2_900), 3_000, Found::Pending);
        assert_eq!(found([granted((0, 10), "a"), waiter()]), 1);
        assert_eq!(found([granted((0, 10), "a"), granted((900, 1_010), "b"), waiter()]), 0);
        let mut paused = history([granted((0, 10), "a"), waiter()]);
        let (from, to) = (milliseconds(1_000), milliseconds(2_000));
        paused.faults.push(Fault { kind: FaultKind::Pause, from, to, process: None });
        assert!(every_waiter_released_in_time(&paused).violations.is_empty());
    }
}
