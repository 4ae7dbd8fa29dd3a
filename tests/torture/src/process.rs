//! The server that is put to the test: a process that is started, killed, stopped and ended. What it is asked is not known
//! here.

use std::{
    fs::OpenOptions,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::clock;

/// How long it may take to start, and to end in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub file: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// What it is told besides where to listen.
    pub arguments: Vec<String>,
}

/// A server process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    /// When it was started, by [`clock::now`].
    pub started: u64,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// For calls.
    pub grpc: SocketAddr,
    /// For probes and metrics.
    pub http: SocketAddr,
}

impl Program {
    /// Starts it on free ports of loopback, and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self) -> Result<Server, String> {
        let errors = OpenOptions::new().create(true).append(true).open(&self.log);
        let errors = errors.map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut command = Command::new(&self.file);
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "warn"]);
        command.args(["--shutdown-drain-delay", "0ms"]).args(&self.arguments);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
        let started = clock::now();
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", self.file.display()))?;
        Ok(Server { child, log: self.log.clone(), started })
    }
}

impl Server {
    /// Waits until it says where it listens.
    ///
    /// # Errors
    /// It ended, or does not say so.
    pub async fn listens(&mut self) -> Result<Addresses, String> {
        let output = self.child.stdout.take().ok_or("the server said already where it listens")?;
        let mut line = String::new();
        let read = tokio::time::timeout(PATIENCE, BufReader::new(output).read_line(&mut line)).await;
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |name: &str| said[name].as_str().and_then(|address| address.parse().ok());
        match (read, address("grpc"), address("http")) {
            (Ok(Ok(_)), Some(grpc), Some(http)) => Ok(Addresses { grpc, http }),
            _ => Err(format!("the server did not start: {}", last_words(&self.log))),
        }
    }

    /// Kills it, as a machine that runs out of memory does, and waits until it is gone.
    ///
    /// # Errors
    /// It ended by itself before.
    pub async fn kill(mut self) -> Result<(), String> {
        self.signal(Signal::KILL)?;
        self.child.wait().await.map(drop).map_err(|error| format!("cannot wait for the server: {error}"))
    }

    /// Ends it in order, as Kubernetes does.
    ///
    /// # Errors
    /// It does not end in time, or not well.
    pub async fn end(mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(ended) => Err(format!("the server did not end well: {ended:?}: {}", last_words(&self.log))),
            Err(_) => Err(format!("the server did not end within {PATIENCE:?}")),
        }
    }

    /// Whether it ended by itself; how, and its last words.
    ///
    /// # Errors
    /// It did.
    pub fn runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            ended => Err(format!("the server ended by itself: {ended:?}: {}", last_words(&self.log))),
        }
    }

    /// Stops it, as it would be when its machine does nothing for it.
    ///
    /// # Errors
    /// It has ended.
    pub fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn go_on(&mut self) -> Result<(), String> {
        self.signal(Signal::CONT)
    }

    fn signal(&mut self, signal: Signal) -> Result<(), String> {
        self.runs()?;
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or("the server has no process")?;
        kill_process(id, signal).map_err(|error| format!("cannot send {signal:?} to the server: {error}"))
    }
}

/// The end of a log.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("{}\n{}", log.display(), lines[lines.len().saturating_sub(5)..].join("\n"))
}
