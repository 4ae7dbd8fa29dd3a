//! A real server for the steps that need one: started on free ports, found by its first line, ended when dropped.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::program;

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Address of the gRPC port.
    pub(crate) grpc: String,
}

impl Server {
    /// Starts the binary on free ports and waits for the line with its addresses.
    pub(crate) fn start(binary: &Path) -> Result<Self, String> {
        let mut command = program::command(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--log-level", "warn"]);
        Self::from(&mut command)
    }

    fn from(command: &mut Command) -> Result<Self, String> {
        let shown = program::shown(command);
        let mut child =
            command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cannot start `{shown}`: {error}"))?;
        let Some(stdout) = child.stdout.take() else { return Err(format!("`{shown}` has no output")) };
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let server = Self { child, grpc: address(&line, "grpc").unwrap_or_default() };
        match read {
            Ok(_) if !server.grpc.is_empty() => Ok(server),
            Ok(_) => Err(format!("`{shown}` printed `{}` instead of its addresses", line.trim_end())),
            Err(error) => Err(format!("cannot read from `{shown}`: {error}")),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The exit status of a server that is no longer needed tells nothing.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The address under `name` in the line a server prints when it listens.
fn address(line: &str, name: &str) -> Option<String> {
    let rest = line.split(&format!("\"{name}\":\"")).nth(1)?;
    rest.split('"').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_the_first_line() {
        let line = r#"{"event":"listening","grpc":"127.0.0.1:41001","http":"127.0.0.1:41002"}"#;
        assert_eq!(address(line, "grpc").as_deref(), Some("127.0.0.1:41001"));
        assert_eq!(address(line, "http").as_deref(), Some("127.0.0.1:41002"));
        assert_eq!(address("error: port in use", "grpc"), None);
    }
}
