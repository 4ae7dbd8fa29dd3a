//! `hotplate serve`: settings, configuration, start, and waiting for the end. What a server does is not decided here.

use clap::{ArgMatches, Args};
use hotplate_daemon::config::{self, Action};

use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
};

const EXAMPLES: &str = "\
Examples:
  hotplate serve                                           in memory, on this machine only
  hotplate serve --config /etc/hotplate.toml               settings from a file
  hotplate serve --config /etc/hotplate.toml --check-config
  hotplate serve --listen 127.0.0.1:0 --http 127.0.0.1:0   free ports, told by the first line of stdout

The first SIGTERM or SIGINT ends it gracefully, the second at once. `hotplate serve --help` lists all settings.";

/// Run a server
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Serve {}

/// Runs it: the flags are the settings of the server, read by its own loader.
pub(super) fn run(matches: &ArgMatches, output: &mut Output) -> Outcome {
    let loaded = config::load(matches, config::environment()).map_err(|error| refused(&error))?;
    match loaded.action {
        Action::Check => {
            for warning in &loaded.warnings {
                output.warn(&format!("warning: {warning}"))?;
            }
            output.line("the configuration can be used")?;
            Ok(Exit::Done)
        }
        Action::Print => {
            output.bytes(loaded.print().as_bytes())?;
            Ok(Exit::Done)
        }
        Action::Serve => Err(Failure::new(Exit::Configuration, "this build holds no server yet")),
    }
}

fn refused(error: &config::ConfigError) -> Failure {
    Failure::new(Exit::Configuration, format!("the configuration is refused:\n  {}", error.problems().join("\n  ")))
}
