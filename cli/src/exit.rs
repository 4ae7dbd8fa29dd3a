//! How a verb ends: the exit codes, and failures with the sentence that goes to stderr.

use std::{fmt, io, process::ExitCode};

use hotplate::ErrorKind;
use serde_json::{Map, Value};

/// Exit codes, as documented in `hotplate --help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A negative answer.
    Negative = 1,
    /// The command line or a local file is wrong.
    Usage = 2,
    /// The server cannot be reached.
    Unreachable = 3,
    /// The token is missing, unknown or not allowed to do this.
    Auth = 4,
    /// The server answered with an error, or did it only in part.
    Rejected = 5,
    /// The deadline passed.
    Deadline = 6,
    /// The server's configuration is refused.
    Configuration = 78,
    /// Interrupted.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// How a verb ended that could not finish: the code and the sentence for people, empty when there is nothing to say.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What goes to stderr.
    pub(crate) message: String,
    /// The same in fields, for programs, where a server said it.
    pub(crate) fields: Option<Value>,
}

/// What a verb returns.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// Ends with this code and sentence.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), fields: None }
    }

    /// The command line or a local file is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The exit code follows from the kind of failure; the sentence names the reason that programs see and the field.
impl From<hotplate::Error> for Failure {
    fn from(error: hotplate::Error) -> Self {
        // It answered, so it can be reached: it is something beside it that is away, or behind.
        let answered = matches!(error.reason.as_deref(), Some("TIER_PENDING" | "POSITION_NOT_REACHED"));
        let exit = match error.kind {
            ErrorKind::Unavailable if answered => Exit::Rejected,
            ErrorKind::Unavailable => Exit::Unreachable,
            ErrorKind::DeadlineExceeded => Exit::Deadline,
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied => Exit::Auth,
            ErrorKind::Configuration => Exit::Usage,
            _ => Exit::Rejected,
        };
        let hint = match error.kind {
            ErrorKind::Unavailable if answered => "",
            ErrorKind::Unavailable => "; is the server running there? (`hotplate serve`, or name it with --endpoint)",
            ErrorKind::Unauthenticated => "; give a token with HOTPLATE_TOKEN or --token-file",
            _ => "",
        };
        let fields = fields(&error);
        let mut message = match &error.reason {
            Some(reason) => format!("{reason}: {}", error.message),
            None => format!("{}: {}", error.kind.name(), error.message),
        };
        if let Some(field) = &error.field {
            message = format!("{message} (field `{field}`)");
        }
        Self { fields: Some(fields), ..Self::new(exit, format!("{message}{hint}")) }
    }
}

/// What the server said, and what it added for this reason: with `TIER_PENDING` what was `applied` and what is `pending`.
fn fields(error: &hotplate::Error) -> Value {
    let mut said: Map<String, Value> =
        error.details.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
    said.insert("error".to_owned(), Value::from(error.kind.name()));
    said.insert("reason".to_owned(), error.reason.as_deref().map_or(Value::Null, Value::from));
    said.insert("message".to_owned(), Value::from(error.message.as_str()));
    said.insert("field".to_owned(), error.field.as_deref().map_or(Value::Null, Value::from));
    let seconds = error.retry_after.map(|time| time.as_secs_f64());
    said.insert("retry_after_seconds".to_owned(), seconds.map_or(Value::Null, Value::from));
    Value::Object(said)
}

/// A reader that went away, as in `hotplate ls | head`, is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::usage(format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_failure_has_its_code() {
        let exit = |kind| Failure::from(error(kind)).exit;
        assert_eq!(exit(ErrorKind::Unavailable), Exit::Unreachable);
        assert_eq!(exit(ErrorKind::DeadlineExceeded), Exit::Deadline);
        assert_eq!(exit(ErrorKind::Unauthenticated), Exit::Auth);
        assert_eq!(exit(ErrorKind::PermissionDenied), Exit::Auth);
        assert_eq!(exit(ErrorKind::InvalidArgument), Exit::Rejected);
        assert_eq!(exit(ErrorKind::ResourceExhausted), Exit::Rejected);
        assert_eq!(exit(ErrorKind::Configuration), Exit::Usage);
    }

    #[test]
    fn a_server_that_says_what_it_waits_for_was_reached() {
        let mut pending = error(ErrorKind::Unavailable);
        pending.reason = Some("TIER_PENDING".to_owned());
        pending.details =
            [("applied", "LOCAL"), ("pending", "SHARED")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let failure = Failure::from(pending);
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Rejected, "TIER_PENDING: x"));
        let fields = failure.fields.expect("a server said it");
        assert_eq!((&fields["reason"], &fields["applied"]), (&"TIER_PENDING".into(), &"LOCAL".into()));
        assert_eq!((&fields["pending"], &fields["error"]), (&"SHARED".into(), &"UNAVAILABLE".into()));
        assert!(Failure::from(error(ErrorKind::Unavailable)).message.contains("is the server running"));
    }

    fn error(kind: ErrorKind) -> hotplate::Error {
        hotplate::Error::new(kind, "x")
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit, failure.message.as_str()), (Exit::Done, ""));
    }
}
