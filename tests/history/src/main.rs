//! `cargo x history`: records a history from a real server under faults and judges it, or judges one that was kept. The
//! command line only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it found")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use hotplate_history::{driver::Driver, load::History, record::Run, report::Report, worker::Worker, wrong::Wrong};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "Examples:
  cargo x history                             20 seconds, seed 1
  cargo x history --seconds 600 --seed 7      ten minutes of other choices and faults
  cargo x history --keep /tmp/h -o json       keeps what was recorded, prints {seed,operations,faults,validators,...}
  cargo x history --recheck /tmp/h            judges it again, without a server
  cargo x history --wrong keeps-answers       a wrong server, which has to be found
  cargo x history --server ./hotplate-1.2     another server than the one that was just built

Clients in several processes compute under leases, write, read and invalidate, while connections are cut, clients are
killed in mid-computation, the server is stopped and restarted. Every call is recorded with when it began and ended, on
one clock; the validators judge the record afterwards, and must find what is wrong with broken versions of it. The seed
decides what is done and broken, not how it interleaves: a record that was kept is judged the same every time.

Ends with 1 when something does not hold (the record is kept then), with 2 when it was called wrongly or could not run. \
Which promise each validator stands for: docs/guarantees.md.";

/// What a program that was called wrongly, or could not do its work, ends with.
const EXIT_NO_RUN: u8 = 2;

/// Record what clients in several processes see of a server that is hit by faults, and judge it.
#[derive(Parser)]
#[command(name = "cargo x history", after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Seconds the clients work
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(5..=3600))]
    seconds: u64,
    /// From what choices and faults follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Processes of clients
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// Clients in each process
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(2..=256))]
    clients: u32,
    /// How long the server's leases last, in milliseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=10_000))]
    lease_ms: u64,
    /// How long the server may be silent before near caches serve nothing, in milliseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(300..=10_000))]
    near_ms: u64,
    /// Keep the record in this folder, which must be empty or not exist
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Judge the record in this folder again; nothing is run
    #[arg(long, value_name = "DIR", conflicts_with_all = ["keep", "seconds", "seed", "processes", "clients", "lease_ms", "near_ms"])]
    recheck: Option<PathBuf>,
    /// The server's program; the one that was built beside this one when it is left out
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Make the server wrong on purpose: the run is good when the validator that has to find it does
    #[arg(long, value_enum)]
    wrong: Option<Wrong>,
    /// So often a run that showed too little is made once more, each time for twice as long
    #[arg(long, value_name = "TIMES", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    longer: u8,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// A process of clients, which a run starts by itself
    #[command(hide = true)]
    Worker(Worker),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::from(EXIT_NO_RUN)
        }
    }
}

fn run(arguments: Arguments) -> Result<bool, String> {
    if let Some(Command::Worker(worker)) = arguments.command {
        return worker.run().map(|()| true);
    }
    if let Some(folder) = &arguments.recheck {
        return Ok(judge(folder, &arguments, Some(folder))? == Judged::Good);
    }
    let mut arguments = arguments;
    loop {
        let folder = folder(arguments.keep.as_deref(), arguments.seed)?;
        record(&arguments, &folder).map_err(|reason| format!("{reason}\nrecorded so far: {}", folder.display()))?;
        let judged = judge(&folder, &arguments, arguments.keep.as_deref())?;
        let remove = || std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()));
        match judged {
            Judged::Good if arguments.keep.is_none() => return remove().map(|()| true),
            Judged::ShowsTooLittle if arguments.longer > 0 && arguments.keep.is_none() => remove()?,
            judged => return Ok(judged == Judged::Good),
        }
        arguments.longer -= 1;
        arguments.seconds *= 2;
        eprintln!("that showed too little: once more, for {} seconds", arguments.seconds);
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Good,
    /// Nothing is wrong, but not everything that would be was found.
    ShowsTooLittle,
    Bad,
}

/// This program: it is `target/debug/hotplate-history`, or in another profile's folder.
fn this_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))
}

/// An empty folder for the record: the one that was asked for, or one in `target/history`.
fn folder(keep: Option<&Path>, seed: u64) -> Result<PathBuf, String> {
    let own = this_program()?.with_file_name("../history").join(format!("{seed}-{}", std::process::id()));
    let folder = keep.map_or(own, Path::to_path_buf);
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(fail)?;
    if std::fs::read_dir(&folder).map_err(fail)?.next().is_some() {
        return Err(format!("{} is not empty: name another folder, or judge it with --recheck", folder.display()));
    }
    std::fs::canonicalize(&folder).map_err(fail)
}

fn record(arguments: &Arguments, folder: &Path) -> Result<(), String> {
    let run = Run {
        seed: arguments.seed,
        seconds: arguments.seconds,
        processes: arguments.processes,
        clients: arguments.clients,
        lease_ms: arguments.lease_ms,
        near_ms: arguments.near_ms,
    };
    let program = this_program()?;
    let server = arguments.server.clone().unwrap_or_else(|| program.with_file_name("hotplate"));
    let driver = Driver { run, server, program, wrong: arguments.wrong, folder: folder.to_owned() };
    let bar = ProgressBar::new(arguments.seconds);
    let style = ProgressStyle::with_template("{bar:30} {elapsed} of {len} s {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    let done = driver.run(&|fault| {
        bar.set_position(bar.elapsed().as_secs());
        bar.set_message(format!("{fault:?}"));
    });
    bar.finish_and_clear();
    done
}

/// Judges what is recorded there, and prints it.
fn judge(folder: &Path, arguments: &Arguments, kept: Option<&Path>) -> Result<Judged, String> {
    let history = History::read(folder)?;
    let mut report = Report::of(&history);
    let good = match arguments.wrong {
        Some(wrong) => report.finds(wrong),
        None => report.good(),
    };
    // Of a wrong server everything else that is found is its as well.
    let too_little = !good && (arguments.wrong.is_some() || report.shows_too_little());
    if too_little && arguments.longer > 0 && kept.is_none() {
        report.objections().iter().for_each(|objection| eprintln!("{objection}"));
        return Ok(Judged::ShowsTooLittle);
    }
    if kept.is_some() || !good {
        report.kept = Some(folder.display().to_string());
    }
    match arguments.output {
        Format::Json => println!("{}", report.json()?),
        Format::Table => println!("{}", report.tables()),
    }
    if !good {
        if matches!(arguments.output, Format::Json) {
            report.objections().iter().for_each(|objection| eprintln!("{objection}"));
        }
        eprintln!("{}", report.again(folder));
    }
    Ok(if good { Judged::Good } else { Judged::Bad })
}
