//! `cargo x conformance`: runs every scenario in every language and shows the matrix. The command line only.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints what it found")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use hotplate_conformance::{
    load, report,
    sdk::{self, Places, Sdk},
    suite::{Row, Suite},
    wrong::Wrong,
};
use indicatif::{ProgressBar, ProgressStyle};

const EXAMPLES: &str = "Examples:
  cargo x conformance                                  every scenario in every language
  cargo x conformance --language rust --scenario near  those of one file, in one language
  cargo x conformance --scenario 'errors/T*' -o json   rows of {language,scenario,pass,detail,took_ms}
  cargo x conformance --list                           what there is
  cargo x conformance --wrong drops-invalidations      a wrong driver, which has to be found

Each language has a driver, which `client/LANGUAGE/sdk.toml` names; what it is told is in tests/conformance/PROTOCOL.md, how
scenarios are written in tests/conformance/README.md.

Ends with 1 when something is not as it must be (with --wrong: when that was not found), with 2 when it was called wrongly \
or could not run.";

/// What a program that was called wrongly, or could not do its work, ends with.
const EXIT_NO_RUN: u8 = 2;

/// Run what every client must do against real servers and faults, in every language
#[derive(Parser)]
#[command(name = "cargo x conformance", after_help = EXAMPLES)]
struct Arguments {
    /// Only this language; may be given several times
    #[arg(long, value_name = "LANGUAGE")]
    language: Vec<String>,
    /// Only scenarios of this file or name; * and ? stand for anything; may be given several times
    #[arg(long, value_name = "GLOB")]
    scenario: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Show the names of the scenarios, and run none
    #[arg(long)]
    list: bool,
    /// Scenarios at a time in one language
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Languages at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    languages_at_once: u16,
    /// Make drivers wrong in this way: the run is good when a scenario finds it
    #[arg(long, value_enum)]
    wrong: Option<Wrong>,
    /// The server's program. Default: the one beside this program
    #[arg(long, env = "HOTPLATE_BIN", value_name = "FILE")]
    server: Option<PathBuf>,
    /// The repository. Default: the one around the current folder
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

/// Form of the output.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// The matrix, for people
    Table,
    /// Rows, for programs
    Json,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(EXIT_NO_RUN)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let places = places(arguments)?;
    let scenarios = load::chosen(load::all(&places.root)?, &arguments.scenario)?;
    if arguments.list {
        scenarios.iter().for_each(|scenario| println!("{}", scenario.name));
        return Ok(ExitCode::SUCCESS);
    }
    if !places.server.is_file() {
        return Err(format!("there is no server at {}: build it, or name one with --server", places.server.display()));
    }
    let languages = languages(arguments, &places)?;
    let (at_once, wrong) = (usize::from(arguments.jobs), arguments.wrong);
    let languages_at_once = usize::from(arguments.languages_at_once);
    let suite = Suite { places, languages, scenarios, at_once, languages_at_once, wrong };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let bar = progress(suite.len(), arguments.output);
    let told = |row: &Row| {
        bar.inc(1);
        bar.set_message(format!("{} {}", row.language, row.scenario));
    };
    let rows = runtime.block_on(suite.run(&told))?;
    bar.finish_and_clear();
    show(&rows, arguments)
}

/// One line on a terminal, which nobody reads afterwards.
fn progress(rows: usize, output: Output) -> ProgressBar {
    let bar = ProgressBar::new(rows as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}") {
        bar.set_style(style);
    }
    if output == Output::Json {
        bar.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    bar
}

fn show(rows: &[Row], arguments: &Arguments) -> Result<ExitCode, String> {
    match arguments.output {
        Output::Json => {
            let text = serde_json::to_string_pretty(rows).map_err(|error| error.to_string())?;
            println!("{text}");
        }
        Output::Table => {
            println!("{}", report::matrix(rows));
            print!("{}{}", report::failures(rows), report::summary(rows));
        }
    }
    let failed = rows.iter().any(|row| !row.pass);
    let good = if arguments.wrong.is_some() { failed } else { !failed };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn languages(arguments: &Arguments, places: &Places) -> Result<Vec<Sdk>, String> {
    let all = sdk::all(places)?;
    if arguments.language.is_empty() {
        return Ok(all.into_values().collect());
    }
    let named = |name: &String| {
        let known = || all.keys().cloned().collect::<Vec<_>>().join(", ");
        all.get(name).cloned().ok_or_else(|| format!("no client/*/sdk.toml is of `{name}`: there are {}", known()))
    };
    arguments.language.iter().map(named).collect()
}

fn places(arguments: &Arguments) -> Result<Places, String> {
    let here = std::env::current_dir().map_err(|error| format!("there is no current folder: {error}"))?;
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => around(&here).ok_or("this is not within the repository: name it with --root")?,
    };
    let root = root.canonicalize().map_err(|error| format!("{}: {error}", root.display()))?;
    let own = std::env::current_exe().map_err(|error| format!("this program cannot be found: {error}"))?;
    let server = arguments.server.clone().unwrap_or_else(|| own.with_file_name("hotplate"));
    let tools = root.join("target/tools");
    Ok(Places { root, server, tools })
}

/// The repository around a folder.
fn around(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.join("tests/conformance/PROTOCOL.md").is_file()).map(Path::to_path_buf)
}
