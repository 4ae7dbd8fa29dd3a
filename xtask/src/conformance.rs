//! `cargo x conformance`: builds the server, the driver of the Rust client and what runs the scenarios, and becomes that. What
//! is run and judged is `tests/conformance`'s.

use std::process::{Command, ExitCode};

use crate::program::{self, root};

/// Builds all of it and runs it with these arguments, where the caller stands and with the caller's terminal. Ends as it
/// ends: 1 when something is not as it must be, 2 when it could not run.
///
/// # Errors
/// It cannot be built or started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    build()?;
    let status = program().args(arguments).status().map_err(|error| format!("cannot start it: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Builds the programs side by side.
///
/// # Errors
/// One of them cannot be built.
pub(crate) fn build() -> Result<(), String> {
    program::run(&mut program::build(&["hotplate", "hotplate-driver", "hotplate-conformance"], &[]))
}

/// What runs the scenarios.
pub(crate) fn program() -> Command {
    Command::new(root().join("target/debug/hotplate-conformance"))
}
