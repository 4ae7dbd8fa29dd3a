//! Tests of telemetry: what is counted, what a line tells, what never leaves, and traces that reach a collector.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use hotplate_engine::tier::{BreakerState, CallsState, CodecState, Latency, TierHealth, TierName, TierState};
use hotplate_engine::{
    event::{LeaseTurn, MissReason, RemovalReason},
    namespace::{EngineConfig, NamespaceConfig},
    stats::{Group, LeaseCounts, Snapshot},
};
use serde_json::Value;

use super::{
    metrics::NAMESPACES_MAX,
    names::Kind,
    tiers::TiersView,
    view::{Limits, View},
    *,
};
use crate::config::{LogFormat, LogLevel};

const KEY: &str = "user:jane.doe@example.com";

pub(super) fn record(rpc: &'static str, code: Code) -> CallRecord<'static> {
    CallRecord {
        rpc,
        namespace: "team-a/models",
        key: Some(KEY),
        outcome: "hit",
        tier: "memory",
        code,
        reason: "",
        caller: "abcd2345",
        elapsed: Duration::from_micros(1500),
    }
}

fn group(name: &str, hits: u64) -> Group {
    Group {
        name: Arc::from(name),
        hits,
        misses: BTreeMap::from([(MissReason::Expired, 3), (MissReason::NeverStored, 4)]),
        removals: BTreeMap::from([(RemovalReason::Evicted, 5)]),
        entry_count: 6,
        charged_bytes: 7,
        compute_saved: Duration::from_millis(1500),
        compute_spent: Duration::from_millis(500),
        leases: LeaseCounts {
            turns: BTreeMap::from([(LeaseTurn::Granted, 8), (LeaseTurn::Lapsed, 1)]),
            coalesced: 11,
            stampedes_avoided: 2,
            held: 3,
            waiting: 4,
        },
        ..Group::default()
    }
}

fn scrape(telemetry: &Arc<Telemetry>, groups: Vec<Group>) -> String {
    let mut config = EngineConfig::default();
    let own = NamespaceConfig { entries_max: Some(10), ..NamespaceConfig::default() };
    config.namespaces.insert("models".to_owned(), own);
    let snapshot = Snapshot { groups, watch_count: 2, ..Snapshot::default() };
    let view = View::new(snapshot, Limits::of(&config), telemetry.metrics.namespaces());
    telemetry.metrics.encode(
        view,
        TiersView(tiers(), Some(CodecState::default())),
        telemetry.connections.load(Ordering::Relaxed),
    )
}

/// A disk that is away, and what replicas share, of which less is known.
fn tiers() -> Vec<(TierName, TierState)> {
    let mut latency = Latency { count: 3, sum: Duration::from_secs(4), ..Latency::default() };
    latency.buckets[1] = 2;
    let disk = TierState {
        health: TierHealth::Away,
        why: Some("the disk is full".to_owned()),
        entries: Some(12),
        bytes: Some(34),
        bytes_max: Some(56),
        hits: 7,
        dropped: vec![("queue_full", 2)],
        errors: vec![("timed_out", 5), ("away", 9)],
        debt: 3,
        recovery: Some(Duration::from_millis(250)),
        calls: Some(CallsState { breaker: BreakerState::Open, opened: 1, latency, ..CallsState::default() }),
        ..TierState::default()
    };
    vec![(TierName::Disk, disk), (TierName::Shared, TierState::default())]
}

#[test]
fn a_scrape_tells_how_each_tier_is() {
    let text = scrape(&busy(), Vec::new());
    let wanted = [
        "hotplate_tier_health{tier=\"disk\",health=\"away\"} 1",
        "hotplate_tier_health{tier=\"disk\",health=\"up\"} 0",
        "hotplate_tier_health{tier=\"shared\",health=\"up\"} 1",
        "hotplate_tier_breaker{tier=\"disk\",state=\"open\"} 1",
        "hotplate_tier_breaker_openings_total{tier=\"disk\"} 1",
        "hotplate_tier_errors_total{tier=\"disk\",kind=\"away\"} 9",
        "hotplate_tier_dropped_total{tier=\"disk\",reason=\"queue_full\"} 2",
        "hotplate_tier_entries{tier=\"disk\"} 12",
        "hotplate_tier_recovery_seconds{tier=\"disk\"} 0.25",
        "hotplate_tier_call_duration_seconds_count{tier=\"disk\"} 3",
        "hotplate_tier_call_duration_seconds_bucket{le=\"0.000064\",tier=\"disk\"} 0",
        "hotplate_tier_call_duration_seconds_bucket{le=\"+Inf\",tier=\"disk\"} 3",
    ];
    for line in wanted {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("hotplate_tier_entries{tier=\"shared\"}"), "what is not known is not told");
}

/// Lets everything happen that is counted.
fn busy() -> Arc<Telemetry> {
    let telemetry = Telemetry::detached(Clock::manual());
    telemetry.call(&record("Get", Code::Ok));
    telemetry.call(&record("Get", Code::ResourceExhausted));
    telemetry.connection_refused();
    let namespace: Arc<str> = Arc::from("models");
    telemetry.observe(&Event::FillRefused { namespace: Arc::clone(&namespace) });
    telemetry.observe(&Event::WatchDiscontinued { namespace });
    let origin = Arc::from("odd \"origin\"\\");
    telemetry.observe(&Event::OriginCalled { origin, usable: true, elapsed: Duration::from_millis(20) });
    telemetry
}

#[test]
fn a_scrape_tells_every_metric_of_the_list_and_nothing_else() {
    let text = scrape(&busy(), vec![group("models", 1)]);
    assert!(text.ends_with("# EOF\n"));
    let mut told = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            let row = METRICS.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("{name} is not listed"));
            assert_eq!(kind, format!("{:?}", row.kind).to_lowercase());
            assert!(told.insert(name.to_owned()), "{name} twice");
        } else if !line.starts_with('#') {
            let (sample, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok(), "{line}");
            check_sample(sample);
        }
    }
    assert_eq!(told.len(), METRICS.len());
}

/// A sample has the name and the labels its row promises.
fn check_sample(sample: &str) {
    let name = sample.split('{').next().unwrap();
    let base = |suffix: &str| name.strip_suffix(suffix).unwrap_or(name).to_owned();
    let histogram = [base("_bucket"), base("_sum"), base("_count")];
    let of_row = |row: &&&Metric| {
        row.sample_name() == name || (row.kind == Kind::Histogram && histogram.contains(&row.name.to_owned()))
    };
    let row = METRICS.iter().find(of_row).unwrap_or_else(|| panic!("{sample} is not listed"));
    for label in row.labels {
        assert!(sample.contains(&format!("{label}=\"")), "{sample} has no {label}");
    }
}

#[test]
fn a_scrape_tells_the_numbers() {
    let telemetry = busy();
    let _open = telemetry.connection();
    drop(telemetry.connection());
    let text = scrape(&telemetry, vec![group("models", 1), group("default", 9)]);
    for line in [
        "hotplate_calls_total{rpc=\"Get\",code=\"OK\"} 1",
        "hotplate_calls_total{rpc=\"Get\",code=\"RESOURCE_EXHAUSTED\"} 1",
        "hotplate_call_duration_seconds_count{rpc=\"Get\"} 2",
        "hotplate_call_duration_seconds_bucket{le=\"0.0008\",rpc=\"Get\"} 0",
        "hotplate_call_duration_seconds_bucket{le=\"0.0016\",rpc=\"Get\"} 2",
        "hotplate_call_duration_seconds_bucket{le=\"+Inf\",rpc=\"Get\"} 2",
        "hotplate_calls_total{rpc=\"Watch\",code=\"OK\"} 0",
        "hotplate_connections 1",
        "hotplate_connections_refused_total 1",
        "hotplate_watches 2",
        "hotplate_reads_total{namespace=\"models\",result=\"hit\"} 1",
        "hotplate_reads_total{namespace=\"default\",result=\"miss\"} 7",
        "hotplate_misses_total{namespace=\"models\",reason=\"expired\"} 3",
        "hotplate_removals_total{namespace=\"models\",reason=\"evicted\"} 5",
        "hotplate_entries{namespace=\"models\"} 6",
        "hotplate_entries_max{namespace=\"models\"} 10",
        "hotplate_entries_max{namespace=\"default\"} 1000000",
        "hotplate_charged_bytes_max{namespace=\"models\"} 268435456",
        "hotplate_compute_saved_seconds_total{namespace=\"models\"} 1.5",
        "hotplate_compute_spent_seconds_total{namespace=\"models\"} 0.5",
        "hotplate_coalesced_reads_total{namespace=\"models\"} 11",
        "hotplate_stampedes_avoided_total{namespace=\"models\"} 2",
        "hotplate_lease_turns_total{namespace=\"models\",turn=\"granted\"} 8",
        "hotplate_lease_turns_total{namespace=\"models\",turn=\"lapsed\"} 1",
        "hotplate_leases{namespace=\"models\"} 3",
        "hotplate_lease_waiters{namespace=\"models\"} 4",
        "hotplate_fills_refused_total{namespace=\"models\"} 1",
        "hotplate_origin_calls_total{origin=\"odd \\\"origin\\\"\\\\\",result=\"usable\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}\n")), "{line} in\n{text}");
    }
    assert!(text.contains("hotplate_build_info{version=\""));
    assert!(!text.contains(KEY) && !text.contains(&telemetry.key_hash(KEY)));
    assert!(!scrape(&telemetry, Vec::new()).contains("hotplate_call_duration_seconds_count{rpc=\"Watch\"}"));
}

#[test]
fn calls_are_not_counted_when_that_is_not_wanted() {
    let telemetry = Telemetry::detached(Clock::manual());
    let record = CallRecord {
        rpc: "Get",
        namespace: "",
        key: None,
        outcome: "hit",
        tier: "",
        code: Code::Ok,
        reason: "",
        caller: "",
        elapsed: Duration::from_micros(1),
    };
    let counted = |calls: u32| {
        let line = format!("\nhotplate_calls_total{{rpc=\"Get\",code=\"OK\"}} {calls}\n");
        assert!(scrape(&telemetry, Vec::new()).contains(&line), "{calls}");
    };
    telemetry.call(&record);
    counted(1);
    telemetry.count_calls(false);
    telemetry.call(&record);
    counted(1);
}

#[test]
fn only_some_namespaces_have_their_own_label_and_keep_it() {
    let telemetry = Telemetry::detached(Clock::manual());
    let many: Vec<Group> = (0..NAMESPACES_MAX + 5).map(|n| group(&format!("n{n}"), 2)).collect();
    let text = scrape(&telemetry, many.clone());
    let lines = |text: &str| text.lines().filter(|line| line.starts_with("hotplate_entries{")).count();
    assert_eq!(lines(&text), NAMESPACES_MAX + 1);
    assert!(text.contains("hotplate_entries{namespace=\"_other\"} 30"), "five namespaces of six entries");
    let again = scrape(&telemetry, many.into_iter().rev().collect());
    assert_eq!(text, again, "the order of groups changes no label");
}

#[test]
fn the_page_lists_every_metric_once() {
    let page = metrics_markdown();
    for metric in METRICS {
        assert_eq!(
            page.matches(&format!("| `{}` | `{}` |", metric.name, metric.sample_name())).count(),
            1,
            "{}",
            metric.name
        );
        assert!(!metric.help.ends_with('.') && !metric.help.contains('|'), "{}", metric.name);
    }
}

/// Collects log lines.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).unwrap()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs something with its log lines collected.
fn logged(settings: &LogSettings, run: impl Fn(&Telemetry)) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let output = Output { writer: move || writer.clone(), terminal: false };
    let (telemetry, dispatch) = Telemetry::build(settings, output, Clock::manual(), []).unwrap();
    tracing::dispatcher::with_default(&dispatch, || run(&telemetry));
    lines.text()
}

fn settings(level: LogLevel, format: LogFormat) -> LogSettings {
    LogSettings { level, format, filter: String::new() }
}

#[test]
fn a_call_is_one_json_line_without_its_key() {
    let text = logged(&settings(LogLevel::Debug, LogFormat::Auto), |telemetry| {
        telemetry.call(&record("Get", Code::Ok));
    });
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in [
        ("level", "DEBUG"),
        ("rpc", "Get"),
        ("namespace", "team-a/models"),
        ("outcome", "hit"),
        ("tier", "memory"),
        ("code", "OK"),
        ("caller", "abcd2345"),
    ] {
        assert_eq!(line[field], value, "{field} in {text}");
    }
    assert_eq!(line["elapsed_us"], 1500);
    assert_eq!(line["key_hash"].as_str().unwrap().len(), 16);
    assert!(!text.contains(KEY) && !text.contains("jane"));
}

#[test]
fn hashes_of_keys_agree_within_a_process_only() {
    let (one, other) = (Telemetry::detached(Clock::manual()), Telemetry::detached(Clock::manual()));
    assert_eq!(one.key_hash(KEY), one.key_hash(KEY));
    assert_ne!(one.key_hash(KEY), one.key_hash("another"));
    assert_ne!(one.key_hash(KEY), other.key_hash(KEY));
}

#[test]
fn names_that_break_the_rules_cannot_forge_lines() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let text = logged(&settings(LogLevel::Debug, format), |telemetry| {
            let mut bad = record("Get", Code::InvalidArgument);
            bad.namespace = "x\nforged line \u{1b}[31m";
            bad.reason = "BAD\nNAMESPACE";
            telemetry.call(&bad);
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(!text.contains("forged") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn levels_choose_what_is_told() {
    let calls = |telemetry: &Telemetry| {
        telemetry.call(&record("Get", Code::Ok));
        telemetry.call(&record("Get", Code::PermissionDenied));
        telemetry.call(&record("Get", Code::Internal));
        tracing::info!(target: "h2::codec", "a neighbour talks");
    };
    let count = |settings: &LogSettings| logged(settings, calls).lines().count();
    for (level, lines) in [(LogLevel::Error, 1), (LogLevel::Warn, 2), (LogLevel::Info, 2), (LogLevel::Debug, 3)] {
        assert_eq!(count(&settings(level, LogFormat::Json)), lines, "{level:?}");
    }
    let filter = LogSettings { filter: "off,h2=info".to_owned(), ..settings(LogLevel::Info, LogFormat::Text) };
    assert!(logged(&filter, calls).contains("a neighbour talks"));
    let refused = logged(&settings(LogLevel::Info, LogFormat::Json), |telemetry| {
        telemetry.call(&record("Get", Code::PermissionDenied));
    });
    assert!(refused.contains("call refused") && !refused.contains("key_hash"), "{refused}");
}

mod traces;
