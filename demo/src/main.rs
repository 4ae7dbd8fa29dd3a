//! `cargo x demo`: shows what the cache does, with real processes. The command line only; what is shown is in the file
//! named after it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a demo talks to the terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cache;
mod clock;
mod herd;
mod polyglot;
mod report;
mod server;
mod worker;

#[derive(Parser)]
#[command(name = "cargo x demo", about = "Show what hotplate does, with real processes")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Hundreds of callers in several processes want one missing result at once
    ///
    /// One of them should compute it, and all should have it as soon as it is there. Every computation adds a line to a file
    /// as it begins, and sleeps for its time; a caller is answered when it got a value that is in that file. Each caller
    /// measures its own wait, from its question to its answer. The processes are real, and so is the server: it is started
    /// on a free port and ends with the demo.
    Herd(herd::Options),
    /// One process of the herd; started by it
    #[command(hide = true)]
    Worker,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Herd(options) => herd::run(&options),
        Command::Worker => worker::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("error: {reason}");
            ExitCode::FAILURE
        }
    }
}
