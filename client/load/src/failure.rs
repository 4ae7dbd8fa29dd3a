//! Why a run could not be done. What goes wrong within a run is counted in its tally.

use std::fmt;

/// What sort of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The plan cannot be carried out, or a file is wrong.
    Usage,
    /// Nobody answers there.
    Unreachable,
    /// The token is missing, unknown or not allowed to do this.
    Auth,
    /// The server answered with an error.
    Rejected,
}

/// A failure and its sentence.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What sort.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Usage, message: message.into() }
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Unreachable, message: message.into() }
    }

    pub(crate) fn rejected(message: impl Into<String>) -> Self {
        Self { kind: FailureKind::Rejected, message: message.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
