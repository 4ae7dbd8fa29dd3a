//! The metrics of tiers beside memory: the rows of the list, with the numbers left to `telemetry/tiers.rs`.

use super::{Kind, Metric, metric};

const TIER: &[&str] = &["tier"];

/// How a tier is.
pub(crate) const HEALTH: Metric = metric(
    "hotplate_tier_health",
    Kind::Gauge,
    &["tier", "health"],
    "1",
    "1 for how the tier (disk or shared) is, 0 for the others: up, catching_up, degraded or away",
);
/// Whether it is asked.
pub(crate) const BREAKER: Metric = metric(
    "hotplate_tier_breaker",
    Kind::Gauge,
    &["tier", "state"],
    "1",
    "1 for the state of the tier's breaker, 0 for the others: closed (it is asked), half_open (a probe found it) or open",
);
/// How often it stopped being asked.
pub(crate) const BREAKER_OPENINGS: Metric = metric(
    "hotplate_tier_breaker_openings",
    Kind::Counter,
    TIER,
    "times",
    "Times the tier stopped being asked, because it failed",
);
/// Found.
pub(crate) const HITS: Metric =
    metric("hotplate_tier_hits", Kind::Counter, TIER, "entries", "Entries found in the tier");
/// Not found.
pub(crate) const MISSES: Metric =
    metric("hotplate_tier_misses", Kind::Counter, TIER, "entries", "Entries asked of the tier that were not there");
/// Stored.
pub(crate) const PUTS: Metric =
    metric("hotplate_tier_puts", Kind::Counter, TIER, "entries", "Entries stored in the tier");
/// Not stored.
pub(crate) const DROPPED: Metric = metric(
    "hotplate_tier_dropped",
    Kind::Counter,
    &["tier", "reason"],
    "entries",
    "Entries that were to be stored in the tier and were not, by reason",
);
/// Removed to make room.
pub(crate) const EVICTED: Metric = metric(
    "hotplate_tier_evicted",
    Kind::Counter,
    TIER,
    "entries",
    "Entries removed from the tier to make room, or because of their age",
);
/// Damaged.
pub(crate) const CORRUPT: Metric = metric(
    "hotplate_tier_corrupt",
    Kind::Counter,
    TIER,
    "records",
    "Records of the tier that were found damaged: dropped, never served",
);
/// Failures.
pub(crate) const ERRORS: Metric = metric(
    "hotplate_tier_errors",
    Kind::Counter,
    &["tier", "kind"],
    "calls",
    "Calls of the tier that failed: timed_out, away (not sent, it failed before), unreachable, busy (not sent, too many \
     were on their way), full, refused or corrupt",
);
/// How long calls took.
pub(crate) const CALL_DURATION: Metric = metric(
    "hotplate_tier_call_duration_seconds",
    Kind::Histogram,
    TIER,
    "seconds",
    "Time a call that reached the tier took",
);
/// On their way.
pub(crate) const CALLS_IN_FLIGHT: Metric =
    metric("hotplate_tier_calls_in_flight", Kind::Gauge, TIER, "calls", "Calls of the tier that are on their way");
/// Sent twice.
pub(crate) const HEDGED_READS: Metric = metric(
    "hotplate_tier_hedged_reads",
    Kind::Counter,
    TIER,
    "calls",
    "Reads of the tier that were sent a second time, because the first took long",
);
/// Entries.
pub(crate) const ENTRIES: Metric =
    metric("hotplate_tier_entries", Kind::Gauge, TIER, "entries", "Entries the tier holds, where that is known");
/// Bytes.
pub(crate) const BYTES: Metric =
    metric("hotplate_tier_bytes", Kind::Gauge, TIER, "bytes", "Bytes the tier takes where it is, where that is known");
/// Limit of bytes.
pub(crate) const BYTES_MAX: Metric =
    metric("hotplate_tier_bytes_max", Kind::Gauge, TIER, "bytes", "Bytes the tier may take, where that is known");
/// Bytes of memory.
pub(crate) const MEMORY_BYTES: Metric = metric(
    "hotplate_tier_memory_bytes",
    Kind::Gauge,
    TIER,
    "bytes",
    "Bytes of this process's memory that the tier takes",
);
/// What it has still to be told.
pub(crate) const DEBT: Metric = metric(
    "hotplate_tier_debt",
    Kind::Gauge,
    TIER,
    "changes",
    "Invalidations that the tier has still to be told; what they select is not read from it until then",
);
/// How long opening took.
pub(crate) const RECOVERY: Metric = metric(
    "hotplate_tier_recovery_seconds",
    Kind::Gauge,
    TIER,
    "seconds",
    "Time that opening the tier took at the start",
);
/// Bytes before compressing.
pub(crate) const CODEC_RAW: Metric = metric(
    "hotplate_tier_codec_raw_bytes",
    Kind::Counter,
    TIER,
    "bytes",
    "Bytes of values that were to be stored in the tier, before compressing; memory: in namespaces that ask for it",
);
/// Bytes after compressing.
pub(crate) const CODEC_STORED: Metric = metric(
    "hotplate_tier_codec_stored_bytes",
    Kind::Counter,
    TIER,
    "bytes",
    "Bytes that the same values were stored as",
);
/// Values by what compressing did.
pub(crate) const CODEC_VALUES: Metric = metric(
    "hotplate_tier_codec_values",
    Kind::Counter,
    &["tier", "result"],
    "entries",
    "Values stored compressed or plain (too small, of a compressed media type, or not smaller when tried)",
);
/// Time spent.
pub(crate) const CODEC_SECONDS: Metric = metric(
    "hotplate_tier_codec_seconds",
    Kind::Counter,
    &["tier", "work"],
    "seconds",
    "Time spent compressing and decompressing",
);
