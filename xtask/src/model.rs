//! `cargo x model`: builds the model with optimisation and becomes it. What it checks is `server/model`'s.

use std::process::ExitCode;

use crate::program::cargo;

/// Runs the model with these arguments and the caller's terminal. Ends as the model ends: 1 when a configuration does not
/// hold or a mutant survives, 2 when it was called wrongly.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    eprintln!("building server/model with optimisation: the first time takes a minute");
    let mut model = cargo(["run", "--quiet", "--locked", "--release", "--package", "hotplate-model", "--"]);
    let status = model.args(arguments).status().map_err(|error| format!("cannot start cargo: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
