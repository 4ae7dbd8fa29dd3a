//! `cargo x torture crash`, `redis` and `replicas`. The command line only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it found")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use hotplate_torture::{
    crash,
    replicas::{self, faults::Wrong, judge::Report},
    shared::{self, Fault},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

const CRASH: &str = "Examples:
  cargo x torture crash                        200 kills, seed 1, about two minutes
  cargo x torture crash --kills 1000 --seed 7  more of them, other choices
  cargo x torture crash --minutes 60 -o json   an hour; {kills,starts,wrong,resurrected,lost_durable,
                                               recovery_ms_p50,recovery_ms_max}
  cargo x torture crash --kills 12 --rolls-back  a disk that is wrong on purpose, which has to be found

A server with a small memory and a disk is written to, invalidated by key, tag and prefix, and read, by eight clients, and is
killed with SIGKILL after 5 to 500 ms; every fifth time while it starts; between ten kills it is ended in order once. After each
restart every key is read before anything else. For the last quarter the disk is too small for everything.

  wrong         a value that nobody wrote: every byte follows from its key and number
  resurrected   a value that was invalidated, or at its end, before it was read, and that was acknowledged; or one that the
                disk was seen not to hold; or, while the server lives, one that another was written in the place of
  lost_durable  a value that was on the disk after a restart, or when the server ended in order, and then was not, though
                nobody touched it and the disk had room

Ends with 1 when any of them is not 0 (the folder with the server's disk and log is kept), with 2 when it could not run.";

const REDIS: &str = "Examples:
  cargo x torture redis --fault kill                 the server is killed with SIGKILL, and back after 5 seconds, empty
  cargo x torture redis --fault blackhole -o json    {fault,reads,stale,wrong,p99_before_ms,p99_during_ms,recovered_ms}
  cargo x torture redis --fault flap --seconds 60    a minute of it

A server with a small memory shares what it holds through a real Redis behind a proxy, and is written to, invalidated and read
while Redis is well, while it is not, and afterwards.

  kill       SIGKILL, and another start without data      flap       connections reset and refused, 300 ms in every 600
  pause      SIGSTOP: it holds connections, says nothing  failover   the master of a Sentinel setup is killed
  oom        maxmemory is reached: writes are refused     blackhole  the network takes everything and brings nothing

  reads          Gets that were judged
  stale          those that found what was replaced, invalidated or at its end, and that was acknowledged
  wrong          those that found what nobody wrote to that key
  p99_before_ms  of Gets that memory answered while Redis was well
  p99_during_ms  of all Gets during the fault, from when the breaker is open on, where it opens
  recovered_ms   from the end of the fault until Redis is asked again and has heard everything

Ends with 1 when a Get was stale or wrong or Redis was not used again, with 2 when it could not run.";

const REPLICAS: &str = "Examples:
  cargo x torture replicas                          three servers, 20 seconds, seed 1
  cargo x torture replicas --replicas 5 --seconds 600 --seed 7
  cargo x torture replicas --calm -o json           nothing is broken: the lag as it usually is
  cargo x torture replicas --wrong forgets-fences   a Redis that is wrong on purpose, which has to be found

Servers share one real Redis, each by a proxy of its own. Clients read, compute under leases, invalidate keys and tags, write and
watch at all of them, while one after another loses its way to Redis, its messages or its connections, hears late, or is stopped
with SIGSTOP. The seed decides what is done and broken, not how it interleaves. -o json prints one line:
{invalidations,stale_same,stale_other_after_bound,lag_p50_ms,lag_p99_ms,lag_max_ms}

  invalidations            Invalidates of a key or tag, and Puts, that were acknowledged, for each key they concern
  stale_same               Gets that found what was acknowledged to be invalid at the same server before they began, or that
                           asked for the position of that acknowledgement
  stale_other_after_bound  Gets that found what was acknowledged to be invalid at another server more than 3 seconds before they
                           began, in an answer without the header that says that its server is cut off
  lag_*_ms                 from the acknowledgement until a Get on another server showed the change, or said that it is cut off

Also judged: one computation of a key where nothing changed and nothing was broken; every change is told to the watchers of every
server.

Ends with 1 when something does not hold (the folder with the servers' logs is kept), with 2 when it could not run.";

/// What a program that was called wrongly, or could not do its work, ends with.
const EXIT_NO_RUN: u8 = 2;

/// Do to a running server what goes wrong around it, and judge its answers.
#[derive(Parser)]
#[command(name = "cargo x torture", bin_name = "cargo x torture")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Kill a server with a disk again and again, and read everything after each restart
    #[command(after_help = CRASH)]
    Crash {
        /// So many kills
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
        kills: u64,
        /// As many kills as fit into this
        #[arg(long, conflicts_with = "kills")]
        minutes: Option<f64>,
        /// Put what the disk holds back now and then to what it held before: the run is good when that is found
        #[arg(long)]
        rolls_back: bool,
        #[command(flatten)]
        run: Shape,
    },
    /// Let the Redis that a server shares with others fail, and come back
    #[command(after_help = REDIS)]
    Redis {
        /// How it fails
        #[arg(long, value_enum)]
        fault: Fault,
        /// Seconds the fault lasts
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
        seconds: u64,
        #[command(flatten)]
        run: Shape,
    },
    /// Lose messages between servers that share a Redis, stop them, and look for what is stale
    #[command(after_help = REPLICAS)]
    Replicas(Replicas),
}

#[derive(clap::Args)]
struct Replicas {
    /// Servers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=16))]
    replicas: u8,
    /// Seconds the clients work; the last 6 of them nothing is broken
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(8..=86_400))]
    seconds: u64,
    /// Break nothing
    #[arg(long)]
    calm: bool,
    /// Make Redis wrong on purpose: the run is good when that is found
    #[arg(long, value_enum)]
    wrong: Option<Wrong>,
    /// So often a run that showed too little is made once more, each time for twice as long
    #[arg(long, value_name = "TIMES", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=8))]
    longer: u8,
    #[command(flatten)]
    run: Shape,
}

#[derive(clap::Args)]
struct Shape {
    /// From what choices follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's program; the one that was built beside this one when it is left out
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Crash { kills, minutes, rolls_back, run } => crash(kills, minutes, rolls_back, &run),
        What::Redis { fault, seconds, run } => redis(fault, seconds, &run),
        What::Replicas(arguments) => replicas(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::from(EXIT_NO_RUN)
        }
    }
}

fn crash(kills: u64, minutes: Option<f64>, rolls_back: bool, shape: &Shape) -> Result<bool, String> {
    let folder = shape.folder("crash")?;
    let lasts = minutes.map(|minutes| Duration::try_from_secs_f64(minutes * 60.0)).transpose();
    let lasts = lasts.map_err(|error| format!("--minutes: {error}"))?;
    eprintln!("seed {}", shape.seed);
    let (server, seed) = (shape.server()?, shape.seed);
    let run = crash::Run { kills, lasts, seed, server, folder: folder.clone(), rolls_back };
    let bar = bar(if lasts.is_some() { None } else { Some(kills) }, "kills");
    let report = run.run(&|kills| bar.set_position(kills));
    bar.finish_and_clear();
    let report = report.map_err(|reason| format!("{reason}\nits folder: {}", folder.display()))?;
    shape.print(&report)?;
    if rolls_back && report.good() {
        return Err("what came back with the disk's past was not found".to_owned());
    }
    ended(&folder, report.good() || rolls_back, &report.findings.said)
}

fn redis(fault: Fault, seconds: u64, shape: &Shape) -> Result<bool, String> {
    let folder = shape.folder("redis")?;
    eprintln!("seed {}", shape.seed);
    let lasts = Duration::from_secs(seconds);
    let (server, seed) = (shape.server()?, shape.seed);
    let run = shared::Run { fault, lasts, seed, server, folder: folder.clone() };
    let bar = bar(None, "");
    let report = run.run(&|stage| bar.set_message(stage.to_owned()));
    bar.finish_and_clear();
    let report = report.map_err(|reason| format!("{reason}\nits folder: {}", folder.display()))?;
    shape.print(&report)?;
    ended(&folder, report.good(), &report.findings.said)
}

fn replicas(arguments: &Replicas) -> Result<bool, String> {
    let shape = &arguments.run;
    eprintln!("seed {}", shape.seed);
    let mut seconds = arguments.seconds;
    for _longer in 0..arguments.longer {
        let (report, folder) = replicas_for(seconds, arguments)?;
        let too_little = report.missing().is_some() || arguments.wrong.is_some() && report.good();
        if !too_little {
            return replicas_ended(arguments, &report, &folder);
        }
        seconds *= 2;
        eprintln!("that showed too little: once more, for {seconds} seconds");
    }
    let (report, folder) = replicas_for(seconds, arguments)?;
    replicas_ended(arguments, &report, &folder)
}

fn replicas_for(seconds: u64, arguments: &Replicas) -> Result<(Report, PathBuf), String> {
    let shape = &arguments.run;
    let folder = shape.folder("replicas")?;
    let run = replicas::Run {
        replicas: arguments.replicas.into(),
        lasts: Duration::from_secs(seconds),
        seed: shape.seed,
        calm: arguments.calm,
        wrong: arguments.wrong,
        server: shape.server()?,
        folder: folder.clone(),
    };
    let bar = bar(None, "");
    let report = run.run(&|fault| bar.set_message(fault.to_owned()));
    bar.finish_and_clear();
    let report = report.map_err(|reason| format!("{reason}\nits folder: {}", folder.display()))?;
    Ok((report, folder))
}

fn replicas_ended(arguments: &Replicas, report: &Report, folder: &Path) -> Result<bool, String> {
    let shape = &arguments.run;
    shape.print(report)?;
    if let Format::Table = shape.output {
        besides(report);
    }
    if let Some(what) = report.missing() {
        return Err(format!("there were no {what}: nothing was judged"));
    }
    if arguments.wrong.is_some() && report.good() {
        return Err("the Redis that was wrong on purpose was not found out".to_owned());
    }
    ended(folder, report.good() || arguments.wrong.is_some(), &report.said)
}

/// What is judged besides, and what there was to judge.
fn besides(report: &Report) {
    for (name, value) in [
        ("reads", report.reads),
        ("of them stale within the bound, or said to be cut off", report.stale_other),
        ("computed", report.computed),
        ("computed twice from one truth", report.computed_twice),
        ("changes that watchers were not told", report.untold),
        ("faults", report.faults),
    ] {
        println!("{name:<54} {value}");
    }
}

/// Says what was wrong and where the rest of it is, or removes the folder.
fn ended(folder: &Path, good: bool, said: &[String]) -> Result<bool, String> {
    if good {
        std::fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        return Ok(true);
    }
    for sentence in said {
        eprintln!("{sentence}");
    }
    eprintln!("the server's files and log: {}", folder.display());
    Ok(false)
}

fn bar(length: Option<u64>, unit: &str) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => {
            (ProgressBar::new(length), format!("{{bar:30}} {{pos}}/{{len}} {unit}, {{elapsed}}, {{eta}} left"))
        }
        None => (ProgressBar::new_spinner(), format!("{{spinner}} {{elapsed}} {{pos}} {unit} {{msg}}")),
    };
    bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Shape {
    fn server(&self) -> Result<PathBuf, String> {
        let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        Ok(self.server.clone().unwrap_or_else(|| this.with_file_name("hotplate")))
    }

    /// An empty folder of this run.
    fn folder(&self, what: &str) -> Result<PathBuf, String> {
        let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let name = format!("{what}-{}-{}", self.seed, std::process::id());
        let folder = this.with_file_name("../torture").join(name);
        let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(fail)?;
        std::fs::canonicalize(&folder).map_err(fail)
    }

    fn print(&self, report: &impl Serialize) -> Result<(), String> {
        let value = serde_json::to_value(report).map_err(|error| format!("cannot print: {error}"))?;
        match self.output {
            Format::Json => println!("{value}"),
            Format::Table => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    println!("{name:<24} {value}");
                }
            }
        }
        Ok(())
    }
}
