//! Offers a trace to a cache and counts what it saved. Which traces and caches, and what becomes of the counts, is
//! elsewhere.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use clap::ValueEnum;

use crate::{
    contestant::{Contestant, Entrant, Room},
    rows::Row,
    trace::Trace,
};

/// What reads of a trace asked for, and what of it the cache had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    reads: f64,
    hits: f64,
    bytes: f64,
    bytes_hit: f64,
    cost: f64,
    cost_hit: f64,
}

impl Tally {
    #[expect(clippy::cast_precision_loss, reason = "sums of sizes need not be exact to the byte")]
    fn count(&mut self, size: u64, cost: f64, hit: bool) {
        self.reads += 1.0;
        self.bytes += size as f64;
        self.cost += cost;
        if hit {
            self.hits += 1.0;
            self.bytes_hit += size as f64;
            self.cost_hit += cost;
        }
    }

    /// Reads that found their value, of all reads.
    #[must_use]
    pub fn hit_ratio(&self) -> f64 {
        share(self.hits, self.reads)
    }

    /// Bytes of reads that found their value, of the bytes of all reads.
    #[must_use]
    pub fn byte_hit_ratio(&self) -> f64 {
        share(self.bytes_hit, self.bytes)
    }

    /// Cost of reads that found their value, of the cost of all reads.
    #[must_use]
    pub fn cost_saved(&self) -> f64 {
        share(self.cost_hit, self.cost)
    }
}

fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// What a line that writes stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Writes {
    /// An access like any other: what studies of traces do
    #[default]
    Access,
    /// A put that counts no read
    Put,
}

/// Replays a trace: an access that misses is followed by a put of what was asked for.
pub fn replay(trace: &Trace, writes: Writes, cache: &mut dyn Contestant) -> Tally {
    let mut tally = Tally::default();
    for request in &trace.requests {
        if request.reads || writes == Writes::Access {
            let hit = cache.get(request.key);
            tally.count(request.size, request.cost, hit);
            if hit {
                continue;
            }
        }
        cache.put(request.key, request.size, request.cost);
    }
    tally
}

/// Everything a trace is replayed with.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The caches.
    pub entrants: &'a [&'a Entrant],
    /// Their capacities, as fractions of the footprint.
    pub sizes: &'a [f64],
    /// Shards of our own.
    pub shards: usize,
    /// What lines that write stand for.
    pub writes: Writes,
    /// How many caches run at once, each on a thread of its own.
    pub threads: usize,
}

impl Plan<'_> {
    /// One row for each size and cache, in this order. `done` is called after each.
    ///
    /// # Errors
    /// A cache that cannot be made.
    pub fn run(&self, trace: &Trace, done: &(dyn Fn() + Sync)) -> Result<Vec<Row>, String> {
        let cells: Vec<_> =
            self.sizes.iter().flat_map(|size| self.entrants.iter().map(move |entrant| (*size, *entrant))).collect();
        let rows: Vec<Mutex<Option<Result<Row, String>>>> = cells.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            while let Some((number, (size, entrant))) = {
                let number = next.fetch_add(1, Ordering::Relaxed);
                cells.get(number).map(|cell| (number, cell))
            } {
                let row = self.cell(trace, *size, entrant);
                *rows[number].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(row);
                done();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..self.threads.clamp(1, cells.len().max(1)) {
                scope.spawn(work);
            }
        });
        let row = |row: Mutex<Option<_>>| row.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.into_iter().filter_map(row).collect()
    }

    fn cell(&self, trace: &Trace, size: f64, entrant: &Entrant) -> Result<Row, String> {
        let bytes = trace.capacity(size);
        let mean = (trace.footprint / u64::from(trace.keys.max(1))).max(1);
        let room = Room { bytes, entries: (bytes / mean).max(1), size_max: trace.size_max, shards: self.shards };
        let tally = replay(trace, self.writes, &mut *entrant.make(room)?);
        Ok(Row {
            trace: trace.name.clone(),
            size,
            cache: entrant.name.clone(),
            hit_ratio: tally.hit_ratio(),
            byte_hit_ratio: tally.byte_hit_ratio(),
            cost_saved: tally.cost_saved(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestant::{BASELINE, entrants};

    fn baseline() -> Vec<&'static Entrant> {
        entrants().iter().filter(|entrant| entrant.name == BASELINE).collect()
    }

    #[test]
    fn writes_count_no_read_and_what_is_read_is_weighed() {
        let trace = Trace::read("t".into(), &b"0,a,10,set\n1,a,10,get,3\n2,b,30,get,1\n3,b,30,get,1\n"[..]).unwrap();
        let entrants = baseline();
        let plan = Plan { entrants: &entrants, sizes: &[1.0], shards: 1, writes: Writes::Put, threads: 1 };
        let rows = plan.run(&trace, &|| ()).unwrap();
        assert_eq!(rows.len(), 1);
        assert!((rows[0].hit_ratio - 2.0 / 3.0).abs() < 1e-12);
        assert!((rows[0].byte_hit_ratio - 40.0 / 70.0).abs() < 1e-12);
        assert!((rows[0].cost_saved - 4.0 / 5.0).abs() < 1e-12);
        let accesses = Plan { writes: Writes::Access, ..plan }.run(&trace, &|| ()).unwrap();
        assert!((accesses[0].hit_ratio - 2.0 / 4.0).abs() < 1e-12);
    }

    #[test]
    fn rows_come_in_the_same_order_with_any_number_of_threads() {
        let text: String = (0..3000).map(|n| format!("{n},{},1\n", (n * n) % 101)).collect();
        let trace = Trace::read("t".into(), text.as_bytes()).unwrap();
        let entrants: Vec<_> = entrants().iter().filter(|entrant| entrant.name != "moka").collect();
        let plan =
            |threads| Plan { entrants: &entrants, sizes: &[0.1, 0.5], shards: 16, writes: Writes::Access, threads };
        let one = plan(1).run(&trace, &|| ()).unwrap();
        assert_eq!(one, plan(3).run(&trace, &|| ()).unwrap());
        assert_eq!(one.len(), 2 * entrants.len());
        assert!(one[0].size < one[entrants.len()].size);
    }

    #[test]
    fn a_trace_of_writes_alone_saves_nothing() {
        let trace = Trace::read("t".into(), &b"0,a,10,set\n1,a,10,set\n"[..]).unwrap();
        let entrants = baseline();
        let plan = Plan { entrants: &entrants, sizes: &[1.0], shards: 1, writes: Writes::Put, threads: 1 };
        let rows = plan.run(&trace, &|| ()).unwrap();
        assert!(rows[0].hit_ratio == 0.0 && rows[0].cost_saved == 0.0);
    }
}
