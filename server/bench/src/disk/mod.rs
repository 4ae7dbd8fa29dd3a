//! The disk tier beside what people use otherwise: writing, reading, opening again, and what is on the disk then. How each is
//! called is in the files beside.

mod diskcache;
pub mod entries;
mod foyer;
mod ours;
mod redb;

use std::{path::Path, time::Instant};

use bytes::Bytes;
use clap::Args;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use serde::Serialize;
use tokio::runtime::Runtime;

/// Bytes each of them may take on disk.
const CAPACITY: u64 = 2 << 30;

/// What is measured.
#[derive(Args, Clone, Debug)]
pub struct Plan {
    /// Bytes of a value
    #[arg(long, value_delimiter = ',', default_values_t = [1024, 65_536, 1_048_576])]
    sizes: Vec<usize>,
    /// Bytes of all values of one size
    #[arg(long, default_value_t = 128 << 20)]
    bytes: usize,
    /// Values of one size at most
    #[arg(long, default_value_t = 20_000)]
    values_max: usize,
    /// Times that everything is measured, in turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Which: hotplate, foyer, redb, diskcache
    #[arg(long, value_delimiter = ',', default_values_t = ["hotplate", "foyer", "redb", "diskcache"].map(String::from))]
    stores: Vec<String>,
    /// Where the files are made; a directory of its own is used and removed
    #[arg(long, default_value = "target")]
    directory: std::path::PathBuf,
    /// A Python that has diskcache
    #[arg(long, default_value = "target/tools/py/bin/python")]
    python: std::path::PathBuf,
}

/// What one of them did with values of one size: the median of all rounds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// Which.
    pub store: String,
    /// Bytes of a value.
    pub size: usize,
    /// Values.
    pub values: usize,
    /// Microseconds a write, until the system has it.
    pub write_us: f64,
    /// Microseconds a read, in random order.
    pub read_us: f64,
    /// Milliseconds to open it again after it was closed.
    pub open_ms: f64,
    /// Values found after that.
    pub found: usize,
    /// Bytes on disk for each byte of values that were found.
    pub disk_per_byte: f64,
}

/// A measured round.
#[derive(Clone, Copy, Debug, Default, serde::Deserialize)]
pub struct Measured {
    write_us: f64,
    read_us: f64,
    open_ms: f64,
    found: usize,
}

/// The values of one size, and the order in which they are read.
struct Work {
    values: Vec<Bytes>,
    order: Vec<usize>,
}

impl Work {
    /// Bytes that cannot be compressed.
    fn new(size: usize, count: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(size as u64);
        let mut value = vec![0; size];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            random.fill(&mut value[..]);
            values.push(Bytes::copy_from_slice(&value));
        }
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(&mut random);
        Self { values, order }
    }

    fn key(number: usize) -> String {
        format!("result/{number:08}")
    }
}

/// Measures all of them in turns; rows as JSON.
///
/// # Errors
/// One of them fails.
pub fn run(plan: &Plan) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(said)?;
    let mut rows = Vec::new();
    for size in &plan.sizes {
        let work = Work::new(*size, (plan.bytes / size).clamp(1, plan.values_max));
        let mut rounds: Vec<Vec<(Measured, u64)>> = vec![Vec::new(); plan.stores.len()];
        for _ in 0..plan.rounds {
            for (store, measured) in plan.stores.iter().zip(&mut rounds) {
                let directory = tempfile::tempdir_in(&plan.directory).map_err(said)?;
                let path = directory.path();
                let one = one(store, (&runtime, plan, &work, *size), path)?;
                measured.push((one, bytes_on_disk(path)?));
            }
        }
        for (store, measured) in plan.stores.iter().zip(rounds) {
            rows.push(row(store, *size, work.values.len(), &measured));
        }
    }
    crate::rows::json(&rows)
}

fn one(store: &str, of: (&Runtime, &Plan, &Work, usize), path: &Path) -> Result<Measured, String> {
    let (runtime, plan, work, size) = of;
    match store {
        "hotplate" => runtime.block_on(ours::measure(path, work)),
        "foyer" => runtime.block_on(foyer::measure(path, work)),
        "redb" => redb::measure(path, work),
        "diskcache" => diskcache::measure(&plan.python, path, size, work.values.len()),
        other => Err(format!("{other} is none of hotplate, foyer, redb, diskcache")),
    }
}

fn row(store: &str, size: usize, values: usize, rounds: &[(Measured, u64)]) -> Row {
    let median = |of: fn(&Measured) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(|round| of(&round.0)).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    let (last, bytes) = rounds.last().copied().unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let disk_per_byte = bytes as f64 / (last.found * size).max(1) as f64;
    Row {
        store: store.to_owned(),
        size,
        values,
        write_us: median(|round| round.write_us),
        read_us: median(|round| round.read_us),
        open_ms: median(|round| round.open_ms),
        found: last.found,
        disk_per_byte,
    }
}

/// Bytes that files take there, as the system has allotted them.
fn bytes_on_disk(path: &Path) -> Result<u64, String> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(said)? {
        let entry = entry.map_err(said)?;
        let facts = entry.metadata().map_err(said)?;
        bytes += if facts.is_dir() { bytes_on_disk(&entry.path())? } else { allotted(&facts) };
    }
    Ok(bytes)
}

#[cfg(unix)]
fn allotted(facts: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(facts) * 512
}

#[cfg(not(unix))]
fn allotted(facts: &std::fs::Metadata) -> u64 {
    facts.len()
}

/// Microseconds since then for each of so many.
fn each(begun: Instant, count: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let count = count.max(1) as f64;
    begun.elapsed().as_secs_f64() * 1e6 / count
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn said(error: impl std::fmt::Display) -> String {
    error.to_string()
}
