//! `cargo x bench`: builds one of the benches with optimisation and becomes it. What they measure is `server/bench`'s, and of
//! Redis `server/tiers`'.

pub(crate) mod compare;
pub(crate) mod sdk;

use std::process::{Command, ExitCode, Stdio};

use crate::program::{self, cargo};

/// Builds a bench and runs it with these arguments, where the caller stands and with the caller's
/// terminal. Ends as the bench ends.
///
/// # Errors
/// It cannot be built or started.
pub(crate) fn run(bench: &str, arguments: &[String]) -> Result<ExitCode, String> {
    eprintln!("building {} with optimisation: the first time takes minutes", package(bench));
    let mut program = Command::new(built(bench, "bench")?);
    let status =
        program.args(arguments).status().map_err(|error| format!("cannot start the bench {bench}: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(ExitCode::from(code))
}

/// Where a bench is: the one of Redis is where few other things have to be built for it.
fn package(bench: &str) -> &'static str {
    if bench == "redis" { "hotplate-tiers" } else { "hotplate-bench" }
}

/// The program of a bench, built with this profile. Cargo's own messages go to stderr.
///
/// # Errors
/// It cannot be built.
pub(crate) fn built(bench: &str, profile: &str) -> Result<String, String> {
    let mut build = cargo(["bench", "--locked", "--no-run"]);
    match profile {
        // With the features that everything else is built with then.
        "dev" => build.arg("--workspace"),
        _ => build.args(["--package", package(bench)]),
    };
    build.args(["--profile", profile, "--bench", bench, "--message-format", "json-render-diagnostics"]);
    let output = build.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{}` failed: {}", program::shown(&build), output.status));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    executable(&messages, bench).ok_or_else(|| format!("cargo did not say where the bench {bench} is"))
}

/// The path that cargo's messages name for this bench.
fn executable(messages: &str, bench: &str) -> Option<String> {
    let target = format!("\"name\":\"{bench}\"");
    let message = messages.lines().find(|line| line.contains(&target) && line.contains("\"executable\":\""))?;
    let path = message.split("\"executable\":\"").nth(1)?.split('"').next()?;
    Some(path.replace("\\\\", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_among_messages() {
        let messages = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"moka\"},\"executable\":null}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"ops\"},\"executable\":\"/t/ops-1\"}\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"hit_ratio\"},\"executable\":\"/t/hit_ratio-2\"}\n",
        );
        assert_eq!(executable(messages, "hit_ratio").as_deref(), Some("/t/hit_ratio-2"));
        assert_eq!(executable(messages, "moka"), None);
    }
}
