//! `cargo x soak`: what takes minutes and is measured rather than decided: the engine under eight threads, the budget
//! under tens of millions of operations, a million entries that end at once, large values on a real server. What they do is in
//! the engine and in the tests of the service.

use std::fs;

use clap::Subcommand;

use crate::program::{self, cargo, root};

/// What to put to the test instead of the whole engine.
#[derive(Subcommand)]
pub(crate) enum Soak {
    /// The budget: four threads, sizes from 100 B to 900 MiB as charged; instants above the limit
    Budget {
        /// Operations under each policy
        #[arg(long, default_value_t = 32_000_000)]
        operations: u64,
        /// Threads
        #[arg(long, default_value_t = 4)]
        threads: u64,
    },
    /// Large values from 100 B to 96 MiB, and slow readers of one of 1 GiB: uploaded, read, followed, cut; what the server takes
    Blobs {
        /// For so long
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// What is written to standard output at the end
        #[arg(short, long, value_name = "FORMAT", value_parser = ["table", "json"], default_value = "table")]
        output: String,
    },
    /// Entries that end within the same second: lock holds, and what readers notice
    Expiry {
        /// Entries
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
        /// Calm and reclaiming, so many times
        #[arg(long, default_value_t = 5)]
        rounds: u64,
    },
}

/// Runs it, in an optimized build, with its output on the terminal.
pub(crate) fn run(minutes: f64, what: Option<&Soak>) -> Result<String, String> {
    match what {
        None => engine(minutes),
        Some(Soak::Budget { operations, threads }) => example("budget", [*operations, *threads]),
        Some(Soak::Blobs { minutes, output }) => blobs(*minutes, output),
        Some(Soak::Expiry { entries, rounds }) => example("expiry", [*entries, *rounds]),
    }
}

fn engine(minutes: f64) -> Result<String, String> {
    let mut test = cargo(["test", "--locked", "--release", "--package", "hotplate-engine", "--test", "soak"]);
    test.args(["--", "--nocapture"]).env("HOTPLATE_SOAK_MINUTES", minutes.to_string());
    program::run(&mut test)?;
    Ok(format!("{minutes} minutes, 0 instants above the limit, and the checker agreed at every pause"))
}

/// The test of the same name for minutes, with a server that is built as it is released.
fn blobs(minutes: f64, output: &str) -> Result<String, String> {
    let report = root().join("target/soak-blobs.json");
    let mut test = cargo(["test", "--locked", "--release", "--package", "hotplate-cli", "--test", "it"]);
    test.args(["--", "--nocapture", "--exact", "blob_soak::values_of_all_sizes_come_and_go_in_bounded_memory"]);
    test.env("HOTPLATE_SOAK_MINUTES", minutes.to_string()).env("HOTPLATE_SOAK_REPORT", &report);
    // Standard output is the report's.
    if output == "json" {
        test.stdout(std::io::stderr());
    }
    program::run(&mut test)?;
    let text = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    if output == "json" {
        println!("{text}");
        return Ok(String::new());
    }
    Ok(text.trim_matches(['{', '}']).replace('"', "").replace(':', "  ").replace(',', "\n"))
}

fn example(name: &str, numbers: [u64; 2]) -> Result<String, String> {
    let mut program = cargo(["run", "--quiet", "--locked", "--release", "--package", "hotplate-engine"]);
    program.args(["--example", name, "--"]).args(numbers.map(|number| number.to_string()));
    program::run(&mut program)?;
    Ok(String::new())
}
