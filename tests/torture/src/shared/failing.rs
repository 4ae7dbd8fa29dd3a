//! A Redis that fails in one way, for a while, and is well again. What that does to a server is not known here.

use std::{net::SocketAddr, time::Duration};

use hotplate_faultproxy::{End, Faults, Proxy};
use hotplate_redisctl::{Sentinel, Server};

use super::Fault;
use crate::clock;

/// How long it is away, and there, in turn.
const FLAP: Duration = Duration::from_millis(300);
/// Less than Redis takes for itself.
const NO_MEMORY: &str = "1mb";

/// A Redis that is to fail.
pub(super) struct Failing {
    fault: Fault,
    kind: Kind,
}

enum Kind {
    /// One server behind a proxy.
    One(Box<Server>, Proxy),
    /// A master with replicas, and Sentinels.
    Watched(Box<Sentinel>),
}

impl Failing {
    /// Starts it, well.
    pub(super) async fn start(fault: Fault, seed: u64) -> Result<Self, String> {
        let kind = if fault == Fault::Failover {
            Kind::Watched(Box::new(blocking(Sentinel::start)?))
        } else {
            let server = blocking(Server::start)?;
            let address: SocketAddr =
                server.address().parse().map_err(|error| format!("{}: {error}", server.address()))?;
            let proxy = Proxy::start(address, seed).await.map_err(|error| format!("cannot start a proxy: {error}"))?;
            Kind::One(Box::new(server), proxy)
        };
        Ok(Self { fault, kind })
    }

    /// Where it is reached.
    pub(super) fn url(&self) -> String {
        match &self.kind {
            Kind::One(_, proxy) => format!("redis://{}", proxy.address()),
            Kind::Watched(sentinel) => sentinel.url(),
        }
    }

    /// Fails for so long, or until there was enough of it, and is well again; when that was, by [`clock::now`].
    pub(super) async fn fails(
        &mut self,
        lasts: Duration,
        enough: impl Future<Output = Result<(), String>>,
    ) -> Result<u64, String> {
        match &mut self.kind {
            Kind::One(server, proxy) => {
                let lasts = async { tokio::join!(tokio::time::sleep(lasts), enough).1 };
                one_fails(self.fault, server, proxy, lasts).await?;
            }
            Kind::Watched(sentinel) => {
                let master = blocking(|| sentinel.master())?;
                let before = sentinel.servers.get_mut(master).ok_or("the master is none of the servers")?;
                before.kill();
                blocking(|| sentinel.another_master(master))?;
                enough.await?;
            }
        }
        Ok(clock::now())
    }
}

async fn one_fails(
    fault: Fault,
    server: &mut Server,
    proxy: &Proxy,
    lasts: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    match fault {
        Fault::Kill => {
            server.kill();
            lasts.await?;
            blocking(|| server.restart())
        }
        Fault::Pause => {
            blocking(|| server.pause())?;
            lasts.await?;
            blocking(|| server.resume())
        }
        Fault::Oom => {
            blocking(|| server.config_set("maxmemory", NO_MEMORY))?;
            lasts.await?;
            blocking(|| server.config_set("maxmemory", "0"))
        }
        Fault::Flap => {
            let flaps = async {
                loop {
                    proxy.set(Faults::refusing());
                    proxy.cut(End::Reset);
                    tokio::time::sleep(FLAP).await;
                    proxy.heal();
                    tokio::time::sleep(FLAP).await;
                }
            };
            let done = tokio::select! {
                done = lasts => done,
                never = flaps => never,
            };
            proxy.heal();
            done
        }
        Fault::Blackhole | Fault::Failover => {
            proxy.set(Faults::silent());
            lasts.await?;
            proxy.heal();
            Ok(())
        }
    }
}

/// What waits for processes, without holding up what else this thread does.
fn blocking<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    tokio::task::block_in_place(work)
}
