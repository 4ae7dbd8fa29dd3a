//! The server that is put to the test: a process that is started, stopped, continued and drained. What it is asked is not
//! known here.

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
    net::TcpSocket,
    process::{Child, Command},
};

/// How long it may take to start, and to end in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server process. It is killed when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    program: PathBuf,
    log: PathBuf,
    lease_ms: u64,
    /// Where it listens.
    pub address: SocketAddr,
    /// Keeps the port from others while it is started again: also from those who try to connect to it meanwhile.
    _held: TcpSocket,
}

impl Server {
    /// Starts a server on a free port of loopback, with its log in that folder.
    ///
    /// # Errors
    /// It cannot be started, or does not say where it listens.
    pub async fn start(program: &Path, folder: &Path, lease_ms: u64) -> Result<Self, String> {
        let log = folder.join("server.log");
        let held = hold().map_err(|error| format!("no free port: {error}"))?;
        let at = held.local_addr().map_err(|error| format!("no free port: {error}"))?.to_string();
        let (child, address) = spawn(program, &log, lease_ms, &at).await?;
        Ok(Self { child, program: program.to_owned(), log, lease_ms, address, _held: held })
    }

    /// Ends it in order and starts another on the same port.
    ///
    /// # Errors
    /// It does not end, or cannot be started.
    pub async fn restart(&mut self) -> Result<(), String> {
        self.end().await?;
        let address = self.address.to_string();
        (self.child, self.address) = spawn(&self.program, &self.log, self.lease_ms, &address).await?;
        Ok(())
    }

    /// Ends it in order, as Kubernetes does.
    ///
    /// # Errors
    /// It does not end in time, or not well.
    pub async fn end(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(ended) => Err(format!("the server did not end well: {ended:?}, see {}", self.log.display())),
            Err(_) => Err(format!("the server did not end within {PATIENCE:?}")),
        }
    }

    /// Stops it, as it would be when its machine does nothing for it.
    ///
    /// # Errors
    /// It has ended.
    pub fn stop(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It has ended.
    pub fn go_on(&self) -> Result<(), String> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let id = id.ok_or_else(|| format!("the server has ended by itself, see {}", self.log.display()))?;
        kill_process(id, signal).map_err(|error| format!("cannot send {signal:?} to the server: {error}"))
    }
}

/// A free port of loopback, which belongs to whoever has this; a server listens there as if it were free.
fn hold() -> std::io::Result<TcpSocket> {
    let held = TcpSocket::new_v4()?;
    held.set_reuseaddr(true)?;
    held.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    Ok(held)
}

async fn spawn(program: &Path, log: &Path, lease_ms: u64, listen: &str) -> Result<(Child, SocketAddr), String> {
    let errors = OpenOptions::new().create(true).append(true).open(log);
    let errors = errors.map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", listen, "--http", "127.0.0.1:0", "--log-level", "warn"]);
    command.args(["--shutdown-drain-delay", "0ms", "--leases-duration", &format!("{lease_ms}ms")]);
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let output = child.stdout.take().ok_or("the server has no output")?;
    let mut line = String::new();
    let mut output = BufReader::new(output);
    let read = tokio::time::timeout(PATIENCE, output.read_line(&mut line)).await;
    let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
    match (read, said["grpc"].as_str().and_then(|address| address.parse().ok())) {
        (Ok(Ok(_)), Some(address)) => Ok((child, address)),
        _ => Err(format!("{} did not say where it listens, see {}", program.display(), log.display())),
    }
}
