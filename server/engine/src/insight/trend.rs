//! The last hour, minute by minute: what counters grew by. Bounded, and moved on by the maintenance with the time it has.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;

use super::what_if::{Measured, Tally};
use crate::{
    clock::Moment,
    event::{MissReason, RemovalReason},
    stats::Group,
};

/// Minutes that are kept.
pub const MINUTES: usize = 60;
/// One step.
const STEP: Duration = Duration::from_secs(60);

/// Counters of a namespace, since it was made or over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sums {
    /// Gets answered with something: hits, stale and negative ones.
    pub hits: u64,
    /// Hits whose compute cost is known.
    pub priced_hits: u64,
    /// Misses by reason, in the order of [`MissReason::ALL`].
    pub misses: [u64; MissReason::ALL.len()],
    /// Bytes of values served.
    pub served_bytes: u64,
    /// Puts that stored or renewed.
    pub puts: u64,
    /// Puts refused for want of room.
    pub not_admitted: u64,
    /// Entries that made room for others.
    pub evictions: u64,
    /// Compute cost of hits.
    pub saved: Duration,
    /// Compute cost of entries that were evicted and then missed.
    pub lost: Duration,
    /// What simulations came to.
    pub tally: Tally,
}

/// One minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minute {
    /// When it began.
    pub began: Moment,
    /// What happened in it.
    pub sums: Sums,
    /// Charged bytes at its end.
    pub used_bytes: u64,
}

/// The last hour of one namespace.
#[derive(Debug)]
pub struct Trend(Mutex<Ring>);

#[derive(Debug)]
struct Ring {
    minutes: VecDeque<Minute>,
    began: Moment,
    before: Sums,
}

impl Trend {
    /// Nothing yet; the first minute begins now.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self(Mutex::new(Ring { minutes: VecDeque::new(), began: now, before: Sums::default() }))
    }

    /// Whether a minute is over: then [`Trend::advance`] has something to do.
    #[must_use]
    pub fn due(&self, now: Moment) -> bool {
        now >= self.0.lock().began.after(STEP)
    }

    /// Closes the minutes that are over by now. What happened since the last one closed counts for the first of them: the
    /// rest were not looked at, and are empty.
    pub fn advance(&self, now: Moment, sums: &Sums, used_bytes: u64) {
        let mut ring = self.0.lock();
        if now.since(ring.began) >= STEP * 2 * u32::try_from(MINUTES).unwrap_or(u32::MAX) {
            ring.minutes.clear();
            ring.began = Moment(0).after(now.since(Moment(0)).saturating_sub(STEP));
        }
        while now >= ring.began.after(STEP) {
            let began = ring.began;
            let grown = sums.since(&ring.before);
            ring.minutes.push_back(Minute { began, sums: grown, used_bytes });
            if ring.minutes.len() > MINUTES {
                ring.minutes.pop_front();
            }
            (ring.before, ring.began) = (*sums, began.after(STEP));
        }
    }

    /// The closed minutes, the oldest first; at most this many.
    #[must_use]
    pub fn minutes(&self, most: usize) -> Vec<Minute> {
        let ring = self.0.lock();
        let skipped = ring.minutes.len().saturating_sub(most);
        ring.minutes.iter().skip(skipped).copied().collect()
    }

    /// The last closed minutes and what there is of the current one, added up; and how long that is. `sums`: the counters
    /// now.
    #[must_use]
    pub fn window(&self, most: usize, sums: &Sums, now: Moment) -> (Sums, Duration) {
        let ring = self.0.lock();
        let minutes = ring.minutes.iter().skip(ring.minutes.len().saturating_sub(most));
        let start = minutes.clone().next().map_or(ring.began, |minute| minute.began);
        let current = sums.since(&ring.before);
        let total = minutes.fold(current, |total, minute| total.plus(&minute.sums));
        (total, now.since(start))
    }
}

impl Sums {
    /// The counters of a namespace now.
    #[must_use]
    pub fn of(group: &Group, tally: Tally) -> Self {
        let misses = |reason: MissReason| group.misses.get(&reason).copied().unwrap_or(0);
        Self {
            hits: group.hits + group.stale_hits + group.negative_hits,
            priced_hits: group.priced_hits,
            misses: MissReason::ALL.map(misses),
            served_bytes: group.served_bytes,
            puts: group.puts + group.refreshes,
            not_admitted: group.not_admitted,
            evictions: group.removals.get(&RemovalReason::Evicted).copied().unwrap_or(0),
            saved: group.compute_saved,
            lost: group.compute_lost,
            tally,
        }
    }

    /// Gets.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.hits + self.missed()
    }

    /// Misses.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.misses.iter().sum()
    }

    /// What a curve is drawn from.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shares need no more digits")]
    pub fn measured(&self) -> Measured {
        Measured { reads: self.reads() as f64, hits: self.hits as f64, saved: self.saved.as_secs_f64() }
    }

    /// With others added.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            priced_hits: self.priced_hits + other.priced_hits,
            misses: std::array::from_fn(|reason| self.misses[reason] + other.misses[reason]),
            served_bytes: self.served_bytes + other.served_bytes,
            puts: self.puts + other.puts,
            not_admitted: self.not_admitted + other.not_admitted,
            evictions: self.evictions + other.evictions,
            saved: self.saved + other.saved,
            lost: self.lost + other.lost,
            tally: self.tally.plus(&other.tally),
        }
    }

    /// Since earlier ones.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |a: u64, b: u64| a.saturating_sub(b);
        Self {
            hits: less(self.hits, earlier.hits),
            priced_hits: less(self.priced_hits, earlier.priced_hits),
            misses: std::array::from_fn(|reason| less(self.misses[reason], earlier.misses[reason])),
            served_bytes: less(self.served_bytes, earlier.served_bytes),
            puts: less(self.puts, earlier.puts),
            not_admitted: less(self.not_admitted, earlier.not_admitted),
            evictions: less(self.evictions, earlier.evictions),
            saved: self.saved.saturating_sub(earlier.saved),
            lost: self.lost.saturating_sub(earlier.lost),
            tally: self.tally.since(&earlier.tally),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment(0).after(Duration::from_secs(seconds))
    }

    fn hits(hits: u64) -> Sums {
        Sums { hits, ..Sums::default() }
    }

    fn grown(trend: &Trend) -> Vec<u64> {
        trend.minutes(MINUTES).iter().map(|minute| minute.sums.hits).collect()
    }

    #[test]
    fn minutes_hold_what_counters_grew_by() {
        let trend = Trend::new(at(0));
        trend.advance(at(59), &hits(5), 1);
        assert!(grown(&trend).is_empty() && !trend.due(at(59)));
        assert!(trend.due(at(60)));
        trend.advance(at(60), &hits(7), 10);
        trend.advance(at(121), &hits(9), 20);
        assert_eq!(grown(&trend), [7, 2]);
        assert_eq!(trend.minutes(1)[0], Minute { began: at(60), sums: hits(2), used_bytes: 20 });
        let (sums, time) = trend.window(MINUTES, &hits(12), at(130));
        assert_eq!((sums.hits, time), (12, Duration::from_secs(130)));
        let (sums, time) = trend.window(1, &hits(12), at(130));
        assert_eq!((sums.hits, time), (5, Duration::from_secs(70)));
    }

    #[test]
    fn an_hour_is_kept() {
        let trend = Trend::new(at(0));
        (1..=200u64).for_each(|minute| trend.advance(at(60 * minute), &hits(minute), 0));
        assert_eq!(grown(&trend), [1; MINUTES]);
        assert_eq!(trend.minutes(MINUTES)[0].began, at(60 * 140));
    }

    #[test]
    fn minutes_nobody_looked_at_are_empty_and_a_long_sleep_starts_anew() {
        let trend = Trend::new(at(0));
        trend.advance(at(200), &hits(3), 0);
        assert_eq!(grown(&trend), [3, 0, 0]);
        trend.advance(at(1_000_000), &hits(8), 0);
        assert_eq!(grown(&trend), [5]);
        assert!(!trend.due(at(1_000_000)));
    }
}
