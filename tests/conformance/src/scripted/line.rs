//! One line of a script: how a call is answered.

use std::{collections::HashMap, time::Duration};

use hotplate_proto::v1;
use serde_json::Value;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of all errors of the service.
const DOMAIN: &str = "hotplate";

/// How a call is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// With this status.
    pub(crate) status: Option<Status>,
    /// Never.
    pub(crate) hangs: bool,
    /// Later.
    pub(crate) delay: Option<Duration>,
    /// How many calls; `None`: all from now on.
    pub(crate) times: Option<u64>,
    /// Otherwise than usual: what of it, by the method's own words.
    pub(crate) answer: Value,
}

impl Line {
    /// `{status, reason, field, message, retry_after_ms, details}`, `{hang: true}`, or `{answer: {}}`; and `delay_ms`,
    /// `times`, `always`.
    pub(crate) fn read(given: &Value) -> Result<Self, String> {
        let status = given.get("status").map(|_named| status(given)).transpose()?;
        let always = given["always"].as_bool().unwrap_or_default();
        Ok(Self {
            status,
            hangs: given["hang"].as_bool().unwrap_or_default(),
            delay: given["delay_ms"].as_u64().map(Duration::from_millis),
            times: (!always).then(|| given["times"].as_u64().unwrap_or(1)),
            answer: given["answer"].clone(),
        })
    }

    /// How many calls are left after this one.
    pub(crate) fn left(&self) -> Option<u64> {
        self.times.map(|times| times.saturating_sub(1))
    }
}

/// A status as the service would answer it: `status` names the code, `reason` and `details` go into its `ErrorInfo`, `field`
/// into its `BadRequest`, `retry_after_ms` into its `RetryInfo`.
///
/// # Errors
/// There is no such code.
pub fn status(given: &Value) -> Result<Status, String> {
    let code = code(given["status"].as_str().unwrap_or_default())?;
    let message = given["message"].as_str().unwrap_or("it is scripted");
    let mut details = ErrorDetails::new();
    if let Some(reason) = given["reason"].as_str() {
        details.set_error_info(reason, DOMAIN, facts(&given["details"]));
    }
    if let Some(field) = given["field"].as_str() {
        details.add_bad_request_violation(field, message);
    }
    if let Some(millis) = given["retry_after_ms"].as_u64() {
        details.set_retry_info(Some(Duration::from_millis(millis)));
    }
    Ok(Status::with_error_details(code, message, details))
}

/// The same for one item of a batch.
pub(crate) fn item(given: &Value) -> Result<v1::ItemError, String> {
    let text = |name: &str| given[name].as_str().unwrap_or_default().to_owned();
    let after = given["retry_after_ms"].as_u64().map(Duration::from_millis);
    Ok(v1::ItemError {
        code: code(&text("status"))?.into(),
        reason: text("reason"),
        message: text("message"),
        field: text("field"),
        retry_after: after.and_then(|after| prost_types::Duration::try_from(after).ok()),
        details: facts(&given["details"]),
    })
}

fn facts(details: &Value) -> HashMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    details.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn code(name: &str) -> Result<Code, String> {
    Ok(match name {
        "CANCELLED" => Code::Cancelled,
        "UNKNOWN" => Code::Unknown,
        "INVALID_ARGUMENT" => Code::InvalidArgument,
        "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
        "NOT_FOUND" => Code::NotFound,
        "ALREADY_EXISTS" => Code::AlreadyExists,
        "PERMISSION_DENIED" => Code::PermissionDenied,
        "RESOURCE_EXHAUSTED" => Code::ResourceExhausted,
        "FAILED_PRECONDITION" => Code::FailedPrecondition,
        "ABORTED" => Code::Aborted,
        "OUT_OF_RANGE" => Code::OutOfRange,
        "UNIMPLEMENTED" => Code::Unimplemented,
        "INTERNAL" => Code::Internal,
        "UNAVAILABLE" => Code::Unavailable,
        "DATA_LOSS" => Code::DataLoss,
        "UNAUTHENTICATED" => Code::Unauthenticated,
        other => return Err(format!("there is no status `{other}`")),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_carries_all_that_was_said() {
        let said = json!({
            "status": "UNAVAILABLE", "reason": "DRAINING", "field": "key", "retry_after_ms": 250, "details": { "a": "b" },
        });
        let status = status(&said).expect("a status");
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(
            (status.code(), info.reason.as_str(), info.domain.as_str()),
            (Code::Unavailable, "DRAINING", DOMAIN)
        );
        assert_eq!(info.metadata["a"], "b");
        assert_eq!(details.bad_request().expect("a BadRequest").field_violations[0].field, "key");
        assert_eq!(details.retry_info().expect("a RetryInfo").retry_delay, Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_line_holds_for_one_call_for_some_or_for_all() {
        let left = |given: Value| Line::read(&given).expect("a line").left();
        assert_eq!(
            (left(json!({})), left(json!({ "times": 3 })), left(json!({ "always": true }))),
            (Some(0), Some(2), None)
        );
        assert!(Line::read(&json!({ "status": "TIRED" })).is_err());
    }
}
