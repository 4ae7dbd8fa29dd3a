//! Counters and their snapshot. What they mean for an operator is not decided here.

mod counters;
mod histogram;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;

use self::counters::OTHER;
pub use self::counters::{Held, NamespaceStats, group_of};
use crate::event::{LeaseTurn, MissReason, RemovalReason};

/// How to group a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Only the total.
    Nothing,
    /// By namespace.
    Namespace,
    /// By the first segments of the key (1 or 2).
    Prefix(u8),
    /// By kind.
    Kind,
}

/// Counters at a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// All together.
    pub total: Group,
    /// By what was asked, most reads first.
    pub groups: Vec<Group>,
    /// Time since the cache was made.
    pub uptime: Duration,
    /// Open watches.
    pub watch_count: u64,
    /// Entries at most for what was asked.
    pub entries_max: u64,
    /// Charged bytes at most for what was asked.
    pub bytes_max: u64,
    /// Charged bytes that make no room for others.
    pub pinned_bytes: u64,
    /// Bytes of memory that are reserved for values on their way, which are no entry's yet; only of all namespaces.
    pub uploads_bytes: u64,
}

/// Counters of one group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Its name; empty for the total.
    pub name: Arc<str>,
    /// Fresh answers, not-modified included.
    pub hits: u64,
    /// Stale answers meant to be served.
    pub stale_hits: u64,
    /// Remembered absences and failures.
    pub negative_hits: u64,
    /// Misses by reason.
    pub misses: BTreeMap<MissReason, u64>,
    /// Puts that stored.
    pub puts: u64,
    /// Puts that renewed.
    pub refreshes: u64,
    /// Puts that could not fit.
    pub not_admitted: u64,
    /// Removals by reason.
    pub removals: BTreeMap<RemovalReason, u64>,
    /// Entries now.
    pub entry_count: u64,
    /// Charged bytes now.
    pub charged_bytes: u64,
    /// Bytes of values now.
    pub value_bytes: u64,
    /// Bytes of keys now.
    pub key_bytes: u64,
    /// Charged bytes lost to the sizes in which memory is handed out.
    pub rounding_bytes: u64,
    /// Compute cost of all hits.
    pub compute_saved: Duration,
    /// Compute cost of what was evicted and then missed.
    pub compute_lost: Duration,
    /// Compute cost of what was put and fetched.
    pub compute_spent: Duration,
    /// Who computes, and who waits.
    pub leases: LeaseCounts,
    /// Bytes of values served; only for namespaces and the total.
    pub served_bytes: u64,
    /// Hits whose compute cost is known; only for namespaces and the total.
    pub priced_hits: u64,
    /// Time in the engine by verb (`get`, `put`, `invalidate`); only for namespaces and the total.
    pub latency: BTreeMap<&'static str, Quantiles>,
}

/// Counters of leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// How it went on with them. Before a value is there its kind is not known: by kind they count under none.
    pub turns: BTreeMap<LeaseTurn, u64>,
    /// Reads that waited and were answered with what another computed.
    pub coalesced: u64,
    /// Computations for which others asked meanwhile, who would have computed as well.
    pub stampedes_avoided: u64,
    /// Leases held now; only for namespaces and the total.
    pub held: u64,
    /// Callers who wait now; only for namespaces and the total.
    pub waiting: u64,
}

impl std::ops::AddAssign<&Self> for LeaseCounts {
    fn add_assign(&mut self, other: &Self) {
        for (turn, count) in &other.turns {
            *self.turns.entry(*turn).or_default() += count;
        }
        self.coalesced += other.coalesced;
        self.stampedes_avoided += other.stampedes_avoided;
        self.held += other.held;
        self.waiting += other.waiting;
    }
}

/// How long calls took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// Calls counted.
    pub count: u64,
    /// Half took no longer.
    pub p50: Duration,
    /// 90 % took no longer.
    pub p90: Duration,
    /// 99 % took no longer.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The counters of all namespaces. Bounded by the number of namespaces a cache may have.
#[derive(Debug)]
pub struct Stats {
    groups_max: usize,
    namespaces: RwLock<HashMap<Arc<str>, Arc<NamespaceStats>>>,
}

/// What a snapshot shows besides counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings {
    /// Entries at most for what was asked.
    pub entries_max: u64,
    /// Charged bytes at most for what was asked.
    pub bytes_max: u64,
    /// Time since the cache was made.
    pub uptime: Duration,
    /// Open watches.
    pub watch_count: u64,
    /// Charged bytes that make no room for others.
    pub pinned_bytes: u64,
    /// Bytes reserved for values on their way.
    pub uploads_bytes: u64,
}

impl Stats {
    /// Counts nothing yet; in each namespace at most `groups_max` prefixes and as many kinds by name.
    #[must_use]
    pub fn new(groups_max: usize) -> Self {
        Self { groups_max, namespaces: RwLock::default() }
    }

    /// The counters of a namespace, made on first use.
    #[must_use]
    pub fn namespace(&self, name: &Arc<str>) -> Arc<NamespaceStats> {
        if let Some(stats) = self.namespaces.read().get(name) {
            return stats.clone();
        }
        let mut namespaces = self.namespaces.write();
        namespaces.entry(name.clone()).or_insert_with(|| Arc::new(NamespaceStats::new(self.groups_max))).clone()
    }

    /// All counters now, of one namespace or of all.
    #[must_use]
    pub fn snapshot(&self, namespace: Option<&str>, group_by: GroupBy, around: Surroundings) -> Snapshot {
        let chosen = self.chosen(namespace);
        let mut total = Group::default();
        for (_, stats) in &chosen {
            stats.add_total(&mut total);
        }
        total.latency = counters::latency(chosen.iter().map(|(_, stats)| &**stats));
        let groups = match group_by {
            GroupBy::Nothing => Vec::new(),
            GroupBy::Namespace => chosen.iter().map(|(name, stats)| stats.total(name)).collect(),
            GroupBy::Prefix(_) | GroupBy::Kind => merged(&chosen, group_by),
        };
        let Surroundings { entries_max, bytes_max, uptime, watch_count, pinned_bytes, uploads_bytes } = around;
        let groups = most_read_first(groups);
        Snapshot { total, groups, uptime, watch_count, entries_max, bytes_max, pinned_bytes, uploads_bytes }
    }

    fn chosen(&self, namespace: Option<&str>) -> Vec<(Arc<str>, Arc<NamespaceStats>)> {
        let namespaces = self.namespaces.read();
        let of_interest = namespaces.iter().filter(|(name, _)| namespace.is_none_or(|wanted| wanted == &***name));
        of_interest.map(|(name, stats)| (name.clone(), stats.clone())).collect()
    }
}

fn merged(chosen: &[(Arc<str>, Arc<NamespaceStats>)], group_by: GroupBy) -> Vec<Group> {
    let mut groups = BTreeMap::new();
    for (_, stats) in chosen {
        stats.add_groups(group_by, &mut groups);
    }
    groups.into_values().collect()
}

/// By reads, the most first; what found no place of its own comes last.
fn most_read_first(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by(|a, b| {
        let rank = |group: &Group| (*group.name == *OTHER, std::cmp::Reverse(group.reads()));
        rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name))
    });
    groups
}

impl Group {
    /// Charged bytes that are neither keys nor values nor lost to rounding.
    #[must_use]
    pub fn bookkeeping_bytes(&self) -> u64 {
        self.charged_bytes.saturating_sub(self.key_bytes + self.value_bytes + self.rounding_bytes)
    }

    /// Gets answered, however.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.hits + self.stale_hits + self.negative_hits + self.misses.values().sum::<u64>()
    }
}
