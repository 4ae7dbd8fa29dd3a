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
    let name = wheel.file_name().unwrap_or_default().to_string_lossy().into_owned();
    has_license(&wheel)?;
    let environment = folder.join("environment");
    log.run(command("python3").args(["-m", "venv"]).arg(&environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"];
    log.run(command(environment.join("bin/python")).args(pip).arg(&wheel))?;
    let program = environment.join("bin/hotplate");
    fits(&name, program::output(command(&program).arg("--version"))?.trim())?;
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

/// Whether a wheel's name says the version of its program, and a platform that an index takes: one of plain `linux_` it refuses.
fn fits(name: &str, version: &str) -> Result<(), String> {
    let version = version.split_whitespace().nth(1).unwrap_or_default();
    let parts: Vec<&str> = name.trim_end_matches(".whl").split('-').collect();
    let (told, platform) = (parts.get(1).copied().unwrap_or_default(), parts.last().copied().unwrap_or_default());
    match (told == version && !version.is_empty(), platform.starts_with("linux_")) {
        (true, false) => Ok(()),
        (false, _) => Err(format!("{name} holds version `{version}`")),
        (true, true) => Err(format!("{name}: an index refuses this platform")),
    }
}

/// Who hands on the program has to hand on its license.
fn has_license(wheel: &std::path::Path) -> Result<(), String> {
    let listed = program::output(command("python3").args(["-m", "zipfile", "-l"]).arg(wheel))?;
    match listed.contains("licenses/LICENSE") {
        true => Ok(()),
        false => Err(format!("there is no LICENSE in {}", wheel.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_of_another_version_or_of_no_index_is_found() {
        let of = |platform: &str| format!("hotplate_server-0.1.0-py3-none-{platform}.whl");
        assert_eq!(fits(&of("manylinux_2_39_x86_64"), "hotplate 0.1.0 (abc)"), Ok(()));
        assert!(fits(&of("manylinux_2_39_x86_64"), "hotplate 0.1.1").is_err());
        assert!(fits(&of("manylinux_2_39_x86_64"), "").is_err());
        assert!(fits(&of("linux_x86_64"), "hotplate 0.1.0").is_err());
    }
}
