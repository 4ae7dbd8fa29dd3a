//! What a namespace allows: limits, TTL classes, policy choice. Pure data and the rules that resolve a lifetime.

use std::{collections::BTreeMap, str::FromStr, sync::Arc, time::Duration};

use crate::{ahead::RefreshAhead, policy::Objective};

/// Which tiers the entries of a namespace lie in besides memory, where there are such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Besides {
    /// The disk of this machine.
    pub disk: bool,
    /// What replicas share.
    pub shared: bool,
}

impl Default for Besides {
    fn default() -> Self {
        Self { disk: true, shared: true }
    }
}

/// As settings write it: `memory` for memory alone, or with what is slower, like `memory+disk`.
impl FromStr for Besides {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form =
            || format!("`{text}` names no tiers: write memory, memory+disk, memory+shared or memory+disk+shared");
        let mut besides = Self { disk: false, shared: false };
        let mut names = text.split('+').map(str::trim);
        if names.next() != Some("memory") {
            return Err(form());
        }
        for name in names {
            match name {
                "disk" => besides.disk = true,
                "shared" => besides.shared = true,
                _ => return Err(form()),
            }
        }
        Ok(besides)
    }
}

/// How a namespace goes on while its replica may miss what others invalidate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Coherence {
    /// It serves what it has, and says so.
    #[default]
    Available,
    /// What it has counts as missing.
    Strict,
}

/// As settings write it.
impl std::str::FromStr for Coherence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "available" => Ok(Self::Available),
            "strict" => Ok(Self::Strict),
            _ => Err(format!("`{text}` is neither `available` nor `strict`")),
        }
    }
}

/// Settings of one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespaceConfig {
    /// Entries at most; `None`: only the server's limit.
    pub entries_max: Option<u64>,
    /// Charged bytes at most; `None`: only the server's limit.
    pub bytes_max: Option<u64>,
    /// Lifetime where neither the Put nor its kind says one.
    pub ttl_default: Duration,
    /// Longest TTL a Put may ask for.
    pub ttl_max: Duration,
    /// Lifetime of negative results where the Put says none.
    pub ttl_negative: Duration,
    /// For how long a failure is remembered where who reports it says nothing.
    pub ttl_failure: Duration,
    /// When entries that are still fresh are due to be renewed, where the Put says nothing.
    pub refresh_ahead: RefreshAhead,
    /// Jitter where a Put says none: share of the TTL, 0 to 0.5.
    pub jitter: f64,
    /// TTL class by kind.
    pub kind_ttl: BTreeMap<String, KindTtl>,
    /// Name of the eviction policy, from the registry.
    pub policy: Arc<str>,
    /// What the value of its entries is multiplied with when namespaces compete for room: 1 is the rule, 2 keeps them as if
    /// they cost twice as much to compute. Positive and finite.
    pub weight: f64,
    /// What computing an entry costs where neither the Put nor earlier entries of its kind say so; `None`: 1 ms and what
    /// reading its bytes at 100 MB/s takes.
    pub cost_default: Option<Duration>,
    /// Where its entries lie besides memory.
    pub tiers: Besides,
    /// Whether its values are held smaller in memory, where that is worth it.
    pub compress: bool,
    /// How it goes on while its server may miss what others invalidate.
    pub coherence: Coherence,
}

/// The lifetime of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindTtl {
    /// By a named class.
    Class(String),
    /// Exactly.
    Exact(Duration),
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Entries at most in all namespaces.
    pub entries_max: u64,
    /// Charged bytes at most in all namespaces.
    pub bytes_max: u64,
    /// Bytes of one value at most.
    pub value_bytes_max: u64,
    /// Bytes of a value at most that is shown in one message: larger ones are not among the hits that are.
    pub unary_value_bytes_max: u64,
    /// Bytes of memory at most, of `bytes_max`, that may be reserved for values on their way.
    pub uploads_bytes_max: u64,
    /// Named TTL classes.
    pub ttl_classes: BTreeMap<String, Duration>,
    /// What a hit is worth: the unit in which all policies compare entries.
    pub objective: Objective,
    /// Configured namespaces.
    pub namespaces: BTreeMap<String, NamespaceConfig>,
    /// What a namespace gets that is not configured; `None`: such a namespace is unknown.
    pub namespace_default: Option<NamespaceConfig>,
    /// Namespaces at most, configured or not.
    pub namespaces_max: usize,
    /// Changes kept for Watch to resume from.
    pub history_changes_max: usize,
    /// Bytes of those changes at most.
    pub history_bytes_max: usize,
    /// Watches at most.
    pub watches_max: usize,
    /// Events that may wait for one watch at most.
    pub watch_pending_max: usize,
    /// Bytes of those events at most, unless one change has more.
    pub watch_pending_bytes_max: usize,
    /// Single keys that one watch may follow at most.
    pub watch_keys_max: usize,
    /// Bytes that the single keys of all watches may take together.
    pub watch_keys_bytes_max: usize,
    /// Preload jobs at most that run or are remembered.
    pub preload_jobs_max: usize,
    /// Items of one job at most.
    pub preload_items_max: usize,
    /// Items of one job fetched at once, when the request says nothing.
    pub preload_parallelism_default: usize,
    /// Items of one job fetched at once at most.
    pub preload_parallelism_max: usize,
    /// How long a lease lasts unless it is extended; above zero.
    pub lease_duration: Duration,
    /// Keys at most that are leased or held off.
    pub leases_max: usize,
    /// Callers at most that wait for one key's lease.
    pub lease_waiters_per_key_max: usize,
    /// Callers at most that wait for a lease.
    pub lease_waiters_max: usize,
    /// Request ids remembered at most.
    pub request_ids_max: usize,
    /// Entries dropped by the cascade of one Invalidate at most.
    pub cascade_entries_max: usize,
    /// Steps from what an Invalidate names to what its cascade drops at most.
    pub cascade_depth_max: usize,
    /// Groups counted by prefix or by kind in each namespace at most; the rest is counted as `_other`.
    pub stats_groups_max: usize,
    /// Evictions remembered to tell what they cost; at least one.
    pub insight_ghosts_max: usize,
    /// Entries simulated at each size of the what-if curve at most; zero: no curve.
    pub insight_samples_max: usize,
    /// One key in this many is sampled for that curve, or fewer.
    pub insight_sample_every: u64,
    /// Counters of top keys for each order in each namespace; zero: none are kept.
    pub insight_top_keys_max: usize,
    /// How it keeps up with the replicas it shares a tier with, if it does.
    pub fleet: FleetRules,
    /// Shards of the store: a power of two, 1 to 64.
    pub shards: usize,
    /// Seed of everything random, for tests; `None`: random.
    pub seed: Option<u64>,
}

/// How a replica keeps up with those it shares a tier with: how often, how long, how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FleetRules {
    /// How often all logs are asked for.
    pub poll_every: Duration,
    /// How long a change may be missing before it is asked for.
    pub gap: Duration,
    /// How much longer when this replica itself has changes on their way.
    pub own_grace: Duration,
    /// For how long a replica trusts what it holds after the last answer that told it everything.
    pub trust: Duration,
    /// For how long own invalidations are told again when they were lost.
    pub journal_age: Duration,
    /// How many of them at most; beyond that whole namespaces are told.
    pub journal_names_max: usize,
    /// What may be owed to the shared tier at most; beyond that whole namespaces are.
    pub debt_names_max: usize,
    /// How long a Get waits at most for the position that it asks for.
    pub position_wait: Duration,
    /// For how long a history of the shared tier is known here before what lies there of an earlier one is used: until then
    /// every replica that lives has told it again what it lost.
    pub quarantine: Duration,
    /// Whether an Invalidate that the shared tier could not be told is answered as done.
    pub allow_local_ack: bool,
}

impl Default for FleetRules {
    fn default() -> Self {
        Self {
            poll_every: Duration::from_secs(1),
            gap: Duration::from_millis(20),
            own_grace: Duration::from_millis(200),
            trust: Duration::from_secs(3),
            journal_age: Duration::from_secs(600),
            journal_names_max: 65_536,
            debt_names_max: 16_384,
            position_wait: Duration::from_secs(2),
            quarantine: Duration::from_secs(5),
            allow_local_ack: false,
        }
    }
}

/// The classes every server has: very_short 300 s, short 900 s, medium 1,800 s, long 3,600 s, very_long 7,200 s, day, week.
#[must_use]
pub fn standard_ttl_classes() -> BTreeMap<String, Duration> {
    let classes = [
        ("very_short", 300),
        ("short", 900),
        ("medium", 1800),
        ("long", 3600),
        ("very_long", 7200),
        ("day", 86_400),
        ("week", 604_800),
    ];
    classes.into_iter().map(|(name, seconds)| (name.to_owned(), Duration::from_secs(seconds))).collect()
}

impl Default for NamespaceConfig {
    fn default() -> Self {
        Self {
            entries_max: None,
            bytes_max: None,
            ttl_default: Duration::from_secs(1800),
            ttl_max: Duration::from_secs(30 * 86_400),
            ttl_negative: Duration::from_secs(60),
            ttl_failure: Duration::from_secs(5),
            refresh_ahead: RefreshAhead::Never,
            jitter: 0.0,
            kind_ttl: BTreeMap::new(),
            policy: Arc::from("cost_aware"),
            weight: 1.0,
            cost_default: None,
            tiers: Besides::default(),
            compress: false,
            coherence: Coherence::default(),
        }
    }
}

impl EngineConfig {
    /// Whether the disk may hold something that is shared of namespaces that nobody has used yet: no setting names them.
    #[must_use]
    pub fn may_lie_unopened(&self) -> bool {
        self.namespace_default.as_ref().is_some_and(|config| config.tiers.disk && config.tiers.shared)
    }

    /// Whether nothing lies on the disk that is not shared.
    #[must_use]
    pub fn shares_all_that_is_on_disk(&self) -> bool {
        let all = self.namespaces.values().chain(&self.namespace_default);
        all.filter(|config| config.tiers.disk).all(|config| config.tiers.shared)
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            entries_max: 1_000_000,
            bytes_max: 256 << 20,
            value_bytes_max: 1 << 20,
            unary_value_bytes_max: 1 << 20,
            uploads_bytes_max: 128 << 20,
            ttl_classes: standard_ttl_classes(),
            objective: Objective::default(),
            namespaces: BTreeMap::new(),
            namespace_default: Some(NamespaceConfig::default()),
            namespaces_max: 256,
            history_changes_max: 65_536,
            history_bytes_max: 32 << 20,
            watches_max: 10_000,
            watch_pending_max: 4096,
            watch_pending_bytes_max: 1 << 20,
            watch_keys_max: 65_536,
            watch_keys_bytes_max: 64 << 20,
            preload_jobs_max: 64,
            preload_items_max: 10_000,
            preload_parallelism_default: 4,
            preload_parallelism_max: 32,
            lease_duration: Duration::from_secs(10),
            leases_max: 16_384,
            lease_waiters_per_key_max: 1024,
            lease_waiters_max: 2048,
            request_ids_max: 16_384,
            cascade_entries_max: 10_000,
            cascade_depth_max: 32,
            stats_groups_max: 256,
            insight_ghosts_max: 16_384,
            insight_samples_max: 4096,
            insight_sample_every: 16,
            insight_top_keys_max: 64,
            fleet: FleetRules::default(),
            shards: 16,
            seed: None,
        }
    }
}
