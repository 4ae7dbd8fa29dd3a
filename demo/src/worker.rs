//! One process of the herd: its callers ask at the same moment, and each measures what it waited.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    cache::{Caller, Kind},
    clock, server,
};

/// What a process has to do: the first line it reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) kind: Kind,
    /// Of the cache: a URL for hotplate, `host:port` for others.
    pub(crate) address: String,
    pub(crate) key: String,
    pub(crate) callers: u32,
    pub(crate) compute: Duration,
    pub(crate) poll: Duration,
    pub(crate) apart: bool,
    /// The file that every computation adds a line to.
    pub(crate) ledger: PathBuf,
}

/// What came of it: the last line it writes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) answered: u32,
    pub(crate) max_wait_ms: u64,
    /// The values that callers got.
    pub(crate) values: BTreeSet<String>,
    /// The first failure of a caller.
    pub(crate) error: Option<String>,
    /// Requests sent, where the server does not count them.
    pub(crate) requests: Option<u64>,
    pub(crate) cpu_ms: Option<u64>,
}

/// The computation: adds its line, which is also its value, and takes its time.
#[derive(Clone)]
pub(crate) struct Computation {
    ledger: Arc<Path>,
    time: Duration,
    number: Arc<AtomicU64>,
}

impl Computation {
    /// Computes.
    ///
    /// # Errors
    /// The line cannot be written.
    pub(crate) async fn run(self) -> Result<String, String> {
        let value = format!("{}-{}", std::process::id(), self.number.fetch_add(1, Ordering::Relaxed));
        let file = OpenOptions::new().append(true).open(&self.ledger);
        // One write: what processes add at once does not mix.
        let written = file.and_then(|mut file| file.write_all(format!("{value}\n").as_bytes()));
        written.map_err(|error| format!("cannot write {}: {error}", self.ledger.display()))?;
        tokio::time::sleep(self.time).await;
        Ok(value)
    }
}

/// Reads the task, says that it is ready, waits for the word, and reports.
///
/// # Errors
/// What the herd says makes no sense, or the cache cannot be reached.
pub(crate) fn run() -> Result<(), String> {
    let task: Task = serde_json::from_str(&read()?).map_err(|error| format!("not a task: {error}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
    let requests = Arc::new(AtomicU64::new(0));
    let callers = runtime.block_on(Caller::connect(&task, &requests))?;
    println!("ready");
    read()?;
    let before = server::cpu_ms("self");
    let report = runtime.block_on(ask(&task, callers));
    let spent = server::cpu_ms("self").zip(before).map(|(after, before)| after - before);
    let counted = Some(requests.load(Ordering::Relaxed)).filter(|_| task.kind != Kind::Hotplate);
    let report = Report { requests: counted, cpu_ms: spent, ..report };
    println!("{}", serde_json::to_string(&report).map_err(|error| format!("the report cannot be written: {error}"))?);
    Ok(())
}

async fn ask(task: &Task, callers: Vec<Caller>) -> Report {
    let computation =
        Computation { ledger: Arc::from(task.ledger.as_path()), time: task.compute, number: Arc::default() };
    let mut asking = JoinSet::new();
    for mut caller in callers {
        let computation = computation.clone();
        asking.spawn(async move {
            let began = clock::now();
            let answer = caller.ask(computation).await;
            (answer, clock::now() - began)
        });
    }
    let mut report = Report::default();
    while let Some(ended) = asking.join_next().await {
        match ended {
            Ok((Ok(value), waited)) => {
                report.answered += 1;
                report.max_wait_ms = report.max_wait_ms.max(u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
                report.values.insert(value);
            }
            Ok((Err(error), _)) => report.error = report.error.or(Some(error)),
            Err(error) => report.error = report.error.or(Some(error.to_string())),
        }
    }
    report
}

fn read() -> Result<String, String> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(1..) => Ok(line),
        Ok(0) => Err("nobody says what to do: this is started by `cargo x demo herd`".into()),
        Err(error) => Err(format!("what to do cannot be read: {error}")),
    }
}
