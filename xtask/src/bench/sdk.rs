//! `cargo x bench sdk`: the `bench` of every SDK against one server, in turns, and the table of it in `docs/performance.md`. What a mode does is
//! each SDK's; what came of it is only gathered here.

use std::{
    collections::BTreeMap,
    fs,
    process::{Child, Stdio},
};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::{
    program::{self, cargo, root},
    sdk::{self, Sdk},
    server::Server,
};

/// Modes with a throughput; the herd is measured by itself.
const MODES: [&str; 3] = ["unary", "batched", "near"];
const HERD: &str = "herd";
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- sdks: written by `cargo x bench sdk`, from here -->";
const END: &str = "<!-- sdks: to here -->";

const EXAMPLES: &str = "Examples:
  cargo x bench sdk --write                      all SDKs, five turns; rewrites the table in docs/performance.md
  cargo x bench sdk --language go --rounds 1     one of them, once
  cargo x bench sdk -o json                      rows {language,mode,ops_per_s,p50_us,p99_us,errors,computations,max_wait_ms}";

/// What is measured, and how.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Only this language; may be given several times
    #[arg(long, value_name = "LANGUAGE")]
    language: Vec<String>,
    /// Turns; medians are shown
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Length of one mode of one language in one turn
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Callers at a time in a process
    #[arg(long, value_name = "CALLERS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    in_flight: u32,
    /// Bytes of a value
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    value_size: u32,
    /// Processes of the herd, each with --in-flight callers
    #[arg(long, value_name = "NUMBER", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=32))]
    processes: u32,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Rewrite the table in docs/performance.md, too
    #[arg(long, conflicts_with = "language")]
    write: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

/// What one run printed, or the median of several.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
struct Row {
    #[serde(default)]
    language: String,
    mode: String,
    ops_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    errors: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    computations: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_wait_ms: Option<u64>,
}

/// Measures, prints, and writes the table where that was asked for.
///
/// # Errors
/// An SDK that cannot be prepared, whose bench fails, or whose numbers are of calls that failed or of a herd that computed
/// more than once: they are shown, and written nowhere.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let mut sdks = sdk::all()?;
    if let Some(unknown) = options.language.iter().find(|name| sdks.iter().all(|sdk| sdk.language != **name)) {
        let known: Vec<_> = sdks.iter().map(|sdk| sdk.language.as_str()).collect();
        return Err(format!("no client/*/sdk.toml is of `{unknown}`: there are {}", known.join(", ")));
    }
    sdks.retain(|sdk| options.language.is_empty() || options.language.contains(&sdk.language));
    build()?;
    for sdk in &sdks {
        eprintln!("preparing {}", sdk.language);
        for mut command in sdk.phase("prepare") {
            program::output(&mut command)?;
        }
    }
    let mut runs: BTreeMap<(String, String), Vec<Row>> = BTreeMap::new();
    for round in 1..=options.rounds {
        for sdk in &sdks {
            eprintln!("turn {round} of {}: {}", options.rounds, sdk.language);
            for row in turn(sdk, options)? {
                runs.entry((row.language.clone(), row.mode.clone())).or_default().push(row);
            }
        }
    }
    let rows: Vec<Row> = runs.values().map(|rows| median(rows)).collect();
    let table = table(&rows, options);
    if options.output == Output::Json {
        println!("{}", serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?);
    } else {
        println!("{table}");
    }
    judge(&rows)?;
    if options.write { write(&table) } else { Ok(()) }
}

/// Numbers of calls that failed, or of several computations, measure nothing.
fn judge(rows: &[Row]) -> Result<(), String> {
    let wrong = |row: &&Row| row.errors > 0 || (row.mode == HERD && row.computations != Some(1));
    match rows.iter().find(wrong) {
        Some(row) => Err(format!(
            "{} in mode {}: {} errors, {} computations",
            row.language,
            row.mode,
            row.errors,
            row.computations.unwrap_or_default()
        )),
        None => Ok(()),
    }
}

/// The server and the Rust client, with optimisation.
fn build() -> Result<(), String> {
    eprintln!("building the server and the Rust client with optimisation: the first time takes minutes");
    let packages = ["-p", "hotplate-cli", "--bin", "hotplate"];
    program::run(cargo(["build", "--quiet", "--locked", "--release"]).args(packages))?;
    let example = ["-p", "hotplate", "--example", "sdk_bench"];
    program::run(cargo(["build", "--quiet", "--locked", "--release"]).args(example))
}

/// All modes of one SDK, each against a server that has nothing of the others.
fn turn(sdk: &Sdk, options: &Options) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for mode in MODES {
        let server = Server::start(&root().join("target/release/hotplate"))?;
        rows.push(read(sdk, mode, start(sdk, mode, &server, options)?)?);
    }
    let server = Server::start(&root().join("target/release/hotplate"))?;
    let started: Vec<_> = (0..options.processes).map(|_| start(sdk, HERD, &server, options)).collect();
    // All of them are waited for, also when one has failed: none is left running.
    let herd: Vec<_> = started.into_iter().map(|child| read(sdk, HERD, child?)).collect();
    rows.push(together(&herd.into_iter().collect::<Result<Vec<_>, _>>()?));
    Ok(rows)
}

fn start(sdk: &Sdk, mode: &str, server: &Server, options: &Options) -> Result<Child, String> {
    let mut bench = sdk.bench();
    bench.args(["--url", &format!("hotplate://{}/bench", server.grpc), "--mode", mode]);
    bench.args(["--seconds", &options.seconds.to_string(), "--in-flight", &options.in_flight.to_string()]);
    bench.args(["--value-size", &options.value_size.to_string()]);
    let shown = program::shown(&bench);
    bench.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))
}

fn read(sdk: &Sdk, mode: &str, child: Child) -> Result<Row, String> {
    let what = || format!("the bench of {} in mode {mode}", sdk.language);
    let output = child.wait_with_output().map_err(|error| format!("{}: {error}", what()))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{} failed: {}", what(), output.status));
    }
    let line = printed.lines().last().unwrap_or_default();
    let row: Row = serde_json::from_str(line).map_err(|error| format!("{} printed `{line}`: {error}", what()))?;
    if row.mode != mode {
        return Err(format!("{} measured mode `{}`", what(), row.mode));
    }
    Ok(Row { language: sdk.language.clone(), ..row })
}

/// One herd out of what its processes said.
fn together(processes: &[Row]) -> Row {
    let mut herd = processes.first().cloned().unwrap_or_default();
    herd.ops_per_s = processes.iter().map(|row| row.ops_per_s).sum();
    herd.errors = processes.iter().map(|row| row.errors).sum();
    herd.computations = processes.iter().map(|row| row.computations).sum();
    herd.max_wait_ms = processes.iter().filter_map(|row| row.max_wait_ms).max();
    herd
}

/// The run in the middle by throughput; of errors and computations the most, and so the worst.
fn median(rows: &[Row]) -> Row {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|one, other| one.ops_per_s.total_cmp(&other.ops_per_s));
    let mut middle = sorted[sorted.len() / 2].clone();
    middle.errors = rows.iter().map(|row| row.errors).max().unwrap_or_default();
    middle.computations = rows.iter().filter_map(|row| row.computations).max();
    middle
}

fn table(rows: &[Row], options: &Options) -> String {
    let mut text = format!(
        "Medians of {} turns, {} callers in a process, values of {} bytes; the herd: {} processes, one computation of 2 s.\n\n\
         | language | Gets/s, one a call | p50 µs | p99 µs | Gets/s, 100 a call | Gets/s, near cache | p50 µs | herd: computations | longest wait ms | errors |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        options.rounds, options.in_flight, options.value_size, options.processes
    );
    let mut languages: Vec<&str> = rows.iter().map(|row| row.language.as_str()).collect();
    languages.dedup();
    for language in languages {
        let of = |mode: &str| {
            rows.iter().find(|row| row.language == language && row.mode == mode).cloned().unwrap_or_default()
        };
        let (unary, batched, near, herd) = (of(MODES[0]), of(MODES[1]), of(MODES[2]), of(HERD));
        let errors = unary.errors + batched.errors + near.errors + herd.errors;
        text += &format!(
            "| {language} | {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.1} | {} | {} | {errors} |\n",
            unary.ops_per_s,
            unary.p50_us,
            unary.p99_us,
            batched.ops_per_s,
            near.ops_per_s,
            near.p50_us,
            herd.computations.unwrap_or_default(),
            herd.max_wait_ms.unwrap_or_default(),
        );
    }
    text
}

/// Puts the table between its marks.
fn write(table: &str) -> Result<(), String> {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("cannot read {PAGE}: {error}"))?;
    let page = replaced(&page, table).ok_or_else(|| format!("{PAGE} has no place between `{BEGIN}` and `{END}`"))?;
    fs::write(&path, page).map_err(|error| format!("cannot write {PAGE}: {error}"))
}

fn replaced(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_old, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ops_per_s: f64, errors: u64, computations: Option<u64>) -> Row {
        Row { mode: "herd".into(), ops_per_s, errors, computations, max_wait_ms: Some(7), ..Row::default() }
    }

    #[test]
    fn a_median_hides_no_error_and_no_second_computation() {
        let middle = median(&[row(3.0, 0, Some(1)), row(9.0, 2, Some(2)), row(5.0, 0, Some(1))]);
        assert_eq!((middle.ops_per_s, middle.errors, middle.computations), (5.0, 2, Some(2)));
    }

    #[test]
    fn processes_of_a_herd_are_one() {
        let herd = together(&[row(1.0, 0, Some(1)), row(2.0, 1, Some(0))]);
        assert_eq!((herd.ops_per_s, herd.errors, herd.computations, herd.max_wait_ms), (3.0, 1, Some(1), Some(7)));
    }

    #[test]
    fn what_failed_or_was_computed_twice_is_no_result() {
        assert_eq!(judge(&[row(1.0, 0, Some(1))]), Ok(()));
        assert!(judge(&[row(1.0, 0, Some(2))]).is_err() && judge(&[row(1.0, 0, None)]).is_err());
        assert!(judge(&[row(1.0, 1, Some(1))]).is_err());
    }

    #[test]
    fn the_table_takes_its_place() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        assert_eq!(replaced(&page, "new\n").unwrap_or_default(), format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced("nothing", "new"), None);
        assert!(fs::read_to_string(root().join(PAGE)).is_ok_and(|page| replaced(&page, "").is_some()));
    }
}
