//! Configuration: one table of settings, read from defaults, profile, file, environment and flags, in this order of
//! precedence. The only place that reads the environment. What a setting does is not decided here.

mod check;
mod docs;
mod engine;
mod file;
mod flags;
mod load;
mod origins;
mod print;
mod profile;
mod redis;
mod settings;
mod shape;
mod values;

use std::fmt;

pub use docs::settings_markdown;
pub use flags::{Action, add_flags};
pub use load::{Loaded, Source, environment, load};
pub use profile::{PROFILES, Profile};
pub(crate) use redis::redis_options;
pub use settings::{Row, find, rows};
pub use shape::{
    AccessSettings, CodecSettings, Create, DiskSettings, DiskSync, GrpcSettings, HttpSettings, LeaseSettings,
    LedgerSettings, LimitSettings, LogFormat, LogLevel, LogSettings, MemorySettings, NamespaceSettings,
    NamespacesSettings, OriginSettings, PreloadSettings, Secret, ServerSettings, Settings, SharedSettings,
    ShutdownSettings, SnapshotSettings, TlsSettings, TokenSettings, TtlSettings, UploadSettings, WatchSettings,
};

/// Why the configuration cannot be used: one sentence per problem, each naming its source and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    kind: ErrorKind,
    problems: Vec<String>,
}

/// What sort of configuration error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Something is unknown, out of bounds or contradicts something else.
    Invalid,
    /// All is well formed, but would open the server to everyone.
    OpenBind,
}

impl ConfigError {
    /// The exit code of a server that cannot be configured: `EX_CONFIG` of sysexits.h.
    pub const EXIT_CODE: u8 = 78;

    /// One problem.
    pub fn new(problem: impl Into<String>) -> Self {
        Self::of(vec![problem.into()])
    }

    fn of(problems: Vec<String>) -> Self {
        Self { kind: ErrorKind::Invalid, problems }
    }

    fn open_bind(problem: String) -> Self {
        Self { kind: ErrorKind::OpenBind, problems: vec![problem] }
    }

    /// What sort.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The problems, one sentence each.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// The nearest of some names, when it is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let scored = names.map(|candidate| (strsim::jaro_winkler(&lower, &candidate.to_lowercase()), candidate));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.75).then_some(best.1)
}

#[cfg(test)]
mod tests;
