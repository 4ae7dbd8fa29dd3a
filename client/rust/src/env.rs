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
///
/// # Errors
/// Anything but yes or no: a switch that is misspelt must not be found out in an outage.
pub(crate) fn disabled() -> Result<bool> {
    variable("HOTPLATE_DISABLE")?.as_deref().map_or(Ok(false), is_yes)
}

fn is_yes(value: &str) -> Result<bool> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(Error::configuration("HOTPLATE_DISABLE is 1, true, 0 or false")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kill_switch_is_on_or_off_and_nothing_else() {
        for (value, on) in [("1", true), ("true", true), ("0", false), ("false", false)] {
            assert_eq!(is_yes(value), Ok(on), "{value}");
        }
        for value in ["True", "yes", "off", "2", " 1"] {
            assert_eq!(is_yes(value).expect_err("neither").kind, crate::ErrorKind::Configuration, "{value}");
        }
    }
}
