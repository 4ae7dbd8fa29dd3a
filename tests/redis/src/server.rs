//! One Redis server process: started, asked, paused, killed, restarted on the same port, and ended with its owner. How
//! several belong together is not known here.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::{ConnectionLike, Value};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Certificates, Port, Result, eventually};

/// How long a command may take that is not known to block.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// How a server is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    replica_of: Option<u16>,
    cluster: bool,
    tls: bool,
    sentinel: Option<String>,
    password: Option<String>,
    arguments: Vec<String>,
}

impl Options {
    /// Follows the server at this port.
    #[must_use]
    pub fn replica_of(mut self, port: u16) -> Self {
        self.replica_of = Some(port);
        self
    }

    /// Can belong to a cluster; `node_timeout`: after how many milliseconds others call it failed.
    #[must_use]
    pub fn cluster(mut self, node_timeout: u32) -> Self {
        self.cluster = true;
        let timeout = node_timeout.to_string();
        self.arguments(&["--cluster-enabled", "yes", "--cluster-node-timeout", &timeout])
    }

    /// Speaks TLS only.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Asks the default user for this password.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.arguments(&["--requirepass", password, "--masterauth", password])
    }

    /// Keeps what it acknowledged, so that it is there after [`Server::restart`].
    #[must_use]
    pub fn persistent(self) -> Self {
        self.arguments(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Further arguments, as on a command line: `--name`, `value`.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// Is a Sentinel with these lines in its configuration.
    pub(crate) fn sentinel(lines: &str) -> Self {
        Self { sentinel: Some(lines.to_owned()), ..Self::default() }
    }
}

/// A server process; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    options: Options,
    folder: TempDir,
    port: Port,
    bus_port: Port,
    certificates: Option<Certificates>,
    process: Option<Child>,
    paused: bool,
}

impl Server {
    /// A server of its own, without persistence.
    ///
    /// # Errors
    /// When it cannot be started; says what to install when Redis is missing.
    pub fn start() -> Result<Self> {
        Self::with(Options::default())
    }

    /// A server like that.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn with(options: Options) -> Result<Self> {
        let folder = TempDir::with_prefix("redis-").map_err(|error| format!("no temporary folder: {error}"))?;
        let certificates = options.tls.then(|| Certificates::make(folder.path())).transpose()?;
        let (port, bus_port) = (Port::hold()?, Port::hold()?);
        let mut server = Self { options, folder, port, bus_port, certificates, process: None, paused: false };
        server.spawn().map(|()| server)
    }

    /// Where it listens, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Where it listens for the other nodes of a cluster.
    pub(crate) fn bus_port(&self) -> u16 {
        self.bus_port.number()
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port())
    }

    /// `redis://127.0.0.1:PORT`, or `rediss://` when it speaks TLS; without password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.options.tls { "rediss" } else { "redis" }, self.address())
    }

    /// The certificate to trust, when it speaks TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|certificates| certificates.ca.as_path())
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Asks it something, through its socket in the file system: ports, TLS and ACL of other users do not matter.
    ///
    /// # Errors
    /// When it does not run, does not answer, or answers with an error, in its words.
    pub fn command(&self, words: &[&str]) -> Result<Value> {
        let mut connection = self.connection()?;
        let mut command = redis::Cmd::new();
        command.arg(words);
        let answer = connection.req_command(&command).map_err(|error| error.to_string())?;
        answer.extract_error().map_err(|error| error.to_string())
    }

    /// The same for answers that are text.
    ///
    /// # Errors
    /// As [`Server::command`], and when it is no text.
    pub fn text(&self, words: &[&str]) -> Result<String> {
        redis::from_redis_value(self.command(words)?).map_err(|error| error.to_string())
    }

    /// The value of a line `NAME:VALUE` in a section of `INFO`; empty when there is none.
    ///
    /// # Errors
    /// As [`Server::command`].
    pub fn info(&self, section: &str, name: &str) -> Result<String> {
        let text = self.text(&["INFO", section])?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.unwrap_or_default().to_owned())
    }

    /// Changes a setting while it runs.
    ///
    /// # Errors
    /// As [`Server::command`].
    pub fn config_set(&self, name: &str, value: &str) -> Result<()> {
        self.command(&["CONFIG", "SET", name, value]).map(drop)
    }

    /// Makes or changes a user: `ACL SETUSER name rules…`.
    ///
    /// # Errors
    /// As [`Server::command`].
    pub fn acl_user(&self, name: &str, rules: &[&str]) -> Result<()> {
        let words: Vec<&str> = ["ACL", "SETUSER", name].iter().chain(rules).copied().collect();
        self.command(&words).map(drop)
    }

    /// Stops the process where it is (SIGSTOP): it holds its connections and answers nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.paused = true;
        Ok(())
    }

    /// Lets a paused process go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.paused = false;
        self.signal(Signal::CONT)
    }

    /// Ends the process at once (SIGKILL) and waits until it is gone. Does nothing when it does not run.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Either fails only when the process has ended already.
            let _gone = process.kill();
            let _status = process.wait();
        }
        self.paused = false;
    }

    /// Ends it, if it runs, and starts it on the same port with what it kept, which is nothing unless it is persistent.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        self.spawn()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid =
            self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).ok_or("the server does not run")?;
        kill_process(pid, signal).map_err(|error| format!("cannot signal the server: {error}"))
    }

    fn connection(&self) -> Result<redis::Connection> {
        if self.paused || self.process.is_none() {
            return Err("the server does not run".into());
        }
        let mut settings = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        if let Some(password) = &self.options.password {
            settings = settings.set_password(password);
        }
        let address = redis::ConnectionAddr::Unix(self.socket());
        let info = redis::IntoConnectionInfo::into_connection_info(address).map_err(|error| error.to_string())?;
        let client = redis::Client::open(info.set_redis_settings(settings)).map_err(|error| error.to_string())?;
        let connection = client.get_connection_with_timeout(COMMAND_TIMEOUT).map_err(|error| error.to_string())?;
        connection.set_read_timeout(Some(COMMAND_TIMEOUT)).map_err(|error| error.to_string())?;
        Ok(connection)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn spawn(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        let output = File::create(&log).map_err(|error| format!("cannot write {}: {error}", log.display()))?;
        let mut command = Command::new("redis-server");
        if let Some(lines) = &self.options.sentinel {
            // A Sentinel keeps what it learns in its configuration: a restarted one goes on with it.
            let file = self.folder.path().join("sentinel.conf");
            if !file.exists() {
                fs::write(&file, lines).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            }
            command.arg(file).arg("--sentinel");
        }
        command.args(self.arguments()).args(&self.options.arguments);
        command.stdin(Stdio::null()).stdout(output).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| {
            format!("cannot start redis-server: {error}; run `apt-get install redis-server redis-sentinel` or `cargo x setup`")
        })?;
        self.process = Some(process);
        let mut ended = false;
        let answers = eventually("the Redis server answers", || {
            ended = !matches!(self.process.as_mut().map(Child::try_wait), Some(Ok(None)));
            ended || self.command(&["PING"]).is_ok()
        });
        if answers.is_err() || ended {
            self.kill();
            let said = fs::read_to_string(&log).unwrap_or_default();
            let said: Vec<&str> = said.lines().rev().take(5).collect();
            return Err(format!("the Redis server did not start: {}", said.join(" | ")));
        }
        Ok(())
    }

    fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let mut pairs = vec![
            ("--bind", "127.0.0.1".to_owned()),
            ("--dir", path(self.folder.path())),
            ("--unixsocket", path(&self.socket())),
        ];
        let port = self.port().to_string();
        match &self.certificates {
            None => pairs.push(("--port", port)),
            Some(certificates) => pairs.extend([
                ("--port", "0".to_owned()),
                ("--tls-port", port),
                ("--tls-ca-cert-file", path(&certificates.ca)),
                ("--tls-cert-file", path(&certificates.certificate)),
                ("--tls-key-file", path(&certificates.key)),
                ("--tls-auth-clients", "no".to_owned()),
            ]),
        }
        if self.options.sentinel.is_none() {
            pairs.push(("--save", String::new()));
            pairs.push(("--repl-diskless-sync-delay", "0".to_owned()));
        }
        if self.options.cluster {
            pairs.push(("--cluster-port", self.bus_port().to_string()));
        }
        let mut arguments: Vec<String> = pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect();
        if let Some(master) = self.options.replica_of {
            arguments.extend(["--replicaof".to_owned(), "127.0.0.1".to_owned(), master.to_string()]);
        }
        arguments
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
