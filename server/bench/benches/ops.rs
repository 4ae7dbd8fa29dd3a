//! `cargo x bench ops`: nanoseconds per operation of the store and of other caches. The command line only; what is
//! measured is in the library beside it.

use std::process::ExitCode;

use clap::Parser;
use hotplate_bench::{
    ending,
    ops::{
        Measured, Operation, Plan, faster_than,
        load::KeyKind,
        stores::{self, Entrant},
    },
    rows::{self, Format},
    select,
};
use indicatif::{ProgressBar, ProgressStyle};

/// That of the server, for every cache.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EXAMPLES: &str = "Examples:
  cargo x bench ops                                      every cache, 1 and 2 threads
  cargo x bench ops --policies cost_aware,moka --op hit  two caches, hits alone
  cargo x bench ops --threads 1 -o json                  rows as JSON on stdout

Keys are asked for by a Zipf distribution of exponent 0.99; values are of 64 bytes, shared and not copied, except by \
hotplate/engine, which is the whole cache with its checks, history and statistics. `hit` asks only for keys that are \
held. Caches take turns within each round; rows are the best of all rounds. ns_cpu is CPU time of the threads, ns_wall \
is the time of all threads together divided by all operations. Run it on a quiet machine.";

/// Nanoseconds per operation of the store and of other caches.
#[derive(Parser)]
#[command(name = "cargo x bench ops", after_help = EXAMPLES)]
struct Arguments {
    /// Only these caches, by name or by what comes after `hotplate/`
    #[arg(long, value_name = "CACHE", value_delimiter = ',')]
    policies: Vec<String>,
    /// Kinds of keys
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [KeyKind::U64, KeyKind::Str49])]
    key: Vec<KeyKind>,
    /// Operations
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Operation::ALL)]
    op: Vec<Operation>,
    /// Threads that call at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [1, 2], value_parser = threads)]
    threads: Vec<usize>,
    /// Rounds in which every cache has its turn
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Operations of each thread in a round
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    operations: usize,
    /// Different keys
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    keys: usize,
    /// Entries a cache may hold
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    capacity: usize,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

/// Rounds at most.
const ROUNDS_MAX: usize = 1000;
/// Operations of a round, keys and entries at most: all are laid out in memory before the first is timed.
const OPERATIONS_MAX: usize = 100_000_000;

fn threads(text: &str) -> Result<usize, String> {
    let threads: usize = text.parse().map_err(|error| format!("{error}"))?;
    if (1..=64).contains(&threads) { Ok(threads) } else { Err("from 1 to 64".into()) }
}

fn main() -> ExitCode {
    ending::told(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<String, String> {
    let plan = plan(arguments)?;
    let entrants = entrants(&arguments.policies)?;
    let turns = arguments.key.len() * plan.threads.len() * plan.operations_of.len() * plan.rounds * entrants.len();
    let progress = progress(turns);
    let mut all = Vec::new();
    for kind in &arguments.key {
        progress.set_message(kind.name());
        all.extend(plan.run(*kind, &entrants, &|| progress.inc(1))?);
    }
    progress.finish_and_clear();
    match arguments.output {
        Format::Json => rows::json(&all.iter().map(|one| &one.row).collect::<Vec<_>>()),
        Format::Table => Ok(tables(&all)),
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    for (name, number, most) in [
        ("rounds", arguments.rounds, ROUNDS_MAX),
        ("operations", arguments.operations, OPERATIONS_MAX),
        ("capacity", arguments.capacity, OPERATIONS_MAX),
        ("keys", arguments.keys, OPERATIONS_MAX),
    ] {
        if !(1..=most).contains(&number) {
            return Err(format!("--{name} {number}: from 1 to {most}"));
        }
    }
    if arguments.keys < arguments.capacity {
        return Err("--keys must be at least --capacity: nothing would be evicted".into());
    }
    Ok(Plan {
        rounds: arguments.rounds,
        operations: arguments.operations,
        keys: arguments.keys,
        capacity: arguments.capacity,
        threads: arguments.threads.clone(),
        operations_of: Operation::ALL.into_iter().filter(|operation| arguments.op.contains(operation)).collect(),
    })
}

fn entrants(asked: &[String]) -> Result<Vec<&'static Entrant>, String> {
    let all = stores::entrants();
    let names = select::caches(all.iter().map(|entrant| entrant.name.as_str()), asked)?;
    Ok(all.iter().filter(|entrant| names.contains(&entrant.name.as_str())).collect())
}

/// On stderr, and only when that is a terminal.
fn progress(turns: usize) -> ProgressBar {
    let bar = ProgressBar::new(turns as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

fn tables(all: &[Measured]) -> String {
    let mut table = rows::markdown();
    table.set_header(["cache", "key", "threads", "op", "ns CPU", "ns wall", "hit ratio"]);
    for one in all {
        let row = &one.row;
        let cells = [row.cache.clone(), row.key.into(), row.threads.to_string(), row.op.into()];
        let numbers =
            [format!("{:.0}", row.ns_cpu), format!("{:.0}", row.ns_wall), rows::percent(round(one.hit_ratio))];
        table.add_row(cells.into_iter().chain(numbers));
    }
    let mut ratios = rows::markdown();
    ratios.set_header(["cache", "key", "threads", "op", "times faster than moka", "least", "most"]);
    for (row, middle, least, most) in faster_than("moka", all).into_iter().filter(|ratio| ratio.0.cache != "moka") {
        let cells = [row.cache, row.key.into(), row.threads.to_string(), row.op.into()];
        ratios.add_row(cells.into_iter().chain([middle, least, most].map(|ratio| format!("{ratio:.1}"))));
    }
    if ratios.is_empty() {
        return format!("best of all rounds\n{table}");
    }
    format!(
        "best of all rounds\n{table}\n\nCPU time of moka / CPU time of the cache in the same round: median\n{ratios}"
    )
}

/// To tenths of a percent.
fn round(fraction: f64) -> f64 {
    (fraction * 1000.0).round() / 1000.0
}
