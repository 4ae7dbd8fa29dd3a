//! The fields of a request, each taken once by who needs it: what is left over is a fault of who drives.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::answer::{Outcome, Refusal};

/// Fields that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Arguments(Map<String, Value>);

/// A request's id, the name of what it asks for, and the rest.
pub(crate) type Request = (u64, String, Arguments);

/// Half a surrogate pair, as scenarios write it. It is no text in Rust.
const NO_TEXT: &str = r"\ud800";

impl Arguments {
    /// Reads a request from the line it came as.
    ///
    /// # Errors
    /// What is wrong with the line, with its id where that can be read.
    pub(crate) fn of_request(line: &str) -> Result<Request, (Option<u64>, Refusal)> {
        let fields: Result<Map<String, Value>, _> = serde_json::from_str(line);
        let mut fields = fields.map_err(|error| match serde_json::from_str(&line.replace(NO_TEXT, "")) {
            Ok(Value::Object(rest)) if line.contains(NO_TEXT) => {
                let why = "every text of Rust is valid Unicode".to_owned();
                (rest.get("id").and_then(Value::as_u64), Refusal::Unsupported(why))
            }
            _ => (None, Refusal::fault(format!("a line is no JSON object: {error}"))),
        })?;
        let no_id = || (None, Refusal::fault("a request has no id"));
        let id = fields.remove("id").and_then(|id| id.as_u64()).ok_or_else(no_id)?;
        match fields.remove("op") {
            Some(Value::String(op)) => Ok((id, op, Self(fields))),
            _ => Err((Some(id), Refusal::fault("a request names no op"))),
        }
    }

    /// The fields of an object, or of none.
    pub(crate) fn of(value: Option<Value>) -> Outcome<Self> {
        match value {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Object(fields)) => Ok(Self(fields)),
            Some(other) => Err(Refusal::fault(format!("{other} is no object"))),
        }
    }

    /// Takes a field; null is as if it were not there.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that may be left out.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Outcome<Option<T>> {
        let read = self.value(name).map(serde_json::from_value).transpose();
        read.map_err(|error| Refusal::fault(format!("`{name}`: {error}")))
    }

    /// Takes a field that must be there.
    pub(crate) fn need<T: DeserializeOwned>(&mut self, name: &str) -> Outcome<T> {
        self.take(name)?.ok_or_else(|| Refusal::fault(format!("`{name}` is missing")))
    }

    /// Takes a flag; one that is not there is off.
    pub(crate) fn flag(&mut self, name: &str) -> Outcome<bool> {
        Ok(self.take(name)?.unwrap_or_default())
    }

    /// Takes a time.
    pub(crate) fn millis(&mut self, name: &str) -> Outcome<Option<Duration>> {
        Ok(self.take(name)?.map(Duration::from_millis))
    }

    /// Takes an object of fields of its own.
    pub(crate) fn inner(&mut self, name: &str) -> Outcome<Self> {
        Self::of(self.value(name))
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Outcome<()> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Refusal::fault(format!("the field `{name}` is not known to this driver"))),
        }
    }
}
