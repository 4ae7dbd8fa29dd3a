//! How a scenario is written, in YAML; README.md says it for those who write them. Nothing is carried out here.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// How long a scenario may take when it does not say so.
const WITHIN_MS: u64 = 60_000;
/// How long a step may take when it does not say so.
const STEP_WITHIN_MS: u64 = 20_000;
/// What steps ask for that is done by the orchestrator and not by a driver.
pub const OWN_VERBS: [&str; 9] = ["parallel", "join", "server", "proxy", "script", "seen", "origin", "wait_ms", "set"];
/// What says more of a step.
const MODIFIERS: [&str; 8] =
    ["expect", "error", "eventually_ms", "within_ms", "background", "times", "took_ms", "note"];

/// What a scenario is played with.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows.
    pub name: String,
    /// The server: `shared`, `own`, `scripted`, `none`, or an own one with its settings.
    #[serde(default)]
    pub server: Setting,
    /// Whether clients reach the server through a proxy that can be broken.
    #[serde(default)]
    pub proxy: bool,
    /// Whether there is an origin that the server may fetch from.
    #[serde(default)]
    pub origin: bool,
    /// Tokens of an own server, by the name of what holds their secrets.
    #[serde(default)]
    pub tokens: BTreeMap<String, Grant>,
    /// Clients that are opened first, with their settings. One named `a`, unless said otherwise.
    pub clients: Option<BTreeMap<String, Map<String, Value>>>,
    /// Milliseconds it may take.
    #[serde(default = "within")]
    pub within_ms: u64,
    /// Languages that need not have this, each with its reason.
    #[serde(default)]
    pub without: BTreeMap<String, String>,
    /// What is done, one after the other.
    pub steps: Vec<Step>,
}

fn within() -> u64 {
    WITHIN_MS
}

/// The server of a scenario.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// By a word.
    Named(String),
    /// One of its own, set up so.
    Own(Own),
}

impl Default for Setting {
    fn default() -> Self {
        Self::Named("shared".to_owned())
    }
}

/// How an own server is set up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Own {
    /// Arguments of `hotplate serve`.
    #[serde(default)]
    pub args: Vec<String>,
    /// The configuration file.
    #[serde(default)]
    pub config: String,
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `reader`, `writer` or `admin`.
    pub role: String,
    /// Where; everywhere, unless said otherwise.
    #[serde(default = "everywhere")]
    pub namespaces: String,
    /// From when on it is refused.
    pub expires: Option<String>,
}

fn everywhere() -> String {
    "*".to_owned()
}

/// One thing that is done: a verb with its arguments, and what must come of it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Step {
    /// An op of the protocol, or one of [`OWN_VERBS`].
    pub verb: String,
    /// Its arguments.
    pub arguments: Value,
    /// What must come of it.
    pub must: Must,
    /// How long it is tried again until that came of it.
    pub eventually: Option<Duration>,
    /// How long it may take.
    pub within: Duration,
    /// The name under which it goes on while others are done.
    pub background: Option<String>,
    /// How often it is done at the same time; `$i` tells them apart.
    pub times: Option<u64>,
}

/// What must come of a step.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Must {
    /// The fields of the result; `None` with an error: no result is to come.
    pub expect: Option<Value>,
    /// The failure.
    pub error: Option<Value>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<Value>,
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, String> {
        let mut taken = MODIFIERS.map(|name| fields.remove(name));
        let [expect, error, eventually, within, background, times, took_ms, _note] = &mut taken;
        let mut verbs = fields.into_iter();
        let (Some((verb, arguments)), None) = (verbs.next(), verbs.next()) else {
            return Err("a step has one verb, and no modifier that is not known".to_owned());
        };
        let millis = |value: Option<Value>, name: &str| match value {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("`{name}` is a number: {value}")),
        };
        let eventually = millis(eventually.take(), "eventually_ms")?.map(Duration::from_millis);
        let most = millis(within.take(), "within_ms")?.unwrap_or(STEP_WITHIN_MS);
        let background = match background.take() {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(other) => return Err(format!("`background` is a name: {other}")),
        };
        let arguments = spelled_out(&verb, arguments);
        Ok(Self {
            must: Must { expect: expect.take(), error: error.take(), took_ms: took_ms.take() },
            eventually,
            within: eventually.unwrap_or_default() + Duration::from_millis(most),
            background,
            times: millis(times.take(), "times")?,
            verb,
            arguments,
        })
    }
}

/// One word stands for the argument that says it all.
fn spelled_out(verb: &str, arguments: Value) -> Value {
    let field = match verb {
        "computations" => "name",
        "release" => "gate",
        "close" | "state" | "stats" | "near_stats" | "server_info" => "client",
        "watch_close" | "watch_next" => "watch",
        _ if OWN_VERBS.contains(&verb) => return arguments,
        _ => "key",
    };
    match arguments {
        Value::String(word) => json!({ field: word }),
        Value::Null => json!({}),
        other => other,
    }
}

impl Step {
    /// Whether it is done by the orchestrator.
    #[must_use]
    pub fn is_own(&self) -> bool {
        OWN_VERBS.contains(&self.verb.as_str())
    }

    /// The step in a line, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        let text = self.arguments.to_string();
        let short: String = text.chars().take(160).collect();
        let more = if short.len() < text.len() { "…" } else { "" };
        format!("{} {short}{more}", self.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(fields: Value) -> Result<Step, serde_json::Error> {
        serde_json::from_value(fields)
    }

    #[test]
    fn a_step_has_a_verb_and_what_must_come_of_it() {
        let read = step(json!({ "get": "k", "expect": { "outcome": "hit" }, "eventually_ms": 500 })).expect("a step");
        assert_eq!((read.verb.as_str(), &read.arguments), ("get", &json!({ "key": "k" })));
        assert_eq!(read.must.expect, Some(json!({ "outcome": "hit" })));
        assert!(read.within > read.eventually.expect("given") && !read.is_own());
        assert_eq!(step(json!({ "computations": "f" })).expect("a step").arguments, json!({ "name": "f" }));
        assert_eq!(step(json!({ "server": "kill" })).expect("a step").arguments, json!("kill"));
    }

    #[test]
    fn a_step_with_two_verbs_or_none_is_refused() {
        assert!(step(json!({ "get": "k", "expects": {} })).is_err());
        assert!(step(json!({ "expect": {} })).is_err());
        assert!(step(json!({ "get": "k", "eventually_ms": "soon" })).is_err());
    }
}
