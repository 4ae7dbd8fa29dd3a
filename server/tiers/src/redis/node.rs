//! One server and the connections to it: kept open by a task, tried again when they break, at most twice a second.
//! Which server is asked for what is not decided here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use hotplate_engine::{
    clock::Moment,
    tier::{TierError, TierErrorKind},
};
use redis::{Pipeline, Value};
use tokio::{sync::watch, time};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    connect::{Dialer, Opened},
    counters::Counters,
    delta::NUMBERS_END,
    fail::{Cause, Fail},
    url::Address,
};

/// Connections to one server: a large value on one does not hold up the others.
const CONNECTIONS: usize = 4;
/// Time for finding the server, connecting, and the first questions.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two attempts, and as much again at random by half.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// A connection on which nothing came back for so long, although something was asked, is given up.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// One that others of a cluster do not wait for any more.
const SILENCE: Duration = Duration::from_millis(500);
/// Oldest Redis that knows all commands that are used.
const VERSION_MIN: (u32, u32) = (7, 0);

/// Between two questions whether the server still is the one, where somebody knows.
const LOCATE_AGAIN: Duration = Duration::from_secs(1);
/// For how long the answer to that is good.
const WORD_GOOD: Duration = Duration::from_secs(3);

/// Says where the server is: asked before each attempt to connect, and again and again where that may change.
pub(super) type Locate = Arc<dyn Fn() -> BoxFuture<'static, Result<Address, Fail>> + Send + Sync>;

/// A server.
#[derive(Debug)]
pub(super) struct Node {
    state: watch::Receiver<State>,
    _keeper: DropGuard,
}

#[derive(Clone, Debug)]
enum State {
    Connecting,
    Up(Arc<Link>),
    Failed(TierError),
}

/// Open connections to a server, and what it said of itself.
pub(super) struct Link {
    pub(super) address: Address,
    connections: Vec<Opened>,
    next: AtomicUsize,
    /// What identifies the server's history.
    run: AtomicU64,
    /// When those who know were asked last who said that it is the one, in nanoseconds; `None` where there are none.
    said: Option<AtomicU64>,
    broken: CancellationToken,
}

impl Node {
    /// Connects in the background and stays so until it is dropped.
    /// `moves`: whether the server may be another one later.
    pub(super) fn keep(locate: Locate, moves: bool, dialer: &Arc<Dialer>, counters: &Arc<Counters>) -> Arc<Self> {
        let (sender, state) = watch::channel(State::Connecting);
        let stop = CancellationToken::new();
        let (own_dialer, counters) = (Arc::clone(dialer), Arc::clone(counters));
        let keeper = Keeper { locate, moves, dialer: own_dialer, counters, state: sender };
        let stopped = stop.clone();
        dialer.spawn("redis server", async move {
            let _stopped = stopped.run_until_cancelled(keeper.run()).await;
        });
        Arc::new(Self { state, _keeper: stop.drop_guard() })
    }

    /// The connections, once the attempt that is under way has succeeded or failed.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Fail> {
        let mut state = self.state.clone();
        let state = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        match state.as_deref() {
            Ok(State::Up(link)) => Ok(Arc::clone(link)),
            Ok(State::Failed(error)) => Err(Fail { error: error.clone(), cause: Cause::Broken }),
            _ => Err(Fail::unreachable("the tier was closed")),
        }
    }

    /// The connections, if there are any now.
    pub(super) fn link_now(&self) -> Option<Arc<Link>> {
        match &*self.state.borrow() {
            State::Up(link) => Some(Arc::clone(link)),
            _ => None,
        }
    }

    /// The connections that come after these, which broke.
    pub(super) async fn link_after(&self, old: &Arc<Link>) -> Result<Arc<Link>, Fail> {
        let mut state = self.state.clone();
        // Until the keeper has noticed too, what broke is still shown.
        let noticed = state.wait_for(|state| !matches!(state, State::Up(link) if Arc::ptr_eq(link, old))).await;
        drop(noticed);
        self.link().await
    }
}

struct Keeper {
    locate: Locate,
    moves: bool,
    dialer: Arc<Dialer>,
    counters: Arc<Counters>,
    state: watch::Sender<State>,
}

impl Keeper {
    async fn run(self) {
        loop {
            let began = self.dialer.clock.now();
            let attempt = time::timeout(CONNECT_TIMEOUT, self.connect()).await;
            let late = || {
                let place = &self.dialer.place;
                Fail::unreachable(format!("Redis ({place}) was not ready to answer within {CONNECT_TIMEOUT:?}"))
            };
            match attempt.unwrap_or_else(|_elapsed| Err(late())) {
                Ok(link) => {
                    self.counters.reached(None);
                    let link = Arc::new(link);
                    self.state.send_replace(State::Up(Arc::clone(&link)));
                    link.broken.run_until_cancelled(self.moved(&link)).await;
                    link.broken.cancel();
                    tracing::debug!("the connection to Redis ended");
                    self.state.send_replace(State::Connecting);
                }
                Err(fail) => {
                    self.counters.reached(Some(&fail.error));
                    self.state.send_replace(State::Failed(fail.error));
                }
            }
            let pause = RETRY_AFTER + RETRY_AFTER.mul_f64(rand::random_range(0.0..0.5));
            time::sleep(pause.saturating_sub(self.dialer.clock.now().since(began))).await;
        }
    }

    /// Waits until the server is said to be at another address. One that is cut off from those who know is used as if it
    /// were the one, since only they can say that it is not: that it is they have not said either, see [`Link::vouched`].
    async fn moved(&self, link: &Link) {
        let Some(said) = &link.said else { return std::future::pending().await };
        loop {
            time::sleep(LOCATE_AGAIN).await;
            let asked = self.dialer.clock.now();
            match (self.locate)().await {
                Ok(now) if now == link.address => said.store(asked.0, Ordering::Relaxed),
                Ok(_) => return,
                Err(_) => {}
            }
        }
    }

    async fn connect(&self) -> Result<Link, Fail> {
        let asked = self.dialer.clock.now();
        let address = (self.locate)().await?;
        let first = self.dialer.open(&address).await?;
        let run = introduced(&first).await.map_err(|fail| self.dialer.unwelcome(&address, fail))?;
        let more = futures::future::try_join_all((1..CONNECTIONS).map(|_| self.dialer.open(&address))).await?;
        let connections: Vec<Opened> = std::iter::once(first).chain(more).collect();
        let broken = CancellationToken::new();
        for opened in &connections {
            let (ended, broken) = (opened.ended.clone(), broken.clone());
            self.dialer.spawn("redis connection's end", async move {
                tokio::select! { () = ended.cancelled() => broken.cancel(), () = broken.cancelled() => ended.cancel() }
            });
        }
        let (next, run) = (AtomicUsize::new(0), AtomicU64::new(run));
        let said = self.moves.then(|| AtomicU64::new(asked.0));
        Ok(Link { address, connections, next, run, said, broken })
    }
}

/// Asks a server what it is; what identifies its history, when it can be used.
async fn introduced(opened: &Opened) -> Result<u64, Fail> {
    let mut pipeline = redis::pipe();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let answers = opened.connection.clone().send_packed_commands(&pipeline, 0, 2).await;
    let info = Info::of(&answers.map_err(|error| Fail::of(&error))?)?;
    if info.version < VERSION_MIN {
        let why = format!("Redis {}.{} or later is needed", VERSION_MIN.0, VERSION_MIN.1);
        return Err(Fail::new(TierErrorKind::Refused, why, Cause::Broken));
    }
    if !info.master {
        return Err(no_master());
    }
    Ok(info.run)
}

fn no_master() -> Fail {
    let why = "this Redis is a replica: name its master, or use redis+sentinel://";
    Fail::new(TierErrorKind::Refused, why, Cause::NotMaster)
}

impl Link {
    /// Sends requests and takes what comes back. Errors that commands were answered with
    /// are among it.
    pub(super) async fn ask(&self, pipeline: &Pipeline, dialer: &Dialer) -> Result<Vec<Value>, Fail> {
        let now = dialer.clock.now();
        self.silent_for(now)?;
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let opened = &self.connections[at];
        opened.asked(now);
        let mut connection = opened.connection.clone();
        let sent = connection.send_packed_commands(pipeline, 0, pipeline.len()).await;
        opened.received.store(0, Ordering::Relaxed);
        let answers = sent.map_err(|error| Fail::of(&error));
        if let Err(fail) = &answers
            && fail.cause == Cause::Broken
        {
            self.broken.cancel();
        }
        answers
    }

    /// Whether what the server says of its logs is what counts: it is a master, as far as it knows (`replication`: what it
    /// says of that now), and so have those who know said not long ago.
    pub(super) fn vouched(&self, replication: &str, now: Moment) -> Result<(), Fail> {
        if !is_master(replication) {
            self.give_up();
            return Err(no_master());
        }
        let said = self.said.as_ref().map(|said| Moment(said.load(Ordering::Relaxed)));
        if said.is_some_and(|said| now.since(said) > WORD_GOOD) {
            let why = format!("no Sentinel has said within {WORD_GOOD:?} that this Redis still is the master");
            return Err(Fail::new(TierErrorKind::Away, why, Cause::Other));
        }
        Ok(())
    }

    /// Whether it is worth waiting for what it says: fails when nothing has come back for a while although something was
    /// asked.
    pub(super) fn talks(&self, now: Moment) -> Result<(), Fail> {
        if self.silent_for(now)? > SILENCE {
            return Err(Fail::unreachable("a node of the cluster does not answer"));
        }
        Ok(())
    }

    /// Gives the connections up.
    pub(super) fn give_up(&self) {
        self.broken.cancel();
    }

    /// What identifies the server's history, as far as is known.
    pub(super) fn run(&self) -> u64 {
        self.run.load(Ordering::Relaxed)
    }

    /// Notes what the server says of itself.
    pub(super) fn ran(&self, run: u64) {
        self.run.store(run, Ordering::Relaxed);
    }

    /// For how long the most silent of the connections has been so; gives all up when it was for too long: each call may get
    /// that one, and which of them works cannot be known.
    fn silent_for(&self, now: Moment) -> Result<Duration, Fail> {
        if self.broken.is_cancelled() {
            return Err(Fail::unreachable("the connection to Redis broke"));
        }
        let silent = self.connections.iter().map(|opened| opened.silent_for(now)).max().unwrap_or_default();
        if silent > SILENCE_MAX {
            self.broken.cancel();
            return Err(Fail::unreachable(format!("Redis has said nothing for {SILENCE_MAX:?}")));
        }
        Ok(silent)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for opened in &self.connections {
            opened.ended.cancel();
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Info {
    version: (u32, u32),
    master: bool,
    run: u64,
}

impl Info {
    /// Reads the answers to `INFO server` and `INFO replication`.
    fn of(answers: &[Value]) -> Result<Self, Fail> {
        let [server, replication, ..] = answers else { return Err(Fail::strange()) };
        let (server, replication) = (text_of(server)?, text_of(replication)?);
        let version = field(server, "redis_version").unwrap_or_default();
        let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Ok(Self { version, master: is_master(replication), run: run_of(replication)? })
    }
}

fn is_master(replication: &str) -> bool {
    field(replication, "role") == Some("master")
}

/// What identifies a server's history, as the scripts read it: 48 bits of its replication id and the 52nd, which is another one after each
/// start and each promotion.
pub(super) fn run_of(replication: &str) -> Result<u64, Fail> {
    let digits = field(replication, "master_replid").and_then(|id| id.get(..12));
    let bits = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or_else(Fail::strange)?;
    Ok(NUMBERS_END + bits)
}

/// A text among the answers; the server's error when it is that.
pub(super) fn text_of(value: &Value) -> Result<&str, Fail> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).map_err(|_error| Fail::strange()),
        Value::ServerError(error) => Err(Fail::answered(error)),
        _ => Err(Fail::strange()),
    }
}

/// The value of a line `NAME:VALUE`.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn a_server_says_what_it_is() {
        let answers =
            [bulk("# Server\r\nredis_version:7.0.15\r\n"), bulk("role:master\r\nmaster_replid:000000000010ffff\r\n")];
        let info = Info::of(&answers).unwrap();
        assert_eq!(info, Info { version: (7, 0), master: true, run: NUMBERS_END + 0x10 });
    }

    #[test]
    fn an_answer_of_another_form_is_no_panic() {
        for answers in [vec![], vec![Value::Nil, Value::Nil], vec![bulk("é"), bulk("master_replid:1")]] {
            assert!(Info::of(&answers).is_err());
        }
    }
}
