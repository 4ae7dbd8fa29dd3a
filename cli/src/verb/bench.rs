//! `hotplate bench`: puts load on a server and says how it fares. What load is and how it is measured is in `hotplate-load`;
//! here are the flags. The names of the flags and the JSON keys are relied on by others; only add to them.

mod progress;
mod show;

use std::{sync::Arc, time::Duration};

use clap::{Args, ValueEnum};
use hotplate_load::{
    Answer, Check, FailureKind, Herd, Http2, Mode, Peer, Plan, Progress, Shape, Sizes, Slo, Target, Trace, Trust, View,
    With, parse_bytes,
};

use crate::{
    args::Global,
    connect,
    duration::parse,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  hotplate bench                                            10 seconds of Gets of 100 bytes, 64 under way
  hotplate bench --value-size 64KiB --in-flight 16          larger values
  hotplate bench --mode pipeline --batch 64                 many operations a message, over streams
  hotplate bench --keys 1000000 --zipf 0.99 --read-ratio 0.9 --value-size 100..64KiB
  hotplate bench --rate 20000 --slo 'p99<5ms'               a schedule; exit code 1 when one in 100 takes longer
  hotplate bench --against redis://127.0.0.1:6379           the same load on Redis in turns, and the ratio
  hotplate bench --mode pipeline --in-flight 4 --against redis://127.0.0.1:6379
  hotplate bench --herd 500 --compute-time 200ms            500 callers want one missing key
  hotplate bench --trace requests.csv.zst                   replay a recording: time,key,size[,op[,cost]]
  hotplate bench -o json | jq .p99_us                       for scripts

It writes its own keys first and takes them away when it is done. Measure on a quiet machine, with the server and this
command on processors of their own. What the numbers mean: docs/benchmarking.md.

Exit codes: 0 measured, 1 an --slo was missed or nothing went right, 130 ended with Ctrl-C; what was measured until then
is printed all the same.";

/// Put load on a server and measure how it fares
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Bench {
    /// How calls are made
    #[arg(long, value_enum, value_name = "MODE", default_value = "unary", help_heading = "Load")]
    mode: ModeName,
    /// Bytes of a value: 100, 64KiB, a range 100..1MiB (each power of two as likely as any other), or sizes with weights
    /// 100:90,64KiB:10 [default: 100; in mode blob: 16MiB]
    #[arg(long, value_name = "SIZE", value_parser = Sizes::parse, help_heading = "Load")]
    value_size: Option<Sizes>,
    /// Messages under way, over all connections
    #[arg(long, value_name = "NUMBER", default_value_t = 64, help_heading = "Load")]
    in_flight: usize,
    /// Connections
    #[arg(long, value_name = "NUMBER", default_value_t = 4, help_heading = "Load")]
    connections: usize,
    /// Operations of a message in modes batch and pipeline
    #[arg(long, value_name = "NUMBER", default_value_t = 64, help_heading = "Load")]
    batch: usize,
    /// Share of operations that read; the others write
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, help_heading = "Load")]
    read_ratio: f64,
    /// Number of keys [default: 10000, of large values as many as 128 MiB hold]
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    keys: Option<u64>,
    /// Choose keys by Zipf's law with this exponent, such as 0.99, instead of each as often as any other
    #[arg(long, value_name = "EXPONENT", help_heading = "Load")]
    zipf: Option<f64>,
    /// How much of an entry to ask for
    #[arg(long, value_enum, value_name = "VIEW", default_value = "value", help_heading = "Load")]
    view: ViewName,
    /// Operations a second, by a schedule that does not wait for the server; times count from when the schedule says
    #[arg(long, value_name = "NUMBER", help_heading = "Load")]
    rate: Option<f64>,
    /// Seconds to measure; with --against, of each round and side
    #[arg(long, value_name = "NUMBER", default_value_t = 10.0, help_heading = "Load")]
    seconds: f64,
    /// Seconds of the same load before, unmeasured
    #[arg(long, value_name = "NUMBER", default_value_t = 1.0, help_heading = "Load")]
    warmup: f64,
    /// Where chance begins: the same seed, the same keys and sizes
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Load")]
    seed: u64,
    /// Replay this recording (time,key,size[,op[,cost]], compressed with zstd) once: a miss is followed by a write
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rate", "zipf"], help_heading = "Load")]
    trace: Option<std::path::PathBuf>,
    /// So many callers want one missing key at once, one key after the other: how many compute it, and how long all wait
    #[arg(long, value_name = "CALLERS", conflicts_with_all = ["rate", "zipf", "trace", "against"], help_heading = "Load")]
    herd: Option<usize>,
    /// How long computing a value takes a caller of --herd, at most 5s
    #[arg(long, value_name = "DURATION", value_parser = parse, default_value = "100ms", help_heading = "Load")]
    compute_time: Duration,
    /// Client that makes the calls; `h2` costs least, `sdk` is what applications use [default: h2; in mode near: sdk]
    #[arg(long, value_enum, value_name = "CLIENT", help_heading = "Client")]
    client: Option<ClientName>,
    /// Threads of this process that make calls
    #[arg(long, value_name = "NUMBER", default_value_t = 1, help_heading = "Client")]
    threads: usize,
    /// Bytes of a chunk in mode blob
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_bytes, help_heading = "Client")]
    chunk_size: u64,
    /// The largest HTTP/2 frame to accept
    #[arg(long, value_name = "SIZE", default_value = "256KiB", value_parser = parse_bytes, help_heading = "Client")]
    frame_size: u64,
    /// HTTP/2 window of a stream; a connection has four times that
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = parse_bytes, help_heading = "Client")]
    window: u64,
    /// How closely to look at values that come back; their length is always checked
    #[arg(long, value_enum, value_name = "HOW", default_value = "sampled", help_heading = "Client")]
    check: CheckName,
    /// What keys begin with [default: one of this run; with --keep or --no-fill: bench/]
    #[arg(long, value_name = "TEXT", help_heading = "Client")]
    prefix: Option<String>,
    /// Do not write the keys first: a read that finds nothing is then a miss, and no error
    #[arg(long, help_heading = "Client")]
    no_fill: bool,
    /// Leave the keys there
    #[arg(long, help_heading = "Client")]
    keep: bool,
    /// Fail unless this holds, such as `p99<5ms`, `p999<=20ms`, `ops_per_s>100000`, `errors<=10`; may be given several
    /// times. Unless one is about errors, none may happen
    #[arg(long, value_name = "RULE", value_parser = Slo::parse, help_heading = "Result")]
    slo: Vec<Slo>,
    /// Process of the server, when it runs on this machine: adds its processor time for an operation
    #[arg(long, value_name = "PID", help_heading = "Result")]
    pid: Option<u32>,
    /// Put the same load on this server in turns and compare: redis://HOST:PORT/DATABASE,
    /// memcached://HOST:PORT, etcd://HOST:PORT, hotplate://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = against, help_heading = "Comparison")]
    against: Option<Peer>,
    /// How often to take turns
    #[arg(long, value_name = "NUMBER", default_value_t = 5, requires = "against", help_heading = "Comparison")]
    rounds: usize,
    /// Process of the peer
    #[arg(long, value_name = "PID", requires = "against", help_heading = "Comparison")]
    peer_pid: Option<u32>,
    /// Connections to the peer [default: as many as suit it]
    #[arg(long, value_name = "NUMBER", requires = "against", help_heading = "Comparison")]
    peer_connections: Option<usize>,
    /// Messages under way at the peer [default: as at the server]
    #[arg(long, value_name = "NUMBER", requires = "against", help_heading = "Comparison")]
    peer_in_flight: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeName {
    /// One key a call
    Unary,
    /// Many keys a call: BatchGet and BatchPut
    Batch,
    /// Many operations a message over a stream: Pipeline
    Pipeline,
    /// The near cache of the client library
    Near,
    /// Streams of chunks: ReadValue and WriteValue
    Blob,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ClientName {
    /// HTTP/2 by hand
    H2,
    /// The generated stubs
    Tonic,
    /// The client library
    Sdk,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ViewName {
    /// Key, value and metadata
    Full,
    /// The value only
    Value,
    /// Metadata only
    Metadata,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckName {
    /// Every byte
    All,
    /// Every byte of one value of 64
    Sampled,
    /// The length, and in mode blob the checksum of every chunk
    Sums,
    /// The length only
    Length,
}

/// What keys begin with when they outlive the run.
const SHARED_PREFIX: &str = "bench/";
/// Keys when nothing is said, and the bytes that their values have at most.
const KEYS: u64 = 10_000;
const KEYS_BYTES: u64 = 128 << 20;
/// Rounds of a comparison at most.
const ROUNDS_MAX: usize = 1_000;
/// The longest time that can be measured: a day, in seconds.
const SECONDS_MAX: f64 = 86_400.0;

impl Bench {
    /// Runs it.
    pub(crate) fn run(self, global: &Global, output: &mut Output) -> Outcome {
        let peer = connect::peer(global)?;
        let plan = self.plan()?;
        plan.check().map_err(Failure::usage)?;
        if !(1..=ROUNDS_MAX).contains(&self.rounds) {
            return Err(Failure::usage(format!("--rounds is 1 to {ROUNDS_MAX}")));
        }
        let target = Target { shape: peer.shape(&plan), peer, pid: self.pid };
        let against = self.against.clone().map(|peer| (self.peer(peer, &plan), self.rounds));
        let answer = measure(&plan, target, against, output)?;
        let slos = Slo::all(&self.slo);
        show::show(&plan, &answer, &slos, output)?;
        verdict(&answer, &slos)
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let mode = self.mode.into();
        let trace = self.trace.as_deref().map(Trace::open).transpose().map_err(Failure::usage)?;
        let sizes = self.value_size.clone().map_or_else(|| Sizes::parse(default_size(mode)), Ok);
        let sizes = sizes.map_err(Failure::usage)?;
        let bytes = |name: &str, bytes: u64| {
            u32::try_from(bytes).map_err(|_large| Failure::usage(format!("--{name} is too large")))
        };
        Ok(Plan {
            mode,
            client: self.client.map_or(if mode == Mode::Near { With::Sdk } else { With::H2 }, With::from),
            view: self.view.into(),
            shape: Shape {
                in_flight: self.in_flight,
                connections: self.connections,
                threads: self.threads,
                batch: self.batch,
            },
            http2: Http2 {
                frame_size: bytes("frame-size", self.frame_size)?,
                window: bytes("window", self.window)?,
                chunk: bytes("chunk-size", self.chunk_size)?,
            },
            keys: self.keys.unwrap_or_else(|| (KEYS_BYTES / sizes.max().max(1)).clamp(1, KEYS)),
            sizes,
            zipf: self.zipf,
            read_ratio: self.read_ratio,
            herd: self.herd.map(|callers| Herd { callers, compute: self.compute_time }),
            trace: trace.map(Arc::new),
            rate: self.rate,
            time: seconds("seconds", self.seconds)?,
            warm_up: seconds("warmup", self.warmup)?,
            seed: self.seed,
            check: self.check.into(),
            prefix: self.prefix.clone().unwrap_or_else(|| self.own_prefix()),
            fill: !self.no_fill,
            keep: self.keep,
        })
    }

    /// One of this run, unless another run is to find its keys.
    fn own_prefix(&self) -> String {
        if self.keep || self.no_fill { SHARED_PREFIX.to_owned() } else { hotplate_load::own_prefix() }
    }

    fn peer(&self, peer: Peer, plan: &Plan) -> Target {
        let mut shape = peer.shape(plan);
        shape.connections = self.peer_connections.unwrap_or(shape.connections);
        shape.in_flight = self.peer_in_flight.unwrap_or(shape.in_flight);
        Target { peer, pid: self.peer_pid, shape }
    }
}

fn default_size(mode: Mode) -> &'static str {
    if mode == Mode::Blob { "16MiB" } else { "100" }
}

/// The address of a peer, which is asked without a token.
fn against(text: &str) -> Result<Peer, String> {
    Peer::parse(text, Trust::System)
}

fn seconds(name: &str, seconds: f64) -> Result<Duration, Failure> {
    match (0.0..=SECONDS_MAX).contains(&seconds) {
        true => Ok(Duration::from_secs_f64(seconds)),
        false => Err(Failure::usage(format!("--{name} is 0 to {SECONDS_MAX}"))),
    }
}

/// Runs it on a runtime of its own. The first Ctrl-C ends it early, the second at once.
fn measure(plan: &Plan, target: Target, against: Option<(Target, usize)>, output: &Output) -> Result<Answer, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = built.map_err(|error| Failure::usage(format!("cannot start: {error}")))?;
    let progress = Progress::default();
    let ended = runtime.block_on(async {
        let run = hotplate_load::run(plan.clone(), target, against, &progress);
        tokio::select! {
            ended = run => ended.map_err(failure),
            () = interrupted(&progress) => Err(Failure::new(Exit::Interrupted, "interrupted")),
            () = progress::draw(&progress, plan, output) => Err(Failure::new(Exit::Interrupted, "interrupted")),
        }
    });
    runtime.shutdown_background();
    ended
}

/// The first Ctrl-C ends the run early. Returns after the second; where they cannot be heard, never.
async fn interrupted(progress: &Progress) {
    if tokio::signal::ctrl_c().await.is_ok() {
        progress.stop();
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn failure(failure: hotplate_load::Failure) -> Failure {
    let exit = match failure.kind {
        FailureKind::Usage => Exit::Usage,
        FailureKind::Unreachable => Exit::Unreachable,
        FailureKind::Auth => Exit::Auth,
        FailureKind::Rejected => Exit::Rejected,
    };
    Failure::new(exit, failure.message)
}

/// How it ends: missed rules are named.
fn verdict(answer: &Answer, slos: &[Slo]) -> Outcome {
    let missed: Vec<String> = slos.iter().filter_map(|slo| slo.missed(&answer.ours)).collect();
    if answer.interrupted {
        Ok(Exit::Interrupted)
    } else if !missed.is_empty() {
        Err(Failure::new(Exit::Negative, missed.join("; ")))
    } else if answer.ours.ops == 0 && answer.ours.errors > 0 {
        Err(Failure::new(Exit::Negative, "no operation went right"))
    } else {
        Ok(Exit::Done)
    }
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Self {
        match name {
            ModeName::Unary => Self::Unary,
            ModeName::Batch => Self::Batch,
            ModeName::Pipeline => Self::Pipeline,
            ModeName::Near => Self::Near,
            ModeName::Blob => Self::Blob,
        }
    }
}

impl From<ClientName> for With {
    fn from(name: ClientName) -> Self {
        match name {
            ClientName::H2 => Self::H2,
            ClientName::Tonic => Self::Tonic,
            ClientName::Sdk => Self::Sdk,
        }
    }
}

impl From<ViewName> for View {
    fn from(name: ViewName) -> Self {
        match name {
            ViewName::Full => Self::Full,
            ViewName::Value => Self::Value,
            ViewName::Metadata => Self::Metadata,
        }
    }
}

impl From<CheckName> for Check {
    fn from(name: CheckName) -> Self {
        match name {
            CheckName::All => Self::All,
            CheckName::Sampled => Self::Sampled,
            CheckName::Sums => Self::Sums,
            CheckName::Length => Self::Length,
        }
    }
}
