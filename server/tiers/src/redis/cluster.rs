//! Which node of a Redis Cluster has which log: 65 logs are 65 slots, and nothing else of a cluster matters here. What is
//! asked is not known here.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::FutureExt;
use hotplate_engine::{
    position::{LOGS, LogId},
    tier::TierErrorKind,
};
use parking_lot::Mutex;
use redis::Value;
use tokio::{
    sync::{Notify, watch},
    time,
};

use super::{
    connect::Dialer,
    counters::Counters,
    fail::{Cause, Fail},
    keyspace,
    node::{Link, Node, text_of},
    url::Address,
};

/// Nodes that are known at most: what a cluster may have, roughly.
const NODES_MAX: usize = 1024;
/// Least time between two questions where the slots are.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// They are asked for anyway after this long.
const LOOK_ANYWAY: Duration = Duration::from_secs(15);
/// Time for one node to say where the slots are.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);
/// Port when a redirection names none.
const PORT: u16 = 6379;

/// The nodes and what they have.
#[derive(Debug)]
pub(super) struct Cluster {
    seeds: Vec<Address>,
    dialer: Arc<Dialer>,
    counters: Arc<Counters>,
    table: Mutex<Table>,
    /// Whether the slots were asked for, successfully or not.
    looked: watch::Sender<Looked>,
    look: Notify,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Looked {
    NotYet,
    Known,
    Failed(String),
}

#[derive(Debug, Default)]
struct Table {
    nodes: HashMap<Address, Arc<Node>>,
    owners: Vec<Option<Address>>,
}

/// Logs that one node has, or that have none, and why.
type Group = (Vec<LogId>, Result<Arc<Node>, Fail>);

impl Cluster {
    /// Begins to ask where the slots are, and goes on as long as the tier lives.
    pub(super) fn open(seeds: Vec<Address>, dialer: &Arc<Dialer>, counters: &Arc<Counters>) -> Arc<Self> {
        let cluster = Arc::new(Self {
            seeds,
            dialer: Arc::clone(dialer),
            counters: Arc::clone(counters),
            table: Mutex::new(Table { nodes: HashMap::new(), owners: vec![None; LOGS] }),
            looked: watch::Sender::new(Looked::NotYet),
            look: Notify::new(),
        });
        let watched = Arc::downgrade(&cluster);
        dialer.spawn("redis cluster", async move {
            while let Some(cluster) = watched.upgrade() {
                cluster.refresh().await;
                time::sleep(LOOK_AFTER + LOOK_AFTER.mul_f64(rand::random_range(0.0..0.2))).await;
                let _asked_or_due = time::timeout(LOOK_ANYWAY, cluster.look.notified()).await;
            }
        });
        cluster
    }

    /// The node that has a log.
    pub(super) async fn owner(&self, log: LogId) -> Result<Arc<Node>, Fail> {
        self.known().await?;
        let mut table = self.table.lock();
        let address = table.owners.get(log.index()).cloned().flatten();
        let node = address.map(|address| self.node(&mut table, address));
        drop(table);
        node.unwrap_or_else(|| {
            self.look_again();
            Err(Fail::new(TierErrorKind::Away, "the cluster has no node for a slot (CLUSTERDOWN)", Cause::Other))
        })
    }

    /// Logs by the node that has them.
    pub(super) async fn by_node(&self, logs: &[LogId]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for log in logs {
            let owner = self.owner(*log).await;
            let same = groups.iter_mut().find(|(_, group)| match (group, &owner) {
                (Ok(group), Ok(owner)) => Arc::ptr_eq(group, owner),
                _ => false,
            });
            match same {
                Some((logs, _)) => logs.push(*log),
                None => groups.push((vec![*log], owner)),
            }
        }
        groups
    }

    /// Connections to any node that has them.
    pub(super) async fn any(&self) -> Result<Arc<Link>, Fail> {
        self.known().await?;
        let nodes: Vec<Arc<Node>> = self.table.lock().nodes.values().cloned().collect();
        let mut last = None;
        for node in nodes {
            match node.link().await {
                Ok(link) => return Ok(link),
                Err(fail) => last = Some(fail),
            }
        }
        Err(last.unwrap_or_else(|| Fail::unreachable("no node of the cluster answers")))
    }

    /// Notes that a log has another node, and gives that. `asked` said so.
    pub(super) fn moved(&self, log: LogId, to: &str, asked: &Address) -> Result<Arc<Node>, Fail> {
        let address = redirection(to, asked)?;
        self.look_again();
        let mut table = self.table.lock();
        if let Some(owner) = table.owners.get_mut(log.index()) {
            *owner = Some(address.clone());
        }
        self.node(&mut table, address)
    }

    /// The node at an address that `asked` named.
    pub(super) fn at(&self, to: &str, asked: &Address) -> Result<Arc<Node>, Fail> {
        self.node(&mut self.table.lock(), redirection(to, asked)?)
    }

    /// Whether a node with this address has a log.
    pub(super) fn has(&self, address: &Address) -> bool {
        self.table.lock().nodes.contains_key(address)
    }

    /// Has the slots asked for soon.
    pub(super) fn look_again(&self) {
        self.look.notify_one();
    }

    async fn known(&self) -> Result<(), Fail> {
        let mut looked = self.looked.subscribe();
        let state = looked.wait_for(|state| *state != Looked::NotYet).await;
        match state.as_deref() {
            Ok(Looked::Known) => Ok(()),
            Ok(Looked::Failed(why)) => Err(Fail::unreachable(why.clone())),
            _ => Err(Fail::unreachable("the tier was closed")),
        }
    }

    fn node(&self, table: &mut Table, address: Address) -> Result<Arc<Node>, Fail> {
        if let Some(node) = table.nodes.get(&address) {
            return Ok(Arc::clone(node));
        }
        if table.nodes.len() >= NODES_MAX {
            return Err(Fail::unreachable("the cluster names more nodes than one can have"));
        }
        let located = address.clone();
        let locate = move || {
            let address = located.clone();
            async move { Ok(address) }.boxed()
        };
        let node = Node::keep(Arc::new(locate), false, &self.dialer, &self.counters);
        table.nodes.insert(address, Arc::clone(&node));
        Ok(node)
    }

    /// Asks nodes until one says where the slots are.
    async fn refresh(&self) {
        let known: Vec<Address> = self.table.lock().nodes.keys().cloned().collect();
        let mut last = "no node of the cluster answers".to_owned();
        for address in known.iter().chain(&self.seeds) {
            let asked = time::timeout(LOOK_TIMEOUT, self.slots(address)).await;
            match asked.unwrap_or_else(|_elapsed| Err(Fail::unreachable("it does not answer"))) {
                Ok(owners) => {
                    self.take(owners);
                    self.looked.send_replace(Looked::Known);
                    return;
                }
                Err(fail) => last = format!("{address}: {}", fail.error.message),
            }
        }
        self.looked.send_if_modified(|looked| {
            let first = *looked != Looked::Known;
            if first {
                self.counters.reached(Some(&Fail::unreachable(last.clone()).error));
                *looked = Looked::Failed(last);
            }
            first
        });
        self.look_again();
    }

    async fn slots(&self, address: &Address) -> Result<Vec<Option<Address>>, Fail> {
        let opened = self.dialer.open(address).await?;
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let answer = opened.connection.clone().send_packed_command(&command).await;
        opened.ended.cancel();
        match answer.map_err(|error| Fail::of(&error))? {
            Value::Array(ranges) => owners(&ranges, address).ok_or_else(Fail::strange),
            Value::ServerError(error) => Err(Fail::answered(&error)),
            _ => Err(Fail::strange()),
        }
    }

    /// Takes what the nodes say; those that have nothing any more are left.
    fn take(&self, owners: Vec<Option<Address>>) {
        let mut table = self.table.lock();
        table.owners = owners;
        for address in table.owners.clone().into_iter().flatten() {
            // Above the bound it is refused when it is asked for.
            let _node = self.node(&mut table, address);
        }
        let Table { nodes, owners } = &mut *table;
        nodes.retain(|address, _| owners.iter().flatten().any(|owner| owner == address));
    }
}

/// The address in a redirection; without host it is the host of who said so.
fn redirection(to: &str, asked: &Address) -> Result<Address, Fail> {
    let (host, port) = to.rsplit_once(':').ok_or_else(Fail::strange)?;
    if host.is_empty() || host == "?" {
        return Ok(Address { host: asked.host.clone(), port: port.parse().map_err(|_error| Fail::strange())? });
    }
    let text = if host.contains(':') { format!("[{host}]:{port}") } else { to.to_owned() };
    Address::parse(&text, PORT).map_err(|_error| Fail::strange())
}

/// The owners of the logs in an answer to `CLUSTER SLOTS`: first slot, last slot, then the master's host and port.
fn owners(ranges: &[Value], asked: &Address) -> Option<Vec<Option<Address>>> {
    let mut owners = vec![None; LOGS];
    for range in ranges {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
        let [host, Value::Int(port), ..] = master.as_slice() else { return None };
        let host = text_of(host).ok().filter(|host| !host.is_empty() && *host != "?").unwrap_or(&asked.host);
        let address = Address { host: host.to_owned(), port: u16::try_from(*port).ok()? };
        for (at, owner) in owners.iter_mut().enumerate() {
            let log = LogId::from_number(u32::try_from(at).ok()?)?;
            if (*first..=*last).contains(&i64::from(keyspace::slot(log))) {
                *owner = Some(address.clone());
            }
        }
    }
    Some(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: &str, port: u16) -> Address {
        Address { host: host.into(), port }
    }

    fn range(first: i64, last: i64, host: &str, port: i64) -> Value {
        let node = Value::Array(vec![Value::BulkString(host.into()), Value::Int(port), Value::BulkString("id".into())]);
        Value::Array(vec![Value::Int(first), Value::Int(last), node])
    }

    #[test]
    fn a_redirection_names_a_node() {
        let asked = address("a", 1);
        assert_eq!(redirection("b:7", &asked).unwrap(), address("b", 7));
        assert_eq!(redirection(":7", &asked).unwrap(), address("a", 7));
        assert_eq!(redirection("::1:7", &asked).unwrap(), address("::1", 7));
        for strange in ["", "b", "b:x", "b:99999", "a b:1"] {
            assert!(redirection(strange, &asked).is_err(), "{strange}");
        }
    }

    #[test]
    fn each_log_has_the_node_of_its_slot() {
        let ranges = [range(0, 8191, "b", 7), range(8192, 16_383, "", 8)];
        let owners = owners(&ranges, &address("a", 1)).unwrap();
        // Slot 13,907 and slot 6,628.
        assert_eq!(owners[0], Some(address("a", 8)));
        assert_eq!(owners[64], Some(address("b", 7)));
        assert!(super::owners(&[Value::Nil], &address("a", 1)).is_none());
        assert!(super::owners(&[range(0, 1, "b", 99_999)], &address("a", 1)).is_none());
    }
}
