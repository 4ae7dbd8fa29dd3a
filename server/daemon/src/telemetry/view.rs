//! What a scrape tells of the engine's counters: one snapshot, by namespace, encoded by the documented list.

use std::{collections::BTreeMap, fmt::Error, time::Duration};

use hotplate_engine::{
    event::{LeaseTurn, MissReason, RemovalReason},
    namespace::EngineConfig,
    stats::{Group, Snapshot},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};

use super::{
    metrics::{Namespaces, OTHER},
    names::{self, Kind, Metric},
};

/// A number with its labels, in the order of the metric's row.
pub(super) type Sample = (Vec<String>, Number);

/// A number of either sort.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(u64),
    Broken(f64),
}

/// How much namespaces may hold.
#[derive(Debug)]
pub(super) struct Limits {
    server: (u64, u64),
    namespaces: BTreeMap<String, (u64, u64)>,
    other: (u64, u64),
    uploads: u64,
}

/// A snapshot that is ready to be told.
#[derive(Debug)]
pub(super) struct View {
    groups: BTreeMap<String, Group>,
    limits: Limits,
    watches: u64,
    /// What bytes are held for, how many, and how many may be.
    pub(super) held: Vec<(&'static str, u64, u64)>,
    /// Time since the start.
    pub(super) uptime: Duration,
    /// Open connections.
    pub(super) connections: u64,
}

impl Limits {
    /// The limits of a configuration.
    pub(super) fn of(config: &EngineConfig) -> Self {
        let server = (config.entries_max, config.bytes_max);
        let own = |entries: Option<u64>, bytes: Option<u64>| (entries.unwrap_or(server.0), bytes.unwrap_or(server.1));
        let namespaces = &config.namespaces;
        Self {
            server,
            namespaces: namespaces
                .iter()
                .map(|(name, limits)| (name.clone(), own(limits.entries_max, limits.bytes_max)))
                .collect(),
            uploads: config.uploads_bytes_max,
            other: config.namespace_default.as_ref().map_or(server, |limits| own(limits.entries_max, limits.bytes_max)),
        }
    }

    fn of_namespace(&self, label: &str) -> (u64, u64) {
        if label == OTHER { self.server } else { self.namespaces.get(label).copied().unwrap_or(self.other) }
    }
}

impl View {
    /// Adds up the groups by the label their namespace has.
    pub(super) fn new(snapshot: Snapshot, limits: Limits, namespaces: &Namespaces) -> Self {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for group in snapshot.groups {
            let sum = groups.entry(namespaces.label(&group.name)).or_default();
            add(sum, &group);
        }
        let watches = snapshot.watch_count;
        let held = vec![("uploads", snapshot.uploads_bytes, limits.uploads)];
        Self { groups, limits, watches, held, uptime: Duration::ZERO, connections: 0 }
    }

    fn each(&self, number: impl Fn(&Group) -> Number) -> Vec<Sample> {
        self.groups.iter().map(|(name, group)| (vec![name.clone()], number(group))).collect()
    }

    fn by(&self, parts: impl Fn(&Group) -> Vec<(&'static str, u64)>) -> Vec<Sample> {
        let mut samples = Vec::new();
        for (name, group) in &self.groups {
            let of_group = parts(group).into_iter();
            samples.extend(of_group.map(|(part, n)| (vec![name.clone(), part.to_owned()], Number::Whole(n))));
        }
        samples
    }

    fn limit(&self, pick: impl Fn((u64, u64)) -> u64) -> Vec<Sample> {
        let limit = |name: &String| Number::Whole(pick(self.limits.of_namespace(name)));
        self.groups.keys().map(|name| (vec![name.clone()], limit(name))).collect()
    }

    fn of_use(&self, pick: impl Fn((u64, u64)) -> u64) -> Vec<Sample> {
        let sample =
            |(word, used, most): &(&str, u64, u64)| (vec![(*word).to_owned()], Number::Whole(pick((*used, *most))));
        self.held.iter().map(sample).collect()
    }

    /// The samples of every metric that is read rather than counted.
    fn samples(&self) -> Vec<(&'static Metric, Vec<Sample>)> {
        let one = |number: Number| vec![(Vec::new(), number)];
        let whole = |number: u64| vec![(Vec::new(), Number::Whole(number))];
        vec![
            (&names::UPTIME, one(Number::Broken(self.uptime.as_secs_f64()))),
            (&names::CONNECTIONS, whole(self.connections)),
            (&names::WATCHES, whole(self.watches)),
            (&names::LEDGER_BYTES, self.of_use(|(used, _)| used)),
            (&names::LEDGER_BYTES_MAX, self.of_use(|(_, most)| most)),
            (&names::READS, self.by(reads)),
            (&names::MISSES, self.by(misses)),
            (&names::PUTS, self.by(puts)),
            (&names::REMOVALS, self.by(removals)),
            (&names::ENTRIES, self.each(|group| Number::Whole(group.entry_count))),
            (&names::ENTRIES_MAX, self.limit(|(entries, _)| entries)),
            (&names::CHARGED_BYTES, self.each(|group| Number::Whole(group.charged_bytes))),
            (&names::CHARGED_BYTES_MAX, self.limit(|(_, bytes)| bytes)),
            (&names::VALUE_BYTES, self.each(|group| Number::Whole(group.value_bytes))),
            (&names::SERVER_ENTRIES_MAX, whole(self.limits.server.0)),
            (&names::SERVER_CHARGED_BYTES_MAX, whole(self.limits.server.1)),
            (&names::COMPUTE_SAVED, self.each(|group| Number::Broken(group.compute_saved.as_secs_f64()))),
            (&names::COMPUTE_LOST, self.each(|group| Number::Broken(group.compute_lost.as_secs_f64()))),
            (&names::COMPUTE_SPENT, self.each(|group| Number::Broken(group.compute_spent.as_secs_f64()))),
            (&names::COALESCED_READS, self.each(|group| Number::Whole(group.leases.coalesced))),
            (&names::STAMPEDES_AVOIDED, self.each(|group| Number::Whole(group.leases.stampedes_avoided))),
            (&names::LEASE_TURNS, self.by(lease_turns)),
            (&names::LEASES, self.each(|group| Number::Whole(group.leases.held))),
            (&names::LEASE_WAITERS, self.each(|group| Number::Whole(group.leases.waiting))),
            (&names::BOOKKEEPING_BYTES, self.each(|group| Number::Whole(group.bookkeeping_bytes()))),
        ]
    }
}

impl Collector for View {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let build = &names::BUILD;
        let mut info = encoder.encode_descriptor(build.name, &build.sentence(), None, MetricType::Info)?;
        info.encode_info(&[(build.labels[0], env!("CARGO_PKG_VERSION"))])?;
        for (metric, samples) in self.samples() {
            encode(&mut encoder, metric, &samples)?;
        }
        Ok(())
    }
}

/// One metric with all of its samples.
pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, metric: &Metric, samples: &[Sample]) -> Result<(), Error> {
    let kind = if metric.kind == Kind::Counter { MetricType::Counter } else { MetricType::Gauge };
    let mut family = encoder.encode_descriptor(metric.name, &metric.sentence(), None, kind)?;
    for (values, number) in samples {
        let labels: Vec<(&str, &str)> = metric.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
        if labels.is_empty() {
            encode_number(&mut family, metric.kind, *number)?;
        } else {
            encode_number(&mut family.encode_family(&labels)?, metric.kind, *number)?;
        }
    }
    Ok(())
}

fn encode_number(sample: &mut MetricEncoder<'_>, kind: Kind, number: Number) -> Result<(), Error> {
    match (kind, number) {
        (Kind::Counter, Number::Whole(n)) => sample.encode_counter::<NoLabelSet, u64, u64>(&n, None),
        (Kind::Counter, Number::Broken(n)) => sample.encode_counter::<NoLabelSet, f64, f64>(&n, None),
        (_, Number::Whole(n)) => sample.encode_gauge(&n),
        (_, Number::Broken(n)) => sample.encode_gauge(&n),
    }
}

fn reads(group: &Group) -> Vec<(&'static str, u64)> {
    let misses = group.misses.values().sum();
    vec![("hit", group.hits), ("stale", group.stale_hits), ("negative", group.negative_hits), ("miss", misses)]
}

fn puts(group: &Group) -> Vec<(&'static str, u64)> {
    vec![("stored", group.puts), ("refreshed", group.refreshes), ("not_admitted", group.not_admitted)]
}

fn misses(group: &Group) -> Vec<(&'static str, u64)> {
    let name = |reason: &MissReason| match reason {
        MissReason::NeverStored => "never_stored",
        MissReason::Expired => "expired",
        MissReason::Evicted => "evicted",
        MissReason::Invalidated => "invalidated",
        MissReason::NotAdmitted => "not_admitted",
        MissReason::TooOld => "too_old",
        MissReason::TierUnavailable => "tier_unavailable",
    };
    group.misses.iter().map(|(reason, count)| (name(reason), *count)).collect()
}

fn removals(group: &Group) -> Vec<(&'static str, u64)> {
    let name = |reason: &RemovalReason| match reason {
        RemovalReason::Expired => "expired",
        RemovalReason::Idle => "idle",
        RemovalReason::Evicted => "evicted",
        RemovalReason::Invalidated => "invalidated",
        RemovalReason::Replaced => "replaced",
    };
    group.removals.iter().map(|(reason, count)| (name(reason), *count)).collect()
}

fn lease_turns(group: &Group) -> Vec<(&'static str, u64)> {
    let name = |turn: &LeaseTurn| match turn {
        LeaseTurn::Granted => "granted",
        LeaseTurn::Extended => "extended",
        LeaseTurn::Released => "released",
        LeaseTurn::Lapsed => "lapsed",
        LeaseTurn::Revoked => "revoked",
        LeaseTurn::Lost => "lost",
        LeaseTurn::Pending => "pending",
    };
    group.leases.turns.iter().map(|(turn, count)| (name(turn), *count)).collect()
}

fn add(sum: &mut Group, group: &Group) {
    sum.hits += group.hits;
    sum.stale_hits += group.stale_hits;
    sum.negative_hits += group.negative_hits;
    sum.puts += group.puts;
    sum.refreshes += group.refreshes;
    sum.not_admitted += group.not_admitted;
    sum.entry_count += group.entry_count;
    sum.charged_bytes += group.charged_bytes;
    sum.value_bytes += group.value_bytes;
    sum.key_bytes += group.key_bytes;
    sum.rounding_bytes += group.rounding_bytes;
    sum.compute_saved += group.compute_saved;
    sum.compute_lost += group.compute_lost;
    sum.compute_spent += group.compute_spent;
    sum.leases += &group.leases;
    for (reason, count) in &group.misses {
        *sum.misses.entry(*reason).or_default() += count;
    }
    for (reason, count) in &group.removals {
        *sum.removals.entry(*reason).or_default() += count;
    }
}
