//! The documented list of metrics: name, type, labels, unit and help of each. `docs/metrics.md` is made from it, and a
//! scrape is encoded from it, so that both tell the same.

pub(super) mod tiers;

use std::fmt::Write;

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Its name; a counter's samples end with `_total` besides.
    pub name: &'static str,
    /// What sort of numbers it tells.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// What its numbers count.
    pub unit: &'static str,
    /// What it tells, as one sentence without a full stop.
    pub help: &'static str,
}

/// What sort of numbers a metric tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
    /// Facts as labels.
    Info,
}

impl Metric {
    /// Its help as a sentence.
    pub(super) fn sentence(&self) -> String {
        format!("{}.", self.help)
    }

    /// The name its samples have in a scrape.
    #[must_use]
    pub fn sample_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Info => format!("{}_info", self.name),
            Kind::Gauge | Kind::Histogram => self.name.to_owned(),
        }
    }
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    unit: &'static str,
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, unit, help }
}

const NAMESPACE: &[&str] = &["namespace"];

/// Build facts.
pub(super) const BUILD: Metric = metric("hotplate_build", Kind::Info, &["version"], "1", "What this server is");
/// Age of the process.
pub(super) const UPTIME: Metric =
    metric("hotplate_uptime_seconds", Kind::Gauge, &[], "seconds", "Time since the server started");
/// Calls.
pub(super) const CALLS: Metric =
    metric("hotplate_calls", Kind::Counter, &["rpc", "code"], "calls", "Calls that ended, by RPC and status code");
/// How long calls took.
pub(super) const CALL_DURATION: Metric = metric(
    "hotplate_call_duration_seconds",
    Kind::Histogram,
    &["rpc"],
    "seconds",
    "Time from the first byte of a unary call to its answer, by RPC",
);
/// Open connections.
pub(super) const CONNECTIONS: Metric =
    metric("hotplate_connections", Kind::Gauge, &[], "connections", "Open gRPC connections");
/// Refused connections.
pub(super) const CONNECTIONS_REFUSED: Metric = metric(
    "hotplate_connections_refused",
    Kind::Counter,
    &[],
    "connections",
    "Connections refused because limits.connections_max was reached",
);
/// Bytes held while they move.
pub(super) const LEDGER_BYTES: Metric = metric(
    "hotplate_ledger_bytes",
    Kind::Gauge,
    &["use"],
    "bytes",
    "Bytes held for requests that come in, for unfinished uploads and for what is on its way to readers",
);
/// How many may be.
pub(super) const LEDGER_BYTES_MAX: Metric =
    metric("hotplate_ledger_bytes_max", Kind::Gauge, &["use"], "bytes", "Bytes that may be held so at once");
/// Open watches.
pub(super) const WATCHES: Metric = metric("hotplate_watches", Kind::Gauge, &[], "watches", "Open watches");
/// Watches that lost changes.
pub(super) const WATCH_DISCONTINUITIES: Metric = metric(
    "hotplate_watch_discontinuities",
    Kind::Counter,
    NAMESPACE,
    "watches",
    "Times a watch lost changes and was told so",
);
/// Reads.
pub(super) const READS: Metric = metric(
    "hotplate_reads",
    Kind::Counter,
    &["namespace", "result"],
    "entries",
    "Entries asked for, by result: hit, stale, negative or miss",
);
/// Misses.
pub(super) const MISSES: Metric =
    metric("hotplate_misses", Kind::Counter, &["namespace", "reason"], "entries", "Misses by reason");
/// Puts.
pub(super) const PUTS: Metric = metric(
    "hotplate_puts",
    Kind::Counter,
    &["namespace", "result"],
    "entries",
    "Puts by result: stored, refreshed or not_admitted",
);
/// Removals.
pub(super) const REMOVALS: Metric =
    metric("hotplate_removals", Kind::Counter, &["namespace", "reason"], "entries", "Entries removed, by reason");
/// Entries.
pub(super) const ENTRIES: Metric = metric("hotplate_entries", Kind::Gauge, NAMESPACE, "entries", "Entries held");
/// Charged bytes.
pub(super) const CHARGED_BYTES: Metric = metric(
    "hotplate_charged_bytes",
    Kind::Gauge,
    NAMESPACE,
    "bytes",
    "Bytes charged: values, keys, tags, labels and bookkeeping",
);
/// Bytes of values.
pub(super) const VALUE_BYTES: Metric =
    metric("hotplate_value_bytes", Kind::Gauge, NAMESPACE, "bytes", "Bytes of the values held");
/// Limit of entries.
pub(super) const ENTRIES_MAX: Metric = metric(
    "hotplate_entries_max",
    Kind::Gauge,
    NAMESPACE,
    "entries",
    "Entries the namespace may hold: its own limit, else the server's",
);
/// Limit of charged bytes.
pub(super) const CHARGED_BYTES_MAX: Metric = metric(
    "hotplate_charged_bytes_max",
    Kind::Gauge,
    NAMESPACE,
    "bytes",
    "Bytes the namespace may be charged: its own limit, else the server's",
);
/// The server's limit of entries.
pub(super) const SERVER_ENTRIES_MAX: Metric =
    metric("hotplate_server_entries_max", Kind::Gauge, &[], "entries", "Entries all namespaces may hold together");
/// The server's limit of charged bytes.
pub(super) const SERVER_CHARGED_BYTES_MAX: Metric = metric(
    "hotplate_server_charged_bytes_max",
    Kind::Gauge,
    &[],
    "bytes",
    "Bytes all namespaces may be charged together",
);
/// Compute saved.
pub(super) const COMPUTE_SAVED: Metric = metric(
    "hotplate_compute_saved_seconds",
    Kind::Counter,
    NAMESPACE,
    "seconds",
    "Compute cost of everything that was served, as far as it was given or measured",
);
/// Compute lost.
pub(super) const COMPUTE_LOST: Metric = metric(
    "hotplate_compute_lost_seconds",
    Kind::Counter,
    NAMESPACE,
    "seconds",
    "Compute cost, as far as it was given or measured, of entries that were evicted and then missed",
);
/// Compute spent.
pub(super) const COMPUTE_SPENT: Metric = metric(
    "hotplate_compute_spent_seconds",
    Kind::Counter,
    NAMESPACE,
    "seconds",
    "Compute cost, as far as it was given or measured, of what was put and fetched",
);
/// Reads that waited.
pub(super) const COALESCED_READS: Metric = metric(
    "hotplate_coalesced_reads",
    Kind::Counter,
    NAMESPACE,
    "entries",
    "Reads that waited for another caller's computation and were answered with it",
);
/// Stampedes.
pub(super) const STAMPEDES_AVOIDED: Metric = metric(
    "hotplate_stampedes_avoided",
    Kind::Counter,
    NAMESPACE,
    "entries",
    "Computations under a lease for which other callers asked meanwhile, who would have computed as well",
);
/// Leases, by what became of them.
pub(super) const LEASE_TURNS: Metric = metric(
    "hotplate_lease_turns",
    Kind::Counter,
    &["namespace", "turn"],
    "leases",
    "How it went on with leases: granted, extended, released without a value, lapsed, revoked by an Invalidate, lost (a \
     Put came without the lease) or pending (a Get was told to come back)",
);
/// Leases.
pub(super) const LEASES: Metric = metric("hotplate_leases", Kind::Gauge, NAMESPACE, "leases", "Leases held");
/// Who waits.
pub(super) const LEASE_WAITERS: Metric = metric(
    "hotplate_lease_waiters",
    Kind::Gauge,
    NAMESPACE,
    "calls",
    "Callers who wait for another caller's computation",
);
/// Bookkeeping.
pub(super) const BOOKKEEPING_BYTES: Metric = metric(
    "hotplate_bookkeeping_bytes",
    Kind::Gauge,
    NAMESPACE,
    "bytes",
    "Bytes charged now that are neither keys nor values nor lost to rounding",
);
/// Fills that came too late.
pub(super) const FILLS_REFUSED: Metric = metric(
    "hotplate_fills_refused",
    Kind::Counter,
    NAMESPACE,
    "entries",
    "Values that were fetched but not stored, because their key was invalidated meanwhile",
);
/// Calls of origins.
pub(super) const ORIGIN_CALLS: Metric = metric(
    "hotplate_origin_calls",
    Kind::Counter,
    &["origin", "result"],
    "calls",
    "Requests to origins, by result: usable or failed",
);
/// How long origins took.
pub(super) const ORIGIN_DURATION: Metric = metric(
    "hotplate_origin_duration_seconds",
    Kind::Histogram,
    &["origin"],
    "seconds",
    "Time a request to an origin took",
);

/// All metrics.
pub const METRICS: &[&Metric] = &[
    &BUILD,
    &UPTIME,
    &CALLS,
    &CALL_DURATION,
    &CONNECTIONS,
    &CONNECTIONS_REFUSED,
    &READS,
    &MISSES,
    &PUTS,
    &REMOVALS,
    &ENTRIES,
    &ENTRIES_MAX,
    &CHARGED_BYTES,
    &CHARGED_BYTES_MAX,
    &VALUE_BYTES,
    &SERVER_ENTRIES_MAX,
    &SERVER_CHARGED_BYTES_MAX,
    &COMPUTE_SAVED,
    &COMPUTE_LOST,
    &COMPUTE_SPENT,
    &COALESCED_READS,
    &STAMPEDES_AVOIDED,
    &LEASE_TURNS,
    &LEASES,
    &LEASE_WAITERS,
    &BOOKKEEPING_BYTES,
    &LEDGER_BYTES,
    &LEDGER_BYTES_MAX,
    &WATCHES,
    &WATCH_DISCONTINUITIES,
    &FILLS_REFUSED,
    &ORIGIN_CALLS,
    &ORIGIN_DURATION,
    &tiers::HEALTH,
    &tiers::BREAKER,
    &tiers::BREAKER_OPENINGS,
    &tiers::HITS,
    &tiers::MISSES,
    &tiers::PUTS,
    &tiers::DROPPED,
    &tiers::EVICTED,
    &tiers::CORRUPT,
    &tiers::ERRORS,
    &tiers::CALL_DURATION,
    &tiers::CALLS_IN_FLIGHT,
    &tiers::HEDGED_READS,
    &tiers::ENTRIES,
    &tiers::BYTES,
    &tiers::BYTES_MAX,
    &tiers::MEMORY_BYTES,
    &tiers::DEBT,
    &tiers::RECOVERY,
    &tiers::CODEC_RAW,
    &tiers::CODEC_STORED,
    &tiers::CODEC_VALUES,
    &tiers::CODEC_SECONDS,
];

const HEAD: &str = "# Metrics

<!-- Generated from server/daemon/src/telemetry/names.rs by `cargo x gen`. Do not edit. -->

`GET /metrics` on the HTTP port answers in the OpenMetrics text format. Counters start at zero with the process. At most
200 namespaces have their own label, in the order they were first seen; the rest is added up as `_other`. Keys, values
and tokens are in no metric.

| metric | samples | type | labels | unit | meaning |
|---|---|---|---|---|---|
";

/// The page `docs/metrics.md`.
#[must_use]
pub fn metrics_markdown() -> String {
    let mut page = HEAD.to_owned();
    for metric in METRICS {
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Info => "info",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let (samples, labels) = (metric.sample_name(), labels.join(", "));
        writeln!(page, "| `{}` | `{samples}` | {kind} | {labels} | {} | {} |", metric.name, metric.unit, metric.help)
            .expect("writing to a String does not fail");
    }
    page
}
