//! Time per operation of each cache, in rounds that take turns, so that a noisy minute is everybody's. What a cache is
//! asked is in `load`, how it is called in `stores`; nothing is printed here.

mod engine;
pub mod load;
pub mod stores;

use std::{
    collections::HashMap,
    panic::resume_unwind,
    sync::Barrier,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use cpu_time::ThreadTime;
use serde::Serialize;

use self::{
    load::{KeyKind, Load},
    stores::{Entrant, Store},
};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Operation {
    /// Get of a key that is held
    Hit,
    /// Put of keys as they come
    Insert,
    /// Get, and put when it misses
    #[value(name = "read_through")]
    ReadThrough,
}

impl Operation {
    /// All, in the order in which they are measured: what is asked of later ones has filled the cache.
    pub const ALL: [Self; 3] = [Self::Hit, Self::Insert, Self::ReadThrough];

    /// Its name in rows.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Insert => "insert",
            Self::ReadThrough => "read_through",
        }
    }
}

/// The best of all rounds. The names are what others read.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The cache.
    pub cache: String,
    /// The kind of keys.
    pub key: &'static str,
    /// How many threads called it at once.
    pub threads: usize,
    /// What was called.
    pub op: &'static str,
    /// Nanoseconds of thread CPU time for an operation.
    pub ns_cpu: f64,
    /// Nanoseconds of wall time for an operation, over all threads: half of what each waits when there are two.
    pub ns_wall: f64,
}

/// A row with every round of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The best.
    pub row: Row,
    /// CPU nanoseconds of each round, in order.
    pub rounds: Vec<f64>,
    /// Of gets in all rounds, the part that found its key; 0 for puts.
    pub hit_ratio: f64,
}

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Rounds, at least 1; in each, every cache has its turn.
    pub rounds: usize,
    /// Operations of each thread in a round.
    pub operations: usize,
    /// Different keys.
    pub keys: usize,
    /// Entries a cache may hold.
    pub capacity: usize,
    /// Numbers of threads.
    pub threads: Vec<usize>,
    /// What is measured, in the order of [`Operation::ALL`].
    pub operations_of: Vec<Operation>,
}

/// What a thread did in one turn.
#[derive(Clone, Copy)]
struct Turn {
    cpu: Duration,
    start: Instant,
    end: Instant,
    hits: usize,
}

impl Plan {
    /// Measures these caches with one kind of keys. `done` is called after each turn.
    ///
    /// # Errors
    /// A cache that cannot be made.
    pub fn run(&self, kind: KeyKind, entrants: &[&Entrant], done: &dyn Fn()) -> Result<Vec<Measured>, String> {
        let mut all = Vec::new();
        let load = Load::new(kind, self);
        for threads in &self.threads {
            let stores: Result<Vec<_>, _> = entrants.iter().map(|entrant| entrant.make(&load, self.capacity)).collect();
            let stores = stores?;
            for operation in &self.operations_of {
                let asked =
                    Asked { load: &load, operation: *operation, threads: *threads, operations: self.operations };
                all.extend(self.in_turns(&asked, entrants, &stores, done));
            }
        }
        Ok(all)
    }

    fn in_turns(
        &self,
        asked: &Asked<'_>,
        entrants: &[&Entrant],
        stores: &[Box<dyn Store>],
        done: &dyn Fn(),
    ) -> Vec<Measured> {
        // Once without counting: caches and branch predictors are warm, and what had to be held is held.
        for store in stores {
            store.prepare(asked);
            asked.turn(&**store, 0);
        }
        let mut turns: HashMap<usize, Vec<(f64, f64, f64)>> = HashMap::new();
        for round in 1..=self.rounds {
            for (number, store) in stores.iter().enumerate() {
                turns.entry(number).or_default().push(asked.turn(&**store, round));
                done();
            }
        }
        let measured = |(number, entrant): (usize, &&Entrant)| {
            let turns = turns.remove(&number).unwrap_or_default();
            let least = |of: fn(&(f64, f64, f64)) -> f64| turns.iter().map(of).fold(f64::INFINITY, f64::min);
            let row = Row {
                cache: entrant.name.clone(),
                key: asked.load.kind.name(),
                threads: asked.threads,
                op: asked.operation.name(),
                ns_cpu: least(|turn| turn.0),
                ns_wall: least(|turn| turn.1),
            };
            let hit_ratio = turns.last().map(|turn| turn.2).unwrap_or_default();
            Measured { row, rounds: turns.iter().map(|turn| turn.0).collect(), hit_ratio }
        };
        entrants.iter().enumerate().map(measured).collect()
    }
}

/// What a store is asked in a turn.
pub struct Asked<'a> {
    /// Keys and values.
    pub load: &'a Load,
    /// What is called.
    pub operation: Operation,
    /// By how many threads at once.
    pub threads: usize,
    /// How often by each.
    pub operations: usize,
}

impl Asked<'_> {
    /// CPU and wall nanoseconds for an operation, and the part of gets that hit.
    #[expect(clippy::cast_precision_loss, reason = "counts of operations are far below 2^53")]
    fn turn(&self, store: &dyn Store, round: usize) -> (f64, f64, f64) {
        let barrier = Barrier::new(self.threads);
        let run = &|thread: usize| {
            let order = self.load.order(self, thread, round);
            barrier.wait();
            let (start, cpu) = (now(), ThreadTime::now());
            let hits = store.run(self, order);
            Turn { cpu: cpu.elapsed(), start, end: now(), hits }
        };
        let turns: Vec<Turn> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads).map(|thread| scope.spawn(move || run(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        let count = (self.threads * self.operations) as f64;
        let cpu: Duration = turns.iter().map(|turn| turn.cpu).sum();
        // By the threads' own clocks: who waits for them may come back late.
        let (first, last) = (turns.iter().map(|turn| turn.start).min(), turns.iter().map(|turn| turn.end).max());
        let wall = first.zip(last).map(|(first, last)| last - first).unwrap_or_default();
        let hits: usize = turns.iter().map(|turn| turn.hits).sum();
        (cpu.as_nanos() as f64 / count, wall.as_nanos() as f64 / count, hits as f64 / count)
    }
}

#[expect(clippy::disallowed_methods, reason = "wall time is what is measured")]
fn now() -> Instant {
    Instant::now()
}

/// The middle of some numbers; nothing of none.
#[must_use]
pub fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    let upper = numbers.get(middle).copied()?;
    if numbers.len() % 2 == 1 { Some(upper) } else { Some(f64::midpoint(numbers[middle - 1], upper)) }
}

/// How many times longer `baseline` takes than each cache, as the median over rounds with the least and the most.
#[must_use]
pub fn faster_than(baseline: &str, all: &[Measured]) -> Vec<(Row, f64, f64, f64)> {
    let beside = |one: &Measured| {
        let same = |other: &&Measured| {
            let (a, b) = (&one.row, &other.row);
            b.cache == baseline && (a.key, a.threads, a.op) == (b.key, b.threads, b.op)
        };
        let base = all.iter().find(same)?;
        let ratios: Vec<f64> = base.rounds.iter().zip(&one.rounds).map(|(base, own)| base / own).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        Some((one.row.clone(), median(ratios)?, least, most))
    };
    all.iter().filter_map(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            rounds: 2,
            operations: 3_000,
            keys: 10_000,
            capacity: 1_000,
            threads: vec![1, 2],
            operations_of: Operation::ALL.to_vec(),
        }
    }

    #[test]
    fn every_cache_is_measured_with_every_operation_and_hits_what_it_holds() {
        let entrants: Vec<_> = stores::entrants().iter().collect();
        for kind in [KeyKind::U64, KeyKind::Str49] {
            let measured = plan().run(kind, &entrants, &|| ()).unwrap();
            assert_eq!(measured.len(), entrants.len() * 3 * 2);
            for one in &measured {
                let row = &one.row;
                assert!(row.ns_cpu > 0.0 && row.ns_wall > 0.0 && one.rounds.len() == 2, "{one:?}");
                match row.op {
                    "hit" => assert!(one.hit_ratio > 0.99, "{one:?}"),
                    "insert" => assert!(one.hit_ratio == 0.0, "{one:?}"),
                    _ => assert!((0.3..0.999).contains(&one.hit_ratio), "{one:?}"),
                }
            }
        }
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let measured = |cache: &str, rounds: Vec<f64>| {
            let row = Row { cache: cache.into(), key: "u64", threads: 1, op: "hit", ns_cpu: 1.0, ns_wall: 1.0 };
            Measured { row, rounds, hit_ratio: 1.0 }
        };
        let all = [measured("moka", vec![100.0, 400.0, 90.0]), measured("x", vec![50.0, 100.0, 30.0])];
        let ratios = faster_than("moka", &all);
        assert_eq!(ratios.len(), 2);
        let (_, middle, least, most) = &ratios[1];
        assert!((middle - 3.0).abs() < 1e-9 && (least - 2.0).abs() < 1e-9 && (most - 4.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
