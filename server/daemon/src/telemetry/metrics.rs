//! The metrics: those counted here as things happen, and those read from the engine's own counters when somebody asks.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use hotplate_engine::{
    Cache,
    clock::Clock,
    clock::Moment,
    event::Event,
    stats::{GroupBy, Snapshot},
};
use parking_lot::Mutex;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Metric as RegisteredMetric, Registry},
};

use crate::ledger::{Ledger, USES};

use super::{
    CallRecord,
    calls::Calls,
    names::{self, Metric},
    tiers::TiersView,
    view::{Limits, View},
};

/// Namespaces with their own label at most.
pub(super) const NAMESPACES_MAX: usize = 200;
/// The label of all other namespaces.
pub(super) const OTHER: &str = "_other";

/// All metrics of one server.
#[derive(Debug)]
pub(super) struct Metrics {
    registry: Registry,
    calls: Arc<Calls>,
    connections_refused: Counter,
    discontinuities: Family<NamespaceLabel, Counter>,
    fills_refused: Family<NamespaceLabel, Counter>,
    origin_calls: Family<OriginResult, Counter>,
    origin_durations: Family<OriginLabel, Histogram, Buckets>,
    namespaces: Namespaces,
    clock: Clock,
    started: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NamespaceLabel {
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginResult {
    origin: String,
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabel {
    origin: String,
}

/// Makes histograms: 16 buckets by powers of two from the given second on.
#[derive(Clone, Debug)]
struct Buckets(f64);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(self.0, 2.0, 16))
    }
}

/// Which namespaces have their own label: the first ones seen, so that no counter ever goes back.
#[derive(Debug, Default)]
pub(super) struct Namespaces(Mutex<BTreeSet<Arc<str>>>);

impl Namespaces {
    /// The label of a namespace.
    pub(super) fn label(&self, namespace: &Arc<str>) -> String {
        let mut known = self.0.lock();
        if known.len() < NAMESPACES_MAX {
            known.insert(Arc::clone(namespace));
        }
        if known.contains(namespace) { namespace.to_string() } else { OTHER.to_owned() }
    }
}

impl Metrics {
    pub(super) fn new(clock: Clock) -> Self {
        let mut registry = Registry::default();
        let started = clock.now();
        let calls = Arc::new(Calls::new());
        registry.register_collector(Box::new(Arc::clone(&calls)));
        Self {
            calls,
            connections_refused: register(&mut registry, &names::CONNECTIONS_REFUSED, Counter::default()),
            discontinuities: register(&mut registry, &names::WATCH_DISCONTINUITIES, Family::default()),
            fills_refused: register(&mut registry, &names::FILLS_REFUSED, Family::default()),
            origin_calls: register(&mut registry, &names::ORIGIN_CALLS, Family::default()),
            origin_durations: register(
                &mut registry,
                &names::ORIGIN_DURATION,
                Family::new_with_constructor(Buckets(0.001)),
            ),
            namespaces: Namespaces::default(),
            registry,
            clock,
            started,
        }
    }

    pub(super) fn call(&self, record: &CallRecord<'_>) {
        self.calls(record, 1);
    }

    pub(super) fn calls(&self, record: &CallRecord<'_>, times: u64) {
        self.calls.count(record, times);
    }

    pub(super) fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    pub(super) fn observe(&self, event: &Event) {
        match event {
            // Counted by the engine itself, and read from there.
            Event::Read { .. } | Event::Removed { .. } => {}
            Event::FillRefused { namespace } => self.count(&self.fills_refused, namespace),
            Event::WatchDiscontinued { namespace } => self.count(&self.discontinuities, namespace),
            Event::OriginCalled { origin, usable, elapsed } => self.origin_called(origin, *usable, *elapsed),
        }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.clock.now().since(self.started)
    }

    pub(super) fn scrape(&self, cache: &Cache, connections: u64, ledger: Option<&Ledger>) -> String {
        let limits = Limits::of(cache.config());
        let snapshot = cache.stats(None, GroupBy::Namespace).unwrap_or_else(|error| {
            // The total of all namespaces cannot be refused; if it ever is, the other metrics still matter.
            tracing::error!(%error, "the engine gave no statistics");
            Snapshot::default()
        });
        let memory = cache.tiers().memory.as_ref().map(|memory| memory.state());
        let tiers = TiersView(cache.tier_states(), memory);
        let mut view = View::new(snapshot, limits, &self.namespaces);
        for of in USES {
            view.held.extend(ledger.map(|ledger| ledger.state(of)).map(|(used, most)| (of.word(), used, most)));
        }
        self.encode(view, tiers, connections)
    }

    /// The scrape of a snapshot and of the tiers' states.
    pub(super) fn encode(&self, mut view: View, tiers: TiersView, connections: u64) -> String {
        view.uptime = self.uptime();
        view.connections = connections;
        let mut pulled = Registry::default();
        pulled.register_collector(Box::new(view));
        pulled.register_collector(Box::new(tiers));
        let mut out = String::new();
        let encoded = text::encode_registry(&mut out, &self.registry).and_then(|()| text::encode(&mut out, &pulled));
        encoded.map(|()| out).expect("writing to a String does not fail")
    }

    /// Which namespaces have their own label.
    #[cfg(test)]
    pub(super) fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    fn count(&self, family: &Family<NamespaceLabel, Counter>, namespace: &Arc<str>) {
        family.get_or_create(&NamespaceLabel { namespace: self.namespaces.label(namespace) }).inc();
    }

    fn origin_called(&self, origin: &Arc<str>, usable: bool, elapsed: Duration) {
        let result = if usable { "usable" } else { "failed" };
        self.origin_calls.get_or_create(&OriginResult { origin: origin.to_string(), result }).inc();
        let labels = OriginLabel { origin: origin.to_string() };
        self.origin_durations.get_or_create(&labels).observe(elapsed.as_secs_f64());
    }
}

fn register<M: RegisteredMetric + Clone>(registry: &mut Registry, row: &Metric, metric: M) -> M {
    registry.register(row.name, row.help, metric.clone());
    metric
}
