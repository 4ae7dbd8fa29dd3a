//! One computation for each time in which a key is valid.

use std::collections::{BTreeMap, HashMap};

use super::{Judged, spans::Spans, time};
use crate::{
    clock::milliseconds,
    load::{History, acts_until},
    record::{Answer, Call, Found, Got, Operation, Outcome, Span},
    universe::{self, Concern},
};

/// A lease, and for how long it was surely held.
struct Held<'a> {
    token: &'a str,
    surely: Span,
}

/// All that concerns one key.
#[derive(Default)]
struct OfKey<'a> {
    operations: Vec<&'a Operation>,
    invalidates: Vec<&'a Operation>,
}

/// Of each key: no two leases are held at once, nothing is stored under a lease while another is held, and nobody is sent
/// to compute what is there, unless it ended, was invalidated or replaced, or the server was started again. A lease counts
/// as held from the moment its holder was told to the earliest moment at which anything may have ended it.
pub(super) fn one_computation_per_validity(history: &History) -> Judged {
    let mut judged = Judged::default();
    for (key, of_key) in by_key(history) {
        let held = held(history, &of_key);
        overlaps(history, key, &held, &mut judged);
        intruders(history, key, (&held, &of_key), &mut judged);
        lost(history, key, &of_key, &mut judged);
    }
    judged
}

fn by_key(history: &History) -> BTreeMap<&str, OfKey<'_>> {
    let mut keys: BTreeMap<&str, OfKey<'_>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some(key) = operation.call.key().filter(|key| !universe::is_register(key)) {
            keys.entry(key).or_default().operations.push(operation);
        }
    }
    for operation in &history.operations {
        let Call::Invalidate(call) = &operation.call else { continue };
        for (key, of_key) in &mut keys {
            if universe::concern(call, key) > Concern::None {
                of_key.invalidates.push(operation);
            }
        }
    }
    keys
}

fn whole(operation: &Operation) -> Span {
    Span { from: operation.start, to: acts_until(operation) }
}

fn restarts(history: &History) -> impl Iterator<Item = Span> + '_ {
    history.restarts()
}

/// What ends a lease that is not given by its token: other calls about the key, invalidations, a new server.
fn foreign_ends(history: &History, of_key: &OfKey<'_>) -> Spans<()> {
    let writes =
        of_key.operations.iter().filter(|operation| matches!(&operation.call, Call::Put(put) if put.token.is_none()));
    let spans = writes.chain(&of_key.invalidates).map(|operation| whole(operation));
    Spans::new(spans.chain(restarts(history)).map(|span| (span, ())).collect())
}

fn held<'a>(history: &History, of_key: &OfKey<'a>) -> Vec<Held<'a>> {
    let foreign = foreign_ends(history, of_key);
    let mut own: HashMap<&str, Vec<&Operation>> = HashMap::new();
    for operation in &of_key.operations {
        let token = match &operation.call {
            Call::Put(put) => put.token.as_deref(),
            Call::Extend { token, .. } | Call::Release { token, .. } => Some(token.as_str()),
            _ => None,
        };
        if let Some(token) = token {
            own.entry(token).or_default().push(operation);
        }
    }
    let mut held = Vec::new();
    for operation in &of_key.operations {
        let (Some(granted), Some(told)) = (operation.granted(), operation.end) else { continue };
        let lasts = milliseconds(granted.lasts_ms);
        let mut until = operation.start + lasts;
        for later in own.get(granted.token.as_str()).into_iter().flatten() {
            match (&later.call, &later.answer) {
                (Call::Extend { .. }, Answer::Lease { held: true }) => until = until.max(later.start + lasts),
                (Call::Extend { .. }, _) => {}
                _ => until = until.min(later.start),
            }
        }
        let ends = foreign.touching(Span { from: operation.start, to: until });
        until = ends.map(|(span, ())| span.from).fold(until, u64::min);
        if until > told {
            held.push(Held { token: &granted.token, surely: Span { from: told, to: until } });
        }
    }
    held.sort_by_key(|held| held.surely.from);
    held
}

fn overlaps(history: &History, key: &str, held: &[Held<'_>], judged: &mut Judged) {
    let mut longest: Option<&Held<'_>> = None;
    for one in held {
        let other = longest.filter(|other| other.surely.to > one.surely.from && other.token != one.token);
        judged.fact(other.map(|other| {
            let (from, to) = (time(history, one.surely.from), time(history, other.surely.to.min(one.surely.to)));
            format!("{key}: two leases are held from {from} to {to}: {} and {}", other.token, one.token)
        }));
        if longest.is_none_or(|longest| longest.surely.to < one.surely.to) {
            longest = Some(one);
        }
    }
}

/// What is stored under one lease while another is held.
fn intruders(history: &History, key: &str, (held, of_key): (&[Held<'_>], &OfKey<'_>), judged: &mut Judged) {
    let spans = Spans::new(held.iter().map(|held| (held.surely, held.token)).collect());
    for operation in &of_key.operations {
        let Call::Put(put) = &operation.call else { continue };
        let Answer::Put { outcome: Outcome::Stored, .. } = operation.answer else { continue };
        let (Some(token), Some(end)) = (put.token.as_deref(), operation.end) else { continue };
        let around = |span: Span| span.from <= operation.start && end <= span.to;
        let mut touching = spans.touching(Span { from: operation.start, to: end });
        let other = touching.find(|(span, holder)| *holder != token && around(*span));
        judged.fact(other.map(|(_, holder)| {
            format!("{key}: stored under {token} at {} while {holder} was held", time(history, operation.start))
        }));
    }
}

/// Those who were told that there is nothing, although something was stored and nothing can have ended it.
fn lost(history: &History, key: &str, of_key: &OfKey<'_>, judged: &mut Judged) {
    let writes = of_key.operations.iter().filter(|operation| operation.written().is_some());
    let mut ends: Vec<(Span, Option<u64>)> =
        writes.clone().map(|operation| (whole(operation), operation.end)).collect();
    ends.extend(of_key.invalidates.iter().map(|operation| (whole(operation), None)));
    ends.extend(restarts(history).map(|span| (span, None)));
    let ends = Spans::new(ends);
    let mut stored: Vec<(u64, &Operation)> = writes
        .filter(|operation| operation.stored())
        .filter_map(|operation| Some((operation.end?, *operation)))
        .collect();
    stored.sort_by_key(|(end, _)| *end);
    for operation in &of_key.operations {
        let (Call::Get(get), Answer::Got(Got { found: Found::Miss, .. }), Some(end)) =
            (&operation.call, &operation.answer, operation.end)
        else {
            continue;
        };
        let before = stored.partition_point(|(end, _)| *end < operation.start);
        let Some((_, last)) = before.checked_sub(1).and_then(|index| stored.get(index)) else { continue };
        let ttl = last.written().map_or(0, |written| milliseconds(written.ttl_ms));
        if get.young || get.near || end >= last.start + ttl {
            continue;
        }
        let since = Span { from: last.start, to: end };
        let ended = ends.touching(since).any(|(span, _)| *span != whole(last));
        let violation = format!(
            "{key}: nothing was found at {} although it had been stored at {} by {} and nothing ended it",
            time(history, operation.start),
            time(history, last.start),
            last.client,
        );
        judged.fact((!ended).then_some(violation));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::example::{KEY, granted, history, invalidated, put, read},
        *,
    };
    use crate::record::{Fault, FaultKind, Selects};

    fn found(operations: impl IntoIterator<Item = Operation>) -> usize {
        one_computation_per_validity(&history(operations)).violations.len()
    }

    fn dropped(at: (u64, u64)) -> Operation {
        invalidated(at, Selects::Key(KEY.into()), 1)
    }

    #[test]
    fn two_holders_at_once_are_found() {
        assert_eq!(found([granted((0, 10), "a"), granted((500, 510), "b")]), 1);
        assert_eq!(found([granted((0, 10), "a"), granted((1_001, 1_010), "b")]), 0, "it may have lapsed");
        assert_eq!(found([granted((0, 10), "a"), dropped((20, 30)), granted((500, 510), "b")]), 0);
        let release = Call::Release { key: KEY.into(), token: "a".into(), failure: None, hold_off_ms: 0 };
        let released = super::super::example::call((20, 30), release, Answer::Lease { held: true });
        assert_eq!(found([granted((0, 10), "a"), released, granted((500, 510), "b")]), 0);
    }

    #[test]
    fn a_second_holder_of_a_lease_that_was_extended_is_found() {
        let extend = Call::Extend { key: KEY.into(), token: "a".into() };
        let extended = super::super::example::call((900, 910), extend, Answer::Lease { held: true });
        assert_eq!(found([granted((0, 10), "a"), extended, granted((1_500, 1_510), "b")]), 1);
    }

    #[test]
    fn a_write_past_the_holder_is_found() {
        let intruder = put((500, 510), Some("old"), "c", Outcome::Stored);
        assert_eq!(found([granted((0, 10), "a"), intruder]), 1);
        let refused = put((500, 510), Some("old"), "c", Outcome::LeaseLost);
        assert_eq!(found([granted((0, 10), "a"), refused]), 0);
    }

    #[test]
    fn a_second_computation_of_what_is_there_is_found() {
        let stored = || put((20, 30), Some("a"), "c", Outcome::Stored);
        assert_eq!(found([granted((0, 10), "a"), stored(), granted((500, 510), "b")]), 1);
        assert_eq!(found([granted((0, 10), "a"), stored(), read((500, 510), Found::Miss)]), 1);
        assert_eq!(found([granted((0, 10), "a"), stored(), dropped((40, 50)), granted((500, 510), "b")]), 0);
        assert_eq!(found([granted((0, 10), "a"), stored(), granted((60_100, 60_110), "b")]), 0, "it has expired");
        let mut restarted = history([granted((0, 10), "a"), stored(), granted((500, 510), "b")]);
        let (from, to) = (milliseconds(100), milliseconds(200));
        restarted.faults.push(Fault { kind: FaultKind::Restart, from, to, process: None });
        assert!(one_computation_per_validity(&restarted).violations.is_empty());
    }
}
