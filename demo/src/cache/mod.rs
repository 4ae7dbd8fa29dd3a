//! The caches of the herd, and how one caller asks each of them. Protocols are in the files named after them.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use clap::ValueEnum;
use hotplate::{ComputeOptions, Namespace};
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::worker::{Computation, Task};

mod contract;
mod line;
mod memcached;
mod redis;

/// A cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// This one.
    #[value(skip)]
    Hotplate,
    /// Its meta protocol: `mg` with N, whose flags W and Z say who computes; others ask again
    Memcached,
    /// GET, then SET NX of a lock; others ask again
    Redis,
}

impl Kind {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hotplate => "hotplate",
            Self::Memcached => "memcached",
            Self::Redis => "redis",
        }
    }
}

/// What a cache says to who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Value(String),
    /// Compute it, and store it with this token.
    Compute(String),
    /// Someone else computes it.
    Later,
}

/// A connection by which a caller asks for itself.
enum Connection {
    Hotplate(contract::Connection),
    Memcached(memcached::Connection),
    Redis(redis::Connection),
}

/// How a caller asks.
pub(crate) enum Caller {
    /// As users of the client library do.
    Library(Namespace, String),
    /// Once for all callers of its process.
    Joined(Arc<Joined>),
    /// By itself.
    Apart(Box<Apart>),
}

/// A question that many callers of a process ask once.
pub(crate) struct Joined {
    value: OnceCell<String>,
    asking: tokio::sync::Mutex<Apart>,
}

/// A question of one caller.
pub(crate) struct Apart {
    connection: Connection,
    key: String,
    poll: Duration,
}

impl Caller {
    /// The callers of a process, with their connections open.
    ///
    /// # Errors
    /// The cache does not answer.
    pub(crate) async fn connect(task: &Task, requests: &Arc<AtomicU64>) -> Result<Vec<Self>, String> {
        let mut callers = Vec::new();
        if task.kind == Kind::Hotplate && !task.apart {
            let client = hotplate::Client::builder().url(task.address.as_str()).build();
            let client = client.map_err(|error| error.to_string())?;
            // The connection is open before it counts.
            client.calls().get_server_info().await.map_err(|error| error.to_string())?;
            let space = client.default_namespace();
            callers.extend((0..task.callers).map(|_| Self::Library(space.clone(), task.key.clone())));
        } else if task.kind == Kind::Hotplate {
            let shared = contract::Connection::open(&task.address).await?;
            let apart = || Apart::over(Connection::Hotplate(shared.clone()), task);
            callers.extend((0..task.callers).map(|_| Self::Apart(Box::new(apart()))));
        } else if task.apart {
            for _ in 0..task.callers {
                callers.push(Self::Apart(Box::new(Apart::open(task, requests).await?)));
            }
        } else {
            let asking = tokio::sync::Mutex::new(Apart::open(task, requests).await?);
            let joined = Arc::new(Joined { value: OnceCell::new(), asking });
            callers.extend((0..task.callers).map(|_| Self::Joined(Arc::clone(&joined))));
        }
        Ok(callers)
    }

    /// Asks for the value, and computes it if it has to.
    ///
    /// # Errors
    /// The cache, or the computation, failed.
    pub(crate) async fn ask(&mut self, computation: Computation) -> Result<String, String> {
        match self {
            Self::Library(space, key) => {
                // Longer than a lease and any computation that is extended.
                let options = ComputeOptions::new().wait(Duration::from_secs(600));
                let value = space.get_or_compute(key.as_str(), &options, || computation.run()).await;
                value.map_err(|error| error.to_string())
            }
            Self::Joined(joined) => {
                let ask = || async { joined.asking.lock().await.ask(computation).await };
                joined.value.get_or_try_init(ask).await.cloned()
            }
            Self::Apart(apart) => apart.ask(computation).await,
        }
    }
}

impl Apart {
    async fn open(task: &Task, requests: &Arc<AtomicU64>) -> Result<Self, String> {
        let address = task.address.as_str();
        let connection = match task.kind {
            Kind::Hotplate => Connection::Hotplate(contract::Connection::open(address).await?),
            Kind::Memcached => Connection::Memcached(memcached::Connection::open(address, requests).await?),
            Kind::Redis => Connection::Redis(redis::Connection::open(address, requests).await?),
        };
        Ok(Self::over(connection, task))
    }

    fn over(connection: Connection, task: &Task) -> Self {
        Self { connection, key: task.key.clone(), poll: task.poll }
    }

    async fn ask(&mut self, computation: Computation) -> Result<String, String> {
        let token = loop {
            let answer = match &mut self.connection {
                Connection::Hotplate(cache) => cache.ask(&self.key).await?,
                Connection::Memcached(cache) => cache.ask(&self.key).await?,
                Connection::Redis(cache) => cache.ask(&self.key).await?,
            };
            match answer {
                Answer::Value(value) => return Ok(value),
                Answer::Compute(token) => break token,
                Answer::Later => tokio::time::sleep(self.poll).await,
            }
        };
        let value = computation.run().await?;
        match &mut self.connection {
            Connection::Hotplate(cache) => cache.store(&self.key, &value, &token).await?,
            Connection::Memcached(cache) => cache.store(&self.key, &value).await?,
            Connection::Redis(cache) => cache.store(&self.key, &value).await?,
        }
        Ok(value)
    }
}
