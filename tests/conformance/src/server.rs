//! A real server: a process that is started, killed, stopped and continued. What it is asked is not known here.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::scenario::{Grant, Own};

/// How long it may take to start, and to end in order.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long until it is looked again whether it stands still.
const LOOK: Duration = Duration::from_millis(1);
/// Bytes of its log that are told when it cannot be started.
const TAIL_BYTES: usize = 2_000;

/// A server process. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    own: Own,
    folder: TempDir,
    child: Option<Child>,
    /// Where it listens, also after it was started again.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts one on a free port of loopback.
    pub(crate) async fn start(program: &Path, own: Own) -> Result<Self, String> {
        let folder = TempDir::new().map_err(|error| format!("there is no temporary folder: {error}"))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { program: program.to_owned(), own, folder, child: None, address: nowhere };
        server.run().await?;
        Ok(server)
    }

    /// Starts it where it was.
    pub(crate) async fn run(&mut self) -> Result<(), String> {
        if self.child.is_some() {
            return Err("the server runs already".to_owned());
        }
        let log = self.folder.path().join("server.log");
        let mut child = self.command(&log)?.spawn().map_err(|error| self.cannot(&error))?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let (mut output, mut line) = (BufReader::new(output), String::new());
        // Nobody reads on: it says nothing more there.
        let read = tokio::time::timeout(PATIENCE, output.read_line(&mut line)).await;
        let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        match (read, said["grpc"].as_str().and_then(|address| address.parse().ok())) {
            (Ok(Ok(_)), Some(address)) => {
                (self.address, self.child) = (address, Some(child));
                Ok(())
            }
            _ => {
                let log = fs::read_to_string(log).unwrap_or_default();
                let from = log.len().saturating_sub(TAIL_BYTES);
                let tail = log.get(from..).unwrap_or_default();
                Err(format!("the server did not say where it listens: {}\n{tail}", line.trim_end()))
            }
        }
    }

    fn command(&self, log: &Path) -> Result<Command, String> {
        let log = fs::OpenOptions::new().create(true).append(true).open(log);
        let log = log.map_err(|error| format!("the server has no log: {error}"))?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--listen", &self.address.to_string(), "--http", "127.0.0.1:0"]);
        command.args(["--log-level", "warn", "--shutdown-drain-delay", "0ms"]).args(&self.own.args);
        if !self.own.config.is_empty() {
            let file = self.folder.path().join("hotplate.toml");
            fs::write(&file, &self.own.config).map_err(|error| format!("{}: {error}", file.display()))?;
            command.arg("--config").arg(file);
        }
        command.env_clear().current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    fn cannot(&self, error: &std::io::Error) -> String {
        format!("cannot start {}: {error}", self.program.display())
    }

    /// Ends it in order.
    pub(crate) async fn stop(&mut self) -> Result<(), String> {
        self.signal(Signal::TERM)?;
        let mut child = self.child.take().ok_or("the server does not run")?;
        match tokio::time::timeout(PATIENCE, child.wait()).await {
            Ok(Ok(_status)) => Ok(()),
            Ok(Err(error)) => Err(format!("the server cannot be waited for: {error}")),
            Err(_late) => Err(format!("the server did not end within {PATIENCE:?}")),
        }
    }

    /// Ends it at once.
    pub(crate) async fn kill(&mut self) -> Result<(), String> {
        let mut child = self.child.take().ok_or("the server does not run")?;
        child.kill().await.map_err(|error| format!("the server cannot be killed: {error}"))
    }

    /// Nothing runs of it until it goes on; when this returns it stands still.
    pub(crate) async fn pause(&self) -> Result<(), String> {
        self.signal(Signal::STOP)?;
        let still = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let stands = async {
            let id = self.id()?;
            loop {
                let seen = waitid(WaitId::Pid(id), still);
                match seen.map_err(|error| format!("the server cannot be waited for: {error}"))? {
                    Some(_) => return Ok(()),
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, stands).await.unwrap_or_else(|_late| Err("the server does not stop".to_owned()))
    }

    /// It goes on.
    pub(crate) fn resume(&self) -> Result<(), String> {
        self.signal(Signal::CONT)
    }

    fn id(&self) -> Result<Pid, String> {
        let id = self.child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        id.ok_or_else(|| "the server does not run".to_owned())
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.id()?, signal).map_err(|error| format!("cannot send {signal:?} to the server: {error}"))
    }
}

/// Makes a token: its secret, and what a server has to be told of it.
pub(crate) async fn token(program: &Path, grant: &Grant) -> Result<(String, String), String> {
    let mut command = Command::new(program);
    command.args(["token", "create", "-o", "json", "--role", &grant.role, "--namespaces", &grant.namespaces]);
    command.args(grant.expires.iter().flat_map(|expires| ["--expires", expires]));
    let output = command.env_clear().output().await.map_err(|error| format!("cannot make a token: {error}"))?;
    let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let text = |name: &str| made[name].as_str().ok_or_else(|| format!("`hotplate token create` told no `{name}`"));
    let (secret, id, sum) = (text("token")?, text("id")?, text("sha256")?);
    let Grant { role, namespaces, expires } = grant;
    let expires = expires.as_ref().map(|moment| format!("expires = \"{moment}\"\n")).unwrap_or_default();
    let table = format!(
        "\n[[access.tokens]]\nid = \"{id}\"\nsha256 = \"{sum}\"\nrole = \"{role}\"\nnamespaces = [\"{namespaces}\"]\n{expires}"
    );
    Ok((secret.to_owned(), table))
}
