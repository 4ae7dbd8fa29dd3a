//! `cargo x soak`: what takes minutes and is measured rather than decided: the engine under eight threads, the budget
//! under tens of millions of operations, a million entries that end at once. What they do is in the engine.

use clap::Subcommand;

use crate::program::{self, cargo};

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
        Some(Soak::Expiry { entries, rounds }) => example("expiry", [*entries, *rounds]),
    }
}

fn engine(minutes: f64) -> Result<String, String> {
    let mut test = cargo(["test", "--locked", "--release", "--package", "hotplate-engine", "--test", "soak"]);
    test.args(["--", "--nocapture"]).env("HOTPLATE_SOAK_MINUTES", minutes.to_string());
    program::run(&mut test)?;
    Ok(format!("{minutes} minutes, 0 instants above the limit, and the checker agreed at every pause"))
}

fn example(name: &str, numbers: [u64; 2]) -> Result<String, String> {
    let mut program = cargo(["run", "--quiet", "--locked", "--release", "--package", "hotplate-engine"]);
    program.args(["--example", name, "--"]).args(numbers.map(|number| number.to_string()));
    program::run(&mut program)?;
    Ok(String::new())
}
