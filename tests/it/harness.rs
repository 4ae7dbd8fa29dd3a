//! Starts real servers: the binary as a process, or the daemon inside the test with a clock the test moves. Every
//! server listens on free ports and ends with the test. What is asked of them is not decided here.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use hotplate::Profile;
use hotplate_daemon::config::{AccessSettings, NamespaceSettings, Settings, TokenSettings};
use hotplate_daemon::{
    Running,
    access::{Role, token},
};
use hotplate_engine::clock::Clock;
use hotplate_proto::v1::cache_service_client::CacheServiceClient;
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

use crate::wire::{Client, PATIENCE};

/// How a server process is started.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    args: Vec<String>,
    env: Vec<(String, String)>,
    config: Option<String>,
    listen: Option<String>,
}

impl Setup {
    /// Another address for gRPC than a free port of loopback; empty: none on the command line.
    pub(crate) fn listen(mut self, address: &str) -> Self {
        self.listen = Some(address.to_owned());
        self
    }

    /// One more argument.
    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    /// One more environment variable; nothing else is inherited but PATH.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The configuration file's text.
    pub(crate) fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    fn command(&self, folder: &tempfile::TempDir) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hotplate"));
        command.arg("serve").args(["--http", "127.0.0.1:0"]);
        match self.listen.as_deref() {
            Some("") => {}
            address => {
                command.arg("--listen").arg(address.unwrap_or("127.0.0.1:0"));
            }
        }
        command.args(&self.args).env_clear().env("PATH", path_variable()).envs(self.env.iter().cloned());
        if let Some(toml) = &self.config {
            let file = folder.path().join("hotplate.toml");
            std::fs::write(&file, toml).unwrap();
            command.arg("--config").arg(file);
        }
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens.
    pub(crate) fn spawn(&self) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let mut child = self.command(&folder).spawn().expect("the binary starts");
        let (errors, _) = capture(child.stderr.take().expect("piped"));
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let (send, first) = mpsc::channel();
        let output = Arc::new(Mutex::new(String::new()));
        let rest = Arc::clone(&output);
        thread::spawn(move || {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap_or_default();
            send.send(line).unwrap_or_default();
            copy(lines, &rest);
        });
        let line = first.recv_timeout(PATIENCE).expect("the server says where it listens");
        let listening: serde_json::Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{error}: {line:?}; stderr: {}", errors.lock().unwrap()));
        assert_eq!(listening["event"], "listening", "{line}");
        let address = |name: &str| listening[name].as_str().and_then(|text| text.parse().ok()).expect("an address");
        let (grpc, http) = (address("grpc"), address("http"));
        Server { child, grpc, http, errors, output, _folder: folder }
    }

    /// Starts it expecting that it ends by itself; answers its status, output and error output.
    pub(crate) fn run(&self) -> (ExitStatus, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut child = self.command(&folder).spawn().expect("the binary starts");
        let (output, output_ended) = capture(child.stdout.take().expect("piped"));
        let (errors, errors_ended) = capture(child.stderr.take().expect("piped"));
        let status = ended(&mut child, PATIENCE).expect("the process ends by itself");
        let text = |shared: &Mutex<String>| shared.lock().unwrap().clone();
        for reader in [output_ended, errors_ended] {
            reader.join().expect("a reader does not panic");
        }
        (status, text(&output), text(&errors))
    }
}

fn path_variable() -> String {
    std::env::vars().find(|(name, _)| name == "PATH").map(|(_, value)| value).unwrap_or_default()
}

/// Collects what comes until its end; also answers the thread that does.
fn capture(mut from: impl Read + Send + 'static) -> (Arc<Mutex<String>>, thread::JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let copied = Arc::clone(&text);
    let reader = thread::spawn(move || copy(&mut from, &copied));
    (text, reader)
}

fn copy(mut from: impl Read, to: &Mutex<String>) {
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        to.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..read]));
    }
}

fn ended(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let clock = Clock::system();
    let start = clock.now();
    while clock.now().since(start) < patience {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

/// A server process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    errors: Arc<Mutex<String>>,
    output: Arc<Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// One with plain defaults.
    pub(crate) fn start() -> Self {
        Setup::default().spawn()
    }

    pub(crate) async fn client(&self) -> Client {
        client(self.grpc).await
    }

    /// Asks it to end, as Kubernetes does.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(kill.expect("sh runs").success());
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of it");
        line.trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
    }

    /// Bytes of memory that the process takes now.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system says so");
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes << 10
    }

    /// Waits for its end; `None` when it does not come in time.
    pub(crate) fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        ended(&mut self.child, patience)
    }

    /// What it wrote on standard error so far.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    /// What it wrote on standard output after the first line.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// A number of the metrics page, by its name and labels.
pub(crate) async fn metric(http: SocketAddr, name: &str) -> u64 {
    let page = reqwest::get(format!("http://{http}/metrics")).await.unwrap().text().await.unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix(' ')));
    line.map_or(0, |number| number.parse().unwrap())
}

/// Times of a client that takes no machine that is held up for a server that is away.
pub(crate) fn unhurried() -> Profile {
    let mut profile = Profile::local();
    (profile.connect_timeout, profile.call_timeout, profile.bulk_timeout) = (PATIENCE, PATIENCE, PATIENCE);
    profile
}

/// A channel to a plaintext port.
pub(crate) async fn channel(grpc: SocketAddr) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{grpc}")).unwrap().connect_timeout(PATIENCE);
    endpoint.connect().await.expect("the server accepts")
}

/// A client of a plaintext port, without client-side limits, so that the server's own are met.
pub(crate) async fn client(grpc: SocketAddr) -> Client {
    unlimited(channel(grpc).await)
}

/// A client without limits of its own.
pub(crate) fn unlimited(channel: Channel) -> Client {
    CacheServiceClient::new(channel).max_decoding_message_size(usize::MAX).max_encoding_message_size(usize::MAX)
}

/// A request that shows a token.
pub(crate) fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A server inside the test, whose time stands still until the test moves it.
pub(crate) struct Local {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) clock: Clock,
    running: Running,
}

impl Local {
    /// One with plain defaults.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One with other settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::at(Clock::manual(), change).await
    }

    /// One with other settings, whose time goes on where another's was.
    pub(crate) async fn at(clock: Clock, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.grpc.listen.set_port(0);
        settings.http.listen.set_port(0);
        settings.server.workers = 1;
        settings.shutdown.drain_delay = Duration::ZERO;
        change(&mut settings);
        let running = Box::pin(hotplate_daemon::start(settings, clock.clone())).await.expect("the server starts");
        Self { grpc: running.grpc_addr(), http: running.http_addr(), clock, running }
    }

    pub(crate) async fn client(&self) -> Client {
        client(self.grpc).await
    }

    /// Ends the server in order.
    pub(crate) async fn shutdown(self) {
        self.running.shutdown().await;
    }

    /// Callers that wait for a lease.
    pub(crate) fn waiters(&self) -> usize {
        self.running.cache().lease_waiters()
    }

    /// Moves the clock and reclaims what has expired by then.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.running.cache().maintain();
    }
}

/// A configured namespace.
pub(crate) fn namespace<'a>(settings: &'a mut Settings, name: &str) -> &'a mut NamespaceSettings {
    settings.namespaces.configured.entry(name.to_owned()).or_default()
}

/// Adds a token and answers its secret text.
pub(crate) fn grant(access: &mut AccessSettings, role: Role, namespaces: &[&str]) -> String {
    let token = token::generate();
    let sum = hex::decode(&token.sha256_hex).unwrap();
    access.tokens.push(TokenSettings {
        id: token.id,
        sha256: sum.try_into().unwrap(),
        role,
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        expires: None,
    });
    token.secret_text
}
