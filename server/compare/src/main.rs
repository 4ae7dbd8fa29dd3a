//! `cargo x bench compare`: the command line, and what is done with rows.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it measured")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use hotplate_compare::{
    generator::Pace,
    machine::{Machine, load_average},
    measure::{Measure, picked},
    page, plot,
    row::{self, Row},
    scene::{Scale, Scene},
    servers::Programs,
    side::Side,
    stage::{Plan, Stage},
};
use tokio::signal::unix::{SignalKind, signal};

const AFTER: &str = "Examples:
  cargo x bench                                  everything; writes the tables and pictures of docs/performance.md
  cargo x bench compare                          everything, as a table on the terminal
  cargo x bench compare -o json                  rows {measure,ours,peer,peer_name,ratio,spread,bar,met,unit,command,…}
  cargo x bench compare --only get_100b --only near_hit
  cargo x bench compare --quick                  a moment of everything in a debug build: works, and says nothing of speed

Starts hotplate, bare gRPC servers with its contract and nothing behind them, Redis, memcached and etcd on free ports of
loopback, drives each with `hotplate bench`, and ends all of it by itself, also on Ctrl-C. Servers run on the first core,
the generator on the second; sides take turns, A B A B; a row is the median over rounds of ours / peer in the same round,
with the least and the greatest. Wants a quiet machine: rows carry the load average.

Ends with 0 when every row was measured, whether it reaches its bar or not; with 1 when one was not; with 2 when it cannot
run; with 130 after Ctrl-C.";

/// The whole cache beside bare servers, Redis, memcached and etcd.
#[derive(Debug, Parser)]
#[command(name = "cargo x bench compare", after_help = AFTER)]
struct Arguments {
    /// Only these rows; a name stands for all that begin with it
    #[arg(long, value_name = "MEASURE")]
    only: Vec<String>,
    /// Rounds of each comparison
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of each turn
    #[arg(long, default_value_t = 1.5, value_parser = seconds)]
    seconds: f64,
    /// One round of short turns with small values, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Write the tables and pictures into docs/performance.md and docs/img: only all rows, and only as they are
    #[arg(long, conflicts_with_all = ["only", "quick"])]
    write: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Where the programs are that are measured
    #[arg(long, hide = true, default_value = "target/measured")]
    programs: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
}

fn seconds(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_not_a_number| format!("`{text}` is no number"))?;
    if (0.05..=600.0).contains(&number) { Ok(number) } else { Err("write a number from 0.05 to 600".into()) }
}

/// Seconds of a turn when it is only to be seen that it works.
const QUICK_SECONDS: f64 = 0.2;
/// Seconds of the same load before each turn.
const WARMUP: f64 = 0.3;

impl Arguments {
    fn plan(&self) -> Plan {
        if self.quick {
            let pace = Pace { seconds: QUICK_SECONDS, warmup: 0.0 };
            return Plan { rounds: 1, pace, scale: Scale::Quick };
        }
        Plan { rounds: self.rounds, pace: Pace { seconds: self.seconds, warmup: WARMUP }, scale: Scale::Full }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(until_interrupted(&arguments)),
        Err(error) => Err(format!("cannot start: {error}")),
    };
    ended.unwrap_or_else(|reason| {
        eprintln!("error: {reason}");
        ExitCode::from(2)
    })
}

/// What was started ends when it is dropped, which is also what a signal does.
async fn until_interrupted(arguments: &Arguments) -> Result<ExitCode, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        ended = Box::pin(compare(arguments)) => ended,
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(130)),
    }
}

async fn compare(arguments: &Arguments) -> Result<ExitCode, String> {
    let measures = picked(&arguments.only)?;
    let machine = Machine::here().await;
    eprintln!("{}", machine.sentence());
    let folder = fs::canonicalize(&arguments.programs);
    let folder = folder.map_err(|error| format!("{}: {error}", arguments.programs.display()))?;
    let stage = Stage::new(Programs { folder, cores: machine.placement() }, arguments.plan());
    let rows = rows(&stage, &measures).await;
    match arguments.output {
        Format::Json => println!("{}", row::json(&rows)?),
        Format::Table => println!("{}", row::table(&rows)),
    }
    if arguments.write {
        write(&rows, &machine, arguments.plan())?;
    }
    Ok(told(&rows))
}

/// Plays the scenes that the measures need, one after the other.
async fn rows(stage: &Stage, measures: &[&Measure]) -> Vec<Row> {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let scenes: Vec<Scene> =
        Scene::ALL.into_iter().filter(|scene| measures.iter().any(|measure| measure.scene == *scene)).collect();
    for (number, scene) in scenes.iter().enumerate() {
        let mine: Vec<&&Measure> = measures.iter().filter(|measure| measure.scene == *scene).collect();
        let wanted = |side: &Side| mine.iter().any(|one| one.ours == *side || one.peers.contains(side));
        let sides: Vec<Side> =
            scene.sides().iter().copied().filter(|side| *side == Side::Ours || wanted(side)).collect();
        let name = scene.name();
        let say = |line: &str| eprintln!("{} of {}: {name}: {line}", number + 1, scenes.len());
        say("starting");
        let played = stage.play(*scene, &sides, &say).await;
        let load = load_average();
        for measure in mine {
            let row = match &played {
                Ok(played) => Row::measured(measure, played, load),
                Err(why) => Row::failed(measure, why.clone()),
            };
            rows.insert(measure.name, row);
        }
        if let Err(why) = played {
            say(&format!("not measured: {why}"));
        }
    }
    measures.iter().filter_map(|measure| rows.remove(measure.name)).collect()
}

fn write(rows: &[Row], machine: &Machine, plan: Plan) -> Result<(), String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let put = |path: &Path, text: &str| fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()));
    let path = docs.join("performance.md");
    let page = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let how = format!("{} rounds of {} s for each side, in turns.", plan.rounds, plan.pace.seconds);
    put(&path, &page::replaced(&page, &page::section(rows, machine, &how))?)?;
    put(&docs.join("img/compare-throughput.svg"), &plot::throughput(rows)?)?;
    put(&docs.join("img/compare-bars.svg"), &plot::shares(rows)?)?;
    eprintln!("written: docs/performance.md, docs/img/compare-throughput.svg, docs/img/compare-bars.svg");
    Ok(())
}

/// Says what was not measured and what misses its bar.
fn told(rows: &[Row]) -> ExitCode {
    for row in rows.iter().filter(|row| row.met == Some(false)) {
        let (ratio, bar) = (row.ratio.unwrap_or_default(), &row.bar);
        eprintln!("misses its bar: {}: {ratio:.2}, {bar}", row.measure);
    }
    let mut unmeasured: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.is_whole()) {
        unmeasured.entry(row.error.as_deref().unwrap_or("a figure is no number")).or_default().push(row.measure);
    }
    for (why, rows) in &unmeasured {
        eprintln!("not measured: {}: {why}", rows.join(", "));
    }
    if unmeasured.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_is_one_short_round() {
        let plan = Arguments::parse_from(["x", "--quick", "--rounds", "9"]).plan();
        assert_eq!((plan.rounds, plan.scale), (1, Scale::Quick));
        let plan = Arguments::parse_from(["x", "--seconds", "0.5"]).plan();
        assert_eq!((plan.rounds, plan.scale), (5, Scale::Full));
        assert!((plan.pace.seconds - 0.5).abs() < 1e-9);
        assert!(Arguments::try_parse_from(["x", "--seconds", "0"]).is_err());
        assert!(Arguments::try_parse_from(["x", "--rounds", "0"]).is_err());
        assert!(Arguments::try_parse_from(["x", "--write", "--quick"]).is_err());
        assert!(Arguments::try_parse_from(["x", "--write", "--only", "near"]).is_err());
    }
}
