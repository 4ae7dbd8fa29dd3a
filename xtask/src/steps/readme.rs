//! Runs every command of the README: all fenced `sh` blocks, in order, as one reader would.
//!
//! Two commands are treated apart: the server goes on in the background, and `cargo x ci` is the run we are in.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Stdio},
    thread,
    time::Duration,
};

use crate::{
    program::{self, Log, cargo, command, root},
    report::Report,
    steps::Outcome,
};

const SERVE: &str = "cargo run --release -- serve";
const CI: &str = "cargo x ci";
const PORTS: [&str; 2] = ["127.0.0.1:7070", "127.0.0.1:7071"];
/// Times the port is tried, half a second apart. The build is done before.
const TRIES: u32 = 60;

/// Runs the commands of README.md against a server started as it says.
pub(crate) fn check(log: &Log) -> Outcome {
    let text = std::fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let commands = commands(&text);
    for needed in [SERVE, CI] {
        if !commands.iter().any(|command| command == needed) {
            return Err(format!("README.md does not show `{needed}`").into());
        }
    }
    let commands: Vec<String> = commands.into_iter().filter(|command| command != SERVE && command != CI).collect();
    log.run(&mut cargo(["build", "--release", "--locked"]))?;
    let _server = serve(log)?;
    let path = format!(
        "{}:{}:{}",
        program::tools().join("bin").display(),
        program::python("").display(),
        program::output(command("sh").args(["-c", "printf %s \"$PATH\""]))?,
    );
    let script = format!("set -euxo pipefail\n{}\n", commands.join("\n"));
    log.run(command("bash").args(["-c", &script]).env("PATH", path))?;
    Ok(Report { passed: 1, note: format!("{} lines and the server; `{CI}` is this run", commands.len()) })
}

/// A child that ends with its owner.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It served its purpose; how it ends tells nothing.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// Starts the server with exactly the README's command, and waits until its port answers.
fn serve(log: &Log) -> Result<Running, String> {
    for port in PORTS {
        TcpListener::bind(port).map_err(|error| format!("the README uses {port}, which is not free: {error}"))?;
    }
    log.say(&format!("$ {SERVE} &"))?;
    // `exec` leads to cargo, and cargo replaces itself by the server: the child is the server itself.
    let mut shell = command("bash");
    shell.args(["-c", &format!("exec {SERVE}")]).stdout(log.handle()?).stderr(log.handle()?).stdin(Stdio::null());
    let mut server = Running(shell.spawn().map_err(|error| format!("cannot start bash: {error}"))?);
    for _ in 0..TRIES {
        if let Ok(Some(status)) = server.0.try_wait() {
            return Err(format!("`{SERVE}` ended: {status}"));
        }
        if PORTS.iter().all(|port| TcpStream::connect(port).is_ok()) {
            return Ok(server);
        }
        thread::sleep(Duration::from_millis(500));
    }
    Err(format!("`{SERVE}` does not listen on {}", PORTS.join(" and ")))
}

/// The lines of all fenced `sh` blocks.
fn commands(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line.trim_end()) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, command) if !command.is_empty() => lines.push(command.to_owned()),
            _ => {}
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sh_blocks_are_commands() {
        let text = "# x\n```sh\na\nb \\\n  c\n```\ntext\n```text\nno\n```\n```sh\n\nd\n```\n";
        assert_eq!(commands(text), ["a", "b \\", "  c", "d"]);
    }

    #[test]
    fn the_readme_shows_the_two_commands() {
        let text = std::fs::read_to_string(root().join("README.md")).unwrap();
        let commands = commands(&text);
        assert!(commands.contains(&SERVE.to_owned()) && commands.contains(&CI.to_owned()));
    }
}
