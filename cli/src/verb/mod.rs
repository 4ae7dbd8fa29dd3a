//! One file per verb. Here: which verb runs where, and how its end becomes the exit code.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod context;
pub(crate) mod disk;
pub(crate) mod docs;
pub(crate) mod explain;
pub(crate) mod get;
pub(crate) mod health;
pub(crate) mod info;
pub(crate) mod invalidate;
mod lifetime;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod preload;
pub(crate) mod put;
pub(crate) mod rm;
mod select;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod token;
pub(crate) mod touch;
mod transfer;
pub(crate) mod watch;

use std::future::Future;

use clap::{ArgMatches, FromArgMatches};

use crate::{
    args::{Cli, Format, Verb},
    connect::Connection,
    exit::{Exit, Failure, Outcome},
    output::{Output, say},
};

/// Runs the verb of a command line to its end.
pub(crate) fn run(matches: &ArgMatches) -> Exit {
    let cli = match Cli::from_arg_matches(matches) {
        Ok(cli) => cli,
        Err(error) => {
            say(error.to_string().trim_end());
            return Exit::Usage;
        }
    };
    let mut output = Output::new(&cli.global);
    let ended = dispatch(cli, matches, &mut output);
    match ended.and_then(|exit| output.flush().map(|()| exit)) {
        Ok(exit) => exit,
        Err(failure) => {
            if let Some(fields) = failure.fields.as_ref().filter(|_| output.wants_json()) {
                // A reader that went away needs no word of it.
                let _written = output.json(fields).and_then(|()| output.flush());
            }
            if !failure.message.is_empty() {
                say(&format!("hotplate: {}", failure.message));
            }
            failure.exit
        }
    }
}

fn dispatch(cli: Cli, matches: &ArgMatches, output: &mut Output) -> Outcome {
    if cli.global.output == Format::Meta && !matches!(cli.verb, Verb::Get(_)) {
        return Err(Failure::usage("`-o meta` is for `get` only; `info` shows the same for people"));
    }
    if cli.global.output == Format::Csv && !matches!(cli.verb, Verb::Bench(_)) {
        return Err(Failure::usage("`-o csv` is for `bench` only; `-o jsonl` suits scripts as well"));
    }
    match cli.verb {
        Verb::Serve(_) => {
            let (_, serve) = matches.subcommand().ok_or_else(|| Failure::usage("no verb was given"))?;
            serve::run(serve, output)
        }
        Verb::Completions(verb) => verb.run(output),
        Verb::Man(verb) => verb.run(output),
        Verb::Docs(verb) => verb.run(output),
        Verb::Bench(verb) => verb.run(&cli.global, output),
        Verb::Disk(verb) => verb.run(output),
        Verb::Token(verb) => verb.run(output),
        Verb::Context(verb) => verb.run(&cli.global, output),
        verb => talk(async {
            let connection = Connection::new(&cli.global)?;
            client_verb(verb, &connection, output).await
        }),
    }
}

async fn client_verb(verb: Verb, connection: &Connection, output: &mut Output) -> Outcome {
    match verb {
        Verb::Get(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Put(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Rm(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Touch(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Ls(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Info(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Explain(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Invalidate(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Preload(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Watch(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Stats(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Health(verb) => Box::pin(verb.run(connection, output)).await,
        Verb::Serve(_)
        | Verb::Completions(_)
        | Verb::Man(_)
        | Verb::Docs(_)
        | Verb::Bench(_)
        | Verb::Disk(_)
        | Verb::Token(_)
        | Verb::Context(_) => Err(Failure::usage("this verb talks to no server")),
    }
}

/// Runs a verb that talks to a server, until it ends or is interrupted.
fn talk(verb: impl Future<Output = Outcome>) -> Outcome {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = built.map_err(|error| Failure::usage(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = verb => ended,
            interrupted = tokio::signal::ctrl_c() => match interrupted {
                Ok(()) => Err(Failure::new(Exit::Interrupted, "interrupted")),
                Err(error) => Err(Failure::usage(format!("cannot listen for interrupts: {error}"))),
            },
        }
    });
    // A read of stdin that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    ended
}
