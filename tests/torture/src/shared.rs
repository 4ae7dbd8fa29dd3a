//! Lets the Redis fail that a server shares with others, and judges and times what the server answers meanwhile. What may be
//! read is `truth`'s; how Redis is made to fail is `shared/failing.rs`'s.

mod failing;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use clap::ValueEnum;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;
use tokio::task::JoinSet;

use self::failing::Failing;
use crate::{
    admin, clock,
    load::{self, Clients, Findings, Ground},
    process::{Addresses, Program, Server},
    wire::{Client, Got},
};

/// Keys there are: more than the memory holds.
const KEYS: u32 = 300;
/// Keys that the measured reader reads: memory holds most of them.
const READ: u32 = 100;
/// As many have to be timed, or nothing is said of how long they take.
const GETS_MIN: usize = 50;
/// Clients that write, invalidate and read.
const CLIENTS: u64 = 4;
/// How long each rests after a call: the machine is to have time for what is measured.
const REST: Duration = Duration::from_millis(20);
/// How long the measured reader rests.
const READER_REST: Duration = Duration::from_micros(500);
/// How long everything is well before.
const BEFORE: Duration = Duration::from_secs(4);
/// How long everything is judged afterwards.
const AFTER: Duration = Duration::from_secs(3);
/// How long it may take to be well again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// How Redis fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// It is killed, and started again without its data.
    Kill,
    /// It is stopped, and goes on later.
    Pause,
    /// Its connections are reset and refused again and again.
    Flap,
    /// It has no memory left for writes.
    Oom,
    /// Its master is killed, and Sentinels make another one the master.
    Failover,
    /// Nothing gets through to it or back.
    Blackhole,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it fails.
    pub fault: Fault,
    /// For how long.
    pub lasts: Duration,
    /// From what choices follow.
    pub seed: u64,
    /// The server's program.
    pub server: PathBuf,
    /// Where the server's log is.
    pub folder: PathBuf,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How it failed.
    pub fault: Fault,
    /// Gets that were judged.
    pub reads: u64,
    /// Those that found what had to be gone.
    pub stale: u64,
    /// Those that found what nobody wrote.
    pub wrong: u64,
    /// 99 of 100 Gets that memory answered took at most this long while all was well.
    pub p99_before_ms: f64,
    /// 99 of 100 Gets took at most this long during the fault, once the breaker was open.
    pub p99_during_ms: f64,
    /// From the end of the fault until Redis was asked again and had heard everything.
    pub recovered_ms: f64,
    /// All that was found.
    #[serde(skip)]
    pub findings: Findings,
}

impl Report {
    /// Whether every answer was right.
    #[must_use]
    pub fn good(&self) -> bool {
        self.findings.good()
    }
}

/// A Get of the measured reader.
#[derive(Clone, Copy, Debug)]
struct Timed {
    began: u64,
    took_ms: f64,
    from_memory: bool,
}

impl Run {
    /// Runs it to its end; `told` hears of every stage.
    ///
    /// # Errors
    /// Redis or the server does not start, or the server does not use Redis, before or afterwards.
    pub fn run(&self, told: &dyn Fn(&str)) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.drive(told))
    }

    async fn drive(&self, told: &dyn Fn(&str)) -> Result<Report, String> {
        told("starting");
        let mut redis = Failing::start(self.fault, self.seed).await?;
        let (mut server, at) = self.start(&redis.url()).await?;
        let ground = Arc::new(Ground::new(KEYS, REST));
        let clients = Clients::start(&ground, &Client::new(at.grpc)?, CLIENTS, self.seed);
        let mut reader = JoinSet::new();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let timed = Arc::new(AtomicUsize::new(0));
        reader.spawn(measure(Arc::clone(&ground), Client::new(at.grpc)?, self.seed, (Arc::clone(&timed), stopped)));
        tokio::time::sleep(BEFORE / 2).await;
        told("well");
        let well = clock::now();
        tokio::time::sleep(BEFORE).await;
        let before = used(&ground, 0, "while it was well").await?;
        told("failing");
        let failed = clock::now();
        let mut watching = JoinSet::new();
        watching.spawn(opened(at, self.lasts));
        let mut opened = None;
        // It goes on until there is enough to judge since the breaker opened.
        let enough = async {
            opened = watching.join_next().await.and_then(Result::ok).flatten();
            let since = timed.load(SeqCst);
            while timed.load(SeqCst) < since + GETS_MIN + 1 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let enough = async { tokio::time::timeout(PATIENCE, enough).await.map_err(|late| format!("few Gets: {late}")) };
        let ended = redis.fails(self.lasts, enough).await?;
        told("recovering");
        recovered(at).await?;
        let recovered_ms = clock::milliseconds_since(ended);
        told("well again");
        tokio::time::sleep(AFTER).await;
        used(&ground, before, "afterwards").await?;
        clients.end().await;
        // The reader ends by itself once it is told; nobody else listens.
        let _told = stop.send(true);
        let timed = reader.join_next().await.ok_or("nobody measured")?.map_err(|error| error.to_string())?;
        server.runs()?;
        server.end().await?;
        let findings = ground.findings().clone();
        let during = opened.unwrap_or(failed);
        Ok(Report {
            fault: self.fault,
            reads: findings.reads,
            stale: findings.resurrected,
            wrong: findings.wrong,
            p99_before_ms: p99(&timed, (well, failed), true)?,
            p99_during_ms: p99(&timed, (during, ended), false)?,
            recovered_ms,
            findings,
        })
    }

    async fn start(&self, url: &str) -> Result<(Server, Addresses), String> {
        let arguments = [
            ("--memory-entries-max", "60"),
            ("--memory-bytes-max", "8MiB"),
            ("--memory-shards", "1"),
            ("--shared-url", url),
            ("--shared-prefix", "torture"),
        ];
        let arguments = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]).collect();
        let program = Program { file: self.server.clone(), log: self.folder.join("server.log"), arguments };
        let mut server = program.start()?;
        let at = server.listens().await?;
        admin::until_up(at.http, "shared", PATIENCE).await?;
        Ok((server, at))
    }
}

/// How many Gets Redis has answered with a value, once they are more than before: otherwise nothing was shown. After a failover
/// that takes a while, because what lay there before is not trusted at once.
async fn used(ground: &Ground, before: u64, when: &str) -> Result<u64, String> {
    let more = async {
        loop {
            let now = ground.findings().beneath;
            if now > before {
                return now;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(PATIENCE, more).await.map_err(|late| format!("Redis answered no Get {when}: {late}"))
}

/// Reads one key after another, and how long each took.
async fn measure(
    ground: Arc<Ground>,
    client: Client,
    seed: u64,
    (count, stopped): (Arc<AtomicUsize>, tokio::sync::watch::Receiver<bool>),
) -> Vec<Timed> {
    let (mut timed, mut random) = (Vec::new(), SmallRng::seed_from_u64(!seed));
    while !*stopped.borrow() {
        let began = clock::now();
        let got = load::read(&ground, &client, random.random_range(0..READ)).await;
        if let Ok(got) = got {
            let from_memory = matches!(got, Got::Value(_, true));
            timed.push(Timed { began, took_ms: clock::milliseconds_since(began), from_memory });
            count.fetch_add(1, SeqCst);
        }
        tokio::time::sleep(READER_REST).await;
    }
    timed
}

/// When the breaker opened during the fault, if it did.
async fn opened(at: Addresses, lasts: Duration) -> Option<u64> {
    let open = async {
        loop {
            let open = admin::metric(at.http, "hotplate_tier_breaker", "tier=\"shared\",state=\"open\"").await;
            if open.is_ok_and(|open| open > 0.0) {
                return clock::now();
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(lasts, open).await.ok()
}

/// Waits until Redis is asked again and nothing is left that it has to be told.
async fn recovered(at: Addresses) -> Result<(), String> {
    let again = async {
        loop {
            admin::until_up(at.http, "shared", PATIENCE).await?;
            if admin::metric(at.http, "hotplate_tier_debt", "tier=\"shared\"").await? == 0.0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let again = tokio::time::timeout(PATIENCE, again).await;
    again.unwrap_or_else(|_| Err(format!("the server did not use Redis again within {PATIENCE:?}")))
}

/// Of the Gets that began then.
fn p99(timed: &[Timed], (from, to): (u64, u64), memory_only: bool) -> Result<f64, String> {
    let then = timed.iter().filter(|timed| (from..to).contains(&timed.began) && (timed.from_memory || !memory_only));
    let mut took: Vec<f64> = then.map(|timed| timed.took_ms).collect();
    if took.len() < GETS_MIN {
        return Err(format!("{} Gets are too few to say how long they take", took.len()));
    }
    Ok(clock::quantile(&mut took, 0.99))
}
