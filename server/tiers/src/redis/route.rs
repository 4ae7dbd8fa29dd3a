//! Which server is asked for a log: the one there is, the one that Sentinels name, or the slot's in a cluster. What is asked
//! is not known here.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use hotplate_engine::{position::LogId, tier::TierErrorKind};
use redis::{Cmd, Pipeline, Value};
use tokio::time;

use super::{
    cluster::Cluster,
    connect::Dialer,
    counters::Counters,
    fail::{Cause, Fail},
    node::{Link, Locate, Node, text_of},
    url::{Address, Shape},
};

/// Other nodes that are asked instead, and pauses while a slot moves, in one exchange.
const TURNS_MAX: usize = 8;
/// Pause while a slot is between two nodes.
const SLOT_PAUSE: Duration = Duration::from_millis(10);
/// For how long the other nodes of a cluster wait for one that is being connected to.
const LINK_PATIENCE: Duration = Duration::from_millis(100);
/// Time for one Sentinel to answer.
const SENTINEL_TIMEOUT: Duration = Duration::from_millis(300);

/// The servers.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) dialer: Arc<Dialer>,
    servers: Servers,
}

#[derive(Debug)]
enum Servers {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

/// What came back, and from where.
pub(super) struct Answer {
    pub(super) values: Vec<Value>,
    pub(super) link: Arc<Link>,
}

impl Answer {
    /// The only value.
    pub(super) fn one(mut self) -> Result<(Value, Arc<Link>), Fail> {
        match self.values.pop() {
            Some(value) if self.values.is_empty() => Ok((value, self.link)),
            _ => Err(Fail::strange()),
        }
    }
}

/// Commands that are sent together.
pub(super) struct Request {
    pipeline: Pipeline,
    transaction: bool,
}

impl Request {
    /// One command.
    pub(super) fn one(command: Cmd) -> Self {
        let mut pipeline = redis::pipe();
        pipeline.add_command(command);
        Self { pipeline, transaction: false }
    }

    /// Commands that take effect in the same instant.
    pub(super) fn transaction(commands: impl IntoIterator<Item = Cmd>) -> Self {
        let mut pipeline = redis::pipe();
        pipeline.cmd("MULTI");
        for command in commands {
            pipeline.add_command(command);
        }
        pipeline.cmd("EXEC");
        Self { pipeline, transaction: true }
    }

    async fn send(&self, link: &Link, dialer: &Dialer, asking: bool) -> Result<Vec<Value>, Fail> {
        let values = if asking {
            // Holds for the next command, and for a transaction to its end.
            let mut pipeline = redis::pipe();
            pipeline.cmd("ASKING");
            for command in self.pipeline.cmd_iter() {
                pipeline.add_command(command.clone());
            }
            link.ask(&pipeline, dialer).await?.into_iter().skip(1).collect()
        } else {
            link.ask(&self.pipeline, dialer).await?
        };
        if self.transaction { of_transaction(values) } else { of_command(values) }
    }
}

/// What a transaction's commands answered.
fn of_transaction(mut values: Vec<Value>) -> Result<Vec<Value>, Fail> {
    let commands = values.len().saturating_sub(2);
    match values.pop() {
        Some(Value::Array(answers)) if answers.len() == commands => Ok(answers),
        Some(Value::ServerError(aborted)) => {
            // Why it was aborted is said where the command was refused.
            let refused = values.iter().find_map(|value| match value {
                Value::ServerError(error) => Some(error),
                _ => None,
            });
            Err(Fail::answered(refused.unwrap_or(&aborted)))
        }
        _ => Err(Fail::strange()),
    }
}

fn of_command(values: Vec<Value>) -> Result<Vec<Value>, Fail> {
    match values.as_slice() {
        [Value::ServerError(error)] => Err(Fail::answered(error)),
        _ => Ok(values),
    }
}

impl Route {
    /// Begins to connect.
    pub(super) fn open(shape: Shape, dialer: Arc<Dialer>, counters: &Arc<Counters>) -> Self {
        let servers = match shape {
            Shape::Single(address) => Servers::One(Node::keep(always(address), false, &dialer, counters)),
            Shape::Sentinel { sentinels, master } => {
                let locate = of_sentinels(sentinels, master, Arc::clone(&dialer));
                Servers::One(Node::keep(locate, true, &dialer, counters))
            }
            Shape::Cluster(seeds) => Servers::Cluster(Cluster::open(seeds, &dialer, counters)),
        };
        Self { dialer, servers }
    }

    /// Asks where the log is, and once more when the connection breaks.
    pub(super) async fn ask(&self, log: LogId, request: &Request) -> Result<Answer, Fail> {
        match &self.servers {
            Servers::One(node) => self.ask_node(node, request).await,
            Servers::Cluster(cluster) => self.ask_cluster(cluster, log, request).await,
        }
    }

    /// The logs by the server that has them, each with that server's connections, or why there are none.
    pub(super) async fn by_server(&self, logs: &[LogId]) -> Vec<(Vec<LogId>, Result<Arc<Link>, Fail>)> {
        match &self.servers {
            Servers::One(node) => vec![(logs.to_vec(), node.link().await)],
            Servers::Cluster(cluster) => {
                let groups = cluster.by_node(logs).await;
                let among_others = groups.len() > 1;
                let groups = groups.into_iter().map(|(logs, node)| async move {
                    match node {
                        Ok(node) if among_others => (logs, soon(node.link()).await),
                        Ok(node) => (logs, node.link().await),
                        Err(fail) => (logs, Err(fail)),
                    }
                });
                futures::future::join_all(groups).await
            }
        }
    }

    /// Has it asked soon which server has what, where that may change.
    pub(super) fn look_again(&self) {
        if let Servers::Cluster(cluster) = &self.servers {
            cluster.look_again();
        }
    }

    /// A server that tells what changes: any of a cluster does.
    pub(super) async fn teller(&self) -> Result<Arc<Link>, Fail> {
        match &self.servers {
            Servers::One(node) => node.link().await,
            Servers::Cluster(cluster) => cluster.any().await,
        }
    }

    /// Whether a server that told what changes still does: it is one of ours.
    pub(super) fn still_tells(&self, address: &Address) -> bool {
        match &self.servers {
            Servers::One(node) => node.link_now().is_none_or(|link| link.address == *address),
            Servers::Cluster(cluster) => cluster.has(address),
        }
    }

    async fn ask_node(&self, node: &Node, request: &Request) -> Result<Answer, Fail> {
        let link = node.link().await?;
        match request.send(&link, &self.dialer, false).await {
            Ok(values) => Ok(Answer { values, link }),
            Err(Fail { cause: Cause::Moved(_) | Cause::Ask(_), .. }) => {
                let why = "this Redis is a node of a cluster: write redis+cluster:// instead of redis:// in shared.url";
                Err(Fail::new(TierErrorKind::Refused, why, Cause::Other))
            }
            Err(fail) if matches!(fail.cause, Cause::Broken | Cause::NotMaster) => {
                link.give_up();
                let link = node.link_after(&link).await?;
                let values = request.send(&link, &self.dialer, false).await?;
                Ok(Answer { values, link })
            }
            Err(fail) => Err(fail),
        }
    }

    async fn ask_cluster(&self, cluster: &Cluster, log: LogId, request: &Request) -> Result<Answer, Fail> {
        let mut node = cluster.owner(log).await?;
        let mut asking = false;
        let mut reconnected = false;
        let mut last = None;
        for _turn in 0..TURNS_MAX {
            let link = match node.link().await {
                Ok(link) => link,
                Err(fail) => {
                    cluster.look_again();
                    return Err(fail);
                }
            };
            let fail = match request.send(&link, &self.dialer, asking).await {
                Ok(values) => return Ok(Answer { values, link }),
                Err(fail) => fail,
            };
            match &fail.cause {
                Cause::Moved(to) => {
                    node = cluster.moved(log, to, &link.address)?;
                    asking = false;
                }
                Cause::Ask(to) => {
                    node = cluster.at(to, &link.address)?;
                    asking = true;
                }
                Cause::TryAgain => time::sleep(SLOT_PAUSE).await,
                Cause::Broken if !reconnected => {
                    reconnected = true;
                    link.give_up();
                    cluster.look_again();
                    node.link_after(&link).await?;
                }
                Cause::Broken | Cause::NotMaster => {
                    cluster.look_again();
                    return Err(fail);
                }
                _ => return Err(fail),
            }
            last = Some(fail);
        }
        Err(last.unwrap_or_else(Fail::strange))
    }
}

/// The connections to a node that others are not to wait for.
async fn soon(link: impl Future<Output = Result<Arc<Link>, Fail>>) -> Result<Arc<Link>, Fail> {
    let late = || Fail::unreachable("a node of the cluster is being connected to");
    time::timeout(LINK_PATIENCE, link).await.unwrap_or_else(|_elapsed| Err(late()))
}

fn always(address: Address) -> Locate {
    Arc::new(move || {
        let address = address.clone();
        async move { Ok(address) }.boxed()
    })
}

/// Asks Sentinels where the master is. Whether it is one it says itself when it is connected to.
fn of_sentinels(sentinels: Vec<Address>, master: String, dialer: Arc<Dialer>) -> Locate {
    let (sentinels, master): (Arc<[Address]>, Arc<str>) = (sentinels.into(), master.into());
    Arc::new(move || -> BoxFuture<'static, Result<Address, Fail>> {
        let (sentinels, master, dialer) = (Arc::clone(&sentinels), Arc::clone(&master), Arc::clone(&dialer));
        async move { named_by_any(&sentinels, &master, &dialer).await }.boxed()
    })
}

/// All are asked: one that was cut off tells what was, and is known by the older epoch of what it tells.
async fn named_by_any(sentinels: &[Address], master: &str, dialer: &Dialer) -> Result<Address, Fail> {
    let asked = sentinels.iter().map(|sentinel| async move {
        let late = || Fail::unreachable("a Sentinel does not answer");
        time::timeout(SENTINEL_TIMEOUT, named_by(sentinel, master, dialer)).await.unwrap_or_else(|_elapsed| Err(late()))
    });
    let mut last = Fail::unreachable("no Sentinel answers");
    let mut newest: Option<(u64, Address)> = None;
    for answer in futures::future::join_all(asked).await {
        match answer {
            Ok(named) if newest.as_ref().is_none_or(|(epoch, _)| named.0 > *epoch) => newest = Some(named),
            Ok(_) => {}
            Err(fail) => last = fail,
        }
    }
    newest.map(|(_, address)| address).ok_or(last)
}

/// Where a Sentinel says that the master is, and the epoch in which it became that.
async fn named_by(sentinel: &Address, master: &str, dialer: &Dialer) -> Result<(u64, Address), Fail> {
    let mut command = redis::cmd("SENTINEL");
    command.arg("MASTER").arg(master);
    for with_password in [false, true] {
        let opened = dialer.ask_sentinel(sentinel, with_password).await?;
        let answer = opened.connection.clone().send_packed_command(&command).await;
        opened.ended.cancel();
        match answer.map_err(|error| Fail::of(&error))? {
            Value::Array(parts) => return named_in(&parts).ok_or_else(Fail::strange),
            Value::ServerError(error) if error.code() == "NOAUTH" && !with_password => {}
            Value::ServerError(error) if error.code() == "ERR" => {
                let why = "the Sentinels know no master of this name: see the end of the URL";
                return Err(Fail::new(TierErrorKind::Refused, why, Cause::Broken));
            }
            Value::ServerError(error) => return Err(Fail::answered(&error)),
            _ => return Err(Fail::strange()),
        }
    }
    Err(Fail::strange())
}

fn named_in(parts: &[Value]) -> Option<(u64, Address)> {
    let field = |name: &str| {
        let pair = parts.chunks(2).find(|pair| text_of(&pair[0]).is_ok_and(|text| text == name))?;
        text_of(pair.get(1)?).ok()
    };
    let address = Address { host: field("ip")?.to_owned(), port: field("port")?.parse().ok()? };
    Some((field("config-epoch")?.parse().ok()?, address))
}
