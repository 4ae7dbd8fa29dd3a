//! `cargo x model`: checks the model and prints what came of it. The command line only; the model is in the library
//! beside it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it checked")]

use std::process::ExitCode;

use clap::Parser;
use hotplate_model::{
    catalogue::{Size, Wrong, sizes, wrongs},
    rows::{Format, Results},
};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "Examples:
  cargo x model                              every configuration but the large ones, then every mutant
  cargo x model --large                      the large ones as well: 10 to 30 minutes, up to 4 GB
  cargo x model --configuration near         one configuration, no mutant
  cargo x model --mutant resume-from-now     one mutant, in the configuration that must find it
  cargo x model --mutant ticket-at-put --trace
  cargo x model -o json                      rows {configuration,states,result} and {mutant,caught}

Ends with 1 when a configuration does not hold or a mutant is not caught, with 2 when it was called wrongly. What is \
modelled and what is not: docs/model.md.";

/// What a program that was called wrongly ends with.
const EXIT_WRONG_CALL: u8 = 2;

/// Leases, fences, near cache and Watch of one server, and replicas with a shared tier, in every order that can happen.
#[derive(Parser)]
#[command(name = "cargo x model", after_help = EXAMPLES)]
struct Arguments {
    /// Only these configurations
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    configuration: Vec<String>,
    /// Only these mutants
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    mutant: Vec<String>,
    /// The large configurations as well
    #[arg(long)]
    large: bool,
    /// Show every counterexample step by step
    #[arg(long)]
    trace: bool,
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What is to be checked.
struct Plan {
    configurations: Vec<Size>,
    mutants: Vec<Wrong>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::from(EXIT_WRONG_CALL)
        }
    }
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let plan = plan(arguments)?;
    let progress = progress(plan.configurations.len() + plan.mutants.len());
    let mut results = Results::default();
    for configuration in plan.configurations {
        let name = configuration.name();
        progress.set_message(name);
        let seen = |states: usize| {
            progress.set_message(format!("{name}: {} Mi states", states >> 20));
        };
        results.configurations.push((configuration, configuration.exhaust(&seen)));
        progress.inc(1);
    }
    for mutant in plan.mutants {
        progress.set_message(mutant.name());
        results.mutants.push((mutant, mutant.hunt()));
        progress.inc(1);
    }
    progress.finish_and_clear();
    match arguments.output {
        Format::Json => println!("{}", results.json()?),
        Format::Table => println!("{}", results.tables()),
    }
    // What is found where nothing may be is shown without being asked for.
    match (arguments.trace, arguments.output) {
        (true, Format::Table) => println!("{}", results.traces()),
        (true, Format::Json) => eprintln!("{}", results.traces()),
        (false, _) => {
            let configurations = std::mem::take(&mut results.configurations);
            let unexpected = Results { configurations, mutants: Vec::new() };
            eprint!("{}", unexpected.traces());
            results.configurations = unexpected.configurations;
        }
    }
    Ok(results.good())
}

/// Without names: everything, the large ones only if they were asked for. With names of one kind: only those, and nothing
/// of the other kind.
fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let everything = arguments.configuration.is_empty() && arguments.mutant.is_empty();
    known("configuration", &arguments.configuration, sizes().into_iter().map(Size::name))?;
    known("mutant", &arguments.mutant, wrongs().into_iter().map(Wrong::name))?;
    let named = |names: &[String], name: &str| names.iter().any(|one| one == name);
    let configurations = sizes().into_iter().filter(|one| {
        let asked = everything && (arguments.large || !one.large());
        asked || named(&arguments.configuration, one.name())
    });
    let mutants = wrongs().into_iter().filter(|one| everything || named(&arguments.mutant, one.name()));
    Ok(Plan { configurations: configurations.collect(), mutants: mutants.collect() })
}

fn known<'a>(kind: &str, asked: &[String], names: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let names: Vec<_> = names.collect();
    match asked.iter().find(|one| !names.contains(&one.as_str())) {
        Some(unknown) => Err(format!("there is no {kind} `{unknown}`; there are: {}", names.join(", "))),
        None => Ok(()),
    }
}

/// On stderr, and only when that is a terminal.
fn progress(checks: usize) -> ProgressBar {
    let bar = ProgressBar::new(checks as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}");
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(arguments: &[&str]) -> Result<(usize, usize), String> {
        let arguments = Arguments::parse_from([&["model"], arguments].concat());
        plan(&arguments).map(|plan| (plan.configurations.len(), plan.mutants.len()))
    }

    #[test]
    fn names_leave_out_what_is_not_named() {
        let large = sizes().iter().filter(|one| one.large()).count();
        assert_eq!(planned(&[]), Ok((sizes().len() - large, wrongs().len())));
        assert_eq!(planned(&["--large"]), Ok((sizes().len(), wrongs().len())));
        assert_eq!(planned(&["--configuration", "near,fleet-near-2"]), Ok((2, 0)));
        assert_eq!(planned(&["--mutant", "silent-loss", "--configuration", "near"]), Ok((1, 1)));
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let reason = planned(&["--mutant", "none"]).unwrap_err();
        assert!(reason.contains("`none`") && reason.contains("silent-loss"));
        assert!(planned(&["--configuration", "huge"]).unwrap_err().contains("near-forgets"));
    }
}
