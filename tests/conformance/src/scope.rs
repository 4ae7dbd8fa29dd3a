//! The names of a scenario: what is kept apart from other scenarios, and what `$name` stands for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::words;

/// Arguments that name something within a driver, which scenarios that run at the same time must not share.
const OWN_NAMES: [&str; 4] = ["client", "watch", "gate", "name"];

/// How long a watch is listened to when a step does not say so.
const WATCHES_MS: u64 = 10_000;

/// The names of one scenario.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// What its names begin with.
    prefix: String,
    known: BTreeMap<String, Value>,
}

impl Scope {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, known: BTreeMap::new() }
    }

    /// Gives something a name.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.known.insert(name.to_owned(), value);
    }

    /// Gives names to what was captured.
    pub(crate) fn learn(&mut self, captured: BTreeMap<String, Value>) {
        self.known.extend(captured);
    }

    /// What a name stands for.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.known.get(name)
    }

    /// A name as the driver knows it.
    pub(crate) fn own(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The same with everything that `$name` and `${name}` stand for in its place.
    pub(crate) fn filled(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.filled(item)).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let filled = fields.iter().map(|(name, value)| Ok((self.within(name)?, self.filled(value)?)));
                Value::Object(filled.collect::<Result<Map<_, _>, String>>()?)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        match text.strip_prefix('$').filter(|name| is_name(name)) {
            Some(name) => self.named(name).cloned(),
            None => self.within(text).map(Value::String),
        }
    }

    fn named(&self, name: &str) -> Result<&Value, String> {
        self.get(name).ok_or_else(|| format!("nothing is known as `${name}`"))
    }

    /// Text with what `${name}` stands for within it.
    fn within(&self, text: &str) -> Result<String, String> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let Some((name, after)) = after.split_once('}') else { break };
            filled.push_str(before);
            match self.named(name)? {
                Value::String(text) => filled.push_str(text),
                other => filled.push_str(&other.to_string()),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    /// Arguments of an op as a driver is to get them.
    pub(crate) fn arguments(&self, verb: &str, arguments: &Value) -> Result<Map<String, Value>, String> {
        let Value::Object(mut fields) = self.filled(arguments)? else {
            return Err(format!("`{verb}` takes an object: {arguments}"));
        };
        if words::takes_client(verb) {
            fields.entry("client").or_insert_with(|| "a".into());
        }
        if verb == "watch_next" {
            fields.entry("count").or_insert_with(|| 1.into());
            fields.entry("within_ms").or_insert_with(|| WATCHES_MS.into());
        }
        self.rename(&mut fields);
        if let Some(Value::Object(compute)) = fields.get_mut("compute") {
            compute.entry("name").or_insert_with(|| "f".into());
            self.rename(compute);
        }
        Ok(fields)
    }

    fn rename(&self, fields: &mut Map<String, Value>) {
        for name in OWN_NAMES {
            if let Some(Value::String(text)) = fields.get_mut(name) {
                *text = self.own(text);
            }
        }
    }
}

/// Whether text is what follows the `$` of a name.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_filled_in_whole_and_within_text() {
        let mut scope = Scope::new("s1.".to_owned());
        scope.set("n", json!(7));
        scope.set("etag", json!("abc"));
        let filled = scope.filled(&json!({ "a": "$n", "b": ["k${n}-${etag}", "$1.50", "$bytes?"] })).expect("known");
        let names = scope.filled(&json!({ "n${n}": 1, "$any": true }));
        assert_eq!(names, Ok(json!({ "n7": 1, "$any": true })));
        assert_eq!(filled, json!({ "a": 7, "b": ["k7-abc", "$1.50", "$bytes?"] }));
        assert!(scope.filled(&json!("$nothing")).is_err());
    }

    #[test]
    fn what_a_driver_holds_is_kept_apart() {
        let scope = Scope::new("s1.".to_owned());
        let arguments = json!({ "key": "k", "compute": { "value": 1, "gate": "g" } });
        let fields = scope.arguments("get_or_compute", &arguments).expect("an object");
        let expected =
            json!({ "client": "s1.a", "key": "k", "compute": { "name": "s1.f", "value": 1, "gate": "s1.g" } });
        assert_eq!(Value::Object(fields), expected);
        assert!(!scope.arguments("release", &json!({ "gate": "g" })).expect("an object").contains_key("client"));
    }
}
