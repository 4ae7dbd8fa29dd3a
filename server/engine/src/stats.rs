//! Counters and their snapshot. What they mean for an operator is not decided here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::event::{MissReason, RemovalReason};

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
    /// Compute cost of all hits.
    pub compute_saved: Duration,
    /// Time in the engine by verb (`get`, `put`, `invalidate`); only for namespaces and the total.
    pub latency: BTreeMap<&'static str, Quantiles>,
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
