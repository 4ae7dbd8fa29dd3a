//! The one error type of the client, and how a gRPC status becomes one. What to do about an error lives with the
//! callers.

use std::{collections::BTreeMap, fmt, time::Duration};

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::ttl;

/// Result of every operation that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was: the thing to branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The server could not be reached or is not ready. A later try may succeed.
    Unavailable,
    /// The time allowed for the call ran out. Whether the server acted is not known.
    DeadlineExceeded,
    /// The server does not know who is calling: no token, or a wrong one.
    Unauthenticated,
    /// The caller is known but may not do this in this namespace.
    PermissionDenied,
    /// The request can never succeed as it is; `field` often names the part at fault.
    InvalidArgument,
    /// Something named in the request does not exist. Never a missing key: that is a miss.
    NotFound,
    /// A bound was reached; less, or later, may succeed.
    ResourceExhausted,
    /// The server is not set up for this.
    FailedPrecondition,
    /// The call was cancelled before it ended.
    Cancelled,
    /// The server does not know this call.
    Unimplemented,
    /// A fault in the server, or an answer that makes no sense.
    Internal,
    /// A value could not be encoded or decoded, or has another content type than the namespace's codec reads.
    Codec,
    /// The client was set up in a way that cannot work.
    Configuration,
    /// The caller's own computation failed or panicked.
    Compute,
}

impl ErrorKind {
    /// The kind's name in UPPER_SNAKE_CASE, as gRPC spells it where gRPC has one.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "UNAVAILABLE",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Cancelled => "CANCELLED",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Codec => "CODEC",
            Self::Configuration => "CONFIGURATION",
            Self::Compute => "COMPUTE",
        }
    }

    /// The kind that a gRPC status code, as in the items of a batch, stands for.
    #[must_use]
    pub fn from_code(code: i32) -> Self {
        Self::from(Code::from(code))
    }

    /// Whether the cache itself is away, as opposed to the request being at fault.
    #[must_use]
    pub fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::DeadlineExceeded | Self::ResourceExhausted | Self::Internal | Self::Cancelled
        )
    }
}

impl From<Code> for ErrorKind {
    fn from(code: Code) -> Self {
        match code {
            Code::Unavailable => Self::Unavailable,
            Code::DeadlineExceeded => Self::DeadlineExceeded,
            Code::Unauthenticated => Self::Unauthenticated,
            Code::PermissionDenied => Self::PermissionDenied,
            Code::InvalidArgument | Code::OutOfRange => Self::InvalidArgument,
            Code::NotFound => Self::NotFound,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::FailedPrecondition | Code::AlreadyExists | Code::Aborted => Self::FailedPrecondition,
            Code::Cancelled => Self::Cancelled,
            Code::Unimplemented => Self::Unimplemented,
            Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss => Self::Internal,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure: what sort, why, which field, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// The server's reason for programs, such as `TTL_OUT_OF_BOUNDS`; unset where it gave none.
    pub reason: Option<String>,
    /// The request field at fault, when one is.
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// How long to wait before trying again, when the server said so.
    pub retry_after: Option<Duration>,
    /// What else the server said for programs, by name: with `TIER_PENDING` what was done (`applied`) and what is still to
    /// be (`pending`).
    pub details: BTreeMap<String, String>,
}

impl Error {
    /// A failure of one kind with a sentence for people.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, reason: None, field: None, message: message.into(), retry_after: None, details: BTreeMap::new() }
    }

    /// A setting of the client that cannot work.
    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Configuration, message)
    }

    /// An argument that the client refuses by itself, before any call.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::InvalidArgument, message);
        error.field = Some(field.to_owned());
        error
    }

    /// A value that could not be encoded or decoded.
    pub(crate) fn codec(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Codec, message)
    }

    /// The time allowed for a call ran out here, before an answer came.
    pub(crate) fn timed_out(after: Duration) -> Self {
        Self::new(ErrorKind::DeadlineExceeded, format!("no answer within {after:?}"))
    }

    /// Nothing is asked of a client that was closed.
    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Cancelled, "the client was closed")
    }

    /// What a computation ends with that nobody waits for: so nobody gets it.
    pub(crate) fn deserted() -> Self {
        Self::new(ErrorKind::Cancelled, "nobody waited for the computation any more")
    }

    /// Adds the reason that programs switch on.
    #[must_use]
    pub(crate) fn with_reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// The failure of one item of a batch or a stream.
    #[must_use]
    pub fn from_item(item: &crate::v1::ItemError) -> Self {
        let filled = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            kind: ErrorKind::from_code(item.code),
            reason: filled(&item.reason),
            field: filled(&item.field),
            message: item.message.clone(),
            retry_after: item.retry_after.as_ref().map(|after| ttl::from_wire(Some(after)).unwrap_or_default()),
            details: item.details.clone().into_iter().collect(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.field {
            Some(field) => write!(f, " (field `{field}`)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let field = details.bad_request().and_then(|bad| bad.field_violations.first().map(|v| v.field.clone()));
        Self {
            kind: kind_of(&status),
            reason: details.error_info().map(|info| info.reason.clone()),
            details: details.error_info().map(|info| info.metadata.clone().into_iter().collect()).unwrap_or_default(),
            field,
            message: message_of(&status),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// tonic reports its own clock running out as CANCELLED, and a connection that broke under a call as UNKNOWN.
fn kind_of(status: &Status) -> ErrorKind {
    match status.code() {
        Code::Cancelled if status.message().eq_ignore_ascii_case("timeout expired") => ErrorKind::DeadlineExceeded,
        Code::Unknown | Code::Internal if is_connection_loss(status) => ErrorKind::Unavailable,
        code => ErrorKind::from(code),
    }
}

/// Whether the transport, not the server's handler, made this status: only then is there a local source.
fn is_connection_loss(status: &Status) -> bool {
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        if error.is::<tonic::transport::Error>() || error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    status.message().contains("transport error") || status.message().contains("h2 protocol error")
}

/// The outermost text of a transport failure says nothing: the innermost cause does.
fn message_of(status: &Status) -> String {
    let mut innermost = None;
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        innermost = Some(error.to_string());
        source = error.source();
    }
    match innermost {
        Some(cause) if !cause.is_empty() && cause != status.message() => format!("{}: {cause}", status.message()),
        _ => status.message().to_owned(),
    }
}
