//! The three profiles: named sets of defaults, and how the environment picks one.

use super::{ConfigError, nearest};

/// A named set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Small, short-lived, every call logged.
    Development,
    /// Tiny, so that tests meet the limits.
    Testing,
    /// For real use.
    Production,
}

/// All profiles.
pub const PROFILES: [Profile; 3] = [Profile::Development, Profile::Testing, Profile::Production];

const DEVELOPMENT: &[(&str, &str)] =
    &[("memory.entries_max", "20"), ("memory.bytes_max", "100MB"), ("ttl.default", "10m"), ("log.level", "debug")];
const TESTING: &[(&str, &str)] = &[("memory.entries_max", "5"), ("memory.bytes_max", "50MB"), ("ttl.default", "1m")];
const PRODUCTION: &[(&str, &str)] = &[
    ("memory.entries_max", "200"),
    ("memory.bytes_max", "1000MB"),
    ("ttl.default", "2h"),
    ("log.format", "json"),
    ("shutdown.drain_delay", "5s"),
];

impl Profile {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Testing => "testing",
            Self::Production => "production",
        }
    }

    /// The settings it changes, as the table's keys and values.
    #[must_use]
    pub fn values(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Development => DEVELOPMENT,
            Self::Testing => TESTING,
            Self::Production => PRODUCTION,
        }
    }

    /// The profile of this name, in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        PROFILES.into_iter().find(|profile| profile.name().eq_ignore_ascii_case(name.trim()))
    }

    /// The profile of this name, or an error that suggests one.
    ///
    /// # Errors
    /// No profile has this name.
    pub fn require(name: &str, source: &str) -> Result<Self, ConfigError> {
        Self::named(name).ok_or_else(|| {
            let hint = nearest(name, PROFILES.iter().map(|profile| profile.name()))
                .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            ConfigError::new(format!(
                "{source}: there is no profile `{name}`: use development, testing or production{hint}"
            ))
        })
    }
}
