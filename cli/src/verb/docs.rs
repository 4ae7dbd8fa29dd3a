//! `hotplate docs`: the generated pages of the documentation, made from the tables that the programs run on.

use clap::{Args, ValueEnum};

use crate::{
    args,
    exit::{Exit, Outcome},
    output::Output,
};

/// Print a generated page of the documentation
#[derive(Args, Debug)]
#[command(hide = true)]
pub(crate) struct Docs {
    #[arg(value_enum)]
    page: Name,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// docs/settings.md
    Settings,
    /// docs/metrics.md
    Metrics,
    /// docs/errors.md
    Errors,
    /// docs/cli.md
    Cli,
}

impl Docs {
    /// Runs it.
    pub(crate) fn run(self, output: &mut Output) -> Outcome {
        let page = match self.page {
            Name::Settings => hotplate_daemon::config::settings_markdown(),
            Name::Metrics => hotplate_daemon::telemetry::metrics_markdown(),
            Name::Errors => errors(),
            Name::Cli => cli(),
        };
        output.bytes(page.trim_end().as_bytes())?;
        output.line("")?;
        Ok(Exit::Done)
    }
}

const CLI_HEAD: &str = "# The command line

Made by `hotplate docs cli`; do not edit. The flags of `serve` are in [settings.md](settings.md).
";

/// The help of every command that is not hidden.
fn cli() -> String {
    let mut command = args::command().term_width(100);
    command.build();
    let mut page = CLI_HEAD.to_owned();
    append(&mut page, &mut command, "hotplate");
    page
}

fn append(page: &mut String, command: &mut clap::Command, path: &str) {
    // The settings of the server have a page of their own; the short help leaves them out.
    let help = command.render_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## `{path}`\n\n```text\n{}\n```\n", lines.join("\n").trim_end()));
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        // The flags that every verb takes are listed once, at the top.
        let mut own = sub.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
        append(page, &mut own, &path);
    }
}

const ERRORS_HEAD: &str = "# Reasons of errors

Made by `hotplate docs errors`; do not edit. Every failed call carries a `google.rpc.ErrorInfo` with domain `hotplate` and
one of these reasons; every failed item of a batch names one in its `reason`.

| reason | status | meaning |
|---|---|---|
";

/// The table of reasons that the server makes its statuses from.
fn errors() -> String {
    let rows = hotplate_daemon::grpc::REASONS.iter();
    let rows = rows.map(|(reason, code, meaning)| format!("| `{reason}` | {} | {meaning} |\n", code_name(*code)));
    format!("{ERRORS_HEAD}{}", rows.collect::<String>())
}

/// `InvalidArgument` as gRPC spells it.
fn code_name(code: tonic::Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
