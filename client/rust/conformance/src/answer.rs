//! What a request is answered with. What led to it is not known here.

use hotplate::{Error, ErrorKind};
use serde_json::{Value, json};

/// What comes of a request.
pub(crate) type Outcome<T = Value> = Result<T, Refusal>;

/// Why a request has no result.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The client said so.
    Error(Box<Error>),
    /// The client has no such thing.
    Unsupported(String),
    /// The driver, or who drives it, is at fault.
    Fault(String),
}

impl Refusal {
    /// The driver, or who drives it, is at fault.
    pub(crate) fn fault(what: impl Into<String>) -> Self {
        Self::Fault(what.into())
    }

    /// Its caller does not wait any more: in Rust, the call was dropped, and nobody is told anything.
    pub(crate) fn given_up() -> Self {
        Error::new(ErrorKind::Cancelled, "given up").into()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Error(Box::new(error))
    }
}

/// The line that answers a request; without its id where that could not be read.
pub(crate) fn of(id: Option<u64>, outcome: Outcome) -> Value {
    match outcome {
        Ok(fields) => json!({ "id": id, "ok": fields }),
        Err(Refusal::Error(error)) => json!({ "id": id, "error": of_error(&error) }),
        Err(Refusal::Unsupported(why)) => json!({ "id": id, "unsupported": why }),
        Err(Refusal::Fault(what)) => json!({ "id": id, "fault": what }),
    }
}

/// A failure as the client reported it.
pub(crate) fn of_error(error: &Error) -> Value {
    json!({
        "kind": error.kind.name(),
        "reason": error.reason,
        "field": error.field,
        "message": error.message,
        "retry_after_ms": error.retry_after.map(|after| after.as_millis()),
        "details": error.details,
    })
}
