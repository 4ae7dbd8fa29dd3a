//! `cargo x history`: builds the server and what records histories of it, and becomes that. What is recorded and judged is
//! `tests/history`'s.

use std::process::{Command, ExitCode};

use crate::program::{self, root};

/// Builds both and runs it with these arguments, where the caller stands and with the caller's terminal. Ends as it ends: 1
/// when something does not hold, 2 when it could not run.
///
/// # Errors
/// It cannot be built or started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    build()?;
    let status = program().args(arguments).status().map_err(|error| format!("cannot start it: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Builds the server and the recorder side by side.
///
/// # Errors
/// One of them cannot be built.
pub(crate) fn build() -> Result<(), String> {
    program::run(&mut program::build(&["hotplate", "hotplate-history"], &[]))
}

/// The recorder.
pub(crate) fn program() -> Command {
    Command::new(root().join("target/debug/hotplate-history"))
}
