//! The fields of a request, each taken once by who needs it: what is left over is a fault of who drives.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::answer::{Outcome, Refusal};

/// Fields that were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Arguments(Map<String, Value>);

impl Arguments {
    /// A request with its id and name, from the line it came as.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub(crate) fn of_request(line: &str) -> Result<(u64, String, Self), String> {
        let mut fields: Map<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("a line is no JSON object: {error}"))?;
        let id = fields.remove("id").and_then(|id| id.as_u64()).ok_or("a request has no id")?;
        match fields.remove("op") {
            Some(Value::String(op)) => Ok((id, op, Self(fields))),
            _ => Err(format!("request {id} names no op")),
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
