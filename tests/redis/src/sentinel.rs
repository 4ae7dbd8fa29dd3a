//! A master, two replicas and three Sentinels that watch over them.

use crate::{Options, Result, Server, Value, eventually};

/// The name that the Sentinels know the master by.
const MASTER: &str = "hotplate";
/// How many of each.
const REPLICAS: usize = 2;
const SENTINELS: usize = 3;

/// The processes; they end when this is dropped.
#[derive(Debug)]
pub struct Sentinel {
    /// The servers; the first is the master at the start.
    pub servers: Vec<Server>,
    /// Who watches over them.
    pub sentinels: Vec<Server>,
}

impl Sentinel {
    /// One master, two replicas, three Sentinels that call a master down after two seconds: one that only waits for the
    /// processor is none.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start() -> Result<Self> {
        Self::with(&Options::default())
    }

    /// The same with servers like that.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn with(options: &Options) -> Result<Self> {
        let master = Server::with(options.clone())?;
        let port = master.port();
        let mut servers = vec![master];
        for _replica in 0..REPLICAS {
            servers.push(Server::with(options.clone().replica_of(port))?);
        }
        for replica in &servers[1..] {
            eventually("the replica follows", || up(replica))?;
        }
        let lines = format!(
            "sentinel monitor {MASTER} 127.0.0.1 {port} 2\nsentinel down-after-milliseconds {MASTER} 2000\n\
             sentinel failover-timeout {MASTER} 3000\nsentinel parallel-syncs {MASTER} 2\n"
        );
        let sentinels = (0..SENTINELS).map(|_| Server::with(Options::sentinel(&lines))).collect::<Result<Vec<_>>>()?;
        let started = Self { servers, sentinels };
        eventually("the Sentinels know each other and the replicas", || started.complete())?;
        Ok(started)
    }

    /// `redis+sentinel://HOST:PORT,HOST:PORT,…/NAME`.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.sentinels.iter().map(Server::address).collect();
        format!("redis+sentinel://{}/{MASTER}", addresses.join(","))
    }

    /// The port of the master, as the Sentinels that run say.
    ///
    /// # Errors
    /// When none answers, or they do not agree.
    pub fn master_port(&self) -> Result<u16> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        let mut ports = Vec::new();
        for answer in self.sentinels.iter().filter_map(|sentinel| sentinel.command(&words).ok()) {
            let (_host, port): (String, u16) = redis::from_redis_value(answer)
                .map_err(|error| format!("the Sentinel's answer is not understood: {error}"))?;
            ports.push(port);
        }
        ports.dedup();
        match ports.as_slice() {
            [port] => Ok(*port),
            [] => Err("no Sentinel answers".into()),
            _ => Err("the Sentinels do not agree yet".into()),
        }
    }

    /// Which of the servers is the master, as the Sentinels that run say.
    ///
    /// # Errors
    /// When none answers, or names none of the servers.
    pub fn master(&self) -> Result<usize> {
        let port = self.master_port()?;
        self.servers.iter().position(|server| server.port() == port).ok_or_else(|| "an unknown master".to_owned())
    }

    /// Has the Sentinels make another server the master, and waits until it is; which one.
    ///
    /// # Errors
    /// When they refuse or do not manage to.
    pub fn failover(&self) -> Result<usize> {
        let mut master = self.master();
        eventually("the Sentinels agree", || {
            master = self.master();
            master.is_ok()
        })?;
        let before = master?;
        eventually("the Sentinels begin a failover", || {
            self.sentinels.iter().any(|sentinel| sentinel.command(&["SENTINEL", "FAILOVER", MASTER]).is_ok())
        })?;
        self.another_master(before)
    }

    /// Waits until another server than this one is the master and takes writes; which one.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn another_master(&self, before: usize) -> Result<usize> {
        let mut now = before;
        eventually("another server is the master", || {
            now = self.master().unwrap_or(before);
            now != before && self.servers[now].info("replication", "role").is_ok_and(|role| role == "master")
        })?;
        Ok(now)
    }

    fn complete(&self) -> bool {
        self.sentinels.iter().all(|sentinel| {
            let Ok(Value::Array(pairs)) = sentinel.command(&["SENTINEL", "MASTER", MASTER]) else { return false };
            let texts: Vec<String> =
                pairs.into_iter().filter_map(|value| redis::from_redis_value(value).ok()).collect();
            let is = |name: &str, wanted: usize| {
                texts
                    .chunks(2)
                    .any(|pair| matches!(pair, [field, value] if field == name && *value == wanted.to_string()))
            };
            is("num-slaves", REPLICAS) && is("num-other-sentinels", SENTINELS - 1)
        })
    }
}

/// Whether a replica has what its master has.
pub(crate) fn up(replica: &Server) -> bool {
    replica.info("replication", "master_link_status").is_ok_and(|status| status == "up")
}
