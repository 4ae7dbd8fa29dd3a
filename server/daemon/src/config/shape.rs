//! What the server is told: the settings as typed fields with their plain defaults. No parsing lives here; the names,
//! bounds and explanations are in [`super::settings`].

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use hotplate_engine::{
    ahead::RefreshAhead,
    namespace::{Besides, Coherence, KindTtl, standard_ttl_classes},
    policy::Objective,
};

mod blob;
mod snapshot;
mod tiers;

pub use self::{
    blob::{LedgerSettings, UploadSettings},
    snapshot::SnapshotSettings,
    tiers::{CodecSettings, DiskSettings, DiskSync, SharedSettings},
};
use super::profile::Profile;

/// Everything the server is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The profile that was picked; `None`: plain defaults.
    pub profile: Option<Profile>,
    /// The gRPC port.
    pub grpc: GrpcSettings,
    /// The port of probes and metrics.
    pub http: HttpSettings,
    /// Encryption of the gRPC port.
    pub tls: TlsSettings,
    /// Who may call.
    pub access: AccessSettings,
    /// What is logged.
    pub log: LogSettings,
    /// The memory tier.
    pub memory: MemorySettings,
    /// Lifetimes.
    pub ttl: TtlSettings,
    /// Which namespaces there are.
    pub namespaces: NamespacesSettings,
    /// Bounds of what peers may ask for.
    pub limits: LimitSettings,
    /// Watches and the history they resume from.
    pub watch: WatchSettings,
    /// What statistics remember.
    pub insight: InsightSettings,
    /// Uploads of large values.
    pub uploads: UploadSettings,
    /// Bytes that are held while values move.
    pub ledger: LedgerSettings,
    /// Leases on what is missing.
    pub leases: LeaseSettings,
    /// Preload jobs.
    pub preload: PreloadSettings,
    /// The disk of this machine.
    pub disk: DiskSettings,
    /// How values are made smaller.
    pub codec: CodecSettings,
    /// What replicas share.
    pub shared: SharedSettings,
    /// Threads.
    pub server: ServerSettings,
    /// The way out.
    pub shutdown: ShutdownSettings,
    /// What is left for the next process.
    pub snapshot: SnapshotSettings,
    /// Lifetime by kind, in every namespace that says nothing else.
    pub kinds: BTreeMap<String, KindTtl>,
    /// Named TTL classes: the standard ones and those of the file.
    pub ttl_classes: BTreeMap<String, Duration>,
}

/// The gRPC port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
}

/// The port of probes and metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at most.
    pub connections_max: usize,
    /// Time a peer has to send the head of a request.
    pub header_timeout: Duration,
    /// Whether calls and how long they take are counted for `/metrics`.
    pub count_calls: bool,
}

/// Encryption of the gRPC port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate chain as PEM, own certificate first. Unset: plaintext.
    pub cert_file: Option<PathBuf>,
    /// Its private key as PEM.
    pub key_file: Option<PathBuf>,
}

/// Who may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// Whether an open server may listen on other addresses than loopback.
    pub insecure_bind: bool,
    /// Tokens that are accepted. Empty: everyone may do everything.
    pub tokens: Vec<TokenSettings>,
}

/// A token that is accepted. The secret itself is never here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// The 8 characters after `hp_`.
    pub id: String,
    /// SHA-256 of the whole token text.
    pub sha256: [u8; 32],
    /// What it allows.
    pub role: crate::access::Role,
    /// Where: names, `prefix/*` or `*`.
    pub namespaces: Vec<String>,
    /// From when on it is refused, as time since the Unix epoch.
    pub expires: Option<Duration>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
    /// Directives by module that replace `level`; empty: none.
    pub filter: String,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what looks wrong.
    Warn,
    /// And what the server does.
    #[default]
    Info,
    /// And every call.
    Debug,
    /// And every step of a call.
    Trace,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// A line for people.
    Text,
    /// A JSON object a line.
    Json,
}

/// The memory tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemorySettings {
    /// Entries at most in all namespaces.
    pub entries_max: usize,
    /// Charged bytes at most in all namespaces.
    pub bytes_max: usize,
    /// Name of the eviction policy.
    pub policy: String,
    /// What a hit is worth.
    pub objective: Objective,
    /// Shards of the store, a power of two.
    pub shards: usize,
}

/// Lifetimes of entries.
#[derive(Clone, Debug, PartialEq)]
pub struct TtlSettings {
    /// Where neither the Put nor its kind says one.
    pub default: Duration,
    /// The longest a Put may ask for.
    pub max: Duration,
    /// Of negative results, where the Put says none.
    pub negative: Duration,
    /// For how long a failure to compute is remembered, where who reports it says nothing.
    pub failure: Duration,
    /// When an entry that is still fresh is due to be renewed, where the Put says nothing.
    pub refresh_ahead: RefreshAhead,
    /// Share of the TTL by which it is shortened at random, 0 to 0.5.
    pub jitter: f64,
}

/// Which namespaces there are.
#[derive(Clone, Debug, PartialEq)]
pub struct NamespacesSettings {
    /// Whether one that is not configured comes to be when it is first used.
    pub create: Create,
    /// Namespaces at most, configured or not.
    pub max: usize,
    /// The configured ones.
    pub configured: BTreeMap<String, NamespaceSettings>,
}

/// Whether a namespace comes to be when it is first used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// It does.
    #[default]
    Auto,
    /// Only configured ones exist.
    Configured,
}

/// What one namespace does differently; unset fields follow the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NamespaceSettings {
    /// Entries at most.
    pub entries_max: Option<usize>,
    /// Charged bytes at most.
    pub bytes_max: Option<usize>,
    /// Lifetime where neither the Put nor its kind says one.
    pub ttl_default: Option<Duration>,
    /// Longest TTL a Put may ask for.
    pub ttl_max: Option<Duration>,
    /// Lifetime of negative results.
    pub ttl_negative: Option<Duration>,
    /// For how long a failure to compute is remembered.
    pub ttl_failure: Option<Duration>,
    /// When an entry that is still fresh is due to be renewed.
    pub refresh_ahead: Option<RefreshAhead>,
    /// Share of the TTL by which it is shortened at random.
    pub jitter: Option<f64>,
    /// Name of the eviction policy.
    pub policy: Option<String>,
    /// What the value of its entries is multiplied with when namespaces compete for room.
    pub weight: Option<f64>,
    /// What computing an entry costs where nobody says.
    pub cost_default: Option<Duration>,
    /// Where its entries lie besides memory.
    pub tiers: Option<Besides>,
    /// Whether its values are held compressed in memory.
    pub memory_codec: Option<bool>,
    /// How it goes on while its server may miss what others invalidate.
    pub coherence: Option<Coherence>,
    /// Lifetime by kind.
    pub kinds: BTreeMap<String, KindTtl>,
    /// Where Preload may fetch from, by name.
    pub origins: BTreeMap<String, OriginSettings>,
}

/// An HTTP origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginSettings {
    /// URL template with `{key}`, `{namespace}` and parameters.
    pub url: String,
    /// Headers sent with every request.
    pub headers: BTreeMap<String, Secret>,
    /// Time one request may take, retries not included.
    pub timeout: Duration,
    /// Bytes of an answer at most.
    pub bytes_max: usize,
    /// Whether it may be at a private, loopback or link-local address.
    pub allow_private_addresses: bool,
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for its one use.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// Bounds of what peers may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitSettings {
    /// gRPC connections at most.
    pub connections_max: usize,
    /// Calls at once on one connection at most.
    pub streams_per_connection_max: usize,
    /// Calls at once at most.
    pub calls_max: usize,
    /// Bytes of a request or response message at most.
    pub message_bytes_max: usize,
    /// Bytes of the metadata of a call at most.
    pub metadata_bytes_max: usize,
    /// Items of a batch at most.
    pub batch_items_max: usize,
    /// Bytes of a value at most; never above the memory of entries where there is no disk.
    pub value_bytes_max: usize,
    /// Bytes of a value in a unary call or a batch at most.
    pub unary_value_bytes_max: usize,
    /// Bytes of a chunk of a larger one at most.
    pub chunk_bytes_max: usize,
    /// Time in which a reader takes nothing after which its stream is ended.
    pub read_stall: Duration,
    /// Request ids remembered at most.
    pub request_ids_max: usize,
    /// Entries dropped by the cascade of one Invalidate at most.
    pub cascade_entries_max: usize,
    /// Steps from what an Invalidate names to what its cascade drops at most.
    pub cascade_depth_max: usize,
    /// Groups counted by prefix or kind in each namespace at most.
    pub stats_groups_max: usize,
    /// Longest time a unary call may take, whatever its deadline says.
    pub deadline_max: Duration,
    /// Time a peer has for its TLS and HTTP/2 handshakes.
    pub handshake_timeout: Duration,
    /// Time without a call after which a connection is told to go; it may stay a quarter longer.
    pub idle_timeout: Duration,
}

/// What statistics remember to draw conclusions from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsightSettings {
    /// Evictions remembered at most.
    pub ghosts_max: usize,
    /// Entries simulated at each size at most.
    pub samples_max: usize,
    /// One key in this many is sampled, or fewer.
    pub sample_every: usize,
    /// Counters of top keys for each order in each namespace.
    pub top_keys_max: usize,
}

/// Watches and the history they resume from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchSettings {
    /// Watches at most.
    pub streams_max: usize,
    /// Events that may wait for one watch at most.
    pub pending_max: usize,
    /// Bytes of those events at most, unless one change has more.
    pub pending_bytes_max: usize,
    /// Single keys that one watch may follow at most.
    pub keys_max: usize,
    /// Bytes that the single keys of all watches may take together.
    pub keys_bytes_max: usize,
    /// Changes kept to resume from.
    pub history_changes_max: usize,
    /// Bytes of those changes at most.
    pub history_bytes_max: usize,
}

/// Leases on what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// How long a lease lasts unless it is extended.
    pub duration: Duration,
    /// Keys at most that are leased or held off.
    pub held_max: usize,
    /// Callers at most that wait for one key.
    pub waiters_per_key_max: usize,
    /// Callers at most that wait.
    pub waiters_max: usize,
    /// Longest time one waits.
    pub wait_max: Duration,
}

/// Preload jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreloadSettings {
    /// Jobs at most that run or are remembered.
    pub jobs_max: usize,
    /// Items of a job at most.
    pub items_max: usize,
    /// Items fetched at once when the request says nothing.
    pub parallelism_default: usize,
    /// Items fetched at once at most.
    pub parallelism_max: usize,
}

/// Threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerSettings {
    /// Worker threads; zero: one for each core.
    pub workers: usize,
}

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownSettings {
    /// Time between "not ready" and the first refused call.
    pub drain_delay: Duration,
    /// Time from the signal to the end of the process, whatever peers do.
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: None,
            grpc: GrpcSettings { listen: SocketAddr::from(([127, 0, 0, 1], 7070)) },
            http: HttpSettings {
                listen: SocketAddr::from(([127, 0, 0, 1], 7071)),
                connections_max: 256,
                header_timeout: Duration::from_secs(10),
                count_calls: true,
            },
            tls: TlsSettings::default(),
            access: AccessSettings::default(),
            log: LogSettings { level: LogLevel::Info, format: LogFormat::Auto, filter: String::new() },
            memory: MemorySettings {
                entries_max: 1_000_000,
                bytes_max: 256 << 20,
                policy: "cost_aware".to_owned(),
                objective: Objective::default(),
                shards: 16,
            },
            ttl: TtlSettings {
                default: Duration::from_secs(1800),
                max: Duration::from_secs(30 * 86_400),
                negative: Duration::from_secs(60),
                failure: Duration::from_secs(5),
                refresh_ahead: RefreshAhead::Never,
                jitter: 0.0,
            },
            namespaces: NamespacesSettings { create: Create::Auto, max: 256, configured: BTreeMap::new() },
            limits: LimitSettings::default(),
            watch: WatchSettings {
                streams_max: 10_000,
                pending_max: 4096,
                pending_bytes_max: 1 << 20,
                keys_max: 65_536,
                keys_bytes_max: 64 << 20,
                history_changes_max: 65_536,
                history_bytes_max: 32 << 20,
            },
            insight: InsightSettings { ghosts_max: 16_384, samples_max: 4096, sample_every: 16, top_keys_max: 64 },
            uploads: UploadSettings::default(),
            ledger: LedgerSettings::default(),
            leases: LeaseSettings {
                duration: Duration::from_secs(10),
                held_max: 16_384,
                waiters_per_key_max: 1024,
                waiters_max: 2048,
                wait_max: Duration::from_secs(30),
            },
            preload: PreloadSettings { jobs_max: 64, items_max: 10_000, parallelism_default: 4, parallelism_max: 32 },
            disk: DiskSettings::default(),
            codec: CodecSettings::default(),
            shared: SharedSettings::default(),
            server: ServerSettings::default(),
            shutdown: ShutdownSettings { drain_delay: Duration::ZERO, deadline: Duration::from_secs(10) },
            snapshot: SnapshotSettings::default(),
            kinds: BTreeMap::new(),
            ttl_classes: standard_ttl_classes(),
        }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            streams_per_connection_max: 512,
            calls_max: 4096,
            message_bytes_max: 4 << 20,
            metadata_bytes_max: 8 << 10,
            batch_items_max: 1000,
            value_bytes_max: 1 << 30,
            unary_value_bytes_max: 1 << 20,
            chunk_bytes_max: 1 << 20,
            read_stall: Duration::from_secs(30),
            request_ids_max: 16_384,
            cascade_entries_max: 10_000,
            cascade_depth_max: 32,
            stats_groups_max: 256,
            deadline_max: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(15 * 60),
        }
    }
}
