//! What was counted and how long it took, of one lane, thread or run. Quantiles come from a histogram of three digits.

use std::{collections::BTreeMap, time::Duration};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::{
    clock,
    work::{Act, Op, Outcome},
};

/// The longest time that is told apart: an hour, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// How busy a thread was that made the load.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Generator {
    /// The share of the time in which it ran.
    pub busy: f64,
    /// The share in which it could have run, and something else had its processor.
    pub held_up: f64,
    /// In the open loop, the share of messages that it had to wait for, because their time had not come.
    pub ahead: Option<f64>,
}

/// From this share of its time on a thread had none to spare.
const BUSY: f64 = 0.9;
/// A schedule of which less was waited for was not kept up with.
const AHEAD: f64 = 0.5;

impl Generator {
    /// Whether what was measured is what it could do, and not what the server can. In the open loop it looks at the clock
    /// whenever it has nothing else to do, so it may always seem busy.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        self.busy + self.held_up >= BUSY && self.ahead.is_none_or(|ahead| ahead < AHEAD)
    }

    /// The one of two threads that had less to spare.
    fn or(self, other: Self) -> Self {
        let key = |one: &Self| (one.is_limit(), one.busy + one.held_up);
        if key(&other) > key(&self) { other } else { self }
    }
}

/// Counts and times.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// Operations that were answered as they should be, misses with them.
    pub(crate) done: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) writes: u64,
    /// Bytes of values that were read or written.
    pub(crate) bytes: u64,
    /// What went wrong, by name.
    pub(crate) errors: BTreeMap<&'static str, u64>,
    /// Messages that the schedule wanted and nobody was free to send.
    pub(crate) unsent: u64,
    /// From the beginning to the last answer.
    pub(crate) elapsed: Duration,
    /// Of the busiest thread.
    pub(crate) generator: Generator,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).expect("these bounds are valid");
        Self {
            latency,
            done: 0,
            hits: 0,
            misses: 0,
            writes: 0,
            bytes: 0,
            errors: BTreeMap::new(),
            unsent: 0,
            elapsed: Duration::ZERO,
            generator: Generator::default(),
        }
    }
}

impl Tally {
    /// Takes note of a message that should have begun at `due` and was answered at `now`.
    pub(crate) fn message(&mut self, due: Instant, now: Instant, ops: &[Op], outcomes: &[Outcome]) {
        let mut right = 0;
        for (op, outcome) in ops.iter().zip(outcomes) {
            right += u64::from(self.operation(op, *outcome));
        }
        self.latency.saturating_record_n(clock::nanos(now.saturating_duration_since(due)), right);
        self.done += right;
    }

    /// Whether the operation was answered as it should be.
    fn operation(&mut self, op: &Op, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Hit(bytes) => {
                self.hits += 1;
                self.bytes += bytes;
            }
            Outcome::Miss => {
                self.misses += 1;
                if op.there && op.act == Act::Read {
                    self.wrong("MISS", 1);
                    return false;
                }
            }
            Outcome::Written(bytes) => {
                self.writes += 1;
                self.bytes += bytes;
            }
            Outcome::Dropped => {}
            Outcome::Wrong(kind) => {
                self.wrong(kind, 1);
                return false;
            }
        }
        true
    }

    /// Takes note of what went wrong.
    pub(crate) fn wrong(&mut self, kind: &'static str, count: u64) {
        *self.errors.entry(kind).or_default() += count;
    }

    /// Takes note of operations that should have begun at `due` and have not by `now`.
    pub(crate) fn unsent(&mut self, due: Instant, now: Instant, operations: u64) {
        self.latency.saturating_record_n(clock::nanos(now.saturating_duration_since(due)), operations);
        self.unsent += operations;
    }

    /// Adds what another counted at the same time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latency.add(&other.latency).expect("all histograms have the same bounds");
        self.done += other.done;
        self.hits += other.hits;
        self.misses += other.misses;
        self.writes += other.writes;
        self.bytes += other.bytes;
        self.unsent += other.unsent;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.generator = self.generator.or(other.generator);
        for (kind, count) in &other.errors {
            self.wrong(kind, *count);
        }
    }

    /// How many operations went wrong.
    pub(crate) fn errors(&self) -> u64 {
        self.errors.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generator_without_time_to_spare_is_the_limit_unless_it_only_looks_at_the_clock() {
        let of = |busy, held_up, ahead| Generator { busy, held_up, ahead };
        for (generator, limit) in [
            (of(0.5, 0.1, None), false),
            (of(0.95, 0.0, None), true),
            (of(0.5, 0.45, None), true),
            (of(1.0, 0.0, Some(0.97)), false),
            (of(1.0, 0.0, Some(0.1)), true),
            (of(0.3, 0.0, Some(0.1)), false),
        ] {
            assert_eq!(generator.is_limit(), limit, "{generator:?}");
        }
        let mut tally = Tally { generator: of(1.0, 0.0, Some(0.9)), ..Tally::default() };
        tally.add(&Tally { generator: of(0.95, 0.0, Some(0.2)), ..Tally::default() });
        assert!(tally.generator.is_limit(), "one thread is enough");
    }

    #[test]
    fn what_is_wrong_is_counted_and_not_timed() {
        let start = clock::now();
        let now = start + Duration::from_millis(5);
        let read = Op::read(1, 10);
        let free = Op { there: false, ..read };
        let outcomes =
            [Outcome::Hit(10), Outcome::Miss, Outcome::Miss, Outcome::Wrong("UNAVAILABLE"), Outcome::Written(7)];
        let mut tally = Tally::default();
        tally.message(start, now, &[read, read, free, read, read.to(Act::Write)], &outcomes);
        let other = tally.clone();
        tally.add(&other);
        assert_eq!((tally.done, tally.hits, tally.misses, tally.writes, tally.bytes), (6, 2, 4, 2, 34));
        assert_eq!((tally.errors(), tally.errors["MISS"], tally.latency.len()), (4, 2, 6));
        assert!((tally.latency.max() / 1_000).abs_diff(5_000) < 10);
    }
}
