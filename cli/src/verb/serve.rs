//! `hotplate serve`: settings, configuration, start, and waiting for the end. What a server does is not decided here.

use clap::{ArgMatches, Args};
use hotplate_daemon::{
    config::{self, Action, Loaded},
    telemetry::Telemetry,
};
use hotplate_engine::clock::Clock;
use tokio::signal::unix::{Signal, SignalKind, signal};

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
        Action::Serve => serve(loaded, output),
    }
}

fn refused(error: &config::ConfigError) -> Failure {
    Failure::new(Exit::Configuration, format!("the configuration is refused:\n  {}", error.problems().join("\n  ")))
}

/// Starts the server and waits for its end, on a runtime of its own.
fn serve(loaded: Loaded, output: &mut Output) -> Outcome {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = built.map_err(|error| Failure::new(Exit::Configuration, format!("cannot start: {error}")))?;
    let ended = runtime.block_on(Box::pin(serve_until_told(loaded, output)));
    // The deadline of the shutdown has been kept above: what is left is not waited for.
    runtime.shutdown_background();
    ended
}

async fn serve_until_told(loaded: Loaded, output: &mut Output) -> Outcome {
    let refused = |error: &dyn std::fmt::Display| Failure::new(Exit::Configuration, error.to_string());
    let clock = Clock::system();
    let telemetry = Telemetry::install(&loaded.settings.log, clock.clone(), config::environment());
    let telemetry = telemetry.map_err(|error| refused(&error))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    // Before the first line is out: whoever reads it may send a signal at once.
    let mut signals = Signals::listen().map_err(|error| refused(&error))?;
    let running = hotplate_daemon::start_with(loaded.settings, clock, telemetry).await;
    let running = running.map_err(|error| refused(&error))?;
    let (grpc, http) = (running.grpc_addr(), running.http_addr());
    output.line(&format!("{{\"event\":\"listening\",\"grpc\":\"{grpc}\",\"http\":\"{http}\"}}"))?;
    output.flush()?;
    signals.next().await;
    tokio::select! {
        () = running.shutdown() => Ok(Exit::Done),
        () = signals.next() => Err(Failure::new(Exit::Interrupted, "ended by a second signal")),
    }
}

/// The two signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
