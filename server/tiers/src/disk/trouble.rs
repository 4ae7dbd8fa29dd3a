//! What keeps the tier from working, and how long it waits before it tries again. What is tried is not known here.

use std::{io, path::Path, time::Duration};

use hotplate_engine::tier::{TierError, TierErrorKind, TierHealth};

/// Waits between attempts: from the first to the last.
const WAIT_MIN: Duration = Duration::from_millis(100);
const WAIT_MAX: Duration = Duration::from_secs(5);

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Reading what is in the directory.
    Opening,
    /// Reading an entry.
    Reading,
    /// Writing.
    Writing,
    /// Forcing what was written onto the medium.
    Syncing,
    /// Removing files.
    Removing,
}

impl Step {
    /// As statistics write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Opening => "open",
            Self::Reading => "read",
            Self::Writing => "write",
            Self::Syncing => "sync",
            Self::Removing => "remove",
        }
    }
}

/// A failure.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) step: Step,
    pub(super) error: io::Error,
}

impl Step {
    /// Says of an error in which step it was.
    pub(super) fn of(self) -> impl Fn(io::Error) -> Fault {
        move |error| Fault { step: self, error }
    }
}

/// A failure that lasts.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    pub(super) step: Step,
    /// A sentence for people: what happened, what is done about it.
    pub(super) why: String,
    full: bool,
}

impl Trouble {
    pub(super) fn new(Fault { step, error }: &Fault, directory: &Path) -> Self {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let path = directory.display();
        let why = match step {
            Step::Opening => format!("{}; it is tried again", unusable(directory, error)),
            Step::Reading => format!("reading in {path} fails: {error}; nothing is read until it works again"),
            Step::Writing if full => {
                format!("the disk of {path} is full: nothing is stored until there is room; what is there is served")
            }
            Step::Writing => format!("writing in {path} fails: {error}; nothing is stored until it works again"),
            Step::Syncing => {
                format!("forcing data of {path} onto the medium fails: {error}; what was there is dropped")
            }
            Step::Removing => {
                format!("files in {path} cannot be removed: {error}; nothing is stored until they can")
            }
        };
        Self { step: *step, why, full }
    }

    pub(super) fn health(&self) -> TierHealth {
        match self.step {
            Step::Opening | Step::Reading => TierHealth::Away,
            Step::Writing | Step::Syncing | Step::Removing => TierHealth::Degraded,
        }
    }

    /// What a caller is told.
    pub(super) fn error(&self) -> TierError {
        let kind = if self.full { TierErrorKind::Full } else { TierErrorKind::Unreachable };
        TierError { kind, message: format!("disk: {}", self.why) }
    }
}

/// Why a directory cannot be used, and which setting names it.
pub(super) fn unusable(directory: &Path, error: &io::Error) -> String {
    let why = match error.kind() {
        io::ErrorKind::ResourceBusy => "another process uses it".to_owned(),
        io::ErrorKind::DirectoryNotEmpty => "it is not empty, and nothing says that it is a cache's".to_owned(),
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => "it is no directory".to_owned(),
        _ => error.to_string(),
    };
    format!("{} (disk.path) cannot be used: {why}", directory.display())
}

/// Waits that double.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(WAIT_MIN)
    }
}

impl Backoff {
    /// How long to wait now; the next time twice as long.
    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(WAIT_MAX);
        wait
    }
}
