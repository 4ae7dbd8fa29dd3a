//! Nothing older than what was acknowledged.

use std::collections::{BTreeSet, HashMap};

use super::{Judged, time};
use crate::{
    clock::milliseconds,
    load::History,
    record::{Answer, Call, Fault, FaultKind, Found, Got, Operation},
    universe::{self, Concern},
};

/// How long a message travels at most on a machine that has more to do.
const TRAVELS: u64 = milliseconds(500);

/// What invalidations that had been answered by some moment forbid.
#[derive(Clone, Copy, Default)]
struct Floor {
    answered: u64,
    /// Computed under a lease from an older version than this.
    truth: u64,
    /// There before this moment.
    there: u64,
}

/// What a Get was given: a failure has no tags, and what is stale may have been marked so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Fresh,
    Stale,
    Failure,
}

/// A Get that began after an Invalidate was answered returns nothing that was computed under a lease from an older truth
/// than the Invalidate's, and nothing that was there, or was read by anyone, before the Invalidate began.
/// What was only marked stale is served as stale to who accepts that, and never as fresh.
pub(super) fn nothing_older_than_acknowledged(history: &History) -> Judged {
    older(history, |get_is_near| !get_is_near, |_| 0)
}

/// The same of what a near cache served from its own process, which may be behind by the silence that it allows, and by
/// the time a message travels.
pub(super) fn near_within_bound(history: &History) -> Judged {
    let bound = milliseconds(history.run.near_ms) + TRAVELS;
    let behind = |operation: &Operation| {
        let from = operation.start.saturating_sub(2 * bound);
        bound + history.excused(from, operation.start) + delayed(history, operation, from)
    };
    older(history, |get_is_near| get_is_near, behind)
}

/// For how long what the server sent to this client was delayed on purpose, since that moment.
fn delayed(history: &History, operation: &Operation, from: u64) -> u64 {
    let process = operation.client.split('.').next().and_then(|process| process.parse().ok());
    let hits = |fault: &&Fault| fault.kind == FaultKind::Delay && fault.process == process;
    let overlaps = history.faults.iter().filter(hits).filter(|fault| fault.to >= from && fault.from <= operation.start);
    overlaps.map(|fault| fault.to - fault.from).sum()
}

fn older(history: &History, judges: impl Fn(bool) -> bool, behind: impl Fn(&Operation) -> u64) -> Judged {
    let known = Known::of(history);
    let mut floors: HashMap<(&str, Kind), Vec<Floor>> = HashMap::new();
    let mut judged = Judged::default();
    for operation in &history.operations {
        let (Call::Get(get), Some(seen)) = (&operation.call, operation.seen()) else { continue };
        if !judges(get.near) || universe::is_register(&get.key) {
            continue;
        }
        let kind = match operation.answer {
            Answer::Got(Got { found: Found::Negative(_), .. }) => Kind::Failure,
            Answer::Got(Got { found: Found::Stale(_), .. }) => Kind::Stale,
            _ => Kind::Fresh,
        };
        let floors = floors.entry((&get.key, kind)).or_insert_with(|| floors_of(history, &get.key, kind));
        let behind = behind(operation);
        let before = floors.partition_point(|floor| floor.answered + behind < operation.start);
        let Some(floor) = before.checked_sub(1).map(|index| floors[index]) else { continue };
        let too_old = known.leased.contains(seen.computation.as_str()) && seen.truth < floor.truth;
        let was_there = known.there.get(seen.computation.as_str()).is_some_and(|there| *there < floor.there);
        let violation = || {
            format!(
                "{}: at {} {} got {} of truth {}, {} an Invalidate that had been answered (truth {})",
                get.key,
                time(history, operation.start),
                operation.client,
                seen.computation,
                seen.truth,
                if too_old { "computed before" } else { "which was there before" },
                floor.truth,
            )
        };
        judged.fact((too_old || was_there).then(violation));
    }
    judged
}

/// What is known of computations.
struct Known<'a> {
    /// Those whose values are refused when an Invalidate came between.
    leased: BTreeSet<&'a str>,
    /// The earliest moment by which each surely was in the cache.
    there: HashMap<&'a str, u64>,
}

impl<'a> Known<'a> {
    fn of(history: &'a History) -> Self {
        let mut known = Self { leased: BTreeSet::new(), there: HashMap::new() };
        for operation in &history.operations {
            let written = operation.written().map(|written| written.computation.as_str());
            let plain = matches!(&operation.call, Call::Put(put) if put.token.is_none());
            known.leased.extend(written.filter(|_| !plain));
            if let Some(written) = written.filter(|_| operation.stored()) {
                known.is_there(written, operation.end);
            }
            if let Some(seen) = operation.seen() {
                known.is_there(&seen.computation, operation.end);
            }
        }
        known
    }

    fn is_there(&mut self, computation: &'a str, by: Option<u64>) {
        let Some(by) = by else { return };
        let there = self.there.entry(computation).or_insert(by);
        *there = by.min(*there);
    }
}

/// In the order in which invalidations of the key were answered: what all up to there forbid.
fn floors_of(history: &History, key: &str, kind: Kind) -> Vec<Floor> {
    let answered = history.operations.iter().filter(|operation| matches!(operation.answer, Answer::Invalidated { .. }));
    let mut floors: Vec<Floor> = answered.filter_map(|operation| floor(operation, key, kind)).collect();
    floors.sort_by_key(|floor| floor.answered);
    let mut all = Floor::default();
    for floor in &mut floors {
        all.truth = all.truth.max(floor.truth);
        all.there = all.there.max(floor.there);
        *floor = Floor { answered: floor.answered, ..all };
    }
    floors
}

fn floor(operation: &Operation, key: &str, kind: Kind) -> Option<Floor> {
    let Call::Invalidate(call) = &operation.call else { return None };
    let answered = operation.end?;
    if call.mark_stale && kind == Kind::Stale {
        return None;
    }
    match universe::concern(call, key) {
        Concern::Selected | Concern::Follows => Some(Floor { answered, truth: call.truth, there: operation.start }),
        Concern::Maybe | Concern::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::example::{KEY, history, invalidated, put, read, seen},
        *,
    };
    use crate::record::{Outcome, Selects};

    fn found(operations: impl IntoIterator<Item = Operation>) -> usize {
        nothing_older_than_acknowledged(&history(operations)).violations.len()
    }

    fn dropped(at: (u64, u64)) -> Operation {
        invalidated(at, Selects::Tag("t0".into()), 100)
    }

    #[test]
    fn what_was_computed_before_an_invalidate_is_found() {
        let late = || put((50, 60), Some("a"), "c", Outcome::Stored);
        let old = read((70, 80), Found::Fresh(seen("c", 50)));
        assert_eq!(found([dropped((10, 20)), late(), old.clone()]), 1);
        assert_eq!(found([dropped((10, 75)), late(), old]), 0, "it was not answered yet");
        let right = read((70, 80), Found::Fresh(seen("c", 100)));
        assert_eq!(found([dropped((10, 20)), late(), right]), 0);
    }

    #[test]
    fn what_was_there_before_an_invalidate_is_found() {
        let plain = || put((0, 5), None, "c", Outcome::Stored);
        let old = || read((70, 80), Found::Fresh(seen("c", 0)));
        assert_eq!(found([plain(), dropped((10, 20)), old()]), 1);
        assert_eq!(
            found([put((12, 15), None, "c", Outcome::Stored), dropped((10, 20)), old()]),
            0,
            "it may have come after"
        );
        let unknown = Operation { answer: Answer::Unknown, ..plain() };
        assert_eq!(found([unknown.clone(), dropped((10, 20)), old()]), 0);
        let read_early = read((6, 8), Found::Fresh(seen("c", 0)));
        assert_eq!(found([unknown, read_early, dropped((10, 20)), old()]), 1);
    }

    #[test]
    fn what_was_marked_stale_and_is_served_as_fresh_is_found() {
        let marked = |at| {
            let operation = dropped(at);
            let Call::Invalidate(call) = operation.call.clone() else { panic!("it is an Invalidate") };
            let call = Call::Invalidate(crate::record::Invalidate { mark_stale: true, ..call });
            Operation { call, ..operation }
        };
        let judge = |invalidate, found: fn(crate::record::Seen) -> Found| {
            let read = read((70, 80), found(seen("c", 0)));
            self::found([put((0, 5), None, "c", Outcome::Stored), invalidate, read])
        };
        assert_eq!((judge(marked((10, 20)), Found::Stale), judge(marked((10, 20)), Found::Fresh)), (0, 1));
        assert_eq!(judge(dropped((10, 20)), Found::Stale), 1);
    }

    #[test]
    fn a_near_cache_beyond_its_bound_is_found() {
        let near = |start: u64| {
            let operation = read((start, start + 1), Found::Fresh(seen("c", 0)));
            let Call::Get(get) = operation.call.clone() else { panic!("it is a Get of {KEY}") };
            Operation { call: Call::Get(crate::record::Get { near: true, ..get }), ..operation }
        };
        let judge = |start| {
            let mut history = history([put((0, 5), None, "c", Outcome::Stored), dropped((10, 20)), near(start)]);
            history.run.near_ms = 3_000;
            assert_eq!(nothing_older_than_acknowledged(&history).checked, 0);
            near_within_bound(&history).violations.len()
        };
        assert_eq!((judge(3_000), judge(4_100)), (0, 1));
    }
}
