//! The one place that reads the environment.

use crate::{Error, Result};

/// What the environment says about the client. Variables that are unset or empty say nothing.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) url: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) token_file: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) timeout: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) ca_file: Option<String>,
}

impl Settings {
    pub(crate) fn read() -> Result<Self> {
        Ok(Self {
            url: variable("HOTPLATE_URL")?,
            token: variable("HOTPLATE_TOKEN")?,
            token_file: variable("HOTPLATE_TOKEN_FILE")?,
            namespace: variable("HOTPLATE_NAMESPACE")?,
            timeout: variable("HOTPLATE_TIMEOUT")?,
            profile: variable("HOTPLATE_CLIENT_PROFILE")?,
            ca_file: variable("HOTPLATE_CA_FILE")?,
        })
    }
}

/// Whether `HOTPLATE_DISABLE` asks for a life without cache.
pub(crate) fn disabled() -> bool {
    matches!(variable("HOTPLATE_DISABLE"), Ok(Some(value)) if value != "0" && value != "false")
}

#[expect(clippy::disallowed_methods, reason = "this module is where the environment is read")]
fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Error::configuration(format!("{name} is not UTF-8"))),
    }
}
