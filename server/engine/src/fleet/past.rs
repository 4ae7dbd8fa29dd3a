//! How far one log of the fleet was some time ago: whether a history lost more than those who acknowledged it still know, and
//! can tell again. What is done about that is not known here.

use std::{collections::VecDeque, time::Duration};

use crate::{clock::Moment, position::Position, tier::shared::lineage};

/// Places that are remembered, each a tenth of the time that matters after the last.
const PLACES_MAX: usize = 12;

/// Where one log was, and when.
#[derive(Debug)]
pub struct Past {
    epoch: u64,
    places: VecDeque<(Moment, u64)>,
    told_for: Duration,
}

impl Past {
    /// Nothing is known. What was acknowledged is told again for so long.
    #[must_use]
    pub fn new(told_for: Duration) -> Self {
        Self { epoch: 0, places: VecDeque::new(), told_for }
    }

    /// Where the log is now.
    pub fn note(&mut self, place: Position, now: Moment) {
        self.of(place);
        if self.places.back().is_some_and(|(at, _)| now.since(*at) < self.told_for / 10) {
            return;
        }
        self.places.push_back((now, place.number));
        if self.places.len() > PLACES_MAX {
            self.places.pop_front();
        }
    }

    /// Whether a history of the same lineage, in which epochs took over from `began` on, lacks what is not told again any
    /// more, by who heard last of the log then. What is that old nearly counts as that old. What an earlier takeover left
    /// counts for the last one: only where the first was is known.
    #[must_use]
    pub fn is_beyond(&self, epoch: u64, began: u64, heard: Moment) -> bool {
        let old = |at: Moment| heard.since(at) >= self.told_for.mul_f64(0.8);
        let before = self.places.iter().rev().find(|(at, _)| old(*at));
        let turned = self.epoch != epoch && line(self.epoch) == line(epoch);
        turned && before.is_some_and(|(_, number)| *number > began)
    }

    /// The log is taken up here: what it had beyond is gone, and its numbers are given again.
    pub fn take(&mut self, place: Position) {
        self.of(place);
        self.places.iter_mut().for_each(|(_, number)| *number = place.number.min(*number));
    }

    fn of(&mut self, place: Position) {
        if line(self.epoch) != line(place.epoch) {
            self.places.clear();
        }
        self.epoch = place.epoch;
    }
}

fn line(epoch: u64) -> u64 {
    lineage(Position { epoch, number: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tier::shared::TURN_BITS;

    fn at(number: u64) -> Position {
        Position { epoch: 3 << TURN_BITS, number }
    }

    #[test]
    fn what_is_lost_of_long_ago_is_noticed() {
        let mut past = Past::new(Duration::from_nanos(100));
        let (turned, elsewhere) = (at(0).epoch + 1, 4 << TURN_BITS);
        assert!(!past.is_beyond(turned, 0, Moment(0)), "nothing is known");
        for time in 0..=300 {
            past.note(at(1000 + time), Moment(time));
        }
        assert!(!past.is_beyond(turned, 1220, Moment(300)), "that is told again");
        assert!(past.is_beyond(turned, 1219, Moment(300)));
        assert!(!past.is_beyond(at(0).epoch, 0, Moment(300)), "the same history");
        assert!(!past.is_beyond(elsewhere, 0, Moment(300)), "another lineage");
        past.take(Position { epoch: turned, number: 1100 });
        assert!(!past.is_beyond(turned, 1100, Moment(301)), "once");
        assert!(past.is_beyond(turned + 1, 1099, Moment(301)));
        past.take(Position { epoch: elsewhere, number: 0 });
        assert!(!past.is_beyond(elsewhere + 1, 0, Moment(301)));
    }
}
