//! Runs it: the server, the processes of clients behind a proxy each, the truth, and the faults when their time has come.
//! All of it is recorded in one folder; judging comes later.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures::future::join_all;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::sleep,
};

use crate::{
    clock,
    fault::{self, Planned},
    proxy::{self, Line as Wire, Mode},
    record::{Fault, FaultKind, Line, Run},
    server::Server,
    truth,
    worker::{Record, tick},
    wrong::{self, Wrong},
};

/// How long processes of clients may take to end after their time is over: the longest call, and what watchers add.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is run, and where.
#[derive(Clone, Debug)]
pub struct Driver {
    /// What was asked for.
    pub run: Run,
    /// The server's program.
    pub server: PathBuf,
    /// The program that is a process of clients when it is called so: usually this one.
    pub program: PathBuf,
    /// How the server is made to be wrong.
    pub wrong: Option<Wrong>,
    /// Where everything is recorded.
    pub folder: PathBuf,
}

/// One process of clients, and the line it is on.
struct Clients {
    process: u32,
    incarnation: u32,
    child: Child,
    wire: Wire,
    grpc: String,
}

/// What does not change while it runs.
struct Ground<'a> {
    driver: &'a Driver,
    record: Record,
    truth: String,
    until: u64,
}

impl Driver {
    /// Runs it to its end; `told` hears of every fault.
    ///
    /// # Errors
    /// Something of its own broke: a program cannot be started, a record cannot be written, a client or the server did
    /// not end well.
    pub fn run(&self, told: &dyn Fn(FaultKind)) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.drive(told))
    }

    async fn drive(&self, told: &dyn Fn(FaultKind)) -> Result<(), String> {
        let record = Record::open(&self.folder.join("driver.jsonl"))?;
        record.write(&Line::Run(self.run.clone())).map_err(text)?;
        let mut server = Server::start(&self.server, &self.folder, self.run.lease_ms).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let truth = listener.local_addr().map_err(text)?.to_string();
        let until = clock::now() + clock::nanoseconds(Duration::from_secs(self.run.seconds));
        let ground = Ground { driver: self, record: record.clone(), truth, until };
        let front = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let behind = if self.wrong.is_some() { front.local_addr().map_err(text)? } else { server.address };
        let (mut wires, mut proxies) = (Vec::new(), Vec::new());
        for _ in 0..self.run.processes {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
            let grpc = listener.local_addr().map_err(text)?.to_string();
            let (wire, runs) = proxy::proxy(listener, behind);
            wires.push((wire, grpc));
            proxies.push(runs);
        }
        let server_address = server.address;
        tokio::select! {
            ended = truth::serve(listener) => Err(format!("nobody can ask for the truth any more: {ended:?}")),
            ended = self.be_wrong(front, server_address) => Err(format!("the wrong server has ended: {ended:?}")),
            ended = tick(record, u64::MAX) => Err(format!("cannot record: {ended:?}")),
            _ended = join_all(proxies) => Err("the proxies have ended".to_owned()),
            done = ground.play(&mut server, wires, told) => done,
        }?;
        server.end().await
    }
}

impl Driver {
    /// Does nothing for ever when the server is to be as it is.
    async fn be_wrong(&self, front: TcpListener, server: SocketAddr) -> std::io::Result<()> {
        match self.wrong {
            Some(wrong) => wrong::serve(front, server, wrong).await,
            None => std::future::pending().await,
        }
    }
}

impl Ground<'_> {
    /// Starts the clients, lets the faults happen, and waits for the clients to end.
    async fn play(
        &self,
        server: &mut Server,
        wires: Vec<(Wire, String)>,
        told: &dyn Fn(FaultKind),
    ) -> Result<(), String> {
        let mut clients = Vec::new();
        for (process, (wire, grpc)) in (0..).zip(wires) {
            let child = self.start(process, 0, &grpc)?;
            clients.push(Clients { process, incarnation: 0, child, wire, grpc });
        }
        for planned in fault::script(&self.driver.run) {
            sleep(Duration::from_millis(planned.after_ms)).await;
            if clock::now() >= self.until {
                break;
            }
            told(planned.kind);
            self.happens(&planned, server, &mut clients).await?;
        }
        sleep(clock::until(self.until)).await;
        for one in &mut clients {
            match tokio::time::timeout(PATIENCE, one.child.wait()).await {
                Ok(Ok(status)) if status.success() => {}
                Ok(ended) => return Err(format!("clients of process {} did not end well: {ended:?}", one.process)),
                Err(_) => return Err(format!("clients of process {} do not end", one.process)),
            }
        }
        Ok(())
    }

    async fn happens(&self, planned: &Planned, server: &mut Server, clients: &mut [Clients]) -> Result<(), String> {
        let from = clock::now();
        let lasts = Duration::from_millis(planned.lasts_ms);
        let hit = usize::try_from(planned.process).ok().and_then(|process| clients.get_mut(process));
        let hit = hit.ok_or("a fault is planned for a process that is not there")?;
        let process = match planned.kind {
            FaultKind::Pause | FaultKind::Restart => None,
            _ => Some(hit.process),
        };
        match planned.kind {
            FaultKind::Cut => hit.wire.cut(),
            FaultKind::HalfOpen => {
                hit.wire.set(Mode::Silent);
                sleep(lasts).await;
                hit.wire.cut();
                // What was held back goes with its connection.
                sleep(Duration::from_millis(20)).await;
                hit.wire.set(Mode::Open);
            }
            FaultKind::Delay => {
                hit.wire.set(Mode::Late(Duration::from_millis(60)));
                sleep(lasts).await;
                hit.wire.set(Mode::Open);
            }
            FaultKind::Kill => {
                hit.child.kill().await.map_err(text)?;
                hit.incarnation += 1;
                hit.child = self.start(hit.process, hit.incarnation, &hit.grpc)?;
            }
            FaultKind::Pause => {
                server.stop()?;
                sleep(lasts).await;
                server.go_on()?;
            }
            FaultKind::Restart => server.restart().await?,
        }
        let fault = Fault { kind: planned.kind, from, to: clock::now(), process };
        self.record.write(&Line::Fault(fault)).map_err(text)
    }

    fn start(&self, process: u32, incarnation: u32, grpc: &str) -> Result<Child, String> {
        let run = &self.driver.run;
        let file: &Path = &self.driver.folder.join(format!("{process}-{incarnation}.jsonl"));
        let mut command = Command::new(&self.driver.program);
        command.args(["worker", "--grpc", grpc, "--truth", &self.truth, "--process", &process.to_string()]);
        command.args(["--incarnation", &incarnation.to_string(), "--seed", &run.seed.to_string()]);
        command.args(["--clients", &run.clients.to_string(), "--until", &self.until.to_string()]);
        command.args(["--lease-ms", &run.lease_ms.to_string()]);
        command.args(["--near-ms", &run.near_ms.to_string(), "--file"]).arg(file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().map_err(|error| format!("cannot start {}: {error}", self.driver.program.display()))
    }
}

fn text(error: std::io::Error) -> String {
    error.to_string()
}
