//! `cargo x torture`: builds the server and what is done to it, and becomes that. What is done and judged is
//! `tests/torture`'s.

use std::process::{Command, ExitCode};

use clap::Subcommand;

use crate::program::{self, root};

/// What is done to a server. Arguments go to the program: `--help` says which there are.
#[derive(Subcommand)]
pub(crate) enum Torture {
    /// Kill a server with a disk again and again, and read everything after each restart
    #[command(disable_help_flag = true)]
    Crash {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Let the Redis that a server shares with others fail, and come back
    #[command(disable_help_flag = true)]
    Redis {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Lose messages between servers that share a Redis, stop them, and look for what is stale
    #[command(disable_help_flag = true)]
    Replicas {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

impl Torture {
    /// Builds all of it and runs it, where the caller stands and with the caller's terminal. Ends as it ends: 1 when
    /// something does not hold, 2 when it could not run.
    ///
    /// # Errors
    /// It cannot be built or started.
    pub(crate) fn run(self) -> Result<ExitCode, String> {
        let (what, arguments) = match self {
            Self::Crash { arguments } => ("crash", arguments),
            Self::Redis { arguments } => ("redis", arguments),
            Self::Replicas { arguments } => ("replicas", arguments),
        };
        build()?;
        let status =
            program().arg(what).args(arguments).status().map_err(|error| format!("cannot start it: {error}"))?;
        let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        Ok(ExitCode::from(code))
    }
}

/// Builds the server and what is done to it side by side.
///
/// # Errors
/// One of them cannot be built.
pub(crate) fn build() -> Result<(), String> {
    program::run(&mut program::build(&["hotplate", "hotplate-torture"], &[]))
}

/// What does it.
pub(crate) fn program() -> Command {
    Command::new(root().join("target/debug/hotplate-torture"))
}
