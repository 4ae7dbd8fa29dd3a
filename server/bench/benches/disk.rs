//! `cargo x bench disk`: the disk tier beside foyer, redb and diskcache, and what many small entries cost. The command line only;
//! what is measured is in the library beside it.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use hotplate_bench::{
    disk::{self, entries},
    ending,
};

/// That of the server.
#[cfg(unix)]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const EXAMPLES: &str = "Examples:
  cargo x bench disk stores                      writes, reads, opening again: hotplate, foyer, redb, diskcache in turns
  cargo x bench disk entries --entries 1000000   small entries: memory for each, time to open

Both print JSON and nothing else. Run it on a quiet machine, with --directory on the disk that is meant.";

/// What the disk tier costs, beside others.
#[derive(Parser)]
#[command(name = "cargo x bench disk", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    what: What,
    /// What cargo adds
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum What {
    /// Values of several sizes: the disk tier beside others
    Stores(disk::Plan),
    /// Many small entries: memory for each, and time to open after closing and after a crash
    Entries(entries::Plan),
}

fn main() -> ExitCode {
    let measured = match Arguments::parse().what {
        What::Stores(plan) => disk::run(&plan),
        What::Entries(plan) => entries::run(&plan),
    };
    ending::told(measured)
}
