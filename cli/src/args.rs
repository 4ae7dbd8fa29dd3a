//! The command line as a whole: global flags, the list of verbs, and how they become one clap command. What a verb's
//! own flags mean is in the verb's file.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{duration, verb};

const EXAMPLES: &str = "\
Examples:
  hotplate serve                                  run a server on this machine, in memory
  hotplate put model:42 @model.bin --ttl 1h       store a file for an hour
  hotplate get model:42 --out model.bin           fetch it again
  hotplate invalidate --tag dataset:7             drop everything made from data set 7
  hotplate stats                                  how well the cache is doing

Exit codes:
  0    done
  1    a negative answer: a miss, a condition that does not hold, a value that cannot fit, failed preloads, a damaged disk
  2    the command line or a local file is wrong
  3    the server cannot be reached
  4    the token is missing, unknown or not allowed to do this
  5    the server answered with an error, or did it only in part (TIER_PENDING says what is still to be told)
  6    the deadline passed
  78   the server's configuration is refused
  130  interrupted";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "hotplate",
    version,
    about = "A cache for results that are expensive to compute: the server and every client verb",
    after_help = EXAMPLES,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 110
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Flags that every verb takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// Server to talk to, such as http://127.0.0.1:7070 or cache.internal:7070
    #[arg(
        id = "endpoint",
        long = "endpoint",
        visible_alias = "addr",
        value_name = "URL",
        env = "HOTPLATE_URL",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) endpoint: Option<String>,
    /// Namespace to work in [default: default]
    #[arg(
        id = "client_namespace",
        short = 'n',
        long = "namespace",
        value_name = "NAME",
        env = "HOTPLATE_NAMESPACE",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) namespace: Option<String>,
    /// Token to authenticate with; others on this machine can see it here: prefer HOTPLATE_TOKEN or --token-file
    #[arg(
        id = "client_token",
        long = "token",
        value_name = "TOKEN",
        env = "HOTPLATE_TOKEN",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) token: Option<String>,
    /// File that holds the token
    #[arg(
        id = "client_token_file",
        long = "token-file",
        value_name = "FILE",
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Send the token to another machine without encryption: whoever listens in then has it
    #[arg(id = "client_insecure_token", long = "insecure-token", global = true, help_heading = "Connection")]
    pub(crate) insecure_token: bool,
    /// Certificates (PEM) to trust for https instead of the public ones
    #[arg(
        id = "client_cacert",
        long = "cacert",
        value_name = "FILE",
        env = "HOTPLATE_TLS_CA",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) cacert: Option<PathBuf>,
    /// Time a call may take, such as 500ms or 10s [default: 10s]
    #[arg(
        id = "client_timeout",
        long = "timeout",
        value_name = "DURATION",
        env = "HOTPLATE_TIMEOUT",
        hide_env_values = true,
        value_parser = duration::parse,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) timeout: Option<Duration>,
    /// Saved connection to use, see `hotplate context`
    #[arg(
        id = "client_context",
        long = "context",
        value_name = "NAME",
        env = "HOTPLATE_CONTEXT",
        hide_env_values = true,
        global = true,
        help_heading = "Connection"
    )]
    pub(crate) context: Option<String>,
    /// Folder of the saved connections
    #[arg(
        id = "client_config_home",
        long = "config-home",
        value_name = "DIR",
        env = "HOTPLATE_CONFIG_HOME",
        hide_env_values = true,
        hide = true,
        global = true
    )]
    pub(crate) config_home: Option<PathBuf>,
    /// Form of the output: a table on a terminal, tab-separated lines or raw bytes elsewhere
    #[arg(
        id = "client_output",
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        value_enum,
        default_value_t = Format::Auto,
        global = true,
        help_heading = "Output"
    )]
    pub(crate) output: Format,
    /// No colours; the environment variable NO_COLOR says the same
    #[arg(
        id = "client_no_color",
        long = "no-color",
        global = true,
        help_heading = "Output",
        env = "NO_COLOR",
        hide_env = true
    )]
    pub(crate) no_color: bool,
    /// Print results only, nothing about how it went
    #[arg(id = "client_quiet", short = 'q', long = "quiet", global = true, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What suits where the output goes
    Auto,
    /// Columns for people
    Table,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
    /// Bare keys or bytes
    Raw,
    /// For `get`: what is known about the entry instead of its value
    Meta,
    /// For `bench`: a line of numbers under a line of their names
    Csv,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(verb::serve::Serve),
    Get(verb::get::Get),
    Put(verb::put::Put),
    Rm(verb::rm::Rm),
    Touch(verb::touch::Touch),
    Ls(verb::ls::Ls),
    Info(verb::info::Info),
    Explain(verb::explain::Explain),
    Invalidate(verb::invalidate::Invalidate),
    Preload(verb::preload::Preload),
    Watch(verb::watch::Watch),
    Stats(verb::stats::Stats),
    Health(verb::health::Health),
    Context(verb::context::Context),
    Bench(verb::bench::Bench),
    Disk(verb::disk::Disk),
    Token(verb::token::Token),
    Completions(verb::completions::Completions),
    Man(verb::man::Man),
    Docs(verb::docs::Docs),
}

/// The whole command: the verbs of this crate, and `serve` with one flag for each setting of the server.
pub(crate) fn command() -> clap::Command {
    let globals: Vec<clap::Arg> = Cli::command().get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    Cli::command().mut_subcommand("serve", |serve| {
        let serve = hotplate_daemon::config::add_flags(serve);
        // They are global, so they are accepted here as well, but a server does not connect to itself.
        globals.into_iter().fold(serve, |serve, arg| serve.arg(arg.hide(true)))
    })
}

/// `get KEY -o FILE` is `get KEY --out FILE`: no form of output has a dot or a slash, and hardly a file has neither.
pub(crate) fn with_files(given: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut given: Vec<OsString> = given.into_iter().collect();
    if !given.iter().any(|argument| argument == "get") {
        return given;
    }
    let end = given.iter().position(|argument| argument == "--").unwrap_or(given.len());
    let is_file = |text: &OsStr| text.to_string_lossy().contains(['.', '/']);
    for at in 1..end.saturating_sub(1) {
        if (given[at] == "-o" || given[at] == "--output") && is_file(&given[at + 1]) {
            given[at] = "--out".into();
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_dot_or_a_slash_is_a_file() {
        let said = |line: &str| {
            let given = with_files(line.split(' ').map(OsString::from));
            given.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said("hotplate get k -o model.bin"), "hotplate get k --out model.bin");
        assert_eq!(said("hotplate get k -o ./json -o json"), "hotplate get k --out ./json -o json");
        for unchanged in
            ["hotplate get k -o json", "hotplate put k -o a.b", "hotplate get -- -o a.b", "hotplate get -o"]
        {
            assert_eq!(said(unchanged), unchanged);
        }
    }
}
