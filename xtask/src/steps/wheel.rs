//! The server as a Python wheel: built, installed where nothing else is, started from there and used.

use std::fs;

use crate::{
    program::{self, Log, command, root},
    report::Report,
    server::Server,
    steps::Outcome,
};

/// Builds the wheel, installs it into an empty environment, and asks the server in it for a value.
pub(crate) fn check(log: &Log) -> Outcome {
    let folder = root().join("target/wheel");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("cannot empty {}: {error}", folder.display()))?;
    }
    let mut build = command(program::python("maturin"));
    build.args(["build", "--release", "--out"]).arg(&folder).current_dir(root().join("server/wheel"));
    log.run(&mut build)?;
    let wheel = wheel(&folder)?;
    let environment = folder.join("environment");
    log.run(command("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"];
    log.run(command(environment.join("bin/python")).args(pip).arg(&wheel))?;
    let program = environment.join("bin/hotplate");
    let server = Server::start(&program)?;
    let client = |words: &[&str]| program::output(command(&program).args(words).args(["--addr", &server.grpc]));
    client(&["put", "greeting", "hello", "--ttl", "1h"])?;
    let found = client(&["get", "greeting", "-o", "raw"])?;
    if found.trim_end() != "hello" {
        return Err(format!("the server of the wheel answered `{}` instead of `hello`", found.trim_end()).into());
    }
    let size = fs::metadata(&wheel).map(|wheel| wheel.len() >> 20).unwrap_or_default();
    Ok(Report::one(format!("{size} MiB, installed into an empty environment, started and asked")))
}

/// The wheel that was built.
fn wheel(folder: &std::path::Path) -> Result<std::path::PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let mut paths = entries.flatten().map(|entry| entry.path());
    paths
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .ok_or_else(|| format!("no wheel in {}", folder.display()))
}
