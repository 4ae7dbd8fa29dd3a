//! `cargo x bench` and `cargo x bench compare`: builds all that is compared with optimisation and becomes what compares. What
//! is measured is `server/compare`'s.

use std::process::{Command, ExitCode};

use crate::{
    program::{self, cargo, root},
    setup,
};

/// What has to be built: the packages, the programs of them, and the examples of the client.
const PACKAGES: [&str; 3] = ["hotplate-cli", "hotplate-compare", "hotplate"];
const PROGRAMS: [&str; 4] = ["hotplate", "bare", "bare-default", "hotplate-compare"];
const EXAMPLES: [&str; 2] = ["many", "near_hit"];

/// Compares with these arguments and the caller's terminal. Ends as the comparison ends.
///
/// # Errors
/// A peer is missing and cannot be installed, or something cannot be built or started.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    if !arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        setup::peers(&|line| eprintln!("{line}"))?;
    }
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let mut command = built(quick)?;
    let status = command.args(arguments).status().map_err(|error| format!("cannot start the comparison: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// What compares, with the programs that it compares, all of them built: as they are released, or quickly.
///
/// # Errors
/// Something cannot be built.
pub(crate) fn built(quick: bool) -> Result<Command, String> {
    let profile = if quick { "dev" } else { "measured" };
    if !quick {
        eprintln!("building the server and what it is compared with as it is released: the first time takes minutes");
    }
    if quick {
        program::run(&mut program::build(&PROGRAMS, &EXAMPLES))?;
    } else {
        // With the features that each has where it is used.
        let mut build = cargo(["build", "--quiet", "--locked", "--profile", profile]);
        for (flag, names) in [("--package", &PACKAGES[..]), ("--bin", &PROGRAMS), ("--example", &EXAMPLES)] {
            build.args(names.iter().flat_map(|name| [flag, *name]));
        }
        program::run(&mut build)?;
    }
    let folder = root().join("target").join(if quick { "debug" } else { profile });
    let mut command = Command::new(folder.join("hotplate-compare"));
    command.arg("--programs").arg(folder);
    Ok(command)
}
