//! The command line: one flag per row of the table of settings, and those that pick where settings come from.

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource};

use super::settings::{Row, rows};

/// Id of the flag that names the file.
const CONFIG: &str = "config";
/// Id of the flag that names the profile.
const PROFILE: &str = "profile";
/// Id of the flag that asks for a check only.
const CHECK: &str = "check_config";
/// Id of the flag that asks to print the settings.
const PRINT: &str = "print_config";

/// What the command line asks to do with the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Serve with it.
    Serve,
    /// Say whether it can be used, and end.
    Check,
    /// Print the effective values and where they come from, and end.
    Print,
}

/// Adds the flags of the server to a command.
#[must_use]
pub fn add_flags(command: Command) -> Command {
    let command = command
        .arg(Arg::new(CONFIG).long("config").value_name("FILE").help("TOML file with settings [env: HOTPLATE_CONFIG]"))
        .arg(
            Arg::new(PROFILE)
                .long("profile")
                .value_name("NAME")
                .help("development, testing or production [env: HOTPLATE_PROFILE, else ENVIRONMENT, else ENV]"),
        )
        .arg(
            Arg::new(CHECK)
                .long("check-config")
                .action(ArgAction::SetTrue)
                .help("Say whether the configuration can be used, and end"),
        )
        .arg(
            Arg::new(PRINT)
                .long("print-config")
                .action(ArgAction::SetTrue)
                .conflicts_with(CHECK)
                .help("Print the effective settings and where each comes from, and end"),
        );
    rows().fold(command, |command, row| command.arg(flag(row)))
}

/// What the command line asks for.
#[must_use]
pub(super) fn action(matches: &ArgMatches) -> Action {
    if matches.get_flag(CHECK) {
        Action::Check
    } else if matches.get_flag(PRINT) {
        Action::Print
    } else {
        Action::Serve
    }
}

/// The file named on the command line.
pub(super) fn config_file(matches: &ArgMatches) -> Option<&str> {
    matches.get_one::<String>(CONFIG).map(String::as_str)
}

/// The profile named on the command line.
pub(super) fn profile(matches: &ArgMatches) -> Option<&str> {
    matches.get_one::<String>(PROFILE).map(String::as_str)
}

/// The value of a row, when the command line gives one.
pub(super) fn value<'m>(matches: &'m ArgMatches, row: &Row) -> Option<&'m str> {
    let given = matches.value_source(row.key) == Some(ValueSource::CommandLine);
    given.then(|| matches.get_one::<String>(row.key).map(String::as_str)).flatten()
}

fn flag(row: &'static Row) -> Arg {
    let section = row.key.split('.').next().unwrap_or_default();
    let variable = row.variable();
    let default = row.value(&super::Settings::default());
    let shown = if default.is_empty() { "none".to_owned() } else { default };
    let help = format!("{} ({}) [default: {shown}] [env: {variable}]", row.doc, row.bounds_text());
    let arg = Arg::new(row.key)
        .long(row.flag())
        .value_name(row.type_name().to_uppercase())
        .help(help)
        .help_heading(format!("Settings: {section}"))
        .hide_short_help(row.short_flag.is_none());
    let arg = if row.short_flag.is_some() { arg.alias(row.long_flag()) } else { arg };
    if row.type_name() == "bool" { arg.num_args(0..=1).require_equals(true).default_missing_value("true") } else { arg }
}
