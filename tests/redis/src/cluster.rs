//! Three masters that share the slots, and a replica of each.

use crate::{Options, Result, Server, eventually, sentinel::up};

const MASTERS: usize = 3;
/// Slots of a cluster, as Redis has them.
const SLOTS: u16 = 16_384;
/// Keys moved at a time.
const KEYS_MOVED: &str = "100";

/// The processes; they end when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The masters at the start, then the replica of each in the same order.
    pub nodes: Vec<Server>,
}

impl Cluster {
    /// Three masters and three replicas that call a node failed after a second.
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
        let options = options.clone().cluster(1000);
        let nodes = (0..2 * MASTERS).map(|_| Server::with(options.clone())).collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        for (at, node) in cluster.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()])?;
        }
        for (at, master) in cluster.nodes[..MASTERS].iter().enumerate() {
            let share = usize::from(SLOTS).div_ceil(MASTERS);
            let (first, last) = (at * share, ((at + 1) * share).min(usize::from(SLOTS)) - 1);
            master.command(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()])?;
        }
        let first = &cluster.nodes[0];
        for node in &cluster.nodes[1..] {
            let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
            first.command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        eventually("the nodes know each other", || cluster.every(|node| known(node) == 2 * MASTERS))?;
        for at in 0..MASTERS {
            let master = cluster.id(at)?;
            let replica = &cluster.nodes[MASTERS + at];
            eventually("a node becomes a replica", || replica.command(&["CLUSTER", "REPLICATE", &master]).is_ok())?;
        }
        eventually("the cluster is complete", || {
            cluster.every(|node| node.info_of_cluster("cluster_state").is_ok_and(|state| state == "ok"))
                && cluster.nodes[MASTERS..].iter().all(up)
        })?;
        Ok(cluster)
    }

    /// `redis+cluster://HOST:PORT,HOST:PORT,…` with all nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(Server::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// Which node is the master of a slot, as a node that runs says.
    ///
    /// # Errors
    /// When no node answers or the slot has no master of ours.
    pub fn master_of(&self, slot: u16) -> Result<usize> {
        let running = self.nodes.iter().find_map(|node| node.text(&["CLUSTER", "NODES"]).ok());
        let text = running.ok_or("no node answers")?;
        let address = text.lines().find(|line| is_master_of(line, slot)).and_then(|line| line.split(' ').nth(1));
        let port = address.and_then(|address| address.split(['@', ':']).nth(1)).and_then(|port| port.parse().ok());
        let port: u16 = port.ok_or_else(|| format!("slot {slot} has no master"))?;
        self.nodes.iter().position(|node| node.port() == port).ok_or_else(|| "an unknown node".to_owned())
    }

    /// Has a replica of the slot's master take its place while both run, and waits until it has; which node it is.
    ///
    /// # Errors
    /// When it refuses or does not manage to.
    pub fn failover(&self, slot: u16) -> Result<usize> {
        let before = self.master_of(slot)?;
        let id = self.id(before)?;
        let replica = self.nodes.iter().find(|node| {
            node.text(&["CLUSTER", "NODES"]).is_ok_and(|text| {
                text.lines().any(|line| line.contains("myself,slave") && line.split(' ').nth(3) == Some(id.as_str()))
            })
        });
        replica.ok_or("the master has no replica")?.command(&["CLUSTER", "FAILOVER"])?;
        let now = self.another_master(slot, before)?;
        eventually("the old master follows the new one", || up(&self.nodes[before]))?;
        Ok(now)
    }

    /// Waits until the slot has another master than this node, and the cluster takes writes; which node it is.
    ///
    /// # Errors
    /// When that does not happen.
    pub fn another_master(&self, slot: u16, before: usize) -> Result<usize> {
        let mut now = before;
        eventually("the slot has another master", || {
            now = self.running_view(slot, before).unwrap_or(before);
            now != before
        })?;
        Ok(now)
    }

    /// Marks a slot as moving to a node, moves nothing, and leaves it like that: what is there is answered, for what is not
    /// the other node is to be asked.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn begin_migration(&self, slot: u16, to: usize) -> Result<()> {
        let from = self.master_of(slot)?;
        let (source, target) = (self.id(from)?, self.id(to)?);
        let slot = slot.to_string();
        self.nodes[to].command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source])?;
        self.nodes[from].command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target]).map(drop)
    }

    /// Moves the keys of a slot that was marked, and tells all masters where it is now.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn finish_migration(&self, slot: u16, to: usize) -> Result<()> {
        let from = self.master_of(slot)?;
        let (number, port) = (slot.to_string(), self.nodes[to].port().to_string());
        loop {
            let keys = self.nodes[from].command(&["CLUSTER", "GETKEYSINSLOT", &number, KEYS_MOVED])?;
            let keys: Vec<String> = redis::from_redis_value(keys).map_err(|error| error.to_string())?;
            if keys.is_empty() {
                break;
            }
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            self.nodes[from].command(&words)?;
        }
        let target = self.id(to)?;
        // Who takes the slot first, or it would belong to nobody for a moment; then everybody else.
        self.nodes[to].command(&["CLUSTER", "SETSLOT", &number, "NODE", &target])?;
        for node in self.nodes.iter().enumerate().filter(|(at, _)| *at != to).map(|(_, node)| node) {
            if node.info("replication", "role").is_ok_and(|role| role == "master") {
                node.command(&["CLUSTER", "SETSLOT", &number, "NODE", &target])?;
            }
        }
        eventually("all nodes know where the slot is", || {
            self.nodes.iter().filter(|node| node.pid().is_some()).all(|node| node.has_master(slot, &target))
        })
    }

    /// Moves a slot with all that is in it to a node.
    ///
    /// # Errors
    /// When a node refuses.
    pub fn migrate(&self, slot: u16, to: usize) -> Result<()> {
        self.begin_migration(slot, to)?;
        self.finish_migration(slot, to)
    }

    fn running_view(&self, slot: u16, before: usize) -> Option<usize> {
        // One that is not the old master, which may not know yet.
        let node = self.nodes.iter().enumerate().find(|(at, node)| *at != before && node.command(&["PING"]).is_ok())?.1;
        let text = node.text(&["CLUSTER", "NODES"]).ok()?;
        let line = text.lines().find(|line| is_master_of(line, slot))?;
        let port: u16 = line.split(' ').nth(1)?.split(['@', ':']).nth(1)?.parse().ok()?;
        let at = self.nodes.iter().position(|node| node.port() == port)?;
        let ok = node.info_of_cluster("cluster_state").is_ok_and(|state| state == "ok");
        let master = self.nodes[at].info("replication", "role").is_ok_and(|role| role == "master");
        (ok && master).then_some(at)
    }

    fn id(&self, at: usize) -> Result<String> {
        self.nodes[at].text(&["CLUSTER", "MYID"])
    }

    fn every(&self, is_so: impl FnMut(&Server) -> bool) -> bool {
        self.nodes.iter().all(is_so)
    }
}

impl Server {
    fn has_master(&self, slot: u16, id: &str) -> bool {
        let text = self.text(&["CLUSTER", "NODES"]).unwrap_or_default();
        text.lines().find(|line| is_master_of(line, slot)).is_some_and(|line| line.starts_with(id))
    }

    fn info_of_cluster(&self, name: &str) -> Result<String> {
        let text = self.text(&["CLUSTER", "INFO"])?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.unwrap_or_default().to_owned())
    }
}

/// Nodes that a node knows and can reach.
fn known(node: &Server) -> usize {
    let text = node.text(&["CLUSTER", "NODES"]).unwrap_or_default();
    text.lines().filter(|line| !line.contains("handshake") && line.contains(" connected")).count()
}

/// Whether a line of `CLUSTER NODES` is of a master that runs and has the slot.
fn is_master_of(line: &str, slot: u16) -> bool {
    let fields: Vec<&str> = line.split(' ').collect();
    let flags = fields.get(2).copied().unwrap_or_default();
    if !flags.contains("master") || flags.split(',').any(|flag| flag.starts_with("fail")) {
        return false;
    }
    fields.iter().skip(8).filter(|range| !range.starts_with('[')).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        matches!((first.parse::<u16>(), last.parse::<u16>()), (Ok(first), Ok(last)) if (first..=last).contains(&slot))
    })
}

/// The slot of a key, by its hash tag when it has one (CRC-16/XMODEM, as the Redis Cluster specification says).
#[must_use]
pub fn slot_of(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    let mut crc: u16 = 0;
    for byte in hashed.bytes() {
        crc ^= u16::from(byte) << 8;
        for _bit in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    crc % SLOTS
}
