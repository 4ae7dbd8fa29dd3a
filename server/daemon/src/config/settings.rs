//! The table of settings: one row per setting makes its TOML key, environment variable, flag, help and documentation.
//! A new setting is a field in [`super::shape`] and a row here.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use hotplate_engine::{ahead::RefreshAhead, policy::Objective};

use super::{
    shape::{Create, LogFormat, LogLevel, Settings},
    values::{duration_text, parse_duration, parse_size, size_text},
};

/// One setting.
#[derive(Debug)]
pub struct Row {
    /// Its name in the file, with dots.
    pub key: &'static str,
    /// A shorter flag than the one made from the key.
    pub short_flag: Option<&'static str>,
    /// Least and greatest value: bytes, a number, or milliseconds.
    bounds: (u64, u64),
    /// What it does, as one sentence.
    pub doc: &'static str,
    slot: fn(&mut Settings) -> Slot<'_>,
}

/// Where a row's value lives, which is also its type.
enum Slot<'a> {
    Bytes(&'a mut usize),
    Count(&'a mut usize),
    Duration(&'a mut Duration),
    Ratio(&'a mut f64),
    Switch(&'a mut bool),
    Address(&'a mut SocketAddr),
    Path(&'a mut Option<PathBuf>),
    Text(&'a mut String),
    Choice(&'a mut dyn Choice),
    Ahead(&'a mut RefreshAhead),
}

/// A setting with a few named values.
trait Choice {
    fn names(&self) -> &'static [&'static str];
    fn index(&self) -> usize;
    fn pick(&mut self, index: usize);
}

impl Row {
    /// Its environment variable.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("HOTPLATE_{}", self.key.replace('.', "_").to_uppercase())
    }

    /// Its flag, without the dashes, as made from the key.
    #[must_use]
    pub fn long_flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The flag to show people, without the dashes.
    #[must_use]
    pub fn flag(&self) -> String {
        self.short_flag.map_or_else(|| self.long_flag(), str::to_owned)
    }

    /// What kind of value it takes, for people.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match (self.slot)(&mut Settings::default()) {
            Slot::Bytes(_) => "size",
            Slot::Count(_) => "number",
            Slot::Duration(_) => "duration",
            Slot::Ratio(_) => "share",
            Slot::Switch(_) => "bool",
            Slot::Address(_) => "address",
            Slot::Path(_) => "path",
            Slot::Text(_) => "text",
            Slot::Choice(_) | Slot::Ahead(_) => "choice",
        }
    }

    /// Whether its value is a bare word in TOML rather than a string.
    pub(super) fn is_bare(&self) -> bool {
        matches!(self.type_name(), "number" | "bool" | "share")
    }

    /// The values it allows, for people.
    #[must_use]
    pub fn bounds_text(&self) -> String {
        let (least, most) = self.bounds;
        match (self.slot)(&mut Settings::default()) {
            Slot::Bytes(_) => format!("{} to {}", size_text(least), size_text(most)),
            Slot::Count(_) => format!("{least} to {most}"),
            Slot::Duration(_) => format!("{} to {}", millis_text(least), millis_text(most)),
            Slot::Ratio(_) => "0 to 0.5".to_owned(),
            Slot::Switch(_) => "true, false".to_owned(),
            Slot::Address(_) => "IP:PORT".to_owned(),
            Slot::Path(_) | Slot::Text(_) => "any".to_owned(),
            Slot::Choice(choice) => choice.names().join(", "),
            Slot::Ahead(_) => "off, a share of the TTL up to 0.9, xfetch:BETA".to_owned(),
        }
    }

    /// Its value in some settings, as it would be written.
    #[must_use]
    pub fn value(&self, settings: &Settings) -> String {
        match (self.slot)(&mut settings.clone()) {
            Slot::Bytes(size) => size_text(*size as u64),
            Slot::Count(count) => count.to_string(),
            Slot::Duration(duration) => duration_text(*duration),
            Slot::Ratio(ratio) => format!("{ratio:?}"),
            Slot::Switch(switch) => switch.to_string(),
            Slot::Address(address) => address.to_string(),
            Slot::Path(path) => path.as_ref().map_or_else(String::new, |path| path.display().to_string()),
            Slot::Text(text) => text.clone(),
            Slot::Choice(choice) => choice.names()[choice.index()].to_owned(),
            Slot::Ahead(ahead) => ahead.to_string(),
        }
    }

    /// Reads a value into some settings.
    ///
    /// # Errors
    /// A sentence with the form or the bounds.
    pub(super) fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        match (self.slot)(settings) {
            Slot::Bytes(size) => *size = self.bounded(parse_size(text)?)?,
            Slot::Count(count) => {
                let number = text.trim().parse().map_err(|_not_a_number| format!("`{text}` is no whole number"))?;
                *count = self.bounded(number)?;
            }
            Slot::Duration(duration) => {
                let parsed = parse_duration(text)?;
                self.bounded(u64::try_from(parsed.as_millis()).unwrap_or(u64::MAX))?;
                *duration = parsed;
            }
            Slot::Ratio(ratio) => *ratio = parse_ratio(text)?,
            Slot::Switch(switch) => *switch = parse_switch(text)?,
            Slot::Address(address) => {
                *address = text.trim().parse().map_err(|_not_an_address| {
                    format!("`{text}` is no address: write an IP and a port, like `127.0.0.1:7070` or `[::1]:7070`")
                })?;
            }
            Slot::Path(path) => *path = (!text.is_empty()).then(|| PathBuf::from(text)),
            Slot::Text(kept) => text.clone_into(kept),
            Slot::Ahead(ahead) => *ahead = text.parse()?,
            Slot::Choice(choice) => {
                let position = choice.names().iter().position(|name| name.eq_ignore_ascii_case(text.trim()));
                let names = choice.names().join(", ");
                choice.pick(position.ok_or_else(|| format!("`{text}` is none of: {names}"))?);
            }
        }
        Ok(())
    }

    fn bounded(&self, value: u64) -> Result<usize, String> {
        let (least, most) = self.bounds;
        if value < least || value > most {
            return Err(format!("is out of bounds: {}", self.bounds_text()));
        }
        usize::try_from(value).map_err(|_too_large| format!("is out of bounds: {}", self.bounds_text()))
    }

    const fn flag_as(self, short_flag: &'static str) -> Self {
        Self { short_flag: Some(short_flag), ..self }
    }
}

/// Reads a share of a TTL.
pub(super) fn parse_ratio(text: &str) -> Result<f64, String> {
    let form = || format!("`{text}` is no share: write a number from 0 to 0.5");
    let ratio: f64 = text.trim().parse().map_err(|_not_a_number| form())?;
    if (0.0..=0.5).contains(&ratio) { Ok(ratio) } else { Err(form()) }
}

fn parse_switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("`{text}` is neither `true` nor `false`")),
    }
}

fn millis_text(millis: u64) -> String {
    duration_text(Duration::from_millis(millis))
}

macro_rules! choice {
    ($type:ty, $names:expr, $values:expr) => {
        impl Choice for $type {
            fn names(&self) -> &'static [&'static str] {
                &$names
            }
            fn index(&self) -> usize {
                $values.iter().position(|value| value == self).unwrap_or_default()
            }
            fn pick(&mut self, index: usize) {
                *self = $values[index];
            }
        }
    };
}

mod blob;
mod tiers;

choice!(LogFormat, ["auto", "text", "json"], [LogFormat::Auto, LogFormat::Text, LogFormat::Json]);
choice!(
    Objective,
    ["compute_saved", "object_hits", "byte_hits"],
    [Objective::ComputeSaved, Objective::ObjectHits, Objective::ByteHits]
);
choice!(Create, ["auto", "configured"], [Create::Auto, Create::Configured]);
choice!(
    LogLevel,
    ["error", "warn", "info", "debug", "trace"],
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace]
);

const fn row(key: &'static str, bounds: (u64, u64), doc: &'static str, slot: fn(&mut Settings) -> Slot<'_>) -> Row {
    Row { key, short_flag: None, bounds, doc, slot }
}

const NONE: (u64, u64) = (0, 0);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const DAY: u64 = 24 * 60 * MINUTE;

/// All settings, section by section.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(blob::ROWS).chain(tiers::ROWS)
}

/// Those that every server needs.
const ROWS: &[Row] = &[
    row("grpc.listen", NONE, "Address of the gRPC port; port 0 takes a free one.", |s| {
        Slot::Address(&mut s.grpc.listen)
    })
    .flag_as("listen"),
    row("http.listen", NONE, "Address of the port with probes and metrics; port 0 takes a free one.", |s| {
        Slot::Address(&mut s.http.listen)
    })
    .flag_as("http"),
    row("http.connections_max", (1, 100_000), "Connections to the HTTP port at most.", |s| {
        Slot::Count(&mut s.http.connections_max)
    }),
    row("http.header_timeout", (100, 10 * MINUTE), "Time a peer has to send the head of an HTTP request.", |s| {
        Slot::Duration(&mut s.http.header_timeout)
    }),
    row(
        "http.count_calls",
        NONE,
        "Count calls, and how long they take, for the metrics; the rest is always there.",
        |s| Slot::Switch(&mut s.http.count_calls),
    ),
    row("tls.cert_file", NONE, "Certificate chain of the gRPC port as PEM; empty means plaintext.", |s| {
        Slot::Path(&mut s.tls.cert_file)
    }),
    row("tls.key_file", NONE, "Private key of the certificate as PEM.", |s| Slot::Path(&mut s.tls.key_file)),
    row(
        "access.insecure_bind",
        NONE,
        "Listen on other addresses than loopback although no token is configured: everyone who can connect may do \
         everything.",
        |s| Slot::Switch(&mut s.access.insecure_bind),
    )
    .flag_as("insecure-bind"),
    row("log.level", NONE, "How much is logged; `debug` adds a line for every call.", |s| {
        Slot::Choice(&mut s.log.level)
    }),
    row("log.format", NONE, "Form of log lines; `auto` is text on a terminal and JSON elsewhere.", |s| {
        Slot::Choice(&mut s.log.format)
    }),
    row("log.filter", NONE, "Directives by module in place of `log.level`, like `info,hotplate::call=debug`.", |s| {
        Slot::Text(&mut s.log.filter)
    }),
    row(
        "memory.entries_max",
        (0, 1_000_000_000),
        "Entries at most in all namespaces; 0 keeps none in memory, so that the disk serves alone.",
        |s| Slot::Count(&mut s.memory.entries_max),
    ),
    row(
        "memory.bytes_max",
        (0, 16 * TIB),
        "Bytes at most in all namespaces: values, keys, tags, labels and bookkeeping; 0 as above.",
        |s| Slot::Bytes(&mut s.memory.bytes_max),
    ),
    row(
        "memory.policy",
        NONE,
        "Name of the eviction policy: `cost_aware`, `s3_fifo` or `lru`. Namespaces may choose their own.",
        |s| Slot::Text(&mut s.memory.policy),
    ),
    row(
        "memory.objective",
        NONE,
        "What a hit is worth when entries compete for room: the computing time it saves, one, or its bytes.",
        |s| Slot::Choice(&mut s.memory.objective),
    ),
    row("memory.shards", (1, 64), "Shards of the store; a power of two.", |s| Slot::Count(&mut s.memory.shards)),
    row("ttl.default", (1, 3650 * DAY), "Lifetime where neither the Put nor its kind says one.", |s| {
        Slot::Duration(&mut s.ttl.default)
    }),
    row("ttl.max", (SECOND, 3650 * DAY), "Longest lifetime a Put may ask for.", |s| Slot::Duration(&mut s.ttl.max)),
    row("ttl.negative", (1, 3650 * DAY), "Lifetime of remembered absences where the Put says none.", |s| {
        Slot::Duration(&mut s.ttl.negative)
    }),
    row(
        "ttl.failure",
        (1, 3650 * DAY),
        "For how long a failure to compute is remembered where who reports it says nothing.",
        |s| Slot::Duration(&mut s.ttl.failure),
    ),
    row(
        "ttl.refresh_ahead",
        NONE,
        "When an entry that is still fresh is due to be renewed, where the Put says nothing: in this last share of its \
         lifetime, or by XFetch with this factor.",
        |s| Slot::Ahead(&mut s.ttl.refresh_ahead),
    ),
    row("ttl.jitter", NONE, "Share of a lifetime by which it is shortened at random, where the Put says none.", |s| {
        Slot::Ratio(&mut s.ttl.jitter)
    }),
    row(
        "namespaces.create",
        NONE,
        "Whether a namespace comes to be when it is first used, or only configured ones exist.",
        |s| Slot::Choice(&mut s.namespaces.create),
    ),
    row("namespaces.max", (1, 100_000), "Namespaces at most, configured or not.", |s| {
        Slot::Count(&mut s.namespaces.max)
    }),
    row("limits.connections_max", (1, 1_000_000), "gRPC connections at most.", |s| {
        Slot::Count(&mut s.limits.connections_max)
    }),
    row("limits.streams_per_connection_max", (1, 100_000), "Calls at once on one connection at most.", |s| {
        Slot::Count(&mut s.limits.streams_per_connection_max)
    }),
    row("limits.calls_max", (1, 1_000_000), "Unary calls at once on the server at most.", |s| {
        Slot::Count(&mut s.limits.calls_max)
    }),
    row(
        "limits.message_bytes_max",
        (64 * KIB, 64 * MIB),
        "Bytes of a request or response at most; taken apart, the parts of a request may take four times as many, or 16 MiB.",
        |s| Slot::Bytes(&mut s.limits.message_bytes_max),
    ),
    row("limits.metadata_bytes_max", (KIB, 64 * KIB), "Bytes of the metadata of a call at most.", |s| {
        Slot::Bytes(&mut s.limits.metadata_bytes_max)
    }),
    row("limits.batch_items_max", (1, 10_000), "Items of a batch at most.", |s| {
        Slot::Count(&mut s.limits.batch_items_max)
    }),
    row(
        "limits.value_bytes_max",
        (1, TIB),
        "Bytes of a value at most; where there is no disk never more than memory.bytes_max, whatever is said here.",
        |s| Slot::Bytes(&mut s.limits.value_bytes_max),
    ),
    row(
        "limits.unary_value_bytes_max",
        (1, 3 * MIB),
        "Bytes of a value in a unary call, a batch or an event at most; larger ones go by WriteValue and ReadValue.",
        |s| Slot::Bytes(&mut s.limits.unary_value_bytes_max),
    ),
    row("limits.chunk_bytes_max", (4 * KIB, 16 * MIB), "Bytes of one chunk of a large value at most.", |s| {
        Slot::Bytes(&mut s.limits.chunk_bytes_max)
    }),
    row("limits.request_ids_max", (1, 1_000_000), "Request ids remembered at most, so that retries are safe.", |s| {
        Slot::Count(&mut s.limits.request_ids_max)
    }),
    row(
        "limits.cascade_entries_max",
        (1, 1_000_000),
        "Entries dropped by the cascade of one Invalidate at most; beyond it the call drops nothing and says so.",
        |s| Slot::Count(&mut s.limits.cascade_entries_max),
    ),
    row(
        "limits.cascade_depth_max",
        (1, 10_000),
        "Steps from what an Invalidate names to what its cascade drops at most; beyond it the call drops nothing.",
        |s| Slot::Count(&mut s.limits.cascade_depth_max),
    ),
    row("limits.stats_groups_max", (1, 10_000), "Groups counted by prefix or kind in a namespace at most.", |s| {
        Slot::Count(&mut s.limits.stats_groups_max)
    }),
    row("limits.deadline_max", (SECOND, 10 * MINUTE), "Longest time a unary call may take.", |s| {
        Slot::Duration(&mut s.limits.deadline_max)
    }),
    row("limits.handshake_timeout", (100, 2 * MINUTE), "Time a peer has for its TLS and HTTP/2 handshakes.", |s| {
        Slot::Duration(&mut s.limits.handshake_timeout)
    }),
    row(
        "limits.idle_timeout",
        (100, 30 * DAY),
        "Time without a call after which a gRPC connection is told to go; it may stay a quarter longer.",
        |s| Slot::Duration(&mut s.limits.idle_timeout),
    ),
    row("insight.ghosts_max", (1, 10_000_000), "Evictions remembered at most, to tell what they cost.", |s| {
        Slot::Count(&mut s.insight.ghosts_max)
    }),
    row(
        "insight.samples_max",
        (0, 1_000_000),
        "Entries simulated at each size of the what-if curve at most; 0: no curve.",
        |s| Slot::Count(&mut s.insight.samples_max),
    ),
    row("insight.sample_every", (1, 1_000_000), "One key in this many is sampled for that curve, or fewer.", |s| {
        Slot::Count(&mut s.insight.sample_every)
    }),
    row(
        "insight.top_keys_max",
        (0, 10_000),
        "Counters of top keys for each order in each namespace; 0: none are kept.",
        |s| Slot::Count(&mut s.insight.top_keys_max),
    ),
    row("watch.streams_max", (1, 1_000_000), "Watches at most.", |s| Slot::Count(&mut s.watch.streams_max)),
    row("watch.pending_max", (1, 1_000_000), "Events that may wait for one slow watch at most.", |s| {
        Slot::Count(&mut s.watch.pending_max)
    }),
    row(
        "watch.pending_bytes_max",
        (64 * KIB, TIB),
        "Bytes of the events that may wait for one slow watch at most, unless one change has more.",
        |s| Slot::Bytes(&mut s.watch.pending_bytes_max),
    ),
    row("watch.keys_max", (1, 10_000_000), "Single keys that one watch may follow at most.", |s| {
        Slot::Count(&mut s.watch.keys_max)
    }),
    row("watch.keys_bytes_max", (64 * KIB, TIB), "Bytes of the single keys of all watches together at most.", |s| {
        Slot::Bytes(&mut s.watch.keys_bytes_max)
    }),
    row("watch.history_changes_max", (1, 100_000_000), "Changes kept for a watch to resume from.", |s| {
        Slot::Count(&mut s.watch.history_changes_max)
    }),
    row("watch.history_bytes_max", (64 * KIB, TIB), "Bytes of those changes at most.", |s| {
        Slot::Bytes(&mut s.watch.history_bytes_max)
    }),
    row("leases.duration", (100, 10 * MINUTE), "How long a lease lasts unless it is extended.", |s| {
        Slot::Duration(&mut s.leases.duration)
    }),
    row("leases.held_max", (1, 1_000_000), "Keys at most that are leased or held off at once.", |s| {
        Slot::Count(&mut s.leases.held_max)
    }),
    row("leases.waiters_per_key_max", (0, 1_000_000), "Callers at most that wait for one key.", |s| {
        Slot::Count(&mut s.leases.waiters_per_key_max)
    }),
    row(
        "leases.waiters_max",
        (0, 1_000_000),
        "Callers at most that wait, for any key; never more than half of `limits.calls_max`.",
        |s| Slot::Count(&mut s.leases.waiters_max),
    ),
    row("leases.wait_max", (1, 10 * MINUTE), "Longest time a Get waits for who has the lease.", |s| {
        Slot::Duration(&mut s.leases.wait_max)
    }),
    row("preload.jobs_max", (1, 10_000), "Preload jobs at most that run or are remembered.", |s| {
        Slot::Count(&mut s.preload.jobs_max)
    }),
    row("preload.items_max", (1, 1_000_000), "Items of a preload job at most.", |s| {
        Slot::Count(&mut s.preload.items_max)
    }),
    row("preload.parallelism_default", (1, 1000), "Items fetched at once where the request says nothing.", |s| {
        Slot::Count(&mut s.preload.parallelism_default)
    }),
    row("preload.parallelism_max", (1, 1000), "Items of one job fetched at once at most.", |s| {
        Slot::Count(&mut s.preload.parallelism_max)
    }),
    row("server.workers", (0, 1024), "Worker threads; 0 means one for each core.", |s| {
        Slot::Count(&mut s.server.workers)
    }),
    row("shutdown.drain_delay", (0, 10 * MINUTE), "Time between \"not ready\" and the first refused call.", |s| {
        Slot::Duration(&mut s.shutdown.drain_delay)
    }),
    row("shutdown.deadline", (100, 30 * MINUTE), "Time from the signal to the end of the process.", |s| {
        Slot::Duration(&mut s.shutdown.deadline)
    }),
];

/// The row of this key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Row> {
    rows().find(|row| row.key == key)
}
