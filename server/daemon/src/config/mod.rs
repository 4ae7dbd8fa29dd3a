//! Configuration: one table of settings, read from defaults, profile, file, environment and flags, in this order of
//! precedence. The only place that reads the environment. What a setting does is not decided here.

mod profile;
mod shape;

use std::fmt;

pub use profile::{PROFILES, Profile};
pub use shape::{
    AccessSettings, Create, GrpcSettings, HttpSettings, LimitSettings, LogFormat, LogLevel, LogSettings,
    MemorySettings, NamespaceSettings, NamespacesSettings, OriginSettings, PreloadSettings, Secret, ServerSettings,
    Settings, ShutdownSettings, TlsSettings, TokenSettings, TtlSettings, WatchSettings,
};

/// Why the configuration cannot be used: one sentence per problem, each naming its source and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    message: String,
}

impl ConfigError {
    /// A problem.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ConfigError {}

/// The nearest of some names, when it is near enough to be what was meant.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|candidate| (strsim::jaro_winkler(&name.to_lowercase(), candidate), candidate));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 > 0.75).then_some(best.1)
}
