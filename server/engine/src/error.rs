//! The one error type: a closed kind to branch on, a reason programs outside can switch on, context for people.

use std::{borrow::Cow, fmt, time::Duration};

/// Result of everything in the engine that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What sort of failure: one gRPC status code each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can never succeed as it is.
    InvalidArgument,
    /// Something named in the request does not exist (never a missing key).
    NotFound,
    /// The server is not set up for it.
    FailedPrecondition,
    /// A bound was reached; less or later may succeed.
    ResourceExhausted,
    /// Not now; a retry may succeed.
    Unavailable,
    /// A bug.
    Internal,
}

/// Why, as programs see it: the `reason` of google.rpc.ErrorInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A key breaks its rules.
    BadKey,
    /// A namespace's name breaks its rules.
    BadNamespace,
    /// A glob is too long, has too many wildcards or does not parse.
    BadGlob,
    /// A selector, tag, kind, label or other field breaks its bounds.
    BadArgument,
    /// A duration is zero, negative or beyond the namespace's bounds, or names no TTL class.
    TtlOutOfBounds,
    /// A value is larger than the configured maximum.
    ValueTooLarge,
    /// The digest sent is not the value's.
    DigestMismatch,
    /// An Invalidate without selector.
    NoSelector,
    /// There is no room for a value in memory, and none can be made: nothing was done.
    NotAdmitted,
    /// More is asked for at once than is allowed.
    BatchTooLarge,
    /// An entry would be made from itself, over others.
    DependencyCycle,
    /// More would be dropped by cascade than this server allows.
    CascadeTooLarge,
    /// A page token that this server did not make, or made for another listing.
    BadPageToken,
    /// A resume token that no server made.
    BadResumeToken,
    /// The namespace is not configured and may not be created.
    NamespaceUnknown,
    /// No preload job has this id.
    JobUnknown,
    /// No open watch of the namespace has this id.
    WatchUnknown,
    /// The namespace has no origin of this name.
    NoOrigin,
    /// Too many watches, jobs or namespaces.
    TooManyWatches,
    /// A watch, or all of them together, would follow too many single keys.
    TooManyKeys,
    /// Too many preload jobs.
    TooManyJobs,
    /// Too many namespaces.
    TooManyNamespaces,
    /// This server's history does not contain the position asked for yet.
    PositionNotReached,
    /// The position asked for is of another history.
    PositionUnknown,
    /// What replicas share could not be told: it is done on this server, and will be there as soon as it is back.
    TierPending,
    /// What a condition, a renewal or a Touch is about is not in memory, and cannot be tested or changed where it lies.
    NotInMemory,
    /// Too many wait for the tier that replicas share: nothing was done.
    Overloaded,
    /// The server is shutting down.
    Draining,
    /// A bug.
    Bug,
}

impl Reason {
    /// As sent over the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadKey => "BAD_KEY",
            Self::BadNamespace => "BAD_NAMESPACE",
            Self::BadGlob => "BAD_GLOB",
            Self::BadArgument => "BAD_ARGUMENT",
            Self::TtlOutOfBounds => "TTL_OUT_OF_BOUNDS",
            Self::ValueTooLarge => "VALUE_TOO_LARGE",
            Self::DigestMismatch => "DIGEST_MISMATCH",
            Self::NoSelector => "NO_SELECTOR",
            Self::NotAdmitted => "NOT_ADMITTED",
            Self::BatchTooLarge => "BATCH_TOO_LARGE",
            Self::DependencyCycle => "DEPENDENCY_CYCLE",
            Self::CascadeTooLarge => "CASCADE_TOO_LARGE",
            Self::BadPageToken => "BAD_PAGE_TOKEN",
            Self::BadResumeToken => "BAD_RESUME_TOKEN",
            Self::NamespaceUnknown => "NAMESPACE_UNKNOWN",
            Self::JobUnknown => "JOB_UNKNOWN",
            Self::WatchUnknown => "WATCH_UNKNOWN",
            Self::NoOrigin => "NO_ORIGIN",
            Self::TooManyWatches => "TOO_MANY_WATCHES",
            Self::TooManyKeys => "TOO_MANY_KEYS",
            Self::TooManyJobs => "TOO_MANY_JOBS",
            Self::TooManyNamespaces => "TOO_MANY_NAMESPACES",
            Self::PositionNotReached => "POSITION_NOT_REACHED",
            Self::PositionUnknown => "POSITION_UNKNOWN",
            Self::TierPending => "TIER_PENDING",
            Self::NotInMemory => "NOT_IN_MEMORY",
            Self::Overloaded => "OVERLOADED",
            Self::Draining => "DRAINING",
            Self::Bug => "BUG",
        }
    }
}

/// A failure: what sort, why, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    reason: Reason,
    message: Cow<'static, str>,
    field: Option<Cow<'static, str>>,
    retry_after: Option<Duration>,
    pending: Option<&'static str>,
}

impl Error {
    /// A failure with a sentence that says what is wrong and what to do.
    pub fn new(kind: Kind, reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, reason, message: message.into(), field: None, retry_after: None, pending: None }
    }

    /// An invalid field of a request.
    pub fn invalid(reason: Reason, field: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::InvalidArgument, reason, message).field(field)
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says when a retry may succeed.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Says where it has still to be done, by the names of tiers in capitals.
    #[must_use]
    pub fn pending(mut self, tiers: &'static str) -> Self {
        self.pending = Some(tiers);
        self
    }

    /// What sort of failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The sentence for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The request field at fault.
    #[must_use]
    pub fn field_name(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// Where it has still to be done, if it is done here alone.
    #[must_use]
    pub fn pending_in(&self) -> Option<&'static str> {
        self.pending
    }

    /// When a retry may succeed.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.message)?;
        match &self.field {
            Some(field) => write!(f, " (field `{field}`)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
