//! Counting: what happened and what is held, per namespace, prefix and kind. Tables of groups are bounded.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::RwLock;

use super::{Group, GroupBy, Quantiles, histogram::Histogram};
use crate::event::{LeaseTurn, MissReason, ReadOutcome, RemovalReason};

/// The group that counts what found no place in a full table.
pub(super) const OTHER: &str = "_other";
/// The verbs whose time is counted.
const VERBS: [&str; 3] = ["get", "put", "invalidate"];
/// Segments of a key that make its finest prefix group.
const PREFIX_SEGMENTS: usize = 2;

/// Counters of one group.
#[derive(Debug, Default)]
struct Counters {
    hits: AtomicU64,
    stale_hits: AtomicU64,
    negative_hits: AtomicU64,
    misses: [AtomicU64; MissReason::ALL.len()],
    puts: AtomicU64,
    refreshes: AtomicU64,
    not_admitted: AtomicU64,
    removals: [AtomicU64; RemovalReason::ALL.len()],
    entries: AtomicI64,
    charged_bytes: AtomicI64,
    value_bytes: AtomicI64,
    key_bytes: AtomicI64,
    rounding_bytes: AtomicI64,
    /// In microseconds: nanoseconds would overflow within hours where what takes minutes is read a thousand times a second.
    saved_micros: AtomicU64,
    lost_micros: AtomicU64,
    spent_micros: AtomicU64,
    leases: [AtomicU64; LeaseTurn::ALL.len()],
    coalesced: AtomicU64,
    stampedes_avoided: AtomicU64,
}

/// Something to count.
#[derive(Clone, Copy)]
enum Tally {
    Read(ReadOutcome, Option<Duration>),
    Hits(u64, Duration),
    Put,
    Refresh,
    NotAdmitted,
    Removed(RemovalReason),
    Lost(Duration),
    Spent(Duration),
    Lease(LeaseTurn),
    Shared { waiters: u32, wanted: bool },
    Held(Held),
}

/// What came or, where negative, went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Entries.
    pub entries: i64,
    /// Charged bytes.
    pub charged: i64,
    /// Bytes of values.
    pub value: i64,
    /// Bytes of keys.
    pub keys: i64,
    /// Charged bytes lost to the sizes in which memory is handed out.
    pub rounding: i64,
}

/// Groups by name.
type Groups = HashMap<Arc<str>, Box<Counters>, ahash::RandomState>;

/// Counters of one namespace.
#[derive(Debug)]
pub struct NamespaceStats {
    own: Counters,
    prefixes: RwLock<Groups>,
    kinds: RwLock<Groups>,
    groups_max: usize,
    latency: BTreeMap<&'static str, Histogram>,
    served_bytes: AtomicU64,
    priced_hits: AtomicU64,
}

impl NamespaceStats {
    /// Counts at most `groups_max` prefixes and as many kinds by name.
    pub(super) fn new(groups_max: usize) -> Self {
        let latency = VERBS.into_iter().map(|verb| (verb, Histogram::default())).collect();
        Self {
            own: Counters::default(),
            prefixes: RwLock::default(),
            kinds: RwLock::default(),
            groups_max,
            latency,
            served_bytes: AtomicU64::new(0),
            priced_hits: AtomicU64::new(0),
        }
    }

    /// A Get was answered; `cost`: what computing the served value had cost.
    pub fn on_read(&self, key: &str, kind: &str, outcome: ReadOutcome, cost: Option<Duration>) {
        self.count(key, kind, Tally::Read(outcome, cost));
    }

    /// So many Gets were answered with fresh values of this kind; `saved`: what computing them had cost, together. They count
    /// for their prefixes by [`Self::on_hits_of`].
    pub fn on_hits(&self, kind: &str, (hits, saved): (u64, Duration)) {
        self.own.count(Tally::Hits(hits, saved));
        self.count_in(&self.kinds, kind, Tally::Hits(hits, saved));
    }

    /// So many of these were of keys whose groups are these.
    pub fn on_hits_of<'g>(&self, groups: impl Iterator<Item = (&'g str, (u64, Duration))>) {
        let mut new = Vec::new();
        {
            let table = self.prefixes.read();
            let other = (table.len() + 1 >= self.groups_max).then(|| table.get(OTHER)).flatten();
            for (group, (hits, saved)) in groups {
                match table.get(group).or(other) {
                    Some(counters) => counters.count(Tally::Hits(hits, saved)),
                    None => new.push((group, (hits, saved))),
                }
            }
        }
        for (group, (hits, saved)) in new {
            self.count_in(&self.prefixes, group, Tally::Hits(hits, saved));
        }
    }

    /// A Put stored.
    pub fn on_put(&self, key: &str, kind: &str) {
        self.count(key, kind, Tally::Put);
    }

    /// A Put renewed.
    pub fn on_refresh(&self, key: &str, kind: &str) {
        self.count(key, kind, Tally::Refresh);
    }

    /// A Put was refused for want of room.
    pub fn on_not_admitted(&self, key: &str, kind: &str) {
        self.count(key, kind, Tally::NotAdmitted);
    }

    /// An entry was removed.
    pub fn on_removed(&self, key: &str, kind: &str, reason: RemovalReason) {
        self.count(key, kind, Tally::Removed(reason));
    }

    /// Hits served this many bytes; `priced`: of how many computing them cost is known.
    pub fn on_served(&self, bytes: u64, priced: u64) {
        self.served_bytes.fetch_add(bytes, Relaxed);
        if priced > 0 {
            self.priced_hits.fetch_add(priced, Relaxed);
        }
    }

    /// An entry that was evicted is missed: computing it again costs this.
    pub fn on_lost(&self, key: &str, kind: &str, cost: Duration) {
        self.count(key, kind, Tally::Lost(cost));
    }

    /// A value came; `cost`: what computing it had cost, if that is known.
    pub fn on_spent(&self, key: &str, kind: &str, cost: Option<Duration>) {
        if let Some(cost) = cost {
            self.count(key, kind, Tally::Spent(cost));
        }
    }

    /// It went on with the lease of a key; `kind`: empty where nobody knows it yet.
    pub fn on_lease(&self, key: &str, kind: &str, turn: LeaseTurn) {
        self.count(key, kind, Tally::Lease(turn));
    }

    /// A value came for which so many waited; `wanted`: others asked while one computed it.
    pub fn on_shared(&self, key: &str, kind: &str, (waiters, wanted): (u32, bool)) {
        self.count(key, kind, Tally::Shared { waiters, wanted });
    }

    /// What is held has changed.
    pub fn on_held(&self, key: &str, kind: &str, held: Held) {
        self.count(key, kind, Tally::Held(held));
    }

    /// A `get`, `put` or `invalidate` took this long in the engine.
    pub fn on_latency(&self, verb: &'static str, elapsed: Duration) {
        self.on_latencies(verb, elapsed, 1);
    }

    /// So many of them did, together.
    pub fn on_latencies(&self, verb: &'static str, elapsed: Duration, times: u64) {
        if let Some(histogram) = self.latency.get(verb) {
            histogram.record(elapsed, times);
        }
    }

    fn count(&self, key: &str, kind: &str, tally: Tally) {
        self.own.count(tally);
        self.count_in(&self.prefixes, group_of(key), tally);
        self.count_in(&self.kinds, kind, tally);
    }

    fn count_in(&self, table: &RwLock<Groups>, name: &str, tally: Tally) {
        {
            let table = table.read();
            // Where no more groups are told apart, all others are one: found without a lock that is alone.
            let other = || (table.len() + 1 >= self.groups_max).then(|| table.get(OTHER)).flatten();
            if let Some(counters) = table.get(name).or_else(other) {
                return counters.count(tally);
            }
        }
        let mut table = table.write();
        let name = if table.contains_key(name) || table.len() + 1 < self.groups_max { name } else { OTHER };
        table.entry(Arc::from(name)).or_default().count(tally);
    }

    pub(super) fn total(&self, name: &Arc<str>) -> Group {
        let mut group = Group { name: name.clone(), ..Group::default() };
        self.add_total(&mut group);
        group.latency = latency([self]);
        group
    }

    pub(super) fn add_total(&self, group: &mut Group) {
        self.own.add_to(group);
        group.served_bytes += self.served_bytes.load(Relaxed);
        group.priced_hits += self.priced_hits.load(Relaxed);
    }

    /// Adds the groups of this namespace to those of others, by name.
    pub(super) fn add_groups(&self, group_by: GroupBy, groups: &mut BTreeMap<Arc<str>, Group>) {
        let (table, segments) = match group_by {
            GroupBy::Prefix(segments) => (&self.prefixes, usize::from(segments)),
            GroupBy::Kind => (&self.kinds, usize::MAX),
            GroupBy::Nothing | GroupBy::Namespace => return,
        };
        for (name, counters) in &*table.read() {
            let name: Arc<str> =
                if segments < PREFIX_SEGMENTS { Arc::from(prefix(name, segments)) } else { name.clone() };
            let group = groups.entry(name.clone()).or_insert_with(|| Group { name, ..Group::default() });
            counters.add_to(group);
        }
    }
}

/// Latency quantiles of several namespaces together.
pub(super) fn latency<'a>(
    namespaces: impl IntoIterator<Item = &'a NamespaceStats> + Clone,
) -> BTreeMap<&'static str, Quantiles> {
    let of = |verb| Histogram::quantiles(namespaces.clone().into_iter().filter_map(|stats| stats.latency.get(verb)));
    VERBS.into_iter().map(|verb| (verb, of(verb))).collect()
}

/// The prefix whose group counts a key.
#[must_use]
pub fn group_of(key: &str) -> &str {
    prefix(key, PREFIX_SEGMENTS)
}

/// The first segments of a key, split at ':'.
fn prefix(key: &str, segments: usize) -> &str {
    // A colon is one byte, and no part of any other letter: short keys are looked at faster so than by a search of text.
    let colons = key.bytes().enumerate().filter(|(_, byte)| *byte == b':');
    match colons.map(|(place, _)| place).nth(segments.saturating_sub(1)) {
        Some(end) => &key[..end],
        None => key,
    }
}

fn count_of(gauge: &AtomicI64) -> u64 {
    u64::try_from(gauge.load(Relaxed)).unwrap_or(0)
}

// === impl Counters ===

impl Counters {
    fn count(&self, tally: Tally) {
        match tally {
            Tally::Read(outcome, cost) => self.read(outcome, cost),
            Tally::Hits(hits, saved) => {
                self.hits.fetch_add(hits, Relaxed);
                if !saved.is_zero() {
                    add_time(&self.saved_micros, saved);
                }
            }
            Tally::Put => add(&self.puts),
            Tally::Refresh => add(&self.refreshes),
            Tally::NotAdmitted => add(&self.not_admitted),
            Tally::Removed(reason) => add(&self.removals[reason as usize]),
            Tally::Lost(cost) => add_time(&self.lost_micros, cost),
            Tally::Spent(cost) => add_time(&self.spent_micros, cost),
            Tally::Lease(turn) => add(&self.leases[turn as usize]),
            Tally::Shared { waiters, wanted } => {
                self.coalesced.fetch_add(u64::from(waiters), Relaxed);
                self.stampedes_avoided.fetch_add(u64::from(wanted), Relaxed);
            }
            Tally::Held(held) => {
                self.entries.fetch_add(held.entries, Relaxed);
                self.charged_bytes.fetch_add(held.charged, Relaxed);
                self.value_bytes.fetch_add(held.value, Relaxed);
                self.key_bytes.fetch_add(held.keys, Relaxed);
                self.rounding_bytes.fetch_add(held.rounding, Relaxed);
            }
        }
    }

    fn read(&self, outcome: ReadOutcome, cost: Option<Duration>) {
        match outcome {
            ReadOutcome::Hit => add(&self.hits),
            ReadOutcome::Stale => add(&self.stale_hits),
            ReadOutcome::Negative => add(&self.negative_hits),
            ReadOutcome::Miss(reason) => return add(&self.misses[reason as usize]),
        }
        if let Some(cost) = cost {
            add_time(&self.saved_micros, cost);
        }
    }

    fn add_to(&self, group: &mut Group) {
        group.hits += self.hits.load(Relaxed);
        group.stale_hits += self.stale_hits.load(Relaxed);
        group.negative_hits += self.negative_hits.load(Relaxed);
        for (reason, count) in MissReason::ALL.into_iter().zip(&self.misses) {
            *group.misses.entry(reason).or_default() += count.load(Relaxed);
        }
        group.puts += self.puts.load(Relaxed);
        group.refreshes += self.refreshes.load(Relaxed);
        group.not_admitted += self.not_admitted.load(Relaxed);
        for (reason, count) in RemovalReason::ALL.into_iter().zip(&self.removals) {
            *group.removals.entry(reason).or_default() += count.load(Relaxed);
        }
        group.entry_count += count_of(&self.entries);
        group.charged_bytes += count_of(&self.charged_bytes);
        group.value_bytes += count_of(&self.value_bytes);
        group.key_bytes += count_of(&self.key_bytes);
        group.rounding_bytes += count_of(&self.rounding_bytes);
        group.compute_saved += Duration::from_micros(self.saved_micros.load(Relaxed));
        group.compute_lost += Duration::from_micros(self.lost_micros.load(Relaxed));
        group.compute_spent += Duration::from_micros(self.spent_micros.load(Relaxed));
        for (turn, count) in LeaseTurn::ALL.into_iter().zip(&self.leases) {
            *group.leases.turns.entry(turn).or_default() += count.load(Relaxed);
        }
        group.leases.coalesced += self.coalesced.load(Relaxed);
        group.leases.stampedes_avoided += self.stampedes_avoided.load(Relaxed);
    }
}

/// Adds a time rounded up to a microsecond. A sum stays at its largest.
fn add_time(counter: &AtomicU64, time: Duration) {
    let micros = u64::try_from(time.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    let before = counter.fetch_add(micros, Relaxed);
    if before.checked_add(micros).is_none() {
        counter.store(u64::MAX, Relaxed);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
