//! What a run measured, in the numbers that are shown, and as JSON. The names of the keys are relied on by others; only add to
//! them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Map, Value, json};

use crate::{
    plan::Plan,
    tally::{Generator, Tally},
};

/// Processor time used meanwhile.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    /// By the server, where its process is known.
    pub(crate) server: Option<Duration>,
    /// By this process.
    pub(crate) client: Duration,
}

/// What was measured of one side.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Operations that were answered as they should be.
    pub ops: u64,
    /// How long it took.
    pub seconds: f64,
    /// Those operations a second.
    pub ops_per_s: f64,
    /// Bytes of values read and written a second, in MiB.
    pub mib_per_s: f64,
    /// Times of an operation in microseconds: mean, median, and so on.
    pub mean_us: f64,
    /// The median.
    pub p50_us: f64,
    /// One in 10 took longer.
    pub p90_us: f64,
    /// One in 100 took longer.
    pub p99_us: f64,
    /// One in 1,000 took longer.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Operations that went wrong.
    pub errors: u64,
    /// The same, by what went wrong.
    pub error_kinds: BTreeMap<&'static str, u64>,
    /// Reads that found a value.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Writes.
    pub writes: u64,
    /// Operations that the schedule wanted and that could not begin in time; they count in the times above.
    pub unsent: u64,
    /// Microseconds of processor time of the server for an operation, where its process is known.
    pub cpu_us_per_op: Option<f64>,
    /// The same of this process.
    pub client_cpu_us_per_op: f64,
    /// How busy the thread of this process was that had least time to spare.
    pub generator: Generator,
    /// Whether the generator, not the server, set the pace.
    pub generator_limited: bool,
}

#[expect(clippy::cast_precision_loss, reason = "shown to a few digits")]
impl Report {
    pub(crate) fn new(tally: &Tally, used: Used) -> Self {
        let seconds = tally.elapsed.as_secs_f64().max(1e-9);
        let micros = |nanos: u64| nanos as f64 / 1_000.0;
        let quantile = |share: f64| micros(tally.latency.value_at_quantile(share));
        let each = |time: Duration| time.as_secs_f64() * 1e6 / (tally.done.max(1) as f64);
        Self {
            ops: tally.done,
            seconds,
            ops_per_s: tally.done as f64 / seconds,
            mib_per_s: tally.bytes as f64 / f64::from(1 << 20) / seconds,
            mean_us: tally.latency.mean() / 1_000.0,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: micros(tally.latency.max()),
            errors: tally.errors(),
            error_kinds: tally.errors.clone(),
            hits: tally.hits,
            misses: tally.misses,
            writes: tally.writes,
            unsent: tally.unsent,
            cpu_us_per_op: used.server.map(each),
            client_cpu_us_per_op: each(used.client),
            generator: tally.generator,
            generator_limited: tally.generator.is_limit(),
        }
    }

    /// The median of several, number by number; counts of operations are sums.
    pub(crate) fn median(all: &[&Self]) -> Self {
        let of = |number: fn(&Self) -> f64| middle(all.iter().map(|one| number(one)).collect());
        let sum = |number: fn(&Self) -> u64| all.iter().map(|one| number(one)).sum();
        let cpu: Vec<f64> = all.iter().filter_map(|one| one.cpu_us_per_op).collect();
        let ahead: Vec<f64> = all.iter().filter_map(|one| one.generator.ahead).collect();
        let mut error_kinds = BTreeMap::new();
        for (kind, count) in all.iter().flat_map(|one| &one.error_kinds) {
            *error_kinds.entry(*kind).or_default() += count;
        }
        Self {
            ops: sum(|one| one.ops),
            seconds: all.iter().map(|one| one.seconds).sum(),
            ops_per_s: of(|one| one.ops_per_s),
            mib_per_s: of(|one| one.mib_per_s),
            mean_us: of(|one| one.mean_us),
            p50_us: of(|one| one.p50_us),
            p90_us: of(|one| one.p90_us),
            p99_us: of(|one| one.p99_us),
            p999_us: of(|one| one.p999_us),
            max_us: all.iter().map(|one| one.max_us).fold(0.0, f64::max),
            errors: sum(|one| one.errors),
            error_kinds,
            hits: sum(|one| one.hits),
            misses: sum(|one| one.misses),
            writes: sum(|one| one.writes),
            unsent: sum(|one| one.unsent),
            cpu_us_per_op: (!cpu.is_empty()).then(|| middle(cpu)),
            client_cpu_us_per_op: of(|one| one.client_cpu_us_per_op),
            generator: Generator {
                busy: of(|one| one.generator.busy),
                held_up: of(|one| one.generator.held_up),
                ahead: ahead.first().map(|_| middle(ahead.clone())),
            },
            generator_limited: all.iter().any(|one| one.generator_limited),
        }
    }

    /// The share of reads that found a value; none without reads.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let reads = self.hits + self.misses;
        (reads > 0).then(|| self.hits as f64 / reads as f64)
    }

    /// All of it, for programs.
    #[must_use]
    pub fn as_json(&self) -> Map<String, Value> {
        let value = json!({
            "ops_per_s": rounded(self.ops_per_s),
            "p50_us": rounded(self.p50_us),
            "p99_us": rounded(self.p99_us),
            "p999_us": rounded(self.p999_us),
            "errors": self.errors,
            "mib_per_s": rounded(self.mib_per_s),
            "ops": self.ops,
            "seconds": rounded(self.seconds),
            "mean_us": rounded(self.mean_us),
            "p90_us": rounded(self.p90_us),
            "max_us": rounded(self.max_us),
            "hits": self.hits,
            "misses": self.misses,
            "writes": self.writes,
            "hit_ratio": self.hit_ratio().map(|ratio| (ratio * 1e6).round() / 1e6),
            "unsent": self.unsent,
            "error_kinds": self.error_kinds,
            "cpu_us_per_op": self.cpu_us_per_op.map(rounded),
            "client_cpu_us_per_op": rounded(self.client_cpu_us_per_op),
            "generator_busy": rounded(self.generator.busy),
            "generator_held_up": rounded(self.generator.held_up),
            "generator_ahead": self.generator.ahead.map(rounded),
            "generator_limited": self.generator_limited,
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

/// The median: of an even count, half way between the two in the middle; zero of none.
pub(crate) fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match numbers.len() {
        0 => 0.0,
        count if count % 2 == 1 => numbers[half],
        _ => f64::midpoint(numbers[half - 1], numbers[half]),
    }
}

/// To a thousandth: more digits would claim more than was measured.
pub(crate) fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

/// What was asked for, as JSON.
pub(crate) fn plan_as_json(plan: &Plan) -> Map<String, Value> {
    let value = json!({
        "mode": plan.mode.name(),
        "client": plan.client.name(),
        "in_flight": plan.shape.in_flight,
        "connections": plan.shape.connections,
        "threads": plan.shape.threads,
        "batch": plan.batch(),
        "value_size": plan.sizes.text(),
        "keys": plan.keys,
        "zipf": plan.zipf,
        "rate": plan.rate,
        "read_ratio": plan.read_ratio,
        "seed": plan.seed,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
