//! Kills a server with a disk again and again, under load and while it starts, and reads everything after each restart.
//! What may be read is
//! `truth`'s.

mod rollback;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use serde::Serialize;

use crate::{
    admin, clock,
    load::{Clients, Findings, Ground},
    process::{Addresses, Program, Server},
    truth::Verdict,
    wire::{Client, Got},
};

/// Keys there are: more than the memory holds.
const KEYS: u32 = 500;
/// Clients at once.
const CLIENTS: u64 = 8;
/// Reads at once after a restart.
const READERS: usize = 16;
/// Every so many kills come while the server starts.
const WHILE_STARTING: u64 = 5;
/// Between so many kills it is ended in order once.
const IN_ORDER: u64 = 10;
/// The last of so many parts of a run has a disk that is too small for everything.
const SMALL_PART: f64 = 0.75;
/// A disk that is wrong on purpose may take so many times the kills to be found.
const LOOKS_ON: u64 = 10;
/// How long its disk may take to open.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// So many kills.
    pub kills: u64,
    /// Or as many as fit into this.
    pub lasts: Option<Duration>,
    /// From what choices follow.
    pub seed: u64,
    /// The server's program.
    pub server: PathBuf,
    /// Where its disk, and its log, are.
    pub folder: PathBuf,
    /// Whether what the disk holds is put back now and then to what it held before: that has to be found.
    pub rolls_back: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How often the server was killed.
    pub kills: u64,
    /// How often it was started, and did.
    pub starts: u64,
    /// Values that nobody wrote.
    pub wrong: u64,
    /// Values that were served though they had to be gone.
    pub resurrected: u64,
    /// Values that lay on the disk and were gone.
    pub lost_durable: u64,
    /// Milliseconds from a start to the first answer with the disk there: half of them took less.
    pub recovery_ms_p50: f64,
    /// The longest.
    pub recovery_ms_max: f64,
    /// All that was found.
    #[serde(skip)]
    pub findings: Findings,
}

impl Report {
    /// Whether everything held.
    #[must_use]
    pub fn good(&self) -> bool {
        self.findings.good()
    }
}

/// A server that works.
struct Visit {
    server: Server,
    at: Addresses,
    clients: Clients,
}

/// How a run goes on.
struct Progress<'a> {
    run: &'a Run,
    random: SmallRng,
    ground: Arc<Ground>,
    kills: u64,
    starts: u64,
    recoveries: Vec<f64>,
    until: Option<u64>,
}

impl Run {
    /// Runs it to its end; `told` hears of every kill.
    ///
    /// # Errors
    /// The server does not start, does not answer, ends by itself, or has no disk: then nothing was shown.
    pub fn run(&self, told: &dyn Fn(u64)) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.drive(told))
    }

    async fn drive(&self, told: &dyn Fn(u64)) -> Result<Report, String> {
        let mut progress = Progress {
            run: self,
            random: SmallRng::seed_from_u64(self.seed),
            ground: Arc::new(Ground::new(KEYS, Duration::ZERO)),
            kills: 0,
            starts: 0,
            recoveries: Vec::new(),
            until: self.lasts.map(|lasts| clock::now() + clock::nanoseconds(lasts)),
        };
        while progress.goes_on() {
            progress.round().await?;
            told(progress.kills);
        }
        progress.last_look().await?;
        progress.report()
    }
}

impl Progress<'_> {
    fn goes_on(&self) -> bool {
        match self.until {
            Some(until) => clock::now() < until,
            None => self.kills < self.run.kills || self.looks_on(),
        }
    }

    /// Whether what is wrong on purpose is yet to be found: how much happens between two kills is up to the machine.
    fn looks_on(&self) -> bool {
        self.run.rolls_back && self.kills < self.run.kills * LOOKS_ON && self.ground.findings().good()
    }

    /// Whether the disk has room for everything at this point of the run.
    fn roomy(&self) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a part of a run")]
        let part = match (self.run.lasts, self.until) {
            (Some(lasts), Some(until)) => {
                1.0 - until.saturating_sub(clock::now()) as f64 / clock::nanoseconds(lasts).max(1) as f64
            }
            _ => self.kills as f64 / self.run.kills.max(1) as f64,
        };
        part < SMALL_PART
    }

    fn start(&mut self) -> Result<(Server, bool), String> {
        let roomy = self.roomy();
        let program = program(self.run, roomy, self.kills % 4 == 3);
        self.starts += 1;
        program.start().map(|server| (server, roomy))
    }

    /// Starts, reads everything, works, kills; or kills while it starts.
    async fn round(&mut self) -> Result<(), String> {
        let (server, roomy) = self.start()?;
        if self.kills % WHILE_STARTING == WHILE_STARTING - 1 {
            // Most of a start is over after this, however the machine is loaded.
            tokio::time::sleep(Duration::from_millis(self.random.random_range(1..150))).await;
            self.kills += 1;
            return server.kill().await;
        }
        let mut visit = self.visit(server, roomy).await?;
        if self.kills % IN_ORDER == IN_ORDER / 2 {
            self.end_in_order(visit).await?;
            let (server, roomy) = self.start()?;
            visit = self.visit(server, roomy).await?;
        }
        visit.server.kill().await?;
        self.kills += 1;
        visit.clients.end().await;
        self.ground.truth().killed(clock::now());
        if self.run.rolls_back { rollback::after(self.kills, &self.run.folder) } else { Ok(()) }
    }

    /// Reads everything, and lets the clients work for a while.
    async fn visit(&mut self, mut server: Server, roomy: bool) -> Result<Visit, String> {
        let at = self.look(&mut server, roomy).await?;
        let clients = Clients::start(&self.ground, &Client::new(at.grpc)?, CLIENTS, self.random.random());
        tokio::time::sleep(Duration::from_millis(self.random.random_range(5..=500))).await;
        Ok(Visit { server, at, clients })
    }

    /// What was stored is on the disk then, unless the disk says that it did not take something.
    async fn end_in_order(&self, visit: Visit) -> Result<(), String> {
        visit.clients.end().await;
        let mut not_kept = 0.0;
        for name in ["hotplate_tier_dropped_total", "hotplate_tier_evicted_total", "hotplate_tier_errors_total"] {
            not_kept += admin::metric(visit.at.http, name, "tier=\"disk\"").await?;
        }
        visit.server.end().await?;
        let mut truth = self.ground.truth();
        if not_kept > 0.0 {
            truth.killed(clock::now())
        } else {
            truth.ended_in_order()
        }
        Ok(())
    }

    /// Waits until the disk is there, and reads every key: nothing else is going on.
    async fn look(&mut self, server: &mut Server, keeps: bool) -> Result<Addresses, String> {
        let at = server.listens().await?;
        admin::until_up(at.http, "disk", PATIENCE).await?;
        let client = Client::new(at.grpc)?;
        read(&client, 0).await?;
        self.recoveries.push(clock::milliseconds_since(server.started));
        let reads = (0..KEYS).map(|key| {
            let client = &client;
            async move {
                let began = clock::now();
                let got = read(client, key).await;
                (key, (began, clock::now()), got)
            }
        });
        let found: Vec<_> = stream::iter(reads).buffer_unordered(READERS).collect().await;
        let evicted = admin::metric(at.http, "hotplate_tier_evicted_total", "tier=\"disk\"").await?;
        for (key, lasted, got) in found {
            self.judge(key, lasted, &got?, keeps && evicted == 0.0);
        }
        server.runs()?;
        Ok(at)
    }

    fn judge(&self, key: u32, lasted: (u64, u64), got: &Got, keeps: bool) {
        const WHEN: &str = "after a restart";
        let found = self.ground.identify(key, got, WHEN);
        let verdict = self.ground.truth().read_after_restart(key, lasted, found, keeps);
        let mut findings = self.ground.findings();
        findings.note(verdict, key, found, WHEN);
        findings.survived += u64::from(found.is_some() && verdict == Verdict::Fine);
    }

    async fn last_look(&mut self) -> Result<(), String> {
        let (mut server, roomy) = self.start()?;
        self.look(&mut server, roomy).await?;
        server.end().await
    }

    fn report(mut self) -> Result<Report, String> {
        let findings = self.ground.findings().clone();
        if findings.good() && (findings.survived == 0 || findings.invalidations == 0) {
            return Err(format!("nothing was shown: {findings:?}"));
        }
        Ok(Report {
            kills: self.kills,
            starts: self.starts,
            wrong: findings.wrong,
            resurrected: findings.resurrected,
            lost_durable: findings.lost,
            recovery_ms_p50: clock::quantile(&mut self.recoveries, 0.5),
            recovery_ms_max: clock::quantile(&mut self.recoveries, 1.0),
            findings,
        })
    }
}

/// Reads a key until it is known what there is.
async fn read(client: &Client, key: u32) -> Result<Got, String> {
    let until = clock::now() + clock::nanoseconds(PATIENCE);
    loop {
        match client.get(key).await {
            Ok(Got::Unknown) if clock::now() < until => tokio::time::sleep(Duration::from_millis(5)).await,
            Ok(Got::Unknown) => return Err("the disk was up, and a Get says that it could not be asked".to_owned()),
            Ok(got) => return Ok(got),
            Err(status) => return Err(format!("a Get after a restart failed: {status}")),
        }
    }
}

/// A memory that holds a part of what there is, and a disk that holds everything, or not.
fn program(run: &Run, roomy: bool, synced: bool) -> Program {
    let disk: &Path = &run.folder.join("disk");
    let (bytes_max, sync) = (if roomy { "256MiB" } else { "4MiB" }, if synced { "always" } else { "interval" });
    let arguments = [
        ("--memory-entries-max", "100"),
        ("--memory-bytes-max", "1MiB"),
        ("--memory-shards", "1"),
        ("--disk-path", &disk.display().to_string()),
        ("--disk-bytes-max", bytes_max),
        ("--disk-sync", sync),
    ];
    let arguments = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value.to_owned()]).collect();
    Program { file: run.server.clone(), log: run.folder.join("server.log"), arguments }
}
