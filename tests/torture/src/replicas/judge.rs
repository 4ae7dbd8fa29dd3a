//! What must hold of what clients of several replicas saw. A validator says that something is wrong only when no moment
//! within each call would explain it.

use std::{collections::HashMap, time::Duration};

use serde::Serialize;

use super::record::{Change, Computed, Event, Fault, History, How, Read, Span, Told};
use crate::{
    clock::{nanoseconds, quantile},
    wire::TAGS,
};

/// How long a replica may not have heard of what another acknowledged, unless it says that it is cut off: what the service
/// states.
pub const BOUND: Duration = Duration::from_secs(3);
/// What clients, watchers and a replica that goes on may need besides on a machine that is busy.
const SLACK: Duration = Duration::from_secs(2);

/// Reads that are told of in words at most.
const SAID_MAX: usize = 20;

/// What came of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Changes that were acknowledged.
    pub invalidations: u64,
    /// Reads that found what the replica they asked had acknowledged to be invalid before, or that asked for a state in
    /// which it was.
    pub stale_same: u64,
    /// Reads that found what another replica had acknowledged to be invalid longer ago than the bound, in an answer that
    /// does not say that its replica is cut off.
    pub stale_other_after_bound: u64,
    /// Half of the changes were seen on another replica within this time.
    pub lag_p50_ms: f64,
    /// 99 of 100.
    pub lag_p99_ms: f64,
    /// All of them.
    pub lag_max_ms: f64,
    /// Reads that were judged.
    #[serde(skip)]
    pub reads: u64,
    /// Reads that found what another replica had acknowledged to be invalid, within the bound or said to be cut off.
    #[serde(skip)]
    pub stale_other: u64,
    /// Values that were computed under leases and stored.
    #[serde(skip)]
    pub computed: u64,
    /// Values that were computed twice although nothing had changed and nothing was broken.
    #[serde(skip)]
    pub computed_twice: u64,
    /// Changes that watchers of other replicas were not told of in time.
    #[serde(skip)]
    pub untold: u64,
    /// What was broken, so often.
    #[serde(skip)]
    pub faults: u64,
    /// What was found, in words.
    #[serde(skip)]
    pub said: Vec<String>,
}

impl Report {
    /// Judges a history.
    #[must_use]
    pub fn of(history: &History) -> Self {
        let mut report = Self {
            invalidations: count(history.changes.iter().filter(|change| change.acknowledged)),
            reads: count(history.reads.iter()),
            computed: count(history.computed.iter()),
            faults: count(history.faults.iter()),
            ..Self::default()
        };
        report.judge_reads(history);
        report.judge_computations(history);
        report.judge_watchers(history);
        let mut lags = history.lags.clone();
        let mut lag = |part| (quantile(&mut lags, part) * 1000.0).round() / 1000.0;
        (report.lag_p50_ms, report.lag_p99_ms, report.lag_max_ms) = (lag(0.5), lag(0.99), lag(1.0));
        report
    }

    /// Whether everything holds, and there was something of everything to judge.
    #[must_use]
    pub fn good(&self) -> bool {
        let wrong = self.stale_same + self.stale_other_after_bound + self.computed_twice + self.untold;
        wrong == 0 && self.missing().is_none()
    }

    /// Of what there was nothing to judge.
    #[must_use]
    pub fn missing(&self) -> Option<&'static str> {
        let had = [(self.invalidations, "invalidations"), (self.reads, "reads"), (self.computed, "computations")];
        had.into_iter().find(|(count, _)| *count == 0).map(|(_, what)| what)
    }

    fn judge_reads(&mut self, history: &History) {
        let mut changes: HashMap<u32, Vec<&Change>> = HashMap::new();
        for change in &history.changes {
            changes.entry(change.key).or_default().push(change);
        }
        for read in &history.reads {
            let of_key = changes.get(&read.key).map(Vec::as_slice).unwrap_or_default();
            // What was not acknowledged may come later than what came after it.
            let late = of_key.iter().any(|one| one.truth == read.truth && one.how == How::Put && !one.acknowledged);
            if !late {
                self.judge_read(read, of_key);
            }
        }
    }

    fn judge_read(&mut self, read: &Read, changes: &[&Change]) {
        let broken = |change: &&&Change| change.acknowledged && change.truth > read.truth;
        let before = |change: &&&Change| change.span.to < read.span.from;
        let overtaken = || changes.iter().filter(broken);
        let promised = overtaken().filter(before).find(|change| change.replica == read.replica);
        let asked = overtaken().find(|change| read.positioned.is_some_and(|truth| truth >= change.truth));
        if let Some(change) = promised.or(asked) {
            self.stale_same += 1;
            self.say(read, change, "acknowledged there, or asked for by its position");
            return;
        }
        let others = || overtaken().filter(before).filter(|change| change.told && change.replica != read.replica);
        self.stale_other += u64::from(others().next().is_some());
        let bound = nanoseconds(BOUND);
        let late = others().find(|change| change.span.to + bound < read.span.from);
        if let Some(change) = late.filter(|_| !read.degraded) {
            self.stale_other_after_bound += 1;
            self.say(read, change, "acknowledged by another longer ago than the bound");
        }
    }

    fn say(&mut self, read: &Read, change: &Change, why: &str) {
        if self.said.len() >= SAID_MAX {
            return;
        }
        let ago = Duration::from_nanos(read.span.from.saturating_sub(change.span.to));
        self.said.push(format!(
            "replica {} served key {} as of {} although {:?} at replica {} made it {} {ago:?} before: {why}",
            read.replica, read.key, read.truth, change.how, change.replica, change.truth
        ));
    }

    /// Two computations from one truth: wrong where nothing was broken meanwhile nor shortly before, and nothing that the first
    /// replica may not have heard of when it gave the lease: what is computed then is taken for older than it is.
    fn judge_computations(&mut self, history: &History) {
        let mut by_truth: HashMap<(u32, u64), Vec<&Computed>> = HashMap::new();
        for one in &history.computed {
            by_truth.entry((one.key, one.truth)).or_default().push(one);
        }
        let calm = nanoseconds(BOUND + SLACK);
        for ((key, truth), mut twice) in by_truth.into_iter().filter(|(_, all)| all.len() > 1) {
            twice.sort_by_key(|one| one.span.from);
            let around = Span {
                from: twice[0].span.from.saturating_sub(calm),
                to: twice.iter().map(|one| one.span.to).max().unwrap_or_default(),
            };
            let whole = Span { from: twice[0].span.from, ..around };
            let unheard = Span { from: whole.from.saturating_sub(nanoseconds(BOUND)), ..whole };
            let broken = history.faults.iter().any(|fault| overlap(fault.span, around));
            let changing = |change: &Change| change.key == key && overlap(change.span, unheard);
            if !broken && !history.changes.iter().any(changing) {
                self.computed_twice += 1;
                let when = |span: Span| [span.from, span.to].map(|at| at.saturating_sub(whole.from) / 1_000_000);
                let who: Vec<_> = twice.iter().map(|one| (one.replica, when(one.span))).collect();
                self.said.push(format!("key {key} was computed from truth {truth} by (replica, [ms, ms]) {who:?}"));
            }
        }
    }

    /// Every acknowledged change is told to the watchers of all replicas, later where something was broken.
    fn judge_watchers(&mut self, history: &History) {
        let mut told: HashMap<usize, Vec<&Told>> = HashMap::new();
        for one in &history.told {
            told.entry(one.replica).or_default().push(one);
        }
        for (replica, told) in &told {
            let Some(began) = told.first().map(|one| one.at) else { continue };
            let last = told.last().map_or(0, |one| one.at);
            let untold = history.changes.iter().filter(|change| {
                let until = deadline(&history.faults, change, *replica);
                let tells = |one: &&Told| one.at >= change.span.from && one.at <= until && concerns(one.what, change);
                change.told && change.span.from > began && until < last && !told.iter().any(tells)
            });
            for change in untold {
                self.untold += 1;
                self.said.push(format!(
                    "a watcher of replica {replica} was not told of {:?} of key {} at replica {}",
                    change.how, change.key, change.replica
                ));
            }
        }
    }
}

/// Until when a watcher of this replica has to be told.
fn deadline(faults: &[Fault], change: &Change, replica: usize) -> u64 {
    let bound = nanoseconds(BOUND + SLACK);
    let mut until = change.span.to + bound;
    // Faults are in order, so one that the last has made relevant is seen after it.
    for fault in faults.iter().filter(|fault| fault.replica == replica || fault.replica == change.replica) {
        if fault.span.from <= until && fault.span.to >= change.span.from {
            until = until.max(fault.span.to + bound);
        }
    }
    until
}

fn concerns(event: Event, change: &Change) -> bool {
    match event {
        Event::Began => false,
        Event::Key(key) => key == change.key,
        Event::Tag(tag) => change.key % TAGS == tag,
        Event::Anything => true,
    }
}

fn overlap(one: Span, other: Span) -> bool {
    one.from <= other.to && other.from <= one.to
}

fn count<T>(all: impl Iterator<Item = T>) -> u64 {
    u64::try_from(all.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn seconds(from: u64, to: u64) -> Span {
        Span { from: from * SECOND, to: to * SECOND }
    }

    fn change(replica: usize, truth: u64, span: Span) -> Change {
        Change { key: 1, truth, how: How::Key, replica, span, acknowledged: true, told: true }
    }

    fn read(replica: usize, truth: u64, span: Span) -> Read {
        Read { key: 1, replica, span, truth, degraded: false, positioned: None }
    }

    fn judged(changes: Vec<Change>, reads: Vec<Read>, faults: Vec<Fault>) -> Report {
        Report::of(&History { changes, reads, faults, ..History::default() })
    }

    #[test]
    fn what_a_replica_acknowledged_it_serves_never_again() {
        let changes = vec![change(0, 5, seconds(1, 2))];
        assert_eq!(judged(changes.clone(), vec![read(0, 4, seconds(3, 4))], vec![]).stale_same, 1);
        assert_eq!(judged(changes.clone(), vec![read(0, 5, seconds(3, 4))], vec![]).stale_same, 0);
        // It began before the answer: it may have been read before.
        assert_eq!(judged(changes.clone(), vec![read(0, 4, seconds(1, 4))], vec![]).stale_same, 0);
        let degraded = Read { degraded: true, ..read(0, 4, seconds(3, 4)) };
        assert_eq!(judged(changes.clone(), vec![degraded], vec![]).stale_same, 1);
        let positioned = Read { positioned: Some(5), ..read(1, 4, seconds(2, 3)) };
        assert_eq!(judged(changes, vec![positioned], vec![]).stale_same, 1);
    }

    #[test]
    fn another_replica_has_the_bound_to_hear_of_it() {
        let changes = vec![change(0, 5, seconds(1, 2))];
        let at = |span| judged(changes.clone(), vec![read(1, 4, span)], vec![]);
        assert_eq!((at(seconds(4, 9)).stale_other_after_bound, at(seconds(4, 9)).stale_other), (0, 1));
        assert_eq!(at(seconds(6, 7)).stale_other_after_bound, 1);
        let said = Read { degraded: true, ..read(1, 4, seconds(6, 7)) };
        assert_eq!(judged(changes, vec![said], vec![]).stale_other_after_bound, 0);
    }

    #[test]
    fn a_change_nobody_acknowledged_promises_nothing_and_may_come_late() {
        let failed = Change { acknowledged: false, how: How::Put, ..change(0, 5, seconds(1, 2)) };
        let later = change(0, 6, seconds(3, 4));
        let report = judged(vec![failed, later], vec![read(0, 5, seconds(8, 9))], vec![]);
        assert_eq!((report.stale_same, report.invalidations), (0, 1));
    }

    #[test]
    fn a_put_that_the_others_were_not_told_of_is_promised_only_there() {
        let put = Change { how: How::Put, told: false, ..change(0, 5, seconds(1, 2)) };
        let stale = |put, replica| {
            let report = judged(vec![put], vec![read(replica, 4, seconds(8, 9))], vec![]);
            (report.stale_same, report.stale_other_after_bound)
        };
        assert_eq!((stale(put, 0), stale(put, 1)), ((1, 0), (0, 0)));
        assert_eq!(stale(Change { told: true, ..put }, 1), (0, 1));
    }

    #[test]
    fn two_computations_from_one_truth_are_one_too_many() {
        let twice = |faults, changes| {
            let one = |span| Computed { key: 1, truth: 4, replica: 0, span };
            let computed = vec![one(seconds(20, 21)), one(seconds(22, 23))];
            Report::of(&History { computed, faults, changes, ..History::default() }).computed_twice
        };
        assert_eq!(twice(vec![], vec![]), 1);
        assert_eq!(twice(vec![Fault { replica: 2, span: seconds(15, 16) }], vec![]), 0);
        assert_eq!(twice(vec![], vec![change(0, 5, seconds(21, 24))]), 0);
    }

    #[test]
    fn watchers_are_told_in_time_and_later_where_something_is_broken() {
        let told = |at, what| Told { replica: 1, at: at * SECOND, what };
        let judged = |what, at, faults| {
            let told = vec![told(0, Event::Began), told(at, what), told(60, Event::Key(9))];
            let changes = vec![change(0, 5, seconds(1, 2))];
            Report::of(&History { told, changes, faults, ..History::default() }).untold
        };
        assert_eq!(judged(Event::Key(1), 3, vec![]), 0);
        assert_eq!(judged(Event::Tag(1), 3, vec![]), 0);
        assert_eq!(judged(Event::Key(2), 3, vec![]), 1);
        assert_eq!(judged(Event::Key(1), 20, vec![]), 1);
        assert_eq!(judged(Event::Key(1), 20, vec![Fault { replica: 1, span: seconds(2, 18) }]), 0);
        assert_eq!(judged(Event::Anything, 4, vec![]), 0);
    }

    #[test]
    fn a_run_without_anything_to_judge_is_not_good() {
        assert_eq!(Report::of(&History::default()).missing(), Some("invalidations"));
        assert!(!Report::of(&History::default()).good());
    }
}
