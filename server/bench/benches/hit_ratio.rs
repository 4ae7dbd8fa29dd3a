//! `cargo x bench hit-ratio`: replays traces against the store and against other caches. The command line only; what is
//! measured is in the library beside it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measured")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{
    Parser,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use hotplate_bench::{
    catalogue,
    contestant::{self, Entrant},
    ending, plot,
    replay::{Plan, Writes},
    rows::{self, Format, Row},
    select, summary,
    trace::Trace,
};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "Examples:
  cargo x bench hit-ratio                                    every cache, the shipped traces
  cargo x bench hit-ratio --policies cost_aware,moka --sizes 0.05
  cargo x bench hit-ratio --traces ~/traces -o json          every *.csv.zst of a folder, JSON on stdout
  HOTPLATE_TRACES=~/traces cargo x bench hit-ratio           the shipped ones and those of a folder
  cargo x bench hit-ratio --plots docs/img                   one SVG a trace, at seven sizes

A trace is a file NAME.csv.zst with a line `time,key,size[,op[,cost]]` for each request; a size of 0 counts as 1, `op` is \
get or set, and without a cost every request costs 1. Each line is an access, whatever its op: one that misses is followed \
by a put. The capacity is a fraction of the footprint: the sum over all keys of the size each had when it first came.

hit_ratio is of accesses, byte_hit_ratio of their bytes, cost_saved of their cost. moka maintains itself by count and \
time, so its rows move by a few tenths of a point; all others are the same in every run. The mean over all traces leaves \
out lirs-loop and synthetic-*: see docs/performance.md.";

/// Hit ratios of the store and of other caches on recorded traffic.
#[derive(Parser)]
#[command(name = "cargo x bench hit-ratio", after_help = EXAMPLES)]
struct Arguments {
    /// Folders of traces, instead of the shipped and made-up ones; repeat for more
    #[arg(long, value_name = "DIR")]
    traces: Vec<PathBuf>,
    /// A folder of more traces, beside the shipped and made-up ones
    #[arg(long, value_name = "DIR", env = "HOTPLATE_TRACES", value_parser = OsStringValueParser::new().map(PathBuf::from))]
    also: Option<PathBuf>,
    /// Only these traces, by name
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these caches, by name or by what comes after `hotplate/`
    #[arg(long, value_name = "CACHE", value_delimiter = ',')]
    policies: Vec<String>,
    /// Capacities as fractions of each trace's footprint [default: 0.01,0.05,0.2; for plots 0.005 to 0.4]
    #[arg(long, value_name = "FRACTION", value_delimiter = ',', value_parser = select::fraction)]
    sizes: Vec<f64>,
    /// Shards of our own caches: a power of two up to 64
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = select::shards)]
    shards: usize,
    /// How many caches are replayed at once; what they save does not depend on it
    #[arg(long, value_name = "N", default_value_t = 2)]
    threads: usize,
    /// What a line whose op is set stands for
    #[arg(long, value_enum, default_value_t)]
    writes: Writes,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Draw one SVG for each trace into this folder
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
    /// What cargo adds
    #[arg(long, hide = true)]
    bench: bool,
}

const SIZES: [f64; 3] = [0.01, 0.05, 0.2];
const SIZES_OF_PLOTS: [f64; 7] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4];

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(Measured { text, unreadable }) => {
            println!("{text}");
            for reason in &unreadable {
                eprintln!("error: {reason}");
            }
            if unreadable.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(ending::EXIT_WRONG_CALL) }
        }
        Err(reason) => ending::refused(&reason),
    }
}

/// What is to be printed.
struct Measured {
    text: String,
    /// What is wrong with each trace that could not be read: the others are measured all the same.
    unreadable: Vec<String>,
}

fn run(arguments: &Arguments) -> Result<Measured, String> {
    let entrants = entrants(&arguments.policies)?;
    let sources = if arguments.traces.is_empty() {
        catalogue::standard(also(arguments))?
    } else {
        catalogue::in_folders(&arguments.traces)?
    };
    let sources = catalogue::only(sources, &arguments.only)?;
    let sizes = match (&arguments.sizes[..], &arguments.plots) {
        ([], None) => &SIZES[..],
        ([], Some(_)) => &SIZES_OF_PLOTS[..],
        (sizes, _) => sizes,
    };
    let plan = Plan {
        entrants: &entrants,
        sizes,
        shards: arguments.shards,
        writes: arguments.writes,
        threads: arguments.threads,
    };
    let progress = progress(sources.len() * sizes.len() * entrants.len());
    let (mut all, mut unreadable) = (Vec::new(), Vec::new());
    for source in sources {
        progress.set_message(source.name.clone());
        let trace = match Trace::open(&source.path) {
            Ok(trace) => trace,
            Err(reason) => {
                unreadable.push(reason);
                continue;
            }
        };
        let rows = plan.run(&trace, &|| progress.inc(1))?;
        if let Some(folder) = &arguments.plots {
            plot::write(folder, &source.name, &rows)?;
        }
        all.extend(rows);
    }
    progress.finish_and_clear();
    let text = match arguments.output {
        Format::Json => rows::json(&all)?,
        Format::Table => format!("{}{}", rows::tables(&all), summed_up(&all)),
    };
    Ok(Measured { text, unreadable })
}

/// An empty environment variable counts as unset.
fn also(arguments: &Arguments) -> Option<&Path> {
    arguments.also.as_deref().filter(|folder| !folder.as_os_str().is_empty())
}

fn entrants(asked: &[String]) -> Result<Vec<&'static Entrant>, String> {
    let all = contestant::entrants();
    let names = select::caches(all.iter().map(|entrant| entrant.name.as_str()), asked)?;
    Ok(all.iter().filter(|entrant| names.contains(&entrant.name.as_str())).collect())
}

/// On stderr, and only when that is a terminal.
fn progress(cells: usize) -> ProgressBar {
    let bar = ProgressBar::new(cells as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

fn summed_up(rows: &[Row]) -> String {
    let reductions = summary::reductions(rows);
    if reductions.is_empty() {
        return format!("no mean miss reduction: it takes `{}` and a trace that counts", contestant::BASELINE);
    }
    let mut table = rows::markdown();
    table.set_header(["cache", "mean miss reduction against lru", "worst", "where", "cells"]);
    for one in reductions {
        let of = |fraction: f64| format!("{:+.1} %", 100.0 * fraction);
        let place = format!("{} {}", one.worst_at.0, rows::percent(one.worst_at.1));
        table.add_row([one.cache, of(one.mean), of(one.worst), place, one.cells.to_string()]);
    }
    let left_out = summary::LEFT_OUT.join("*, ");
    format!("(misses of lru - misses) / misses of lru, over all traces and sizes but {left_out}*\n{table}")
}
