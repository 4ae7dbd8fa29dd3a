//! How far one log of the fleet is applied here: a contiguous prefix, what is known beyond it, and for how long something
//! between is missing. What a change means, and how one is fetched, is not known here.

use std::{collections::BTreeSet, time::Duration};

use crate::{clock::Moment, position::Position, tier::shared::LogNow};

/// Changes beyond a gap that are remembered as applied; what is beyond them is fetched again with the gap.
const AHEAD_MAX: usize = 1024;

/// One log of the fleet as this replica knows it.
#[derive(Debug, Default)]
pub struct Tracker {
    known: Option<Known>,
    /// Since when.
    known_since: Moment,
    applied: u64,
    /// Applied, but not everything before them.
    ahead: BTreeSet<u64>,
    /// The newest change that was heard of.
    seen: u64,
    gap_since: Option<Moment>,
    /// How often the log was lost: what was sent before is of no use after.
    turn: u64,
    own_in_flight: u32,
}

/// Which history of which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    run: u64,
    epoch: u64,
}

/// Where a log was when a call was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    turn: u64,
    /// Where it was; `None`: not known.
    pub at: Option<Position>,
    /// The newest change that had been heard of, applied or not.
    highest: u64,
}

/// What a change that was heard of is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Applied before.
    Known,
    /// To be applied.
    New,
    /// Of another history: to be applied, and the log is not what it was.
    Foreign,
}

/// What an answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is of the history that is known, and not older than what was heard of: what is noted beyond a gap counts, or a
    /// history that lost it again would look like one that has not got there yet.
    Good,
    /// The log was lost since it was asked, or is not known: of no use.
    Outdated,
    /// Another history, another process, or older than what is applied: the log has to be taken up anew.
    Broken,
}

impl Tracker {
    /// Where the log is now, for a call that is sent next.
    #[must_use]
    pub fn sent(&self) -> Sent {
        Sent { turn: self.turn, at: self.position(), highest: self.seen.max(self.applied) }
    }

    /// Up to where everything is applied; `None`: the log is not known.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.known.map(|known| Position { epoch: known.epoch, number: self.applied })
    }

    /// For how long the history that is known has been.
    #[must_use]
    pub fn known_for(&self, now: Moment) -> Option<Duration> {
        self.known.map(|_| now.since(self.known_since))
    }

    /// Whether everything up to a place is applied; `None`: that is a place in another history.
    #[must_use]
    pub fn reached(&self, place: Position) -> Option<bool> {
        let known = self.known?;
        (known.epoch == place.epoch).then_some(self.applied >= place.number)
    }

    /// What a change is that was just heard of. A gap begins here when it is not the next one.
    pub fn hear(&mut self, position: Position, now: Moment) -> Heard {
        let foreign = self.known.is_some_and(|known| known.epoch != position.epoch);
        if foreign {
            return Heard::Foreign;
        }
        if self.known.is_some() && (position.number <= self.applied || self.ahead.contains(&position.number)) {
            return Heard::Known;
        }
        self.seen = self.seen.max(position.number);
        self.gap(now, false);
        Heard::New
    }

    /// A change was applied.
    pub fn note(&mut self, position: Position, now: Moment) {
        self.seen = self.seen.max(position.number);
        if self.known.is_none_or(|known| known.epoch != position.epoch) || position.number <= self.applied {
            return;
        }
        let before = self.applied;
        if position.number == self.applied + 1 {
            self.applied += 1;
            while self.ahead.remove(&(self.applied + 1)) {
                self.applied += 1;
            }
        } else if self.ahead.len() < AHEAD_MAX {
            self.ahead.insert(position.number);
        }
        self.gap(now, self.applied > before);
    }

    /// Everything up to a place is applied that an answer told.
    pub fn advance(&mut self, sent: Sent, to: Position, now: Moment) {
        if self.turn != sent.turn || self.known.is_none_or(|known| known.epoch != to.epoch) {
            return;
        }
        if to.number > self.applied {
            self.applied = to.number;
            self.ahead = self.ahead.split_off(&(to.number + 1));
            while self.ahead.remove(&(self.applied + 1)) {
                self.applied += 1;
            }
        }
        self.seen = self.seen.max(self.applied);
        self.gap(now, true);
    }

    fn gap(&mut self, now: Moment, moved: bool) {
        if self.seen <= self.applied || self.known.is_none() {
            self.gap_since = None;
        } else if moved || self.gap_since.is_none() {
            self.gap_since = Some(now);
        }
    }

    /// For how long something has been missing. What this replica itself has on its way may be what is missing: it gets
    /// `grace` more.
    #[must_use]
    pub fn missing_for(&self, now: Moment, grace: Duration) -> Option<Duration> {
        let age = now.since(self.gap_since?);
        if self.own_in_flight == 0 { Some(age) } else { age.checked_sub(grace) }
    }

    /// A change of this replica is on its way.
    pub fn begin(&mut self) {
        self.own_in_flight += 1;
    }

    /// It is not any more.
    pub fn end(&mut self) {
        self.own_in_flight = self.own_in_flight.saturating_sub(1);
    }

    /// What an answer is good for that was asked for then.
    #[must_use]
    pub fn check(&self, sent: Sent, now: &LogNow) -> Verdict {
        let (Some(known), true, Some(_)) = (self.known, self.turn == sent.turn, sent.at) else {
            return Verdict::Outdated;
        };
        let same = known == Known { run: now.run, epoch: now.position.epoch };
        if same && now.position.number >= sent.highest { Verdict::Good } else { Verdict::Broken }
    }

    /// The log is not what it was: nothing is taken from it until it is taken up anew.
    pub fn lose(&mut self) {
        self.known = None;
        self.turn += 1;
        self.ahead.clear();
        self.seen = 0;
        self.gap_since = None;
    }

    /// Takes the log up where it is, unless it was lost again since `sent`. Whether it did.
    pub fn take(&mut self, sent: Sent, (run, position): (u64, Position), now: Moment) -> bool {
        if self.turn != sent.turn || self.known.is_some() {
            return false;
        }
        self.known = Some(Known { run, epoch: position.epoch });
        self.known_since = now;
        self.applied = position.number;
        self.gap(now, true);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{position::LogId, tier::shared::Since};

    const EPOCH: u64 = 7;

    fn at(number: u64) -> Position {
        Position { epoch: EPOCH, number }
    }

    fn now(run: u64, position: Position) -> LogNow {
        LogNow { log: LogId::SELECTOR, run, position, floor: 0, began: 0, since: Since::NotAsked }
    }

    fn known(number: u64) -> Tracker {
        let mut tracker = Tracker::default();
        assert!(tracker.take(tracker.sent(), (1, at(number)), Moment(0)));
        tracker
    }

    #[test]
    fn a_position_never_passes_what_is_missing() {
        let mut tracker = known(3);
        for number in [5, 6, 8] {
            assert_eq!(tracker.hear(at(number), Moment(10)), Heard::New);
            tracker.note(at(number), Moment(10));
        }
        assert_eq!(tracker.position(), Some(at(3)));
        assert_eq!(tracker.missing_for(Moment(25), Duration::ZERO), Some(Duration::from_nanos(15)));
        tracker.note(at(4), Moment(30));
        assert_eq!(tracker.position(), Some(at(6)));
        assert_eq!(tracker.missing_for(Moment(30), Duration::ZERO), Some(Duration::ZERO), "7 is missing since now");
        assert_eq!(tracker.hear(at(8), Moment(31)), Heard::Known);
        tracker.note(at(7), Moment(32));
        assert_eq!((tracker.position(), tracker.missing_for(Moment(99), Duration::ZERO)), (Some(at(8)), None));
    }

    #[test]
    fn an_answer_closes_the_gap_it_covers() {
        let mut tracker = known(0);
        let sent = tracker.sent();
        tracker.note(at(4), Moment(1));
        tracker.advance(sent, at(3), Moment(2));
        assert_eq!(tracker.position(), Some(at(4)));
    }

    #[test]
    fn answers_of_other_histories_processes_or_the_past_are_not_used() {
        let mut tracker = known(3);
        let sent = tracker.sent();
        assert_eq!(tracker.check(sent, &now(1, at(3))), Verdict::Good);
        assert_eq!(tracker.check(sent, &now(2, at(3))), Verdict::Broken);
        assert_eq!(tracker.check(sent, &now(1, at(2))), Verdict::Broken);
        assert_eq!(tracker.check(sent, &now(1, Position { epoch: 8, number: 9 })), Verdict::Broken);
        assert_eq!(tracker.hear(Position { epoch: 8, number: 4 }, Moment(0)), Heard::Foreign);
        tracker.note(at(5), Moment(0));
        assert_eq!(tracker.check(tracker.sent(), &now(1, at(4))), Verdict::Broken, "5 was there");
        tracker.lose();
        assert_eq!(tracker.check(sent, &now(1, at(3))), Verdict::Outdated);
        assert!(!tracker.take(sent, (1, at(3)), Moment(0)), "asked for before it was lost");
        assert!(tracker.take(tracker.sent(), (2, at(5)), Moment(0)));
        assert_eq!(tracker.check(sent, &now(2, at(5))), Verdict::Outdated);
    }

    #[test]
    fn what_was_heard_of_while_the_log_was_lost_is_fetched_at_once() {
        let mut tracker = known(3);
        tracker.lose();
        assert_eq!(tracker.hear(at(9), Moment(0)), Heard::New);
        tracker.note(at(9), Moment(0));
        tracker.take(tracker.sent(), (1, at(8)), Moment(5));
        assert_eq!(tracker.position(), Some(at(8)));
        assert!(tracker.missing_for(Moment(5), Duration::ZERO).is_some());
    }

    #[test]
    fn what_is_on_its_way_from_here_gets_its_time() {
        let mut tracker = known(0);
        tracker.begin();
        tracker.hear(at(1), Moment(0));
        assert_eq!(tracker.missing_for(Moment(50), Duration::from_nanos(80)), None);
        tracker.end();
        assert_eq!(tracker.missing_for(Moment(50), Duration::from_nanos(80)), Some(Duration::from_nanos(50)));
    }
}
