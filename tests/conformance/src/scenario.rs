//! How a scenario is written, in YAML; README.md says it for those who write them. Nothing is carried out here.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json};

use crate::words;

/// How long a scenario may take when it does not say so.
const WITHIN_MS: u64 = 60_000;
/// How long a step may take when it does not say so.
const STEP_WITHIN: Duration = Duration::from_secs(20);
/// What says more of a step.
const MODIFIERS: [&str; 10] = [
    "expect",
    "error",
    "eventually_ms",
    "within_ms",
    "background",
    "times",
    "in_turn",
    "gives_up_ms",
    "took_ms",
    "note",
];

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
    #[serde(default, deserialize_with = "left_out")]
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
    /// An op of the protocol, or something that the orchestrator does.
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
    /// How often it is done one after the other; `$i` tells them apart.
    pub in_turn: Option<u64>,
    /// When its caller gives it up.
    pub gives_up: Option<Duration>,
    /// What is done at the same time.
    pub parallel: Vec<Self>,
}

/// What must come of a step.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Must {
    /// The fields of the result; `None` with an error: no result is to come. With both, either may come.
    pub expect: Option<Value>,
    /// The failure.
    pub error: Option<Value>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<Value>,
}

/// Whom a scenario may leave out.
const LEFT_OUT: [&str; 7] = ["go", "java", "java-blocking", "python", "python-sync", "rust", "typescript"];

/// Languages, or drivers, each with its reason; a name that is nobody's leaves nobody out.
fn left_out<'de, D: Deserializer<'de>>(given: D) -> Result<BTreeMap<String, String>, D::Error> {
    let given = BTreeMap::<String, String>::deserialize(given)?;
    match given.iter().find(|(name, reason)| !LEFT_OUT.contains(&name.as_str()) || reason.is_empty()) {
        Some((name, _)) => {
            Err(D::Error::custom(format!("`without: {name}`: one of {}, with a reason", LEFT_OUT.join(", "))))
        }
        None => Ok(given),
    }
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    fn try_from(mut fields: Map<String, Value>) -> Result<Self, String> {
        let said = |name: &&str| Some(((*name).to_owned(), fields.remove(*name)?));
        let mut modifiers: Map<String, Value> = MODIFIERS.iter().filter_map(said).collect();
        let mut verbs = fields.into_iter();
        let (Some((verb, arguments)), None) = (verbs.next(), verbs.next()) else {
            return Err("a step has one verb, and no modifier that is not known".to_owned());
        };
        let arguments = spelled_out(&verb, arguments);
        words::check(&verb, &arguments, &modifiers)?;
        let number = |name: &str| match modifiers.get(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| format!("`{name}` is a number: {value}")),
        };
        let millis = |name: &str| Ok::<_, String>(number(name)?.map(Duration::from_millis));
        let (times, in_turn) = (number("times")?, number("in_turn")?);
        let (eventually, gives_up) = (millis("eventually_ms")?, millis("gives_up_ms")?);
        let most = millis("within_ms")?.unwrap_or(STEP_WITHIN);
        let background = match modifiers.remove("background") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(other) => return Err(format!("`background` is a name: {other}")),
        };
        let mut must = |name: &str| modifiers.remove(name);
        Ok(Self {
            must: Must { expect: must("expect"), error: must("error"), took_ms: must("took_ms") },
            within: eventually.unwrap_or_default() + most,
            parallel: if verb == "parallel" { at_once(&arguments)? } else { Vec::new() },
            eventually,
            background,
            times,
            in_turn,
            gives_up,
            verb,
            arguments,
        })
    }
}

/// The steps of a `parallel`; each is asked of a driver.
fn at_once(arguments: &Value) -> Result<Vec<Step>, String> {
    let steps: Vec<Step> = serde_json::from_value(arguments.clone()).map_err(|error| error.to_string())?;
    match steps.iter().find(|step| step.is_own() || step.background.is_some()) {
        Some(step) => Err(format!("`{}` cannot be done beside others", step.verb)),
        None => Ok(steps),
    }
}

/// One word stands for the argument that says it all.
fn spelled_out(verb: &str, arguments: Value) -> Value {
    if words::is_own(verb) {
        return arguments;
    }
    match arguments {
        Value::String(word) => json!({ words::word(verb): word }),
        Value::Null => json!({}),
        other => other,
    }
}

impl Step {
    /// Whether it is done by the orchestrator.
    #[must_use]
    pub fn is_own(&self) -> bool {
        words::is_own(&self.verb)
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
