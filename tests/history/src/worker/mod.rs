//! One process of clients: what it is told, the record it writes, and the clients and the watcher it runs. What they do
//! is in the files beside this one.

mod calls;
mod clients;
mod computing;
mod near;
mod watcher;
mod wire;

use std::{
    fs::{File, OpenOptions},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use crate::{
    clock,
    record::{Line, Span},
};

/// What a process of clients is told.
#[derive(Clone, Debug, clap::Args)]
pub struct Worker {
    /// Where the server is, behind a proxy
    #[arg(long)]
    pub grpc: SocketAddr,
    /// Where the truth is
    #[arg(long)]
    pub truth: SocketAddr,
    /// Its number among the processes
    #[arg(long)]
    pub process: u32,
    /// How often it has been started before
    #[arg(long)]
    pub incarnation: u32,
    /// From what its choices follow
    #[arg(long)]
    pub seed: u64,
    /// Clients in it
    #[arg(long)]
    pub clients: u32,
    /// When the last call may begin, by the machine's monotonic clock
    #[arg(long)]
    pub until: u64,
    /// How long a lease of the server lasts, in milliseconds
    #[arg(long)]
    pub lease_ms: u64,
    /// How long the server may be silent before nothing is served from its near cache, in milliseconds
    #[arg(long)]
    pub near_ms: u64,
    /// What it records to
    #[arg(long)]
    pub file: PathBuf,
}

/// How often a process looks whether it gets to run.
const TICK: Duration = Duration::from_millis(20);
/// Later than that is a stall.
const STALL: Duration = Duration::from_millis(100);
/// How long watchers go on after the last call.
const WATCHED_AFTER: Duration = Duration::from_millis(1_500);

/// Where lines go: to the file at once, so that a killed process leaves all of them.
#[derive(Clone, Debug)]
pub struct Record(Arc<File>);

impl Record {
    /// Adds to a file, which is created.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.map(|file| Self(Arc::new(file))).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line).map_err(std::io::Error::other)?;
        text.push('\n');
        (&*self.0).write_all(text.as_bytes())
    }
}

impl Worker {
    /// Works until its time is over.
    ///
    /// # Errors
    /// The record cannot be written, or the driver is gone.
    pub fn run(self) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.work()).map_err(|error| error.to_string())
    }

    async fn work(self) -> std::io::Result<()> {
        let record = Record::open(&self.file).map_err(std::io::Error::other)?;
        let mut working = JoinSet::new();
        let watched_until = self.until + clock::nanoseconds(WATCHED_AFTER);
        for client in 0..self.clients {
            let client = clients::Client::start(&self, client, record.clone()).await?;
            working.spawn(client.work());
        }
        working.spawn(watcher::watch(self.clone(), record.clone(), watched_until));
        working.spawn(near::read(self.clone(), record.clone()));
        working.spawn(tick(record, watched_until));
        while let Some(ended) = working.join_next().await {
            ended.map_err(std::io::Error::other)??;
        }
        Ok(())
    }

    /// How this process names those in it.
    fn name(&self, who: &str) -> String {
        format!("{}.{}.{who}", self.process, self.incarnation)
    }
}

/// Records when this process did not get to run when it wanted to.
///
/// # Errors
/// The record cannot be written.
pub async fn tick(record: Record, until: u64) -> std::io::Result<()> {
    while clock::now() < until {
        let from = clock::now();
        tokio::time::sleep(TICK).await;
        let to = clock::now();
        if to - from > clock::nanoseconds(STALL) {
            record.write(&Line::Stalled(Span { from, to }))?;
        }
    }
    Ok(())
}
