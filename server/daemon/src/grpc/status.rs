//! Failures and how they look on the wire: the only place that makes a `tonic::Status`. Every status carries a
//! `google.rpc.ErrorInfo` whose reason is in [`REASONS`]. What fails when is not decided here.

use std::{borrow::Cow, collections::HashMap, time::Duration};

use hotplate_engine::{Error, Kind};
use hotplate_proto::v1;
use http::{HeaderMap, Response};
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use crate::access::Denied;

/// The `domain` of every ErrorInfo.
pub const DOMAIN: &str = "hotplate";

/// When to try again where nothing better is known.
const RETRY_SOON: Duration = Duration::from_millis(100);
const RETRY_LATER: Duration = Duration::from_secs(1);

/// Every reason a call can fail for, with its code and what it means.
pub const REASONS: &[(&str, Code, &str)] = &[
    ("BAD_ARGUMENT", Code::InvalidArgument, "A field is missing, contradicts another or is out of its bounds."),
    ("BAD_GLOB", Code::InvalidArgument, "A glob is too long, has too many wildcards or does not parse."),
    ("BAD_KEY", Code::InvalidArgument, "A key is empty, longer than 1,024 bytes or has control characters."),
    ("BAD_MESSAGE", Code::InvalidArgument, "The request cannot be decoded as the message of this RPC."),
    ("BAD_NAMESPACE", Code::InvalidArgument, "The name of a namespace breaks its rules."),
    (
        "BAD_OFFSET",
        Code::OutOfRange,
        "A ReadValue begins beyond the end of the value, or a WriteValue does not go on where what the server has ends.",
    ),
    ("BAD_PAGE_TOKEN", Code::InvalidArgument, "The page token was not made by this server for this listing."),
    ("BAD_RESUME_TOKEN", Code::InvalidArgument, "The resume token was made by no server."),
    (
        "BATCH_TOO_LARGE",
        Code::InvalidArgument,
        "A batch has more items than `limits.batch_items_max`, or a REFRESH selects more entries than `preload.items_max`: nothing was marked.",
    ),
    ("BUG", Code::Internal, "The server met a state it holds impossible. Please report it."),
    ("CANCELLED", Code::Cancelled, "The caller of an operation of a Pipeline did not wait for it any more."),
    (
        "CASCADE_TOO_LARGE",
        Code::ResourceExhausted,
        "More entries depend on what an Invalidate names than `limits.cascade_entries_max`, or over more steps than \
         `limits.cascade_depth_max`: nothing was dropped.",
    ),
    (
        "CHECKSUM_MISMATCH",
        Code::InvalidArgument,
        "A chunk, or the value that was uploaded, does not have the CRC-32C that was sent: for a chunk, go on at what QueryWrite \
         says.",
    ),
    ("DEADLINE_EXCEEDED", Code::DeadlineExceeded, "The call took longer than its deadline or `limits.deadline_max`."),
    ("DEPENDENCY_CYCLE", Code::InvalidArgument, "An entry would depend on itself, directly or over others."),
    ("DIGEST_MISMATCH", Code::InvalidArgument, "The digest sent is not the value's."),
    ("DRAINING", Code::Unavailable, "The server is shutting down: go on at another or try again."),
    ("JOB_UNKNOWN", Code::NotFound, "No preload job has this id."),
    (
        "MESSAGE_TOO_LARGE",
        Code::ResourceExhausted,
        "A message is larger than `limits.message_bytes_max`, or has so many parts that they would take more than four times that, \
         and 16 MiB, once it is taken apart.",
    ),
    ("NAMESPACE_UNKNOWN", Code::NotFound, "The namespace is not configured and may not be created."),
    (
        "NOT_ADMITTED",
        Code::ResourceExhausted,
        "There is no room for an upload in memory, and none can be made: it can never fit, or others hold what uploads may \
         (`ledger.uploads_bytes_max`).",
    ),
    (
        "NOT_IN_MEMORY",
        Code::FailedPrecondition,
        "What a condition, a renewal or a Touch is about is not in memory, and cannot be tested or changed where it lies: on a \
         disk that cannot be asked now, or below a memory that has no room for it.",
    ),
    ("NO_ORIGIN", Code::FailedPrecondition, "The namespace has no origin of this name."),
    ("NO_SELECTOR", Code::InvalidArgument, "An Invalidate names no selector."),
    ("NO_SUCH_RPC", Code::Unimplemented, "The server has no RPC of this name, or not in this form."),
    (
        "OVERLOADED",
        Code::ResourceExhausted,
        "As many calls as `limits.calls_max` are in flight, too many operations of a Pipeline wait or too many for what replicas \
         share, a large request found no room (`ledger.requests_bytes_max`) or came too slowly (`limits.read_stall`), or a large \
         answer found no room (`ledger.sending_bytes_max`): nothing was done.",
    ),
    ("PERMISSION_DENIED", Code::PermissionDenied, "The caller's token has no grant for this in this namespace."),
    ("POSITION_NOT_REACHED", Code::Unavailable, "This server has not reached the position asked for, and may yet."),
    (
        "POSITION_UNKNOWN",
        Code::FailedPrecondition,
        "The position asked for is of a history that this server does not have: another server's, or one that ended with a \
         restart. Asking again does not help: ask without it.",
    ),
    ("SERVICE_UNKNOWN", Code::NotFound, "The health service knows no service of this name."),
    (
        "TIER_PENDING",
        Code::Unavailable,
        "An Invalidate is done on this server (`applied=LOCAL` in the details), but not in a slower tier: what replicas share \
         could not be told, and is as soon as it answers (`pending=SHARED`), or the disk could not write it down, so that a \
         restart may bring back what lies there (`pending=DISK`). Repeat the call to see whether it is done.",
    ),
    ("TOKEN_EXPIRED", Code::Unauthenticated, "The token was valid once."),
    ("TOKEN_INVALID", Code::Unauthenticated, "The token is malformed, unknown or wrong."),
    ("TOKEN_MISSING", Code::Unauthenticated, "This server needs a token and the call shows none."),
    ("TOO_MANY_JOBS", Code::ResourceExhausted, "As many preload jobs as `preload.jobs_max` run."),
    (
        "TOO_MANY_KEYS",
        Code::ResourceExhausted,
        "A watch would follow more single keys than `watch.keys_max`, or all watches together more bytes of them than \
         `watch.keys_bytes_max`: nothing was changed.",
    ),
    ("TOO_MANY_NAMESPACES", Code::ResourceExhausted, "There are as many namespaces as `namespaces.max`."),
    ("TOO_MANY_UPLOADS", Code::ResourceExhausted, "There are as many unfinished uploads as `uploads.max`."),
    ("TOO_MANY_WATCHES", Code::ResourceExhausted, "There are as many watches as `watch.streams_max`."),
    ("TTL_OUT_OF_BOUNDS", Code::InvalidArgument, "A lifetime is zero, negative or too long, or names no class."),
    (
        "UPLOAD_STALLED",
        Code::Aborted,
        "An upload came slower than `uploads.rate_min`, or nothing of it came for `uploads.expire_after`: it was given up.",
    ),
    ("UPLOAD_TAKEN_OVER", Code::Aborted, "Another stream goes on with this upload: only one writes it."),
    ("UPLOAD_UNKNOWN", Code::NotFound, "No upload has this id: it was never begun, was given up, or is forgotten."),
    (
        "VALUE_TOO_LARGE",
        Code::InvalidArgument,
        "A value is larger than `limits.value_bytes_max`, or in a unary call than `limits.unary_value_bytes_max`: WriteValue \
         takes those.",
    ),
    (
        "VERSION_GONE",
        Code::Aborted,
        "The version that a ReadValue continues is not there any more, or the upload that it followed failed: read anew.",
    ),
    ("WATCH_UNKNOWN", Code::NotFound, "No open watch of this namespace has this id."),
];

/// Why a call, or an item of a batch, failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    code: Code,
    reason: &'static str,
    message: Cow<'static, str>,
    field: Option<String>,
    retry_after: Option<Duration>,
    pending: Option<&'static str>,
}

impl Failure {
    /// A failure for a reason of the table, with a sentence for people.
    pub(crate) fn new(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let code = REASONS.iter().find(|row| row.0 == reason).map_or(Code::Internal, |row| row.1);
        Self::with_code(code, reason, message.into())
    }

    fn with_code(code: Code, reason: &'static str, message: Cow<'static, str>) -> Self {
        let retry_after = match reason {
            "OVERLOADED" | "DRAINING" | "POSITION_NOT_REACHED" => Some(RETRY_SOON),
            "TOO_MANY_JOBS" | "TOO_MANY_UPLOADS" | "TOO_MANY_WATCHES" => Some(RETRY_LATER),
            _ => None,
        };
        Self(Box::new(Parts { code, reason, message, field: None, retry_after, pending: None }))
    }

    /// A field of the request that is not as it must be.
    pub(crate) fn argument(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("BAD_ARGUMENT", message).at(field)
    }

    /// A lifetime that is not as it must be.
    pub(crate) fn lifetime(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new("TTL_OUT_OF_BOUNDS", message).at(field)
    }

    /// The call took too long.
    pub(crate) fn deadline() -> Self {
        Self::new("DEADLINE_EXCEEDED", "the call's deadline, or the server's bound for calls, has passed")
    }

    /// The caller did not wait for the answer.
    pub(crate) fn cancelled() -> Self {
        Self::new("CANCELLED", "the caller of the operation does not wait for it any more")
    }

    /// The server is on its way out.
    pub(crate) fn draining() -> Self {
        Self::new("DRAINING", "this server is shutting down: go on at another one, or here once it is back")
    }

    /// The server met a state it holds impossible.
    pub(crate) fn bug(message: &'static str) -> Self {
        Self::new("BUG", message)
    }

    /// Names the request field at fault.
    #[must_use]
    pub(crate) fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Puts the path of a message in front of the field at fault.
    #[must_use]
    pub(crate) fn within(mut self, path: &str) -> Self {
        self.0.field = Some(match &self.0.field {
            Some(field) => format!("{path}.{field}"),
            None => path.to_owned(),
        });
        self
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn reason(&self) -> &'static str {
        self.0.reason
    }

    /// When it may be tried again, if that helps.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// As an item of a batch shows it.
    pub(crate) fn item(self) -> v1::ItemError {
        let Parts { code, reason, message, field, retry_after, pending } = *self.0;
        let (reason, field) = (reason.to_owned(), field.unwrap_or_default());
        let retry_after = retry_after.map(super::convert::wire_duration);
        let details = facts(pending);
        v1::ItemError { code: code.into(), reason, message: message.into_owned(), field, retry_after, details }
    }

    /// As the answer to a call.
    pub(crate) fn response(self) -> Response<Body> {
        Status::from(self).into_http()
    }

    /// As the end of a stream that has begun.
    pub(crate) fn trailers(self) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        match Status::from(self).add_header(&mut trailers) {
            Ok(()) => trailers,
            Err(_unwritable) => HeaderMap::from_iter([(http::HeaderName::from_static("grpc-status"), INTERNAL)]),
        }
    }
}

/// INTERNAL as a trailer.
const INTERNAL: http::HeaderValue = http::HeaderValue::from_static("13");

/// What was done and what is still to be, for programs.
fn facts(pending: Option<&'static str>) -> HashMap<String, String> {
    let facts = pending.map(|tiers| [("applied", "LOCAL"), ("pending", tiers)]);
    facts.into_iter().flatten().map(|(name, fact)| (name.to_owned(), fact.to_owned())).collect()
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let Parts { code, reason, message, field, retry_after, pending } = *failure.0;
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, facts(pending));
        if let Some(field) = field {
            details.add_bad_request_violation(field, message.as_ref());
        }
        if let Some(delay) = retry_after {
            details.set_retry_info(Some(delay));
        }
        if matches!(reason, "TOO_MANY_JOBS" | "TOO_MANY_NAMESPACES" | "TOO_MANY_UPLOADS" | "TOO_MANY_WATCHES") {
            details.add_quota_failure_violation(reason.to_lowercase(), message.as_ref());
        }
        Self::with_error_details(code, message, details)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            Kind::InvalidArgument => Code::InvalidArgument,
            Kind::NotFound => Code::NotFound,
            Kind::FailedPrecondition => Code::FailedPrecondition,
            Kind::ResourceExhausted => Code::ResourceExhausted,
            Kind::Unavailable => Code::Unavailable,
            Kind::Internal => Code::Internal,
        };
        let mut failure = Self::with_code(code, error.reason().name(), error.message().to_owned().into());
        failure.0.field = error.field_name().map(str::to_owned);
        failure.0.retry_after = error.retry_delay().or(failure.0.retry_after);
        failure.0.pending = error.pending_in();
        failure
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Self {
        Self::new(denied.reason.name(), denied.message)
    }
}

/// What a response that failed without our details means; `None` for one that is as it should be.
pub(crate) fn unexplained(response: &Response<Body>) -> Option<Failure> {
    let headers = response.headers();
    if !headers.contains_key("grpc-status") || headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    let status = Status::from_header_map(headers)?;
    let message = status.message().to_owned();
    Some(match status.code() {
        Code::Ok => return None,
        Code::OutOfRange | Code::ResourceExhausted => Failure::new("MESSAGE_TOO_LARGE", message),
        Code::Unimplemented => {
            let said =
                if message.is_empty() { "there is no such RPC, or not in this form".to_owned() } else { message };
            Failure::new("NO_SUCH_RPC", said)
        }
        Code::NotFound => Failure::new("SERVICE_UNKNOWN", message),
        // Our own handlers explain themselves, so these were made while the request was decoded.
        Code::Internal | Code::InvalidArgument | Code::Unknown | Code::Cancelled => {
            Failure::new("BAD_MESSAGE", format!("the request cannot be decoded: {message}"))
        }
        code => Failure::with_code(code, "BUG", message.into()),
    })
}

#[cfg(test)]
mod tests {
    use hotplate_engine::error::Reason;

    use super::*;

    #[test]
    fn reasons_are_sorted_and_named_once() {
        assert!(REASONS.is_sorted_by(|one, other| one.0 < other.0));
    }

    #[test]
    fn a_status_says_why_where_and_when_to_come_back() {
        let error = Error::new(Kind::ResourceExhausted, Reason::TooManyWatches, "full").field("x");
        let status = Status::from(Failure::from(error).within("items[3]"));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("TOO_MANY_WATCHES", "hotplate"));
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "items[3].x");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(RETRY_LATER));
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[test]
    fn a_status_says_where_something_has_still_to_be_done() {
        let error = Error::new(Kind::Unavailable, Reason::TierPending, "not yet").pending("DISK");
        let status = Status::from(Failure::from(error));
        let details = status.get_error_details();
        let said = &details.error_info().unwrap().metadata;
        assert_eq!((said["applied"].as_str(), said["pending"].as_str()), ("LOCAL", "DISK"));
    }

    #[test]
    fn a_status_without_details_gets_some() {
        for (code, reason) in [(Code::OutOfRange, "MESSAGE_TOO_LARGE"), (Code::Internal, "BAD_MESSAGE")] {
            let plain: Response<Body> = Status::new(code, "as tonic says").into_http();
            assert_eq!(unexplained(&plain).unwrap().reason(), reason);
        }
        assert!(unexplained(&Failure::deadline().response()).is_none());
        assert!(unexplained(&Response::new(Body::empty())).is_none());
    }
}
