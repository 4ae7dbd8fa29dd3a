//! The herd: starts a server and the processes, lets all callers ask at once, kills who computes if asked to, and counts.
//! What one process does is in `worker`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    cache::Kind,
    clock, polyglot,
    report::{self, Format, Outcome},
    server::{self, Server},
    worker::{Report, Task},
};

/// How long a caller may be without an answer beyond what it has to wait for, before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a lease, or what stands for one, lasts: the server's default.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// Time between two looks at how many computations began, for the progress bar.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// Callers, when nothing is said.
const CALLERS: u32 = 500;
/// Callers of all languages together, when nothing is said.
const CALLERS_OF_ALL: u32 = 200;

/// What there is of the herd, and how it ends.
#[derive(Args, Clone)]
#[command(after_help = "\
Examples:
  cargo x demo herd
      500 callers in 4 processes, 2 seconds: 1 computation
  cargo x demo herd --kill-holder-at-ms 1000
      the process that computes is killed: 2 computations, nobody is forgotten
  cargo x demo herd --servers 3 --processes 6
      the same spread over 3 servers that share a Redis: still 1 computation
  cargo x demo herd --polyglot
      200 callers in Python, TypeScript, Go, Java and Rust: 1 computation
  cargo x demo herd -o json
      {\"computations\":1,\"callers\":500,\"answered\":500,\"max_wait_ms\":2012}
  cargo x demo --release herd --against memcached --against redis --rounds 5
      the same beside others, in turns; with optimisation")]
pub(crate) struct Options {
    /// Callers, spread over the processes: 500, with --polyglot 200, unless said
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    callers: Option<u32>,
    /// One process of each language that has an SDK here, instead of several of one: their callers want the same result, and what
    /// one language invalidates, the near caches of the others forget. Prepares the SDKs first, which the first time takes minutes
    #[arg(long, conflicts_with_all = ["against", "servers", "url", "processes", "kill_holder_at_ms", "apart"])]
    polyglot: bool,
    /// Processes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    processes: u32,
    /// How long the computation takes
    #[arg(long, value_name = "MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..=600_000))]
    compute_ms: u64,
    /// Kill the process that computes, by SIGKILL, at this time; less than --compute-ms. The others wait until its lease
    /// lapses, 10 s after it was given; then one of them computes. `answered` then leaves out the callers of that process,
    /// which `lost_with_holder` counts
    #[arg(long, value_name = "MS")]
    kill_holder_at_ms: Option<u64>,
    /// Also do the same with this cache, in turns with hotplate; its server must be installed. Repeat for more
    #[arg(long, value_enum, value_name = "CACHE")]
    against: Vec<Kind>,
    /// How many times to do all of it; only with --against
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000), requires = "against")]
    rounds: u32,
    /// With memcached and Redis, which tell nobody when a value is there: time between two questions
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    poll_ms: u64,
    /// Let every caller ask for itself instead of once for its process: with memcached and Redis over a connection of its
    /// own, with hotplate over its process's
    #[arg(long)]
    apart: bool,
    /// Servers that share a Redis, which must be installed; the processes are spread over them
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16), conflicts_with_all = ["against", "url"])]
    servers: u32,
    /// Use this running hotplate instead of starting one, such as hotplate://127.0.0.1:7070. Repeat for several that share a
    /// tier: the processes are spread over them
    #[arg(long, conflicts_with = "against")]
    url: Vec<String>,
    /// The hotplate program to start
    #[arg(long, value_name = "PATH", hide = true)]
    server: Option<PathBuf>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

impl Options {
    fn callers(&self) -> u32 {
        self.callers.unwrap_or(CALLERS)
    }
}

/// Runs it and prints what came of it.
///
/// # Errors
/// A program that cannot be started or does not do its part.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    if options.kill_holder_at_ms.is_some_and(|at| at >= options.compute_ms) {
        return Err("--kill-holder-at-ms is less than --compute-ms: later, nobody computes any more".into());
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        if options.polyglot {
            let callers = options.callers.unwrap_or(CALLERS_OF_ALL) as usize;
            let compute = Duration::from_millis(options.compute_ms);
            return report::languages(
                &polyglot::run(callers, compute, options.server.as_deref()).await?,
                options.output,
            );
        }
        if options.against.is_empty() {
            let outcome = once(options, Kind::Hotplate).await?;
            return report::one(&outcome, options.output);
        }
        let mut rows = Vec::new();
        for round in 1..=options.rounds {
            for kind in std::iter::once(Kind::Hotplate).chain(options.against.iter().copied()) {
                rows.push((kind, round, once(options, kind).await?));
            }
        }
        report::all(&rows, options.output)
    })
}

/// One process of the herd.
struct Process {
    child: Child,
    pid: u32,
    callers: u32,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

async fn once(options: &Options, kind: Kind) -> Result<Outcome, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder for the computations: {error}"))?;
    let ledger = folder.path().join("computations");
    fs::write(&ledger, "").map_err(|error| format!("cannot write {}: {error}", ledger.display()))?;
    let (servers, shared) = servers(options, kind, folder.path()).await?;
    let key = format!("herd:{:016x}", rand::random::<u64>());
    let mut processes = Vec::new();
    for number in 0..options.processes {
        let all = options.callers();
        let callers = all / options.processes + u32::from(number < all % options.processes);
        let task = Task {
            kind,
            address: servers[number as usize % servers.len()].address.clone(),
            key: key.clone(),
            callers,
            compute: Duration::from_millis(options.compute_ms),
            poll: Duration::from_millis(options.poll_ms),
            apart: options.apart,
            ledger: ledger.clone(),
        };
        processes.push(Process::start(&task).await?);
    }
    for process in &mut processes {
        process.line("it is ready").await?;
    }
    let before = server::usage(&servers).await?;
    let began = clock::now();
    for process in &mut processes {
        process.say("go").await?;
    }
    let killed = watch(options, &mut processes, (&ledger, began)).await?;
    let reports = collect(options, &mut processes, killed).await?;
    let after = server::usage(&servers).await?;
    for server in servers.into_iter().chain(shared) {
        server.end().await;
    }
    outcome(options, (&ledger, &reports), killed.map(|index| processes[index].callers), server::used(before, after))
}

/// What the processes are spread over, at least one; and the Redis that several share.
async fn servers(options: &Options, kind: Kind, folder: &Path) -> Result<(Vec<Server>, Option<Server>), String> {
    if !options.url.is_empty() {
        return Ok((options.url.iter().map(|url| Server::running(url)).collect(), None));
    }
    let program = options.server.as_deref();
    if options.servers == 1 {
        return Ok((vec![Server::start(kind, program, folder).await?], None));
    }
    let redis = Server::start(Kind::Redis, None, folder).await?;
    let mut servers = Vec::new();
    for _ in 0..options.servers {
        servers.push(Server::sharing(program, Some(&redis.address)).await?);
    }
    Ok((servers, Some(redis)))
}

/// Shows how it goes until it may be over, and kills who computes at its time. Answers whom.
async fn watch(
    options: &Options,
    processes: &mut [Process],
    (ledger, began): (&Path, Instant),
) -> Result<Option<usize>, String> {
    let bar = ProgressBar::new(options.compute_ms);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} ms  {msg}");
    bar.set_style(style.map_err(|error| format!("the progress bar: {error}"))?);
    let mut killed = None;
    for tick in 1_u32.. {
        let passed = u64::try_from((clock::now() - began).as_millis()).unwrap_or(u64::MAX);
        bar.set_position(passed.min(options.compute_ms));
        let begun = lines(ledger)?.len();
        bar.set_message(format!("{} callers, computations begun: {begun}", options.callers()));
        let somebody_computes = begun > 0 || clock::now() - began >= PATIENCE;
        match options.kill_holder_at_ms {
            Some(at) if killed.is_none() && passed >= at && somebody_computes => {
                killed = Some(kill(processes, ledger).await?);
            }
            Some(_) if killed.is_none() && !somebody_computes => {}
            _ if passed >= options.compute_ms => break,
            _ => {}
        }
        let next = began + TICK * tick;
        let kill_at = options.kill_holder_at_ms.map(|at| began + Duration::from_millis(at));
        sleep_until(kill_at.filter(|at| killed.is_none() && *at > clock::now()).map_or(next, |at| at.min(next))).await;
    }
    bar.finish_and_clear();
    Ok(killed)
}

async fn kill(processes: &mut [Process], ledger: &Path) -> Result<usize, String> {
    let first = lines(ledger)?.into_iter().next().ok_or("nobody computed at the time at which to kill who does")?;
    let pid = first.split('-').next().unwrap_or_default();
    let holder = processes.iter_mut().enumerate().find(|(_, process)| process.pid.to_string() == pid);
    let (index, process) = holder.ok_or_else(|| format!("process {pid}, which computes, is none of the herd"))?;
    process.child.kill().await.map_err(|error| format!("cannot kill process {pid}: {error}"))?;
    Ok(index)
}

async fn collect(options: &Options, processes: &mut [Process], killed: Option<usize>) -> Result<Vec<Report>, String> {
    let patience = LEASE + Duration::from_millis(options.compute_ms) + PATIENCE;
    let mut reports = Vec::new();
    for (index, process) in processes.iter_mut().enumerate() {
        if Some(index) == killed {
            continue;
        }
        let line = timeout(patience, process.line("its callers were answered"));
        let line =
            line.await.map_err(|_elapsed| format!("process {} had no answer after {patience:?}", process.pid))??;
        reports.push(
            serde_json::from_str(&line).map_err(|error| format!("process {} said {line:?}: {error}", process.pid))?,
        );
    }
    Ok(reports)
}

fn outcome(
    options: &Options,
    (ledger, reports): (&Path, &[Report]),
    lost: Option<u32>,
    (requests, server_cpu_ms): (Option<u64>, Option<u64>),
) -> Result<Outcome, String> {
    let computed: Vec<String> = lines(ledger)?;
    let known: BTreeSet<&str> = computed.iter().map(String::as_str).collect();
    if let Some(unknown) =
        reports.iter().flat_map(|report| &report.values).find(|value| !known.contains(value.as_str()))
    {
        return Err(format!("a caller got {unknown:?}, which nobody computed"));
    }
    if let Some(error) = reports.iter().find_map(|report| report.error.as_ref()) {
        eprintln!("a caller failed: {error}");
    }
    Ok(Outcome {
        computations: computed.len(),
        callers: options.callers(),
        answered: reports.iter().map(|report| report.answered).sum(),
        max_wait_ms: reports.iter().map(|report| report.max_wait_ms).max().unwrap_or_default(),
        lost_with_holder: lost,
        requests: requests.or_else(|| reports.iter().map(|report| report.requests).sum()),
        server_cpu_ms,
        client_cpu_ms: reports.iter().map(|report| report.cpu_ms).sum(),
    })
}

fn lines(ledger: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(ledger).map_err(|error| format!("cannot read {}: {error}", ledger.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

impl Process {
    async fn start(task: &Task) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
        let mut command = Command::new(program);
        command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| format!("a process cannot be started: {error}"))?;
        let piped = child.stdin.take().zip(child.stdout.take()).zip(child.id());
        let ((input, output), pid) = piped.ok_or("a process ended at once")?;
        let output = BufReader::new(output).lines();
        let mut process = Self { child, pid, callers: task.callers, input, output };
        let task = serde_json::to_string(task).map_err(|error| format!("a task cannot be written: {error}"))?;
        process.say(&task).await?;
        Ok(process)
    }

    async fn say(&mut self, line: &str) -> Result<(), String> {
        let sent = self.input.write_all(format!("{line}\n").as_bytes()).await;
        sent.map_err(|error| format!("process {} does not listen: {error}", self.pid))
    }

    async fn line(&mut self, what: &str) -> Result<String, String> {
        match self.output.next_line().await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(format!("process {} ended before it said that {what}", self.pid)),
            Err(error) => Err(format!("process {} cannot be heard: {error}", self.pid)),
        }
    }
}
