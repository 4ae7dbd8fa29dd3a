//! Several replicas share one Redis, each behind a proxy, and are asked by clients everywhere while messages are lost and
//! replicas stopped. What must hold of the answers is `replicas/judge.rs`'s.

pub mod faults;
pub mod judge;
pub mod record;
pub mod wire;
pub mod workers;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use hotplate_faultproxy::Proxy;
use hotplate_redisctl::Server as Redis;
use tokio::{sync::watch, task::JoinSet};

use self::{
    faults::{CALM, Ways, Wrong},
    judge::Report,
    record::{Fault, Span},
    wire::Client,
    workers::Ground,
};
use crate::{
    admin, clock,
    process::{Program, Server},
};

/// Clients.
const CLIENTS: u64 = 8;
/// Longer than usual: a busy machine is not to look like a Redis that is away.
const SHARED_TIMEOUT: &str = "500ms";
/// How often is looked whether the machine holds Redis, or this program, up.
const LOOK: Duration = Duration::from_millis(20);
/// Longer than that is as if something were broken on purpose: it is less than what servers wait for Redis.
const HELD_UP: Duration = Duration::from_millis(250);
/// How long a replica may take to have Redis.
const PATIENCE: Duration = Duration::from_secs(30);

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// How many servers.
    pub replicas: usize,
    /// For how long clients work.
    pub lasts: Duration,
    /// From what choices and faults follow.
    pub seed: u64,
    /// Whether nothing is broken.
    pub calm: bool,
    /// How Redis is made wrong.
    pub wrong: Option<Wrong>,
    /// The server's program.
    pub server: PathBuf,
    /// Where the servers' logs are.
    pub folder: PathBuf,
}

impl Run {
    /// Runs it to its end; `told` hears of every fault.
    ///
    /// # Errors
    /// Redis or a server does not start or ends by itself, or does not use Redis.
    pub fn run(&self, told: &dyn Fn(&str)) -> Result<Report, String> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
        runtime.block_on(self.drive(told))
    }

    async fn drive(&self, told: &dyn Fn(&str)) -> Result<Report, String> {
        told("starting");
        let redis = Arc::new(Redis::start()?);
        let address: SocketAddr = redis.address().parse().map_err(|error| format!("Redis listens nowhere: {error}"))?;
        let (mut proxies, mut servers, mut clients) = (Vec::new(), Vec::new(), Vec::new());
        for replica in 0..self.replicas {
            let proxy = Proxy::start(address, self.seed).await.map_err(|error| error.to_string())?;
            let (server, client) = self.start(replica, proxy.address()).await?;
            proxies.push(proxy);
            servers.push(server);
            clients.push(client);
        }
        let ground = Arc::new(Ground::new(clients));
        let until = clock::now() + clock::nanoseconds(self.lasts);
        let (end, ends) = watch::channel(false);
        let (mut working, mut following) = (JoinSet::new(), JoinSet::new());
        (0..self.replicas).for_each(|replica| drop(following.spawn(Arc::clone(&ground).follow(replica))));
        for client in 0..CLIENTS {
            working.spawn(Arc::clone(&ground).work(self.seed.wrapping_add(client << 32), ends.clone()));
        }
        let (looked_at, of, ends) = (Arc::clone(&redis), Arc::clone(&ground), ends.clone());
        let held_up = tokio::task::spawn_blocking(move || held_up(&looked_at, &of, &ends));
        let mut ways = Ways { proxies: &proxies, servers: &mut servers, ground: &ground };
        tokio::select! {
            played = self.play(&mut ways, until, told) => played?,
            struck = self.strike(&redis) => struck?,
        }
        // The clients end by themselves once they are told; nobody else listens.
        let _told = end.send(true);
        while let Some(ended) = working.join_next().await {
            ended.map_err(|error| format!("a client ended by itself: {error}"))?;
        }
        held_up.await.map_err(|error| format!("Redis was not looked at: {error}"))?;
        following.shutdown().await;
        for mut server in servers {
            server.runs()?;
            server.end().await?;
        }
        Ok(Report::of(&ground.record.history()))
    }

    /// Until the time is over: faults first, then calm.
    async fn play(&self, ways: &mut Ways<'_>, until: u64, told: &dyn Fn(&str)) -> Result<(), String> {
        if self.calm {
            told("calm");
        } else {
            ways.play(self.seed, until.saturating_sub(clock::nanoseconds(CALM)), told).await?;
        }
        tokio::time::sleep(Duration::from_nanos(until.saturating_sub(clock::now()))).await;
        Ok(())
    }

    /// Does nothing for ever when Redis is to be as it is.
    async fn strike(&self, redis: &Redis) -> Result<(), String> {
        match self.wrong {
            Some(wrong) => wrong.strike(redis).await,
            None => std::future::pending().await,
        }
    }

    async fn start(&self, replica: usize, redis: SocketAddr) -> Result<(Server, Client), String> {
        let url = format!("redis://{redis}");
        let arguments = ["--shared-url", &url, "--shared-prefix", "torture", "--shared-timeout", SHARED_TIMEOUT];
        let arguments = arguments.into_iter().map(ToOwned::to_owned).collect();
        let log = self.folder.join(format!("server-{replica}.log"));
        let mut server = Program { file: self.server.clone(), log, arguments }.start()?;
        let at = server.listens().await?;
        admin::until_up(at.http, "shared", PATIENCE).await?;
        Ok((server, Client::new(at.grpc)?))
    }
}

/// Records when Redis, or this program, did not get to run when it wanted to: each server then goes on by itself, as it should.
/// A thread of its own, as it waits for Redis; it ends with the clients.
fn held_up(redis: &Redis, ground: &Ground, ends: &watch::Receiver<bool>) {
    // Also where the run failed, and nobody is left to tell.
    while !*ends.borrow() && ends.has_changed().is_ok() {
        let from = clock::now();
        std::thread::sleep(LOOK);
        // What it says does not matter, only when.
        let _said = redis.command(&["PING"]);
        let span = Span { from, to: clock::now() };
        if span.to - span.from > clock::nanoseconds(HELD_UP) {
            let all = (0..ground.clients.len()).map(|replica| Fault { replica, span });
            ground.record.add(|history| history.faults.extend(all));
        }
    }
}
