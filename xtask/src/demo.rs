//! `cargo x demo`: builds the demo and the server it starts, and becomes the demo. What it shows is `demo`'s.

use std::process::{Command, ExitCode};

use crate::program::{self, cargo, root};

/// Runs the demo with these arguments and the caller's terminal. Ends as the demo ends.
///
/// # Errors
/// Something cannot be built or started.
pub(crate) fn run(release: bool, arguments: &[String]) -> Result<ExitCode, String> {
    eprintln!("building the server and the demo, unless they are: the first time takes minutes");
    if release {
        let packages = ["-p", "hotplate-cli", "-p", "hotplate-demo"];
        program::run(cargo(["build", "--quiet", "--locked", "--release"]).args(packages))?;
    } else {
        program::run(&mut program::build(&["hotplate", "hotplate-demo"], &[]))?;
    }
    let folder = root().join("target").join(if release { "release" } else { "debug" });
    let mut demo = Command::new(folder.join("hotplate-demo"));
    let status = demo.args(arguments).status().map_err(|error| format!("the demo cannot be started: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}
